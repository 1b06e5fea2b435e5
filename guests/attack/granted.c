// SPDX-License-Identifier: MIT
// Frames that two domains share by grants, and the end of one of them.
#include "attack/attack.h"

#define REF   ATTACK_REF
#define RW    (PTE_RW | PTE_U)
#define TABLE GRANT_WINDOW

struct grant_entry_v1 *grants_of(domid_t id)
{
	struct gnttab_setup_table op = { .dom = id, .nr_frames = 1 };
	xen_pfn_t frame = 0;
	void *w = window(TABLE);

	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(foreign_map(TABLE, id, frame, RW), 0);
	return w;
}

void grant(struct grant_entry_v1 *e, domid_t to, u64 frame)
{
	e->domid = to;
	e->frame = (u32)frame;
	barrier();
	e->flags = GTF_permit_access;
}

struct gnttab_map_grant_ref map_with(u64 at, domid_t from, u32 flags)
{
	struct gnttab_map_grant_ref op = {
		.host_addr = at, .flags = flags, .ref = REF, .dom = from
	};

	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	return op;
}

static struct gnttab_map_grant_ref map(void *at, domid_t from)
{
	struct gnttab_map_grant_ref op =
		map_with((u64)at, from, GNTMAP_host_map);

	CHECK_EQ(op.status, GNTST_okay);
	return op;
}

int16_t unmap_with(u64 at, u64 device, u32 handle)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = at,
					     .dev_bus_addr = device,
					     .handle = handle };

	CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
	return op.status;
}

static int16_t unmap(void *at, u32 handle)
{
	return unmap_with((u64)at, 0, handle);
}

// What a domain's first grant needs of the hypervisor's memory stays: not to
// be counted below.
TEST(own_grant)
{
	struct grant_entry_v1 *table = grants_of(DOMID_SELF);
	u64 *page = page_alloc(), *w = window(4);
	struct gnttab_map_grant_ref op;

	grant(&table[REF], 0, virt_to_mfn(page));
	op = map(w, 0);
	CHECK_EQ(unmap(w, op.handle), GNTST_okay);
	table[REF].flags = 0;
	window(TABLE);
	CHECK(page_exchange(page));
	page_free(page);
}

static long pin_for(domid_t id, unsigned int cmd, u64 mfn)
{
	struct mmuext_op op = { .cmd = cmd };

	op.arg1.mfn = mfn;
	return HC4(__HYPERVISOR_mmuext_op, &op, 1, NULL, id);
}

static volatile u64 *target;
static volatile u64 pokes, refused;

static void poke_target(void)
{
	// Never a present entry, nor one that names memory (docs/xpti.md).
	if (poke(target, pokes % 2048 << 1))
		pokes++;
	else
		refused++;
}

static u64 *view;
static u64 stale_entry, stale_frame;
static domid_t stale_owner;
static int step;

// While the other vcpu writes: take the entry away without any flush, and let
// the owner make a page table of the frame.
static void take_away(void)
{
	u64 value;

	if (step++ != 50)
		return;
	CHECK(pokes > 0);
	CHECK_EQ(mmu_update_one(entry_maddr((void *)target, 1), 0), 0);
	CHECK_EQ(pin_for(stale_owner, MMUEXT_PIN_L1_TABLE, stale_frame), 0);
	value = *(volatile u64 *)view;
	for (u64 until = system_time() + 20 * MS; system_time() < until;)
		CHECK_EQ(*(volatile u64 *)view == value, 1);
	CHECK_EQ(pin_for(stale_owner, MMUEXT_UNPIN_TABLE, stale_frame), 0);
}

TEST(stale_grant_mapping)
{
	struct grant_entry_v1 *table;
	struct gnttab_map_grant_ref op;
	u64 before = free_pages_settled();
	struct domu d;

	if (!on_ringlet())
		test_skip("Xen 4.17 does not flush such a translation");
	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	stale_owner = d.id;
	stale_frame = domain_page(d.id, 7);
	table = grants_of(d.id);
	grant(&table[REF], 0, stale_frame);
	target = window(4);
	op = map((void *)target, d.id);
	stale_entry = *entry_of(target, 1);
	view = window(5);
	CHECK_EQ(foreign_map(5, d.id, stale_frame, PTE_RO), 0);
	step = 0;
	pokes = refused = 0;
	poke_target();
	race(take_away, poke_target, 100 * MS);
	CHECK(step > 50);
	CHECK(refused > 0);
	// The entry is gone, the right is not; with it back, all is well.
	CHECK_EQ(unmap((void *)target, op.handle), GNTST_general_error);
	CHECK_EQ(HC4(__HYPERVISOR_update_va_mapping_otherdomain, target,
		     stale_entry, UVMF_INVLPG, d.id),
		 0);
	CHECK_EQ(unmap((void *)target, op.handle), GNTST_okay);
	CHECK_EQ(table[REF].flags, GTF_permit_access);
	window(5);
	window(TABLE);
	domain_destroy(d.id);
	free_again(before);
}

// The granting domain is gone, its frame stays as long as we have it.
TEST(destroy_granter)
{
	struct grant_entry_v1 *table;
	struct gnttab_map_grant_ref op;
	u64 before = free_pages_settled(), *w, during;
	struct domu d;

	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	table = grants_of(d.id);
	grant(&table[REF], 0, d.stack);
	w = window(4);
	op = map(w, d.id);
	*w = 0x5a5a;
	window(TABLE);
	domain_destroy(d.id);
	during = free_pages_settled();
	CHECK(during < before);
	CHECK_EQ(*w, 0x5a5a);
	*w = 0x5a5b;
	CHECK_EQ(*(volatile u64 *)w, 0x5a5b);
	CHECK_EQ(foreign_map(5, d.id, d.stack, PTE_RO), 0);
	window(5);
	CHECK_EQ(unmap(w, op.handle), GNTST_okay);
	CHECK_TRAP(*(volatile u64 *)w, 14, 0);
	free_again(before);
}

// A foreign mapping without a grant keeps the frame as well.
TEST(destroy_while_mapped)
{
	u64 before = free_pages_settled(), *w = window(4);
	struct domu d;

	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	CHECK_EQ(foreign_map(4, d.id, d.stack, RW), 0);
	domain_destroy(d.id);
	CHECK(free_pages_settled() < before);
	*w = 1;
	window(4);
	free_again(before);
}

// The domain has our page mapped and is destroyed.
TEST(destroy_mapper)
{
	struct grant_entry_v1 *table = grants_of(DOMID_SELF);
	u64 before = free_pages_settled(), *page = page_alloc();
	struct request_page *p;
	struct domu d;

	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	grant(&table[REF], d.id, virt_to_mfn(page));
	p = requests_open(&d);
	p->map = (struct gnttab_map_grant_ref){ .host_addr = 4 * PAGE_SIZE,
						.flags = GNTMAP_host_map,
						.ref = REF };
	p->requests[0] = (struct request){
		__HYPERVISOR_grant_table_op,
		{ GNTTABOP_map_grant_ref,
		  DOMU_DATA + offsetof(struct request_page, map), 1 },
		77,
		0
	};
	// The same again elsewhere, then the first one's entry overwritten.
	p->requests[1] = p->requests[0];
	p->requests[2] = (struct request){ __HYPERVISOR_update_va_mapping,
					   { 4 * PAGE_SIZE, 0, UVMF_INVLPG },
					   77,
					   0 };
	p->requests[3].nr = ~0ul;
	domu_unpause(&d);
	CHECK_EQ(domu_outcome(d.id, 3000 * MS), SHUTDOWN_poweroff);
	CHECK_EQ(p->requests[0].result, 0);
	CHECK_EQ(p->requests[1].result, 0);
	CHECK_EQ(p->requests[2].result, 0);
	CHECK_EQ(p->map.status, GNTST_okay);
	CHECK_EQ(table[REF].flags,
		 GTF_permit_access | GTF_reading | GTF_writing);
	window(1);
	domain_destroy(d.id);
	free_again(before);
	CHECK_EQ(table[REF].flags, GTF_permit_access);
	table[REF].flags = 0;
	window(TABLE);
	CHECK(page_exchange(page));
	page_free(page);
}
