// SPDX-License-Identifier: MIT
// Frames that are not the domain's own: asked for by an unprivileged domain,
// and by this one.
#include "attack/attack.h"

#define APIC_FRAME 0xfee00ul
#define PCI_FRAME  0xf0000ul // above RAM, below 4 GiB
#define VGA_FRAME  0xb8ul
#define HUGE	   (1ull << 39)
#define SLOT	   4 // entry of the domain's L1 that nobody uses

enum kind { UPDATE, MAP, MACHPHYS };

struct
try {
	enum kind kind;
	u32 domid; // upper half: whose tables, plus 1
	u64 frame;
	u64 flags;
	long want;
};

// Stand for frames that are known only when the test runs.
#define OWN    (~0ull)
#define DOM0S  (~1ull)
#define TABLE  (~2ull)
#define HV     (~3ull)
#define RW     (PTE_RW | PTE_U)
#define RO     PTE_RO
#define IO     DOMID_IO
#define XEN    DOMID_XEN
#define SELF   DOMID_SELF
#define TABLES (1u << 16)

static const struct try domu_tries[] = {
	{ UPDATE, IO, APIC_FRAME, RW, -EPERM },
	{ UPDATE, IO, PCI_FRAME, RW, -EPERM },
	{ UPDATE, IO, PCI_FRAME, RO, -EPERM },
	{ UPDATE, IO, VGA_FRAME, RW, -EPERM },
	{ UPDATE, IO, 0, RO, -EPERM },
	{ UPDATE, IO, HUGE, RW, -EPERM },
	{ UPDATE, IO, 0xfffffffffeull, RW, -EPERM },
	{ UPDATE, IO, OWN, RW, -EBUSY },
	{ UPDATE, IO, DOM0S, RW, -EBUSY },
	{ UPDATE, IO, HV, RW, -EBUSY },
	{ UPDATE, XEN, HV, RO, -EPERM },
	{ UPDATE, XEN, APIC_FRAME, RW, -EPERM },
	{ UPDATE, SELF, APIC_FRAME, RW, -EPERM },
	{ UPDATE, SELF, VGA_FRAME, RO, -EPERM },
	{ UPDATE, SELF, HV, RO, -EBUSY },
	{ UPDATE, SELF, TABLE, RW, -EBUSY },
	{ UPDATE, 0, DOM0S, RO, -EPERM },
	{ UPDATE, TABLES | SELF, OWN, RW, -EPERM },
	{ UPDATE, TABLES | IO, PCI_FRAME, RW, -EPERM },
	{ UPDATE, 78u << 16 | SELF, OWN, RW, -ESRCH },
	{ MACHPHYS, IO, OWN, 0, -EINVAL },
	{ MACHPHYS, SELF, DOM0S, 0, -EINVAL },
	{ MACHPHYS, SELF, HUGE, 0, -EINVAL },
	{ MACHPHYS, SELF, OWN, 0, 0 },
	{ MAP, IO, APIC_FRAME, RW, -EPERM },
	{ MAP, IO, HUGE, RW, -EPERM },
	{ MAP, XEN, HV, RO, -EPERM },
	{ MAP, 0, DOM0S, RO, -EPERM },
	{ MAP, IO, OWN, RW, -EPERM },
};

static const struct try dom0_tries[] = {
	{ UPDATE, IO, APIC_FRAME, RW, -EPERM },
	{ UPDATE, SELF, APIC_FRAME, RO, -EPERM },
	{ UPDATE, IO, HUGE, RW, -EPERM },
	{ UPDATE, IO, VGA_FRAME, RW, 0 },
	{ UPDATE, SELF, VGA_FRAME, RW, 0 },
	{ UPDATE, IO, OWN, RW, -EBUSY },
	{ UPDATE, XEN, OWN, RO, -EBUSY },
	{ UPDATE, XEN, HV, RW, -EBUSY },
	{ UPDATE, XEN, HUGE, RW, -EPERM },
	{ MAP, IO, APIC_FRAME, RW, -EPERM },
	{ MAP, XEN, HV, RW, -EBUSY },
	{ MAP, SELF, HUGE, RW, -EPERM },
	{ MACHPHYS, IO, HUGE, 0, -EINVAL },
	{ MACHPHYS, XEN, HV, 0, -EINVAL },
};

#ifndef __x86_64__
static u64 hypervisor_frame(void)
{
	// The M2P.
	return (*entry_of((void *)HYPERVISOR_VIRT_START, 2) & PTE_FRAME) >> 12;
}
#else
static u64 hypervisor_frame(void)
{
	const u64 *l4 = (const u64 *)start_info->pt_base;

	for (int i = 261; i < 272; i++)
		if (l4[i] & PTE_P)
			return (l4[i] & PTE_FRAME) >> 12;
	// Xen does not show it: the hypervisor has the first frames above
	// the one at 1 MiB.
	return 0x101;
}
#endif

static u64 frame_of(const struct try *t, u64 own, u64 table)
{
	switch (t->frame) {
	case OWN:
		return own;
	case TABLE:
		return table;
	case DOM0S:
		return virt_to_mfn((void *)start_info->pt_base);
	case HV:
		return hypervisor_frame();
	default:
		return t->frame;
	}
}

static void request_fill(struct request_page *p, unsigned int i,
			 const struct try *t, const struct domu *d)
{
	u64 frame = frame_of(t, d->stack, d->tables[0]);
	struct request *r = &p->requests[i];
	uptr update = DOMU_DATA + offsetof(struct request_page, updates[i]);

	*r = (struct request){
		__HYPERVISOR_mmu_update, { update, 1, 0, t->domid }, 77, 0
	};
	p->updates[i].ptr = d->tables[0] << 12 | SLOT * 8;
	p->updates[i].val = make_entry(frame, t->flags);
	if (t->kind == MACHPHYS) {
		p->updates[i].ptr = frame << 12 | MMU_MACHPHYS_UPDATE;
		p->updates[i].val = 3;
	}
	if (t->kind == MAP)
		*r = (struct request){
			__HYPERVISOR_update_va_mapping_otherdomain,
			{ SLOT * PAGE_SIZE, ENTRY(make_entry(frame, t->flags)),
			  UVMF_INVLPG, t->domid },
			77,
			0
		};
}

static void check_result(const char *who, unsigned int i, long got, long want)
{
	if (got != want)
		check_failed(who, (int)i, "%ld, not %ld", got, want);
}

TEST(frames_of_domu)
{
	struct request_page *p;
	u64 before = free_pages_settled();
	struct domu d;

	_Static_assert(ARRAY_SIZE(domu_tries) < REQUESTS, "with its end");
	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	p = requests_open(&d);
	for (unsigned int i = 0; i < ARRAY_SIZE(domu_tries); i++)
		request_fill(p, i, &domu_tries[i], &d);
	p->requests[ARRAY_SIZE(domu_tries)].nr = (uptr)-1;
	domu_unpause(&d);
	CHECK_EQ(domu_outcome(d.id, 3000 * MS), SHUTDOWN_poweroff);
	for (unsigned int i = 0; i < ARRAY_SIZE(domu_tries); i++)
		check_result("try", i, p->requests[i].result,
			     domu_tries[i].want);
	window(1);
	domain_destroy(d.id);
	free_again(before);
}

static long dom0_try(const struct try *t, u64 own)
{
	u64 frame = frame_of(t, own, 0);
	struct mmu_update update = { 0, make_entry(frame, t->flags) };
	void *w = window(2);

	if (t->kind == MAP)
		return update_va_of((domid_t)t->domid, w,
				    make_entry(frame, t->flags));
	update.ptr = t->kind == MACHPHYS ? frame << 12 | MMU_MACHPHYS_UPDATE
					 : entry_maddr(w, 1);
	return HC4(__HYPERVISOR_mmu_update, &update, 1, NULL, t->domid);
}

TEST(frames_of_dom0)
{
	u64 *page = page_alloc();

	for (unsigned int i = 0; i < ARRAY_SIZE(dom0_tries); i++)
		check_result("try", i,
			     dom0_try(&dom0_tries[i], virt_to_mfn(page)),
			     dom0_tries[i].want);
	window(2);
	CHECK(page_exchange(page));
	page_free(page);
}

// One frame 2^17 times in tables, as often writable, then it is free again.
TEST(many_references)
{
	enum { TABLES_N = 256 };
	static u64 *l1[TABLES_N];
	u64 *page = page_alloc(), *first;

	for (int i = 0; i < TABLES_N; i++) {
		l1[i] = page_alloc();
		for (int j = 0; j < 512; j++)
			l1[i][j] =
				make_entry(virt_to_mfn(page), i & 1 ? RW : RO);
		CHECK_EQ(page_set_ro(l1[i]), 0);
		CHECK_EQ(pin_table(1, l1[i]), 0);
	}
	first = l1[1];
	CHECK_EQ(first[511] & PTE_W, PTE_W);
	// It is no table as long as one entry may write to it.
	CHECK_EQ(page_set_ro(page), 0);
	for (int i = 0; i < TABLES_N; i++) {
		if (i == TABLES_N - 1)
			CHECK_EQ(pin_table(1, page), -EINVAL);
		CHECK_EQ(unpin_table(l1[i]), 0);
		CHECK_EQ(page_set_rw(l1[i]), 0);
		page_free(l1[i]);
	}
	CHECK_EQ(pin_table(1, page), 0);
	CHECK_EQ(unpin_table(page), 0);
	CHECK_EQ(page_set_rw(page), 0);
	CHECK(page_exchange(page));
	page_free(page);
}

TEST(many_m2p_updates)
{
	static struct mmu_update updates[512];
	u64 *page = page_alloc();
	u32 done;

	for (int i = 0; i < 512; i++) {
		updates[i].ptr = virt_to_maddr(page) | MMU_MACHPHYS_UPDATE;
		updates[i].val = virt_to_pfn(page);
	}
	for (int i = 0; i < 128; i++) {
		CHECK_EQ(HC4(__HYPERVISOR_mmu_update, updates, 512, &done,
			     DOMID_SELF),
			 0);
		CHECK_EQ(done, 512);
	}
	CHECK(page_exchange(page));
	page_free(page);
}
