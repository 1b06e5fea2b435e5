// SPDX-License-Identifier: MIT
// PAE tables and the M2P of 32-bit kernels.
#include "lib/guest.h"

#define SLOTS	 4
#define TOP_SLOT 428 // of the L2 below the last: the first that is not ours
#define M2P	 0xf5800000ul

static u64 *base(void)
{
	return (u64 *)start_info->pt_base;
}

static long set(u64 *table, unsigned int slot, u64 entry)
{
	return mmu_update_one(virt_to_maddr(&table[slot]), entry);
}

TEST(base_slots)
{
	u64 old = base()[3], l2 = old & PTE_FRAME;

	for (unsigned int i = SLOTS; i < 512; i++)
		CHECK_EQ(base()[i] != 0, 0);
	CHECK_EQ(set(base(), SLOTS, 0), -EINVAL);
	CHECK_EQ(set(base(), SLOTS, l2 | PTE_P), -EINVAL);
	CHECK_EQ(set(base(), 511, l2 | PTE_P), -EINVAL);
	// The L2 with the M2P in it belongs below the last slot alone.
	CHECK_EQ(set(base(), 0, l2 | PTE_P), -EINVAL);
	CHECK_EQ(set(base(), 3, l2 | PTE_P | PTE_NX), -EINVAL);
	CHECK_EQ(set(base(), 3, l2 | PTE_P | PTE_PS), -EINVAL);
	CHECK_EQ(set(base(), 3, l2 | PTE_P), 0);
	CHECK_EQ(base()[3] == (l2 | PTE_P | PTE_W | PTE_U) ||
			 base()[3] == (l2 | PTE_P | PTE_W | PTE_U | PTE_A),
		 1);
}

TEST(plain_l2)
{
	u64 *l2 = page_alloc(), *l1 = page_alloc();

	l1[0] = make_entry(virt_to_mfn(l1), PTE_RO);
	page_set_ro(l1);
	l2[511] = make_entry(virt_to_mfn(l1), PTE_TABLE);
	page_set_ro(l2);
	CHECK_EQ(set(base(), 0, make_entry(virt_to_mfn(l2), PTE_P)), 0);
	// All of its slots are the guest's: 0x3fe00000 is the last L1's.
	CHECK_EQ(*(volatile u64 *)0x3fe00000 == l1[0], 1);
	CHECK_EQ(set(l2, TOP_SLOT, l2[511]), 0);
	CHECK_EQ(*(volatile u64 *)0x35800000 == l1[0], 1);
	// And so it is no L2 for the last slot.
	CHECK_EQ(set(base(), 3, make_entry(virt_to_mfn(l2), PTE_P)), -EINVAL);
	CHECK_EQ(set(base(), 0, 0), 0);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	CHECK_TRAP((void)*(volatile u64 *)0x3fe00000, 14, 0);
	CHECK_EQ(page_set_rw(l2), 0);
	CHECK_EQ(page_set_rw(l1), 0);
	page_free(l2);
	page_free(l1);
}

TEST(top_l2)
{
	u64 *l2 = (u64 *)entry_of((void *)M2P, 2) - TOP_SLOT;

	CHECK_EQ((*entry_of((void *)M2P, 2) & (PTE_P | PTE_PS | PTE_W)) ==
			 (PTE_P | PTE_PS),
		 1);
	for (unsigned int i = TOP_SLOT; i < 512; i++) {
		CHECK_EQ(set(l2, i, 0), -EINVAL);
		CHECK_EQ(update_va((void *)(0xc0000000ul + (i << 21)), 0, 0),
			 -EINVAL);
	}
}

TEST(another_base)
{
	u64 *l3 = page_alloc();

	for (unsigned int i = 0; i < SLOTS; i++)
		l3[i] = base()[i] & (PTE_FRAME | PTE_P);
	// What lies behind the four is cleared.
	l3[SLOTS] = ~0ull;
	l3[511] = 1;
	page_set_ro(l3);
	CHECK_EQ(mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l3), 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l3), 0), -EINVAL);
	CHECK_EQ(pin_table(3, l3), 0);
	CHECK_EQ(l3[SLOTS] || l3[511], 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(l3), 0), 0);
	CHECK_EQ(unpin_table(l3), 0);
	CHECK_EQ(page_set_rw(l3), -EBUSY);
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l3), 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(base()), 0), 0);
	CHECK_EQ(page_set_rw(l3), 0);
	page_free(l3);
}

#define FRAME_4G 0x100000ul

// One that lies above 4 GiB, not in our tables; 0: none was found.
static xen_pfn_t high_frame(void)
{
	static xen_pfn_t got[64];
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };
	xen_pfn_t found = 0;
	unsigned int n = 0;

	while (!found && n < ARRAY_SIZE(got)) {
		set_xen_guest_handle(r.extent_start, &got[n]);
		if (memory_op(XENMEM_increase_reservation, &r) != 1)
			break;
		if (got[n] >= FRAME_4G)
			found = got[n];
		else
			n++;
	}
	set_xen_guest_handle(r.extent_start, got);
	r.nr_extents = n;
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), n);
	return found;
}

static long extended_cr3(bool on)
{
	return HC2(__HYPERVISOR_vm_assist,
		   on ? VMASST_CMD_enable : VMASST_CMD_disable,
		   VMASST_TYPE_pae_extended_cr3);
}

static long twice(long x)
{
	return 2 * x;
}

// Public header xen.h: "x86/PAE guests: support PDPTs above 4GB", and
// xen-x86_32.h: "Page-directory addresses above 4GB do not fit into
// architectural %cr3. When accessing %cr3, or equivalent field in
// vcpu_guest_context, guests must use the following accessor macros to
// pack/unpack valid MFNs."
TEST(base_above_4g)
{
	struct xen_feature_info info = { .submap_idx = 0 };
	xen_pfn_t frame = high_frame();
	u64 *l3 = window(0);
	uptr cr3;

	if (!frame && has_word("bochs"))
		test_skip("a machine without memory above 4 GiB");
	if (!CHECK(frame))
		return;
	CHECK_EQ(update_va(l3, make_entry(frame, PTE_RW), UVMF_INVLPG), 0);
	memset(l3, 0, PAGE_SIZE);
	for (unsigned int i = 0; i < SLOTS; i++)
		l3[i] = base()[i] & (PTE_FRAME | PTE_P);
	CHECK_EQ(update_va(l3, make_entry(frame, PTE_RO), UVMF_INVLPG), 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L3_TABLE, frame, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, frame, 0), -EINVAL);
	CHECK_EQ(extended_cr3(true), 0);
	CHECK_EQ(version_op(XENVER_get_features, &info), 0);
	CHECK_EQ(info.submap >> XENFEAT_pae_pgdir_above_4gb & 1, 1);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, frame, 0), 0);
	__asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
	CHECK_EQ(xen_cr3_to_pfn(cr3), frame);
	CHECK_EQ(cr3, frame << 12 | frame >> 20);
	CHECK_EQ(user_call(twice, 21), 42);
	CHECK_NO_TRAP(__asm__ volatile(
		"movl %0, %%cr3"
		:
		: "r"(xen_pfn_to_cr3((uptr)virt_to_mfn(base())))));
	CHECK_NO_TRAP(__asm__ volatile("movl %0, %%cr3" : : "r"(cr3)));
	__asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
	CHECK_EQ(xen_cr3_to_pfn(cr3), frame);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(base()), 0), 0);
	CHECK_EQ(extended_cr3(false), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, frame, 0), -EINVAL);
	window(0);
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, &frame);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1);
}

// CR3 as the kernel sees it.
TEST(cr3)
{
	uptr cr3;

	__asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
	CHECK_EQ(xen_cr3_to_pfn(cr3), virt_to_mfn(base()));
	CHECK_NO_TRAP(__asm__ volatile("movl %0, %%cr3" : : "r"(cr3)));
}

TEST(m2p)
{
	struct xen_machphys_mapping map;
	u64 *page = page_alloc(), mfn = virt_to_mfn(page);

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &map), 0);
	CHECK_EQ(map.v_start, M2P);
	CHECK(map.max_mfn >= mfn);
	CHECK_EQ(machine_to_phys_mapping[mfn], virt_to_pfn(page));
	CHECK_EQ(mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE, 0x1234), 0);
	CHECK_EQ(machine_to_phys_mapping[mfn], 0x1234);
	CHECK_EQ(mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE,
				virt_to_pfn(page)),
		 0);
	CHECK_TRAP(*(volatile uptr *)M2P = 0, 14, 3);
	page_free(page);
}

// Stores to a table that is mapped read-only, in 32-bit halves.
TEST(store_to_table)
{
	u64 *page = page_alloc();
	volatile u32 *e = (volatile u32 *)entry_of(page, 1);
	u32 low = e[0];

	CHECK_NO_TRAP(e[0] = 0);
	CHECK_TRAP(*(volatile u64 *)page, 14, 0);
	CHECK_NO_TRAP(e[0] = low);
	CHECK_NO_TRAP(*(volatile u64 *)page);
	// Not what an update could not do either.
	CHECK_TRAP(e[0] = (u32)virt_to_maddr(base()) | 3, 14, 3);
	page_free(page);
}
