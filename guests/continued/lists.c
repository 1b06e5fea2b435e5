// SPDX-License-Identifier: MIT
// Lists that nobody changes.
#include "continued/continued.h"

#define ROUNDS 4
#define REF    16u
#define KEPT   ~(PTE_A | PTE_D | PTE_U | PTE_G) // of an entry
#define WRONG  (MANY / 4 * 3) // place of an element that is wrong

static struct mmu_update updates[MANY];
static u64 *l1, *plain;

static u64 entry_for(u32 i)
{
	return make_entry(virt_to_mfn(plain), i % 2 ? PTE_RO : PTE_RW | PTE_U);
}

static long update(u32 *done)
{
	return HC4(__HYPERVISOR_mmu_update, updates, MANY, done, DOMID_SELF);
}

// The last update of each entry is what stands there.
TEST(mmu_update)
{
	u32 done;

	l1 = page_alloc();
	plain = page_alloc();
	page_set_ro(l1);
	CHECK_EQ(pin_table(1, l1), 0);
	for (u32 i = 0; i < MANY; i++)
		updates[i] = (struct mmu_update){ virt_to_maddr(&l1[i % 512]),
						  entry_for(i / 512) };
	ticks_begin();
	for (unsigned int r = 0; go_on(&r, ROUNDS, !restarts);) {
		done = 0;
		CHECK_EQ(update(&done), 0);
		CHECK_EQ(done, MANY);
	}
	for (u32 i = 0; i < 512; i++)
		CHECK_EQ(l1[i] & KEPT, entry_for(MANY / 512 - 1) & KEPT);
	// What is wrong is found, and what lies behind it is not done.
	updates[WRONG].val = make_entry(HUGE_FRAME, PTE_RO);
	for (u32 i = WRONG + 1; i < MANY; i++)
		updates[i].val = 0;
	for (unsigned int r = 0; go_on(&r, ROUNDS, false);) {
		done = 0;
		CHECK_EQ(update(&done), -EPERM);
		CHECK_EQ(done, WRONG);
	}
	for (u32 i = 0; i < 512; i++)
		CHECK_EQ(l1[i] & PTE_P, PTE_P);
	ticks_end("mmu_update");
	CHECK_EQ(unpin_table(l1), 0);
	check_unused(l1);
	check_unused(plain);
	page_free(l1);
	page_free(plain);
}

TEST(mmuext_op)
{
	static struct mmuext_op ops[MANY];
	u32 done;
	long rc;

	l1 = page_alloc();
	page_set_ro(l1);
	for (u32 i = 0; i < MANY; i++) {
		ops[i].cmd = i % 2 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L1_TABLE;
		ops[i].arg1.mfn = virt_to_mfn(l1);
	}
	ticks_begin();
	// Each is right only after the one before it.
	for (unsigned int r = 0; go_on(&r, ROUNDS, !restarts);) {
		ops[WRONG].cmd = r % 2 ? 99 : MMUEXT_PIN_L1_TABLE;
		done = 0;
		rc = HC4(__HYPERVISOR_mmuext_op, ops, MANY, &done, DOMID_SELF);
		CHECK_EQ(rc, r % 2 ? -ENOSYS : 0);
		CHECK_EQ(done, r % 2 ? WRONG : MANY);
	}
	ticks_end("mmuext_op");
	check_unused(l1);
	page_free(l1);
}

static struct multicall_entry calls[MANY];

TEST(multicall)
{
	u64 version = (u64)version_op(XENVER_version, NULL);
	u64 at;

	plain = page_alloc();
	at = virt_to_maddr(plain) | MMU_MACHPHYS_UPDATE;
	ticks_begin();
	for (unsigned int r = 0; go_on(&r, ROUNDS, !restarts);) {
		for (u32 i = 0; i < MANY; i++) {
			updates[i] = (struct mmu_update){ at, i };
			calls[i] = (struct multicall_entry){ .result = 77 };
			calls[i].op = i % 2 ? __HYPERVISOR_mmu_update
					    : __HYPERVISOR_xen_version;
			if (i % 2) {
				calls[i].args[0] = (u64)&updates[i];
				calls[i].args[1] = 1;
				calls[i].args[3] = DOMID_SELF;
			}
		}
		CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, MANY), 0);
		// The last one came last.
		CHECK_EQ(machine_to_phys_mapping[virt_to_mfn(plain)], MANY - 1);
		for (u32 i = 0; i < MANY; i++)
			if (calls[i].result != (i % 2 ? 0 : version))
				check_failed("call", (int)i, "%ld",
					     (long)calls[i].result);
	}
	ticks_end("multicall");
	CHECK_EQ(mmu_update_one(at, virt_to_pfn(plain)), 0);
	check_unused(plain);
	page_free(plain);
}

// Calls of lists in a list of calls.
TEST(multicall_of_lists)
{
	u32 done[4], wrong = 2;

	plain = page_alloc();
	for (u32 i = 0; i < MANY; i++)
		updates[i] = (struct mmu_update){ virt_to_maddr(plain) |
							  MMU_MACHPHYS_UPDATE,
						  virt_to_pfn(plain) };
	updates[WRONG].ptr = NO_FRAME << 12 | MMU_MACHPHYS_UPDATE;
	ticks_begin();
	for (unsigned int r = 0; go_on(&r, ROUNDS, !restarts);) {
		for (u32 i = 0; i < 4; i++) {
			done[i] = 0;
			calls[i] = (struct multicall_entry){
				.op = __HYPERVISOR_mmu_update,
				.result = 77,
				.args = { (u64)updates,
					  i == wrong ? MANY : WRONG,
					  (u64)&done[i], DOMID_SELF }
			};
		}
		CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, 4), 0);
		for (u32 i = 0; i < 4; i++) {
			CHECK_EQ(calls[i].result, i == wrong ? -EINVAL : 0);
			CHECK_EQ(done[i], WRONG);
		}
	}
	ticks_end("lists in a list");
	check_unused(plain);
	page_free(plain);
}

static void check_distinct(void)
{
	for (u32 i = 0; i < PAGES; i++)
		CHECK_EQ(machine_to_phys_mapping[frames[i]],
			 virt_to_pfn(pages[i]));
}

TEST(reservations)
{
	struct xen_memory_reservation r;
	long before = owned();
	xen_pfn_t good;

	pages_take_out();
	ticks_begin();
	for (unsigned int n = 0; go_on(&n, ROUNDS, !restarts);) {
		r = reservation_of(frames, PAGES);
		good = frames[PAGES / 2];
		frames[PAGES / 2] = NO_FRAME;
		CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), PAGES / 2);
		CHECK_EQ(owned(), before - PAGES / 2);
		frames[PAGES / 2] = good;
		r = reservation_of(frames + PAGES / 2, PAGES - PAGES / 2);
		CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r),
			 PAGES - PAGES / 2);
		CHECK_EQ(owned(), before - PAGES);
		pages_populate(0);
		CHECK_EQ(owned(), before);
		check_distinct();
	}
	ticks_end("reservations");
	pages_put_back();
	pages_free();
}

TEST(exchange)
{
	static xen_pfn_t in[PAGES];
	struct xen_memory_exchange x;
	long before = owned(), rc;
	u32 at = PAGES / 3 * 2;

	pages_take_out();
	ticks_begin();
	for (unsigned int n = 0; go_on(&n, ROUNDS, !restarts);) {
		memcpy(in, frames, sizeof(in));
		for (u32 i = 0; i < PAGES; i++)
			frames[i] = virt_to_pfn(pages[i]);
		in[at] |= NO_FRAME;
		x = (struct xen_memory_exchange){
			.in = reservation_of(in, PAGES),
			.out = reservation_of(frames, PAGES)
		};
		rc = memory_op(XENMEM_exchange, &x);
		CHECK_EQ(rc, -EINVAL);
		CHECK_EQ(x.nr_exchanged, at);
		in[at] &= ~NO_FRAME;
		// It goes on where it says it is.
		CHECK_EQ(memory_op(XENMEM_exchange, &x), 0);
		CHECK_EQ(x.nr_exchanged, PAGES);
		CHECK_EQ(owned(), before);
		check_distinct();
	}
	ticks_end("exchange");
	pages_put_back();
	pages_free();
}

TEST(grant_copies)
{
	static struct gnttab_copy ops[MANY];
	u8 *from = page_alloc(), *to = page_alloc();

	table_map();
	grant(REF, from);
	for (u32 i = 0; i < MANY; i++)
		from[i] = (u8)(i * 7 + i / 256);
	ticks_begin();
	for (unsigned int r = 0; go_on(&r, ROUNDS, !restarts);) {
		for (u32 i = 0; i < MANY; i++) {
			ops[i] = (struct gnttab_copy){
				.source.u.ref = i == WRONG ? 1u << 30 : REF,
				.dest.u.gmfn = virt_to_mfn(to),
				.len = 1,
				.flags = GNTCOPY_source_gref,
				.status = 77
			};
			ops[i].source.domid = ops[i].dest.domid = DOMID_SELF;
			ops[i].source.offset = ops[i].dest.offset = (u16)i;
		}
		memset(to, 0, PAGE_SIZE);
		CHECK_EQ(grant_op(GNTTABOP_copy, ops, MANY), 0);
		for (u32 i = 0; i < MANY; i++)
			if (ops[i].status !=
				    (i == WRONG ? GNTST_bad_gntref : 0) ||
			    to[i] != (i == WRONG ? 0 : from[i]))
				check_failed("copy", (int)i, "%d, %x",
					     ops[i].status, to[i]);
	}
	ticks_end("grant copies");
	CHECK_EQ(table[REF].flags, GTF_permit_access);
	table[REF].flags = 0;
	check_unused(from);
	check_unused(to);
	page_free(from);
	page_free(to);
}

// Every handle is another one, and each ends once.
TEST(grant_mappings)
{
	static struct gnttab_map_grant_ref maps[PAGES];
	static struct gnttab_unmap_grant_ref ends[2 * PAGES];
	u64 *page = page_alloc();

	table_map();
	for (u32 i = 0; i < 4; i++)
		grant(REF + i, page);
	ticks_begin();
	for (unsigned int r = 0; go_on(&r, ROUNDS, !restarts);) {
		for (u32 i = 0; i < PAGES; i++)
			maps[i] = (struct gnttab_map_grant_ref){
				.flags = GNTMAP_device_map, .ref = REF + i % 4
			};
		CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, maps, PAGES), 0);
		for (u32 i = 0; i < 2 * PAGES; i++)
			ends[i] = (struct gnttab_unmap_grant_ref){
				.dev_bus_addr = virt_to_maddr(page),
				.handle = maps[i % PAGES].handle
			};
		CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, ends, 2 * PAGES),
			 0);
		for (u32 i = 0; i < PAGES; i++) {
			CHECK_EQ(maps[i].status, GNTST_okay);
			CHECK_EQ(ends[i].status, GNTST_okay);
			CHECK_EQ(ends[PAGES + i].status, GNTST_bad_handle);
		}
	}
	ticks_end("grant mappings");
	for (u32 i = 0; i < 4; i++) {
		CHECK_EQ(table[REF + i].flags, GTF_permit_access);
		table[REF + i].flags = 0;
	}
	check_unused(page);
	page_free(page);
}
