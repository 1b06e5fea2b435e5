// SPDX-License-Identifier: MIT
#include "pagetables/tree.h"

#ifndef __x86_64__
uptr tree_va;
#endif

u64 table_entry(const u64 *table, u64 flags)
{
	return make_entry(virt_to_mfn(table), flags);
}

long table_set(const u64 *table, unsigned int i, u64 entry)
{
	return mmu_update_one(virt_to_maddr(table + i), entry);
}

struct tree tree_make(void)
{
	struct tree t = { base_table(), page_alloc(), page_alloc(),
			  page_alloc(), NULL };

	t.l1[0] = table_entry(t.page, PTE_RW | PTE_U);
	t.l2[0] = table_entry(t.l1, PTE_TABLE);
	CHECK_EQ(page_set_ro(t.l1), 0);
	CHECK_EQ(page_set_ro(t.l2), 0);
	t.top = t.l2;
	if (OWN_LEVELS == 3) {
		t.top = t.l3 = page_alloc();
		t.l3[0] = table_entry(t.l2, PTE_TABLE);
		CHECK_EQ(page_set_ro(t.l3), 0);
	}
	return t;
}

void tree_hang(const struct tree *t)
{
	CHECK_EQ(mmu_update_one(entry_maddr((void *)TREE_VA, TABLE_LEVELS),
				table_entry(t->top, PTE_TABLE)),
		 0);
}

void tree_drop(const struct tree *t)
{
	(void)t;
	CHECK_EQ(mmu_update_one(entry_maddr((void *)TREE_VA, TABLE_LEVELS), 0),
		 0);
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
}

void tree_free(const struct tree *t)
{
	u64 *tables[] = { t->l1, t->l2, t->l3 };

	for (int i = OWN_LEVELS - 1; i >= 0; i--) {
		CHECK_EQ(page_set_rw(tables[i]), 0);
		page_free(tables[i]);
	}
	page_free(t->page);
}

u64 hypervisor_frame(void)
{
#ifdef __x86_64__
	const u64 *l4 = base_table();

	for (int i = 261; i < 272; i++) {
		if (l4[i] & PTE_P)
			return (l4[i] & PTE_FRAME) >> 12;
	}
	test_skip("the base table shows no frame of the hypervisor");
	return 0;
#else
	return (*entry_of(machine_to_phys_mapping, 2) & PTE_FRAME) >> 12;
#endif
}
