// SPDX-License-Identifier: MIT
// Grants from and to domains of either width.
#include "grants/grants.h"

// Owner and user of a grant may be of different widths (32 bits: Ringlet only).
static const unsigned int widths[] = { 64, 32 };

static size_t nr_widths(void)
{
	return on_ringlet() ? 2 : 1;
}

static void from_domain(unsigned int bits)
{
	domid_t id = domain_create_of(bits);
	struct gnttab_map_grant_ref op = { .flags = GNTMAP_host_map,
					   .ref = 9,
					   .dom = id };
	struct gnttab_copy c = { .flags = GNTCOPY_source_gref, .len = 8 };
	u64 *page = page_alloc(), *w = window(1), *same = window(2);
	struct grant_entry_v1 *theirs = table_of(id) + 9;
	u64 frame = domain_page(id, 0);

	*theirs = (struct grant_entry_v1){ GTF_permit_access, 0, (u32)frame };
	CHECK_EQ(foreign_map(2, id, frame, PTE_RW | PTE_U), 0);
	op.host_addr = ADDRESS(w);
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	w[2] = 0x5678;
	CHECK_EQ(same[2], 0x5678);
	CHECK_EQ(theirs->flags, GTF_permit_access | GTF_reading | GTF_writing);
	c.source.domid = id;
	c.source.u.ref = 9;
	c.source.offset = 16;
	c.dest.domid = DOMID_SELF;
	c.dest.u.gmfn = (xen_pfn_t)virt_to_mfn(page);
	CHECK_EQ(grant_op(GNTTABOP_copy, &c, 1), 0);
	CHECK_EQ(c.status, GNTST_okay);
	CHECK_EQ(page[0], 0x5678);
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	CHECK_EQ(theirs->flags, GTF_permit_access);
	window(0);
	window(2);
	domain_destroy(id);
	page_free(page);
}

TEST(from_domain)
{
	for (size_t i = 0; i < nr_widths(); i++)
		from_domain(widths[i]);
}

// What a domain of either width does with our page: maps it to DOMU_FREE by the
// operation at the start of its data, writes twice there, unmaps it by the
// operation at 0x40, ends well.
#define DOMU_FREE 0x4000ul
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"user_64: .code64\n"
	"	mov $20, %eax\n"
	"	xor %edi, %edi\n"
	"	mov $0x3000, %esi\n"
	"	mov $1, %edx\n"
	"	syscall\n"
	"	mov $0x4000, %ebx\n"
	"	mov (%rbx), %eax\n"
	"	mov %eax, 8(%rbx)\n"
	"	movl $64, 16(%rbx)\n"
	"	mov $0x3000, %ebx\n"
	"	mov 20(%rbx), %eax\n"
	"	mov %eax, 0x50(%rbx)\n"
	"	mov $20, %eax\n"
	"	mov $1, %edi\n"
	"	mov $0x3040, %esi\n"
	"	mov $1, %edx\n"
	"	syscall\n"
	"	mov $29, %eax\n"
	"	mov $2, %edi\n"
	"	mov $0x3080, %esi\n"
	"	syscall\n"
	".balign 16\n"
	"user_32: .code32\n"
	"	mov $20, %eax\n"
	"	xor %ebx, %ebx\n"
	"	mov $0x3000, %ecx\n"
	"	mov $1, %edx\n"
	"	int $0x82\n"
	"	mov $0x4000, %ebx\n"
	"	mov (%ebx), %eax\n"
	"	mov %eax, 8(%ebx)\n"
	"	movl $32, 16(%ebx)\n"
	"	mov $0x3000, %ebx\n"
	"	mov 20(%ebx), %eax\n"
	"	mov %eax, 0x50(%ebx)\n"
	"	mov $20, %eax\n"
	"	mov $1, %ebx\n"
	"	mov $0x3040, %ecx\n"
	"	mov $1, %edx\n"
	"	int $0x82\n"
	"	mov $29, %eax\n"
	"	mov $2, %ebx\n"
	"	mov $0x3080, %ecx\n"
	"	int $0x82\n"
	".balign 256\n"
#ifdef __x86_64__
	".code64\n"
#endif
	".popsection\n");
extern const u8 user_64[], user_32[];

static void to_domain(unsigned int bits)
{
	struct {
		struct gnttab_map_grant_ref map;
		u8 pad[0x40 - sizeof(struct gnttab_map_grant_ref)];
		struct gnttab_unmap_grant_ref unmap;
	} data = { .map = { .host_addr = DOMU_FREE,
			    .flags = GNTMAP_host_map,
			    .ref = FIRST_REF },
		   .unmap = { .host_addr = DOMU_FREE } },
	  *result = window(1);
	u64 *page = page_alloc();
	struct domu d;

	if (!domu_make_of(&d, bits, bits == 32 ? user_32 : user_64, &data,
			  sizeof(data)))
		return;
	page[0] = 0x1234;
	grant(FIRST_REF, page, GTF_permit_access);
	table[FIRST_REF].domid = d.id;
	domu_unpause(&d);
	CHECK_EQ(domu_outcome(d.id, 3000000000), SHUTDOWN_poweroff);
	CHECK_EQ(foreign_map(1, d.id, d.data, PTE_RW | PTE_U), 0);
	CHECK_EQ(result->map.status, GNTST_okay);
	CHECK_EQ(result->unmap.status, GNTST_okay);
	CHECK_EQ(page[1], 0x1234);
	CHECK_EQ(page[2], bits);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	table[FIRST_REF].flags = 0;
	window(1);
	domain_destroy(d.id);
	page_free(page);
}

TEST(to_domain)
{
	for (size_t i = 0; i < nr_widths(); i++)
		to_domain(widths[i]);
}
