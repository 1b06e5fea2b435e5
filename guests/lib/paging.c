// SPDX-License-Identifier: MIT
// The guest's page tables. All of its memory that tests use lies in the
// initial mapping, where va = VIRT_BASE + pfn * PAGE_SIZE.
#include "lib/guest.h"

#define POOL_PAGES 512

static u8 pool[POOL_PAGES][PAGE_SIZE] __page_aligned;
static u8 windows[WINDOWS][PAGE_SIZE] __page_aligned;
static void *free_list[POOL_PAGES];
static unsigned int pool_used, free_count;

u64 virt_to_pfn(const volatile void *p)
{
	return ((uptr)p - VIRT_BASE) >> 12;
}

u64 virt_to_mfn(const volatile void *p)
{
	return ((const uptr *)start_info->mfn_list)[virt_to_pfn(p)];
}

u64 virt_to_maddr(const volatile void *p)
{
	return (virt_to_mfn(p) << 12) | ((uptr)p & (PAGE_SIZE - 1));
}

void *mfn_to_virt(u64 mfn)
{
	return (u8 *)VIRT_BASE + machine_to_phys_mapping[mfn] * PAGE_SIZE;
}

const volatile u64 *entry_of(const volatile void *va, int level)
{
	const volatile u64 *table = (const u64 *)start_info->pt_base;

	for (int at = TABLE_LEVELS;; at--) {
		const volatile u64 *entry =
			table + (((uptr)va >> (3 + 9 * at)) & 511);

		if (at == level)
			return entry;
		if (!(*entry & PTE_P))
			return NULL;
		table = mfn_to_virt((*entry & PTE_FRAME) >> 12);
	}
}

u64 entry_maddr(const volatile void *va, int level)
{
	return virt_to_maddr(entry_of(va, level));
}

long mmu_update_one(u64 ptr, u64 value)
{
	struct mmu_update update = { ptr, value };

	return HC4(__HYPERVISOR_mmu_update, &update, 1, NULL, DOMID_SELF);
}

long mmuext(unsigned int cmd, u64 arg1, u64 arg2)
{
	struct mmuext_op op = { .cmd = cmd };

	op.arg1.mfn = (xen_pfn_t)arg1;
	op.arg2.nr_ents = (unsigned int)arg2;
	return mmuext_one(&op);
}

long set_gdt(u64 mfn, unsigned int entries)
{
	uptr frame = (uptr)mfn;

	return HC2(__HYPERVISOR_set_gdt, &frame, entries);
}

long pin_table(int level, const void *table)
{
	return mmuext(MMUEXT_PIN_L1_TABLE + (unsigned int)level - 1,
		      virt_to_mfn(table), 0);
}

long unpin_table(const void *table)
{
	return mmuext(MMUEXT_UNPIN_TABLE, virt_to_mfn(table), 0);
}

long page_set_ro(const volatile void *page)
{
	return update_va(page, make_entry(virt_to_mfn(page), PTE_RO),
			 UVMF_INVLPG);
}

long page_set_rw(const volatile void *page)
{
	return update_va(page, make_entry(virt_to_mfn(page), PTE_RW | PTE_U),
			 UVMF_INVLPG);
}

void *page_alloc(void)
{
	void *page;

	if (free_count)
		page = free_list[--free_count];
	else if (pool_used < POOL_PAGES)
		page = pool[pool_used++];
	else
		return NULL;
	memset(page, 0, PAGE_SIZE);
	return page;
}

void page_free(void *page)
{
	free_list[free_count++] = page;
}

void *window_at(unsigned int n)
{
	return windows[n];
}

void *window(unsigned int n)
{
	update_va(windows[n], 0, UVMF_INVLPG);
	return windows[n];
}
