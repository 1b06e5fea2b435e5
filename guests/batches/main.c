// SPDX-License-Identifier: MIT
// Lists: none, one, many, one that goes wrong in its middle; and the pages that
// the entries name: read-only, not mapped, page tables, granted, given away.
#include "lib/guest.h"

#define MANY 2048u

static struct mmu_update updates[MANY];
static u8 *page;
static const volatile u64 *entry;

// The entry that maps the page; written over and over.
static void begin(void)
{
	page = page_alloc();
	entry = entry_of(page, 1);
	for (u32 i = 0; i < MANY; i++) {
		updates[i].ptr = entry_maddr(page, 1);
		updates[i].val =
			make_entry(virt_to_mfn(page), i % 2 ? PTE_RW : PTE_RO);
	}
}

static long update(u64 count, u32 *done)
{
	return HC4(__HYPERVISOR_mmu_update, updates, count, done, DOMID_SELF);
}

TEST(update_counts)
{
	u32 done = 77;

	begin();
	CHECK_EQ(update(0, &done), 0);
	CHECK_EQ(done, 0);
	CHECK_EQ(update(1, &done), 0);
	CHECK_EQ(done, 1);
	CHECK_EQ(*entry & PTE_W, 0);
	CHECK_EQ(update(MANY, &done), 0);
	CHECK_EQ(done, MANY);
	CHECK_EQ(*entry & PTE_W, PTE_W);
	CHECK_EQ(update(MANY, NULL), 0);
	// The upper bit is the hypervisor's mark of a call that goes on.
	CHECK_EQ(update(0xffffffff, &done), -EINVAL);
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}

// What stands before the wrong one is done, what is behind it is not.
TEST(update_stops)
{
	static const u32 places[] = { 0, 1, MANY / 2, MANY - 1 };
	u32 done;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		u32 at = places[i];

		begin();
		updates[at].val = make_entry((u64)1 << 28, PTE_RW);
		CHECK_EQ(update(MANY, &done), -EPERM);
		CHECK_EQ(done, at);
		CHECK_EQ(*entry & PTE_W,
			 at % 2 || !at ? PTE_W & *entry : PTE_W);
		CHECK_EQ(page_set_rw(page), 0);
		page_free(page);
	}
}

TEST(update_places)
{
	static const u64 wrong[] = { 0xfffffffffffff000, (u64)1 << 46,
				     (u64)1 << 52 };
	u32 done;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		updates[0].ptr = wrong[i];
		CHECK_EQ(update(1, &done), -EINVAL);
		CHECK_EQ(done, 0);
	}
	// A writable page: any value may be put there.
	updates[0].ptr = virt_to_maddr(page) + 8;
	updates[0].val = 0x1234567890abcdef;
	CHECK_EQ(update(1, &done), 0);
	CHECK_EQ(((u64 *)page)[1], 0x1234567890abcdef);
	page_free(page);
}

TEST(update_of_m2p)
{
	u64 old = machine_to_phys_mapping[virt_to_mfn(updates)];
	u64 at = virt_to_maddr(updates);

	CHECK_EQ(mmu_update_one(at | MMU_MACHPHYS_UPDATE, 12345), 0);
	CHECK_EQ(machine_to_phys_mapping[virt_to_mfn(updates)], 12345);
	CHECK_EQ(mmu_update_one(at | MMU_MACHPHYS_UPDATE, old), 0);
	CHECK_EQ(mmu_update_one(((u64)1 << 46) | MMU_MACHPHYS_UPDATE, 1),
		 -EINVAL);
}

// Accessed and dirty stay as the processor left them.
TEST(update_keeps_ad)
{
	u64 at;

	begin();
	at = updates[0].ptr;
	page[0] = 1;
	CHECK_EQ(*entry & (PTE_A | PTE_D), PTE_A | PTE_D);
	CHECK_EQ(mmu_update_one(
			 at | MMU_PT_UPDATE_PRESERVE_AD,
			 make_entry(virt_to_mfn(page), PTE_P | PTE_W | PTE_U)),
		 0);
	CHECK_EQ(*entry & (PTE_A | PTE_D), PTE_A | PTE_D);
	CHECK_EQ(mmu_update_one(at, make_entry(virt_to_mfn(page),
					       PTE_P | PTE_W | PTE_U)),
		 0);
	CHECK_EQ(*entry & (PTE_A | PTE_D), 0);
	CHECK_EQ(mmu_update_one(at | MMU_PT_UPDATE_NO_TRANSLATE,
				make_entry(virt_to_mfn(page), PTE_RW)),
		 0);
	CHECK_EQ(*entry & (PTE_A | PTE_D), PTE_A | PTE_D);
	page_free(page);
}

static struct mmuext_op ops[MANY];

static long extended(u64 count, u32 *done)
{
	return HC4(__HYPERVISOR_mmuext_op, ops, count, done, DOMID_SELF);
}

TEST(extended_counts)
{
	u32 done = 77;

	for (u32 i = 0; i < MANY; i++)
		ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
	CHECK_EQ(extended(0, &done), 0);
	CHECK_EQ(extended(1, &done), 0);
	CHECK_EQ(done, 1);
	CHECK_EQ(extended(MANY, &done), 0);
	CHECK_EQ(done, MANY);
	ops[MANY / 2].cmd = 99;
	CHECK_EQ(extended(MANY, &done), -ENOSYS);
	CHECK_EQ(done, MANY / 2);
	ops[MANY / 2].cmd = MMUEXT_TLB_FLUSH_LOCAL;
}

TEST(clear_and_copy)
{
	u64 *a = page_alloc(), *b = page_alloc();

	for (u64 i = 0; i < 512; i++)
		a[i] = i * 3;
	CHECK_EQ(mmuext(MMUEXT_COPY_PAGE, virt_to_mfn(b), 0), -EINVAL);
	ops[0] = (struct mmuext_op){ .cmd = MMUEXT_COPY_PAGE };
	ops[0].arg1.mfn = virt_to_mfn(b);
	ops[0].arg2.src_mfn = virt_to_mfn(a);
	CHECK_EQ(extended(1, NULL), 0);
	CHECK(!memcmp(a, b, PAGE_SIZE));
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, virt_to_mfn(b), 0), 0);
	for (u64 i = 0; i < 512; i++)
		CHECK_EQ(b[i], 0);
	// A page table is no page to write to.
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE,
			virt_to_mfn((void *)start_info->pt_base), 0),
		 -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, (u64)1 << 40, 0), -EINVAL);
	ops[0].arg1.mfn = virt_to_mfn((void *)start_info->pt_base);
	CHECK_EQ(extended(1, NULL), -EINVAL);
	page_free(a);
	page_free(b);
}

static u32 flush_mask[2] = { 1, 0 };

TEST(flushes)
{
	static const u32 plain[] = { MMUEXT_TLB_FLUSH_LOCAL,
				     MMUEXT_TLB_FLUSH_ALL, MMUEXT_FLUSH_CACHE,
				     MMUEXT_FLUSH_CACHE_GLOBAL };
	static const u32 of_address[] = { MMUEXT_INVLPG_LOCAL,
					  MMUEXT_INVLPG_ALL };
	static const u32 masked[] = { MMUEXT_TLB_FLUSH_MULTI,
				      MMUEXT_INVLPG_MULTI };

	// Caches are for those who have devices.
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		CHECK_EQ(mmuext(plain[i], 0, 0),
			 i > 1 && in_domu() ? -EACCES : 0);
	for (size_t i = 0; i < ARRAY_SIZE(of_address); i++) {
		CHECK_EQ(mmuext(of_address[i], (uptr)updates, 0), 0);
		CHECK_EQ(mmuext(of_address[i], HYPERVISOR_VIRT_START, 0), 0);
		CHECK_EQ(mmuext(of_address[i], 0x8000000000000000, 0), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		ops[0] = (struct mmuext_op){ .cmd = masked[i] };
		ops[0].arg1.linear_addr = (uptr)updates;
		set_xen_guest_handle(ops[0].arg2.vcpumask, flush_mask);
		CHECK_EQ(extended(1, NULL), 0);
		set_xen_guest_handle(ops[0].arg2.vcpumask, window(0));
		CHECK_EQ(extended(1, NULL), -EINVAL);
	}
}

static struct multicall_entry calls[MANY];

TEST(multicall_counts)
{
	for (u32 i = 0; i < MANY; i++) {
		calls[i] = (struct multicall_entry){
			.op = __HYPERVISOR_xen_version, .result = 77
		};
		calls[i].args[0] = i % 2 ? XENVER_pagesize : 99;
	}
	CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, 0), 0);
	CHECK_EQ(calls[0].result, 77);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, 1), 0);
	CHECK_EQ(calls[0].result, -ENOSYS);
	CHECK_EQ(calls[1].result, 77);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, MANY), 0);
	for (u32 i = 0; i < MANY; i++) {
		long want = i % 2 ? (long)PAGE_SIZE : -ENOSYS;

		if ((long)calls[i].result != want)
			check_failed("call", (int)i, "%ld",
				     (long)calls[i].result);
	}
}

// A call that is continued, in the middle of a list of calls.
TEST(multicall_of_batches)
{
	u32 done[3] = { 0 };

	begin();
	for (u32 i = 0; i < 3; i++) {
		calls[i] =
			(struct multicall_entry){ .op = __HYPERVISOR_mmu_update,
						  .args = { (uptr)updates, MANY,
							    (uptr)&done[i],
							    DOMID_SELF } };
	}
	CHECK_EQ(HC2(__HYPERVISOR_multicall, calls, 3), 0);
	for (u32 i = 0; i < 3; i++) {
		CHECK_EQ(calls[i].result, 0);
		CHECK_EQ(done[i], MANY);
	}
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}
