// SPDX-License-Identifier: MIT
// Lists of an exchange that are one list, or cannot be written to; pages that
// change their owner; one grant for as many users as can be.
#include "edges/edges.h"

// Users that a grant may have of one kind, and more than that.
#define LEAST 128u
#define MANY  256u

static long owned(void)
{
	domid_t self = DOMID_SELF;

	return memory_op(XENMEM_current_reservation, &self);
}

// What is exchanged: a page that is not mapped, and whose frame has no number.
static u64 *page_take_out(void)
{
	u64 *page = page_alloc();

	// A list of its number is no present entry of a page table.
	while (virt_to_pfn(page) & PTE_P)
		page = page_alloc();
	CHECK_EQ(update_va(page, 0, UVMF_INVLPG), 0);
	CHECK_EQ(mmu_update_one(virt_to_maddr(page) | MMU_MACHPHYS_UPDATE,
				1ul << 30),
		 0);
	return page;
}

// The frame becomes the page's.
static void page_put_back(u64 *page, u64 frame)
{
	CHECK_EQ(mmu_update_one(frame << 12 | MMU_MACHPHYS_UPDATE,
				virt_to_pfn(page)),
		 0);
	((u64 *)start_info->mfn_list)[virt_to_pfn(page)] = frame;
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}

// Which frame has this number: 0, none.
static u64 frame_with(u64 pfn)
{
	struct xen_machphys_mapping map;

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &map), 0);
	for (u64 m = 0; m < map.max_mfn; m++)
		if (machine_to_phys_mapping[m] == pfn)
			return m;
	return 0;
}

// What was read is overwritten by what came of it.
TEST(one_list_for_both)
{
	u64 *page = page_take_out(), old = virt_to_mfn(page), list = old;
	struct xen_memory_exchange x = { .in = list_of(&list, 1),
					 .out = list_of(&list, 1) };
	long before = owned();

	CHECK_EQ(memory_op(XENMEM_exchange, &x), 0);
	CHECK_EQ(x.nr_exchanged, 1);
	CHECK(list != old);
	CHECK_EQ(machine_to_phys_mapping[list], old);
	CHECK_EQ(owned(), before);
	page_put_back(page, list);
}

// The frame is exchanged, and nobody was told for which: it is the guest's all
// the same, and the list is as it was.
static void exchange_with(u64 *list)
{
	u64 *page = page_take_out(), pfn = virt_to_pfn(page), frame;
	u64 in = virt_to_mfn(page);
	struct xen_memory_exchange x = { .in = list_of(&in, 1),
					 .out = list_of(list, 1) };
	long before = owned();

	CHECK_EQ(update_va(list, make_entry(virt_to_mfn(list), PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	list[0] = pfn;
	CHECK_EQ(page_set_ro(list), 0);
	CHECK_EQ(pin_table(1, list), 0);
	CHECK_EQ(memory_op(XENMEM_exchange, &x), -EFAULT);
	CHECK_EQ(unpin_table(list), 0);
	CHECK_EQ(list[0], pfn);
	CHECK_EQ(owned(), before);
	frame = frame_with(pfn);
	if (CHECK(frame))
		page_put_back(page, frame);
}

TEST(list_in_a_page_table)
{
	u64 *list = page_alloc();

	exchange_with(list);
	CHECK_EQ(page_set_rw(list), 0);
	page_free(list);
}

// It is done, and cannot be said.
TEST(exchange_not_writable)
{
	u64 *page = page_take_out(), in = virt_to_mfn(page);
	u64 out = virt_to_pfn(page);
	struct xen_memory_exchange *x = page_alloc();
	long before = owned();

	x->in = list_of(&in, 1);
	x->out = list_of(&out, 1);
	CHECK_EQ(page_set_ro(x), 0);
	CHECK_EQ(memory_op(XENMEM_exchange, x), -EFAULT);
	CHECK_EQ(x->nr_exchanged, 0);
	CHECK_EQ(owned(), before);
	CHECK(out != virt_to_pfn(page));
	CHECK_EQ(machine_to_phys_mapping[out], virt_to_pfn(page));
	page_put_back(page, out);
	CHECK_EQ(page_set_rw(x), 0);
	page_free(x);
}

static u64 pages_of(domid_t id)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo,
				 .domain = id };

	CHECK_EQ(domctl(&op), 0);
	return op.u.getdomaininfo.tot_pages;
}

static int16_t transfer(const u64 *page, domid_t to)
{
	struct gnttab_transfer op = { .mfn = virt_to_mfn(page),
				      .domid = to,
				      .ref = REF + 1 };

	CHECK_EQ(grant_op(GNTTABOP_transfer, &op, 1), 0);
	return op.status;
}

// A page changes its owner; who does not want it does not get it, and it is
// nobody's then.
TEST(transfer_to_another)
{
	struct grant_entry_v1 *entries = window(3);
	u64 *page, had, frame;
	long before = owned();

	if (!other_make())
		return;
	CHECK_EQ(foreign_map(3, other.id, grant_frame(other.id), PTE_RW), 0);
	had = pages_of(other.id);

	page = page_take_out();
	CHECK_EQ(transfer(page, NO_DOMAIN), GNTST_bad_domain);
	CHECK_EQ(owned(), before - 1);
	page_populate(page);

	page = page_take_out();
	CHECK_EQ(transfer(page, other.id), GNTST_general_error);
	CHECK_EQ(owned(), before - 1);
	CHECK_EQ(pages_of(other.id), had);
	page_populate(page);

	page = page_take_out();
	frame = virt_to_mfn(page);
	entries[REF + 1] =
		(struct grant_entry_v1){ .flags = GTF_accept_transfer,
					 .domid = domain_self() };
	CHECK_EQ(transfer(page, other.id), GNTST_okay);
	CHECK_EQ(owned(), before - 1);
	CHECK_EQ(pages_of(other.id), had + 1);
	CHECK_EQ(entries[REF + 1].flags, GTF_accept_transfer |
						 GTF_transfer_committed |
						 GTF_transfer_completed);
	CHECK_EQ(entries[REF + 1].frame, frame);
	CHECK_EQ(update_va(page, make_entry(frame, PTE_RO), UVMF_INVLPG),
		 -EBUSY);
	page_populate(page);
	CHECK_EQ(owned(), before);

	// Once.
	page = page_take_out();
	CHECK_EQ(transfer(page, other.id), GNTST_general_error);
	CHECK_EQ(pages_of(other.id), had + 1);
	page_populate(page);
	window(3);
	other_end();
}

static struct grant_entry_v1 *own_grants;
static u64 *entries; // of a table

// The n-th user of the grant: a device, or an entry of the table.
static u64 address_of(u32 flags, u32 n)
{
	return flags & GNTMAP_host_map ? virt_to_maddr(&entries[n]) : 0;
}

static struct gnttab_map_grant_ref map_one(u32 flags, u32 n)
{
	struct gnttab_map_grant_ref op = { .host_addr = address_of(flags, n),
					   .flags = flags,
					   .ref = REF };

	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	return op;
}

static void unmap_one(u32 flags, u32 n, u32 handle, u64 frame)
{
	struct gnttab_unmap_grant_ref op = {
		.host_addr = address_of(flags, n),
		.dev_bus_addr = flags & GNTMAP_device_map ? frame << 12 : 0,
		.handle = handle
	};

	CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
}

// At some number there are no more, and one more when there is one less.
static void map_all(u32 flags, u64 frame)
{
	static u32 handles[MANY];
	struct gnttab_map_grant_ref op;
	u16 read = GTF_permit_access | GTF_reading;
	u32 n = 0;

	own_grants[REF] =
		(struct grant_entry_v1){ GTF_permit_access, 0, (u32)frame };
	for (op = map_one(flags, n); n < MANY && op.status == GNTST_okay;
	     op = map_one(flags, n))
		handles[n++] = op.handle;
	CHECK(n >= LEAST && n < MANY);
	CHECK_EQ(op.status, GNTST_general_error);
	unmap_one(flags, n - 1, handles[n - 1], frame);
	op = map_one(flags, n - 1);
	CHECK_EQ(op.status, GNTST_okay);
	handles[n - 1] = op.handle;
	CHECK_EQ(map_one(flags, n).status, GNTST_general_error);
	CHECK_EQ(own_grants[REF].flags,
		 flags & GNTMAP_readonly ? read : read | GTF_writing);
	while (n) {
		n--;
		unmap_one(flags, n, handles[n], frame);
		CHECK_EQ(!(own_grants[REF].flags & GTF_reading), !n);
	}
	CHECK_EQ(own_grants[REF].flags, GTF_permit_access);
}

// No count runs over, and when all are gone the entry and the page are free.
TEST(users_of_a_grant)
{
	static const u32 flags[] = { GNTMAP_device_map,
				     GNTMAP_device_map | GNTMAP_readonly,
				     GNTMAP_host_map | GNTMAP_contains_pte,
				     GNTMAP_host_map | GNTMAP_contains_pte |
					     GNTMAP_readonly };
	u64 *page = page_take_out(), frame = virt_to_mfn(page);
	u64 out = virt_to_pfn(page);
	struct xen_memory_exchange x = { .in = list_of(&frame, 1),
					 .out = list_of(&out, 1) };

	entries = page_alloc();
	CHECK_EQ(page_set_ro(entries), 0);
	CHECK_EQ(pin_table(1, entries), 0);
	own_grants = window(3);
	CHECK_EQ(update_va(own_grants,
			   make_entry(grant_frame(DOMID_SELF), PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		map_all(flags[i], frame);
	own_grants[REF].flags = 0;
	window(3);
	CHECK_EQ(unpin_table(entries), 0);
	CHECK_EQ(page_set_rw(entries), 0);
	page_free(entries);
	CHECK_EQ(memory_op(XENMEM_exchange, &x), 0);
	page_put_back(page, out);
}
