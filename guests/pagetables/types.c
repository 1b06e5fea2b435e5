// SPDX-License-Identifier: MIT
// What a frame is used as: pins, promotion, and refused mappings.
#include "pagetables/tree.h"

#define FRAME_HUGE (1ul << 28)
// Of a base table: not the hypervisor's, nor of a type of its own.
#ifdef __x86_64__
#define OTHER_SLOT 300
#define FREE_SLOT  5
#else
#define OTHER_SLOT 2
#define FREE_SLOT  2
#endif

TEST(pin_levels)
{
	struct tree t = tree_make();
	const u64 *tables[] = { NULL, t.l1, t.l2, t.l3 };

	for (int level = 1; level <= OWN_LEVELS; level++) {
		CHECK_EQ(pin_table(level, tables[level]), 0);
		CHECK_EQ(pin_table(level, tables[level]), -EINVAL);
		CHECK_EQ(page_set_rw(tables[level]), -EBUSY);
		// Not as a table of another level.
		CHECK_EQ(pin_table(level % 4 + 1, tables[level]), -EINVAL);
	}
	for (int level = OWN_LEVELS; level >= 1; level--) {
		CHECK_EQ(unpin_table(tables[level]), 0);
		CHECK_EQ(unpin_table(tables[level]), -EINVAL);
	}
	tree_free(&t);
}

TEST(pin_base)
{
	u64 *l4 = page_alloc();
	struct tree t = tree_make();

	l4[OTHER_SLOT] = l4[0] = table_entry(t.top, PTE_TABLE);
	CHECK_EQ(pin_table(TABLE_LEVELS, l4), -EINVAL); // still writable
	page_set_ro(l4);
	CHECK_EQ(pin_table(TABLE_LEVELS, l4), 0);
	// The hypervisor's slots have been filled in; ours are kept.
	CHECK_EQ(l4[0] & PTE_FRAME, virt_to_mfn(t.top) << 12);
	CHECK_EQ(l4[OTHER_SLOT] & PTE_FRAME, virt_to_mfn(t.top) << 12);
	CHECK_EQ(pin_table(1, t.l1), 0);
	CHECK_EQ(unpin_table(l4), 0);
	CHECK_EQ(page_set_rw(t.l1), -EBUSY);
	CHECK_EQ(unpin_table(t.l1), 0);
	CHECK_EQ(page_set_rw(l4), 0);
	page_free(l4);
	tree_free(&t);
}

TEST(pin_refused)
{
	u64 *page = page_alloc();

	for (int level = 1; level <= 4; level++) {
		CHECK_EQ(pin_table(level, page), -EINVAL); // writable
		CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE + (unsigned int)level - 1,
				hypervisor_frame(), 0),
			 -EINVAL);
		CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE + (unsigned int)level - 1,
				FRAME_HUGE, 0),
			 -EINVAL);
	}
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, FRAME_HUGE, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, hypervisor_frame(), 0), -EINVAL);
	CHECK_EQ(unpin_table(page), -EINVAL);
	page[3] = hypervisor_frame() << 12 | PTE_RO;
	page_set_ro(page);
	CHECK_EQ(pin_table(1, page), -EBUSY);
	// It still is nothing but data.
	CHECK_EQ(page_set_rw(page), 0);
	page[3] = table_entry(page, PTE_RW);
	page_set_ro(page);
	CHECK_EQ(pin_table(1, page), -EBUSY); // maps itself writable
	page_set_rw(page);
	page[3] = table_entry(page, PTE_RO);
	page_set_ro(page);
	CHECK_EQ(pin_table(1, page), 0); // maps itself read-only
	CHECK_EQ(unpin_table(page), 0);
	page_set_rw(page);
	page_free(page);
}

TEST(promote)
{
	u64 *page = page_alloc();
	u64 *w = window(0);

	CHECK_EQ(update_va(w, table_entry(page, PTE_RW), UVMF_INVLPG), 0);
	page_set_ro(page);
	CHECK_EQ(pin_table(1, page), -EINVAL); // writable in the window
	CHECK_EQ(update_va(w, table_entry(page, PTE_RO), UVMF_INVLPG), 0);
	CHECK_EQ(pin_table(1, page), 0);
	CHECK_EQ(update_va(w, table_entry(page, PTE_RW), UVMF_INVLPG), -EBUSY);
	CHECK_EQ(*entry_of(w, 1) & (PTE_P | PTE_W), PTE_P);
	CHECK_EQ(unpin_table(page), 0);
	CHECK_EQ(update_va(w, table_entry(page, PTE_RW), UVMF_INVLPG), 0);
	*(volatile u64 *)w = 5;
	CHECK_EQ(page[0], 5);
	window(0);
	page_set_rw(page);
	page_free(page);
}

TEST(base_pointers)
{
	const u64 *now = (const u64 *)start_info->pt_base;
	u64 *l4 = page_alloc(), *data = page_alloc();

	for (int i = 0; i < 512; i++) {
		if (WIDTH == 32 || i < 256 || i >= 272)
			l4[i] = now[i];
	}
	page_set_ro(l4);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(l4), 0), 0);
	CHECK_EQ(page_set_rw(l4), -EBUSY);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(l4), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(now), 0), 0);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(data), 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, FRAME_HUGE, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, hypervisor_frame(), 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_BASEPTR, 0, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4), 0),
		 WIDTH == 64 ? 0 : -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(data), 0),
		 -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0),
		 WIDTH == 64 ? 0 : -EINVAL);
	// Not pinned and not in use any more.
	CHECK_EQ(page_set_rw(l4), 0);
	page_free(l4);
	page_free(data);
}

// Frames that must not be mapped writable, or not at all.
static void refuse(u64 mfn, long read_only, long writable)
{
	u64 *w = window(1);

	CHECK_EQ(update_va(w, make_entry(mfn, PTE_RW), UVMF_INVLPG), writable);
	CHECK_EQ(*entry_of(w, 1) & PTE_P, 0);
	CHECK_EQ(update_va(w, make_entry(mfn, PTE_RO), UVMF_INVLPG), read_only);
	window(1);
}

TEST(map_page_tables)
{
	struct tree t = tree_make();

	tree_hang(&t);
	refuse(virt_to_mfn(t.l1), 0, -EBUSY);
	refuse(virt_to_mfn(t.l2), 0, -EBUSY);
	refuse(virt_to_mfn(t.l3), 0, -EBUSY);
	refuse(virt_to_mfn((void *)start_info->pt_base), 0, -EBUSY);
	tree_drop(&t);
	tree_free(&t);
}

TEST(map_gdt)
{
	u64 *gdt = page_alloc();
	u64 frame = virt_to_mfn(gdt);

	page_set_ro(gdt);
	CHECK_EQ(set_gdt(frame, 8), 0);
	refuse(frame, 0, -EBUSY);
	CHECK_EQ(pin_table(1, gdt), -EINVAL);
	CHECK_EQ(set_gdt(0, 0), 0);
	CHECK_EQ(page_set_rw(gdt), 0);
	page_free(gdt);
}

TEST(map_hypervisor)
{
	refuse(hypervisor_frame(), -EBUSY, -EBUSY);
	refuse(FRAME_HUGE, -EPERM, -EPERM);
}

TEST(map_shared_info)
{
	u64 *w = window(1);

	CHECK_EQ(update_va(w, start_info->shared_info | PTE_RW, UVMF_INVLPG),
		 0);
	CHECK_EQ(w[0], *(u64 *)shared);
	window(1);
	// It is no page table, and stays the hypervisor's.
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, start_info->shared_info >> 12, 0),
		 -EINVAL);
}

#ifdef __x86_64__ // that of 32-bit kernels is hypervisor_frame()
TEST(map_m2p)
{
	const u64 *l4 = (const u64 *)start_info->pt_base;

	if (!(l4[256] & PTE_P))
		test_skip("the base table does not show the M2P");
	refuse((l4[256] & PTE_FRAME) >> 12, -EBUSY, -EBUSY);
}

#endif

TEST(map_foreign)
{
	domid_t other = domain_create();
	u64 *w = window(1), mfn;

	if (other == DOMID_INVALID)
		return;
	mfn = domain_page(other, 0);
	refuse(mfn, -EBUSY, -EBUSY);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0), -EINVAL);
	CHECK_EQ(mmu_update_one(mfn << 12, 0), -EINVAL);
	CHECK_EQ(mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, mfn, 0), -EINVAL);
	// Dom0 may, when it says whose frame it is.
	CHECK_EQ(update_va_of(other, w, make_entry(mfn, PTE_RW)), 0);
	w[1] = 1;
	window(1);
	domain_destroy(other);
}

// A base table that maps itself, and an L2 used as an L1.
TEST(linear_tables)
{
	const u64 *l4 = base_table();
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(table_set(l4, FREE_SLOT, table_entry(l4, PTE_TABLE)), -EINVAL);
	CHECK_EQ(table_set(t.l2, 1, table_entry(t.l2, PTE_TABLE)), -EINVAL);
	CHECK_EQ(table_set(t.l3, 1, table_entry(t.l3, PTE_TABLE)), -EINVAL);
	tree_drop(&t);
	tree_free(&t);
}

// Read-only ones as well: chains of them need counters of their own, and no
// current kernel makes them.
TEST(linear_tables_read_only)
{
	const u64 *l4 = base_table();
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(table_set(l4, FREE_SLOT, table_entry(l4, PTE_RO)), -EINVAL);
	CHECK_EQ(table_set(t.l2, 1, table_entry(t.l2, PTE_RO)), -EINVAL);
	CHECK_EQ(table_set(l4, FREE_SLOT, 0), 0);
	CHECK_EQ(table_set(t.l2, 1, 0), 0);
	tree_drop(&t);
	tree_free(&t);
}

TEST(level_confusion)
{
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(table_set(t.l3, 1, table_entry(t.l1, PTE_TABLE)), -EINVAL);
	CHECK_EQ(table_set(t.l2, 1, table_entry(t.l3, PTE_TABLE)), -EINVAL);
	CHECK_EQ(table_set(t.l2, 1, table_entry(t.page, PTE_TABLE)), -EINVAL);
	CHECK_EQ(table_set(t.l1, 1, table_entry(t.l2, PTE_RW)), -EBUSY);
	CHECK_EQ(table_set(t.l1, 1, table_entry(t.l2, PTE_RO)), 0);
	// A second path to the same table is fine.
	CHECK_EQ(table_set(t.l2, 1, table_entry(t.l1, PTE_TABLE)), 0);
	CHECK_EQ(((u64 *)TREE_VA)[512 * 512], 0);
	CHECK_EQ(table_set(t.l2, 1, 0), 0);
	tree_drop(&t);
	tree_free(&t);
}

// Updates of a table take effect before it is validated, without a check.
TEST(table_before_use)
{
	struct tree t = tree_make();

	page_set_rw(t.l1);
	CHECK_EQ(table_set(t.l1, 9, hypervisor_frame() << 12 | 1), 0);
	CHECK_EQ(t.l1[9], hypervisor_frame() << 12 | 1);
	page_set_ro(t.l1);
	CHECK_EQ(pin_table(2, t.l2), -EBUSY);
	page_set_rw(t.l1);
	t.l1[9] = 0;
	page_set_ro(t.l1);
	CHECK_EQ(pin_table(2, t.l2), 0);
	CHECK_EQ(unpin_table(t.l2), 0);
	tree_free(&t);
}
