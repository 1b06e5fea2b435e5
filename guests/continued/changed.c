// SPDX-License-Identifier: MIT
// Lists that another vcpu changes while they are worked through: what was
// looked at is what is done, each element is one thing or the other, and both
// came about, and no reference is lost.
#include "continued/continued.h"

#define ROUNDS 4
#define REF    24u

// The words that change: one value or the other, in all of them.
static struct {
	volatile u64 *at;
	u64 step, n, one, other;
} flip;
static volatile u64 flips;

static void flip_all(void)
{
	for (u64 i = 0; i < flip.n; i++)
		flip.at[i * flip.step] = flips & 1 ? flip.one : flip.other;
	flips++;
}

// `element` is the size of an element in bytes.
static void begin(volatile void *at, u64 element, u64 n, u64 one, u64 other)
{
	flip.at = at;
	flip.step = element / 8;
	flip.n = n;
	flip.one = one;
	flip.other = other;
	others_begin(flip_all);
}

static struct mmu_update updates[MANY];

// An entry maps one page or the other.
TEST(changed_updates)
{
	u64 *l1 = page_alloc(), *a = page_alloc(), *b = page_alloc();
	u64 to_a = make_entry(virt_to_mfn(a), PTE_RO);
	u64 to_b = make_entry(virt_to_mfn(b), PTE_RW | PTE_U);
	u32 done, in_a = 0, in_b = 0;

	page_set_ro(l1);
	CHECK_EQ(pin_table(1, l1), 0);
	for (u32 i = 0; i < MANY; i++)
		updates[i] = (struct mmu_update){ virt_to_maddr(&l1[i % 512]),
						  to_a };
	begin(&updates[0].val, sizeof(updates[0]), MANY, to_a, to_b);
	for (unsigned int r = 0;
	     go_on(&r, ROUNDS, !in_a || !in_b || !restarts);) {
		CHECK_EQ(HC4(__HYPERVISOR_mmu_update, updates, MANY, &done,
			     DOMID_SELF),
			 0);
		for (u32 i = 0; i < 512; i++) {
			u64 e = l1[i] & PTE_FRAME;

			in_a += e == (to_a & PTE_FRAME);
			in_b += e == (to_b & PTE_FRAME);
			CHECK(e == (to_a & PTE_FRAME) ||
			      e == (to_b & PTE_FRAME));
			CHECK_EQ(!(l1[i] & PTE_W), e == (to_a & PTE_FRAME));
		}
	}
	others_end("changed updates");
	CHECK(in_a);
	CHECK(in_b);
	CHECK_EQ(unpin_table(l1), 0);
	check_unused(l1);
	check_unused(a);
	check_unused(b);
	page_free(l1);
	page_free(a);
	page_free(b);
}

// The list ends where a frame is seen that is none.
TEST(changed_updates_end)
{
	u64 *l1 = page_alloc(), *a = page_alloc();
	u64 good = make_entry(virt_to_mfn(a), PTE_RO);
	u32 done, whole = 0, ended = 0;
	long rc;

	page_set_ro(l1);
	CHECK_EQ(pin_table(1, l1), 0);
	for (u32 i = 0; i < MANY; i++)
		updates[i] = (struct mmu_update){ virt_to_maddr(&l1[i % 512]),
						  good };
	begin(&updates[MANY / 2].val, sizeof(updates[0]), MANY / 2, good,
	      make_entry(HUGE_FRAME, PTE_RO));
	for (unsigned int r = 0;
	     go_on(&r, ROUNDS, !whole || !ended || !restarts);) {
		done = 0;
		rc = HC4(__HYPERVISOR_mmu_update, updates, MANY, &done,
			 DOMID_SELF);
		whole += !rc;
		ended += rc == -EPERM;
		CHECK(!rc || rc == -EPERM);
		if (rc)
			CHECK(done >= MANY / 2 && done < MANY);
		else
			CHECK_EQ(done, MANY);
		// So that a list can be through between two changes.
		flip.n = r % 3 ? MANY / 2 : 1;
	}
	others_end("changed updates that end");
	CHECK(whole);
	CHECK(ended);
	CHECK_EQ(unpin_table(l1), 0);
	check_unused(l1);
	check_unused(a);
	page_free(l1);
	page_free(a);
}

// Pins and unpins in no order: in the end it is pinned or not.
TEST(changed_pins)
{
	static struct mmuext_op ops[MANY];
	u64 *l1 = page_alloc();
	u32 done, pinned = 0, refused = 0;
	long rc;

	page_set_ro(l1);
	for (u32 i = 0; i < MANY; i++) {
		ops[i].cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L1_TABLE;
		ops[i].arg1.mfn = virt_to_mfn(l1);
	}
	begin(&ops[MANY / 4].arg1.mfn, sizeof(ops[0]), MANY / 4 * 3,
	      virt_to_mfn(l1), NO_FRAME);
	for (unsigned int r = 0;
	     go_on(&r, ROUNDS, !pinned || !refused || !restarts);) {
		done = 0;
		rc = HC4(__HYPERVISOR_mmuext_op, ops, MANY, &done, DOMID_SELF);
		CHECK(rc == 0 || rc == -EINVAL);
		CHECK_EQ(done == MANY, rc == 0);
		refused += rc != 0;
		// What it says is done has been: the next is its undoing.
		rc = unpin_table(l1);
		CHECK_EQ(rc, done % 2 ? 0 : -EINVAL);
		pinned += !rc;
		CHECK_EQ(page_set_rw(l1), 0);
		CHECK_EQ(page_set_ro(l1), 0);
	}
	others_end("changed pins");
	CHECK(pinned);
	CHECK(refused);
	check_unused(l1);
	page_free(l1);
}

static struct multicall_entry calls[MANY];

TEST(changed_calls)
{
	u64 version = (u64)version_op(XENVER_version, NULL);
	u32 known = 0, unknown = 0;

	for (u32 i = 0; i < MANY; i++)
		calls[i] = (struct multicall_entry){
			.op = __HYPERVISOR_xen_version,
			.args = { XENVER_version }
		};
	begin(&calls[0].op, sizeof(calls[0]), MANY, __HYPERVISOR_xen_version,
	      63);
	for (unsigned int r = 0;
	     go_on(&r, ROUNDS, !known || !unknown || !restarts);) {
		CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, MANY), 0);
		for (u32 i = 0; i < MANY; i++) {
			known += calls[i].result == version;
			unknown += (long)calls[i].result == -ENOSYS;
			CHECK(calls[i].result == version ||
			      (long)calls[i].result == -ENOSYS);
		}
	}
	others_end("changed calls");
	CHECK(known);
	CHECK(unknown);
}

// The first of the two values is another one now.
static void first_is(u64 value)
{
	u64 n = flip.n, before, until = system_time() + 1000 * MS;

	flip.n = 0;
	before = flips;
	while (flips < before + 2 && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK(flips >= before + 2);
	flip.one = value;
	flip.n = n;
}

// Frames for the pages, but for the last one: it is what changes.
static void populate_all_but_last(void)
{
	struct xen_memory_reservation r = reservation_of(frames, PAGES - 1);

	for (u32 i = 0; i < PAGES - 1; i++)
		frames[i] = virt_to_pfn(pages[i]);
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), PAGES - 1);
}

static xen_pfn_t populate_last(void)
{
	xen_pfn_t frame = virt_to_pfn(pages[PAGES - 1]);
	struct xen_memory_reservation r = reservation_of(&frame, 1);

	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
	return frame;
}

// As many pages go as it says.
TEST(changed_reservation)
{
	u32 whole = 0, stopped = 0;
	long before = owned(), rc;

	pages_take_out();
	begin(&frames[PAGES - 1], 8, 1, frames[PAGES - 1], NO_FRAME);
	for (unsigned int n = 0;
	     go_on(&n, ROUNDS, !whole || !stopped || !restarts);) {
		struct xen_memory_reservation r = reservation_of(frames, PAGES);

		rc = memory_op(XENMEM_decrease_reservation, &r);
		CHECK_EQ(owned(), before - rc);
		CHECK(rc == PAGES || rc == PAGES - 1);
		whole += rc == PAGES;
		stopped += rc == PAGES - 1;
		if (rc == PAGES)
			first_is(populate_last());
		populate_all_but_last();
		CHECK_EQ(owned(), before);
	}
	others_end("changed reservation");
	CHECK(whole);
	CHECK(stopped);
	frames[PAGES - 1] = flip.one;
	pages_put_back();
	pages_free();
}

// The structure itself changes between the parts of a call: it says how many
// there are.
TEST(changed_counts)
{
	static struct xen_memory_reservation r;
	long before = owned(), rc;
	u32 half = 0;

	pages_take_out();
	r = reservation_of(frames, PAGES);
	begin(&r.nr_extents, 8, 1, PAGES, PAGES / 2);
	for (unsigned int n = 0; go_on(&n, ROUNDS, !half || !restarts);) {
		rc = memory_op(XENMEM_decrease_reservation, &r);
		CHECK_EQ(owned(), before - rc);
		CHECK(rc >= PAGES / 2 && rc <= PAGES);
		half += rc < PAGES;
		for (u32 i = 0; i < (u32)rc; i++)
			frames[i] = virt_to_pfn(pages[i]);
		for (u32 at = 0; at < (u32)rc; at++) {
			struct xen_memory_reservation one =
				reservation_of(frames + at, 1);

			CHECK_EQ(memory_op(XENMEM_populate_physmap, &one), 1);
		}
		CHECK_EQ(owned(), before);
	}
	others_end("changed counts");
	CHECK(half);
	for (u32 i = 0; i < PAGES; i++) {
		struct xen_memory_reservation one =
			reservation_of(frames + i, 1);

		CHECK_EQ(memory_op(XENMEM_decrease_reservation, &one), 1);
	}
	pages_populate(0);
	pages_put_back();
	pages_free();
}

// To the page's end, and a byte further.
TEST(changed_copies)
{
	static struct gnttab_copy ops[MANY];
	static u8 both[2][PAGE_SIZE] __page_aligned;
	volatile u64 *word = (volatile u64 *)&ops[0].len;
	u64 fits, flows;
	u32 good = 0, bad = 0;

	_Static_assert(offsetof(struct gnttab_copy, len) % 8 == 0, "one word");
	table_map();
	grant(REF, both[0]);
	for (u32 i = 0; i < MANY; i++) {
		ops[i] = (struct gnttab_copy){ .source.u.ref = REF,
					       .dest.u.gmfn =
						       virt_to_mfn(both[0]),
					       .dest.offset = 4000,
					       .len = 96,
					       .flags = GNTCOPY_source_gref,
					       .status = 77 };
		ops[i].source.domid = ops[i].dest.domid = DOMID_SELF;
	}
	fits = *word;
	ops[0].len = 97;
	flows = *word;
	memset(both[1], 0x55, PAGE_SIZE);
	begin(&ops[0].len, sizeof(ops[0]), MANY, fits, flows);
	for (unsigned int r = 0;
	     go_on(&r, ROUNDS, !good || !bad || !restarts);) {
		CHECK_EQ(grant_op(GNTTABOP_copy, ops, MANY), 0);
		for (u32 i = 0; i < MANY; i++) {
			int16_t status = ops[i].status;

			good += status == GNTST_okay;
			bad += status == GNTST_bad_copy_arg;
			// 77 is what the other vcpu puts there.
			CHECK(status == GNTST_okay || status == 77 ||
			      status == GNTST_bad_copy_arg);
		}
		CHECK_EQ(both[1][0], 0x55);
	}
	others_end("changed copies");
	CHECK(good);
	CHECK(bad);
	CHECK_EQ(table[REF].flags, GTF_permit_access);
	table[REF].flags = 0;
}

// What is mapped is what was granted, and can be unmapped.
TEST(changed_mappings)
{
	static struct gnttab_map_grant_ref maps[PAGES];
	struct gnttab_unmap_grant_ref end = { 0 };
	u64 *page = page_alloc();
	volatile u64 *word = (volatile u64 *)&maps[0].flags;
	u64 there, none;
	u32 good = 0, bad = 0;

	_Static_assert(
		offsetof(struct gnttab_map_grant_ref, flags) % 8 == 0 &&
			offsetof(struct gnttab_map_grant_ref, ref) ==
				offsetof(struct gnttab_map_grant_ref, flags) +
					4,
		"one word");
	table_map();
	grant(REF, page);
	grant(REF + 1, page);
	for (u32 i = 0; i < PAGES; i++)
		maps[i] = (struct gnttab_map_grant_ref){
			.flags = GNTMAP_device_map, .ref = 1u << 30
		};
	none = *word;
	maps[0].ref = REF;
	there = *word;
	// Xen has 128 users of a grant at most: every fourth.
	begin(word, 4 * sizeof(maps[0]), PAGES / 4, there, none);
	for (unsigned int r = 0;
	     go_on(&r, ROUNDS, !good || !bad || !restarts);) {
		CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, maps, PAGES), 0);
		end.dev_bus_addr = virt_to_maddr(page);
		for (u32 i = 0; i < PAGES; i++) {
			CHECK(maps[i].status == GNTST_okay ||
			      maps[i].status == GNTST_bad_gntref);
			bad += i % 4 == 0 && maps[i].status != GNTST_okay;
			if (maps[i].status != GNTST_okay)
				continue;
			good++;
			CHECK_EQ(maps[i].dev_bus_addr, end.dev_bus_addr);
			end.handle = maps[i].handle;
			CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &end, 1),
				 0);
			CHECK_EQ(end.status, GNTST_okay);
		}
	}
	others_end("changed mappings");
	CHECK(good);
	CHECK(bad);
	CHECK_EQ(table[REF].flags, GTF_permit_access);
	table[REF].flags = table[REF + 1].flags = 0;
	check_unused(page);
	page_free(page);
}

// The in-list of an exchange: it stops where there is no frame, and nothing is
// lost.
TEST(changed_exchange)
{
	static xen_pfn_t in[PAGES];
	u32 whole = 0, stopped = 0;
	long before = owned(), rc;

	pages_take_out();
	memcpy(in, frames, sizeof(in));
	begin(&in[PAGES - 1], 8, 1, frames[PAGES - 1], NO_FRAME);
	for (unsigned int n = 0;
	     go_on(&n, ROUNDS, !whole || !stopped || !restarts);) {
		struct xen_memory_exchange x = {
			.in = reservation_of(in, PAGES),
			.out = reservation_of(frames, PAGES)
		};

		for (u32 i = 0; i < PAGES; i++)
			frames[i] = virt_to_pfn(pages[i]);
		rc = memory_op(XENMEM_exchange, &x);
		CHECK(rc == 0 || rc == -EINVAL);
		CHECK_EQ(x.nr_exchanged, rc ? PAGES - 1 : PAGES);
		CHECK_EQ(owned(), before);
		whole += rc == 0;
		stopped += rc != 0;
		if (!rc)
			first_is(frames[PAGES - 1]);
		memcpy(in, frames, sizeof(in) - sizeof(in[0]));
	}
	others_end("changed exchange");
	CHECK(whole);
	CHECK(stopped);
	frames[PAGES - 1] = flip.one;
	pages_put_back();
	pages_free();
}
