// SPDX-License-Identifier: MIT
// Page tables: the updates themselves. Entries are in entries.c, types and
// pins in types.c, direct writes in assist.c.
#include "pagetables/tree.h"

// An address that nothing of the guest's can be at.
#ifdef __x86_64__
#define NOT_OURS (HYPERVISOR_VIRT_START + 8)
#else
#define NOT_OURS 0xffe00008
#endif
#define FRAME_HUGE (1ull << 40)

TEST(update_normal)
{
	struct tree t = tree_make();
	u64 other = make_entry(virt_to_mfn(t.l2), PTE_RO);
	volatile u64 *va = (u64 *)TREE_VA;

	tree_hang(&t);
	*va = 0x1234;
	CHECK_EQ(t.page[0], 0x1234);
	CHECK_EQ(table_set(t.l1, 1, other), 0);
	CHECK_EQ(va[512], t.l2[0]);
	CHECK_EQ(table_set(t.l1, 1, 0), 0);
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	CHECK_TRAP(va[512], 14, 0);
	CHECK_EQ(table_set(t.l2, 0, 0), 0);
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
	CHECK_TRAP(va[0], 14, 0);
	CHECK_EQ(table_set(t.l2, 0, table_entry(t.l1, PTE_TABLE)), 0);
	CHECK_EQ(*va, 0x1234);
	tree_drop(&t);
	tree_free(&t);
}

TEST(update_accessed_dirty)
{
	struct tree t = tree_make();
	u64 clean = table_entry(t.page, PTE_P | PTE_W);
	u64 at = virt_to_maddr(t.l1);

	tree_hang(&t);
	CHECK_EQ(mmu_update_one(at, clean), 0);
	CHECK_EQ(t.l1[0] & (PTE_A | PTE_D), 0);
	// A kernel in ring 3 needs user pages.
	CHECK_EQ(t.l1[0] & PTE_U, WIDTH == 64 ? PTE_U : 0);
	*(volatile u64 *)TREE_VA = 1;
	CHECK_EQ(t.l1[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	CHECK_EQ(mmu_update_one(at | MMU_PT_UPDATE_PRESERVE_AD, clean), 0);
	CHECK_EQ(t.l1[0] & (PTE_A | PTE_D), PTE_A | PTE_D);
	CHECK_EQ(mmu_update_one(at, clean), 0);
	CHECK_EQ(t.l1[0] & (PTE_A | PTE_D), 0);
	CHECK_EQ(mmu_update_one(at | MMU_PT_UPDATE_NO_TRANSLATE, clean), 0);
	tree_drop(&t);
	tree_free(&t);
}

TEST(update_m2p)
{
	void *page = page_alloc();
	u64 mfn = virt_to_mfn(page), pfn = virt_to_pfn(page);
	u64 at = (mfn << 12) | MMU_MACHPHYS_UPDATE;

	CHECK_EQ(mmu_update_one(at, 0x123456), 0);
	CHECK_EQ(machine_to_phys_mapping[mfn], 0x123456);
	CHECK_EQ(mmu_update_one(at, pfn), 0);
	CHECK_EQ(machine_to_phys_mapping[mfn], pfn);
	CHECK_EQ(mmu_update_one(
			 (hypervisor_frame() << 12) | MMU_MACHPHYS_UPDATE, 1),
		 -EINVAL);
	CHECK_EQ(mmu_update_one((FRAME_HUGE - 4096) | MMU_MACHPHYS_UPDATE, 1),
		 -EINVAL);
	page_free(page);
}

TEST(update_targets)
{
	u64 *page = page_alloc();
	static struct mmu_update u;

	// Data is written as asked for; it is the guest's own page.
	CHECK_EQ(mmu_update_one(virt_to_maddr(page + 3), 0xabcdef), 0);
	CHECK_EQ(page[3], 0xabcdef);
	CHECK_EQ(mmu_update_one(virt_to_maddr(page) + 4, 1), -ENOSYS);
	CHECK_EQ(mmu_update_one(hypervisor_frame() << 12, 1), -EINVAL);
	CHECK_EQ(mmu_update_one(FRAME_HUGE, 1), -EINVAL);
	u = (struct mmu_update){ virt_to_maddr(page), 5 };
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL, 77), -ESRCH);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL, DOMID_XEN), 0);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL, DOMID_IO), 0);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL, DOMID_COW), -ESRCH);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL, DOMID_INVALID),
		 -ESRCH);
	page_free(page);
}

TEST(update_batches)
{
	struct tree t = tree_make();
	u64 good = table_entry(t.page, PTE_RO), at = virt_to_maddr(t.l1);
	struct mmu_update u[4] = { { at + 8, good },
				   { at + 16, good },
				   { at + 24, hypervisor_frame() << 12 | 1 },
				   { at + 32, good } };
	unsigned int done = 99;

	tree_hang(&t);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, u, 4, &done, DOMID_SELF), -EBUSY);
	CHECK_EQ(done, 2);
	CHECK(t.l1[2] & PTE_P);
	CHECK_EQ(t.l1[3], 0);
	CHECK_EQ(t.l1[4], 0);
	done = 99;
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, u, 2, &done, DOMID_SELF), 0);
	CHECK_EQ(done, 2);
	done = 99;
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, u, 0, &done, DOMID_SELF), 0);
	CHECK_EQ(done, 0);
	tree_drop(&t);
	tree_free(&t);
}

TEST(va_flags)
{
	void *page = page_alloc();
	u64 *w = window(0);
	u64 e = table_entry(page, PTE_RW), mask = 1;
	static const uptr good[] = { UVMF_NONE, UVMF_TLB_FLUSH | UVMF_LOCAL,
				     UVMF_TLB_FLUSH | UVMF_ALL,
				     UVMF_INVLPG | UVMF_LOCAL,
				     UVMF_INVLPG | UVMF_ALL };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_EQ(update_va(w, e, good[i]), 0);
		CHECK_EQ(*(volatile u64 *)w, 0);
		CHECK_EQ(update_va(w, 0, good[i]), 0);
	}
	CHECK_EQ(update_va(w, e, UVMF_TLB_FLUSH | (uptr)&mask), 0);
	CHECK_EQ(update_va(w, e, UVMF_INVLPG | (uptr)&mask), 0);
	// The entry is changed, then the mask cannot be read.
	CHECK_EQ(update_va(w, 0, UVMF_INVLPG | NOT_OURS), -EFAULT);
#ifdef __x86_64__
	CHECK_EQ(update_va(w, e, UVMF_TLB_FLUSH | 0x8000000000000008), -EFAULT);
#endif
	CHECK_EQ(update_va(w, 0, UVMF_FLUSHTYPE_MASK), 0);
	page_free(page);
}

TEST(va_addresses)
{
	void *page = page_alloc();
	u64 e = table_entry(page, PTE_RO);
	u8 *w = window(0);

	CHECK_EQ(update_va(w + 5, e, UVMF_INVLPG), 0);
	CHECK_EQ(*entry_of(w, 1) & PTE_FRAME, e & PTE_FRAME);
	CHECK_EQ(update_va(HYPERVISOR_VIRT_START, e, UVMF_INVLPG), -EINVAL);
#ifdef __x86_64__
	CHECK_EQ(update_va(0x123456789000, e, UVMF_INVLPG), -EINVAL);
	CHECK_EQ(update_va(0xffff830000000000, e, UVMF_INVLPG), -EINVAL);
	CHECK_EQ(update_va(0x800000000000, e, UVMF_INVLPG), -EINVAL);
#else
	CHECK_EQ(update_va(0x40000000, e, UVMF_INVLPG), -EINVAL);
	CHECK_EQ(update_va(0xfffff000, e, UVMF_INVLPG), -EINVAL);
#endif
	window(0);
	page_free(page);
}

TEST(va_other_domain)
{
	void *page = page_alloc();
	u8 *w = window(0);
	u64 e = table_entry(page, PTE_RO);

	CHECK_EQ(update_va_of(77, w, e), -ESRCH);
	// Not a frame of that domain.
	CHECK_EQ(update_va_of(DOMID_IO, w, e), -EBUSY);
	page_free(page);
}

static const struct {
	unsigned int cmd;
	long result;
} plain_ops[] = {
	{ MMUEXT_TLB_FLUSH_LOCAL, 0 },
	{ MMUEXT_TLB_FLUSH_ALL, 0 },
	{ MMUEXT_INVLPG_ALL, 0 },
	{ MMUEXT_INVLPG_LOCAL, 0 },
	{ MMUEXT_FLUSH_CACHE, 0 },
	{ MMUEXT_FLUSH_CACHE_GLOBAL, 0 },
	{ MMUEXT_MARK_SUPER, -EOPNOTSUPP },
	{ MMUEXT_UNMARK_SUPER, -EOPNOTSUPP },
	{ 14, -ENOSYS },
	{ 21, -ENOSYS },
	{ 0xffffffff, -ENOSYS },
};

TEST(ext_plain)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain_ops); i++) {
		if (!CHECK_EQ(mmuext(plain_ops[i].cmd, 0, 0),
			      plain_ops[i].result))
			printf("  command %u\n", plain_ops[i].cmd);
	}
#ifdef __x86_64__
	CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, 0x800000000000, 0), 0);
#endif
	CHECK_EQ(mmuext(MMUEXT_INVLPG_LOCAL, HYPERVISOR_VIRT_START, 0), 0);
	CHECK_EQ(mmuext(MMUEXT_INVLPG_ALL, NOT_OURS, 0), 0);
}

TEST(ext_masks)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_MULTI };
	u64 mask = 1;

	set_xen_guest_handle(op.arg2.vcpumask, &mask);
	CHECK_EQ(mmuext_one(&op), 0);
	op.cmd = MMUEXT_INVLPG_MULTI;
	CHECK_EQ(mmuext_one(&op), 0);
	op.arg2.vcpumask.p = (void *)NOT_OURS;
	CHECK_EQ(mmuext_one(&op), -EINVAL);
	mask = ~(u64)0;
	set_xen_guest_handle(op.arg2.vcpumask, &mask);
	CHECK_EQ(mmuext_one(&op), 0);
}

TEST(ext_pages)
{
	u64 *a = page_alloc(), *b = page_alloc();
	struct mmuext_op op = { .cmd = MMUEXT_COPY_PAGE };

	a[7] = 77;
	op.arg1.mfn = (xen_pfn_t)virt_to_mfn(b);
	op.arg2.src_mfn = (xen_pfn_t)virt_to_mfn(a);
	CHECK_EQ(mmuext_one(&op), 0);
	CHECK_EQ(b[7], 77);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, virt_to_mfn(a), 0), 0);
	CHECK_EQ(a[7], 0);
	op.arg2.src_mfn = (xen_pfn_t)hypervisor_frame();
	CHECK_EQ(mmuext_one(&op), -EINVAL);
	op.arg1.mfn = (xen_pfn_t)virt_to_mfn(base_table());
	op.arg2.src_mfn = (xen_pfn_t)virt_to_mfn(a);
	CHECK_EQ(mmuext_one(&op), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, op.arg1.mfn, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, hypervisor_frame(), 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, FRAME_HUGE, 0), -EINVAL);
	page_free(a);
	page_free(b);
}

TEST(ext_batches)
{
	struct mmuext_op ops[3] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
				    { .cmd = 99 },
				    { .cmd = MMUEXT_TLB_FLUSH_LOCAL } };
	unsigned int done = 99;

	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, ops, 3, &done, DOMID_SELF),
		 -ENOSYS);
	CHECK_EQ(done, 1);
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, ops, 0, &done, DOMID_SELF), 0);
	CHECK_EQ(done, 0);
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, ops, 1, NULL, 77), -ESRCH);
}
