// SPDX-License-Identifier: MIT
// The hypervisor's own page tables: one tree, whose upper half slots every
// guest's base table shares. Entries of L4 are fixed once boot is over.
#include "mm/paging.h"
#include "lib/errno.h"
#include "mm/private.h"
#include "x86/desc.h"
#include "x86/insn.h"

u64 *hv_l4;
u64 image_maddr;
static struct spinlock map_lock = SPINLOCK_INIT(RANK_MAP);

#define HV_TABLE (PTE_P | PTE_W | PTE_U | PTE_A)

// Turns a large page of `level` into a table of the same mappings.
static int large_split(u64 *entry, unsigned int level)
{
	u64 *table = hvpages_alloc(0), old = *entry;
	u64 step = 1UL << (PAGE_SHIFT + 9 * (level - 2));
	u64 flags = old & ~PTE_ADDR & ~PTE_PS;

	if (!table)
		return -ENOMEM;
	if (level > 2)
		flags |= PTE_PS;
	for (unsigned int i = 0; i < PTES; i++)
		table[i] = ((old & PTE_ADDR) + i * step) | flags;
	*entry = virt_to_maddr(table) | HV_TABLE;
	return 0;
}

// The entry for va at `want`, with tables above it made as needed.
static u64 *entry_for(u64 *table, u64 va, unsigned int want)
{
	for (unsigned int level = 4; level > want; level--) {
		u64 *e = &table[pte_index(va, level)];

		if (!(*e & PTE_P)) {
			u64 *new = hvpages_alloc(0);

			if (!new)
				return NULL;
			*e = virt_to_maddr(new) | HV_TABLE;
		} else if (level < 4 && (*e & PTE_PS) &&
			   large_split(e, level)) {
			return NULL;
		}
		table = maddr_to_virt(*e & PTE_ADDR);
	}
	return &table[pte_index(va, want)];
}

// A large page fits when nothing smaller is mapped there already.
static bool large_fits(u64 *l4, u64 va, u64 maddr, u64 size, unsigned int level)
{
	u64 bytes = 1UL << (PAGE_SHIFT + 9 * (level - 1));
	u64 *e;

	if ((va | maddr) & (bytes - 1) || size < bytes)
		return false;
	e = entry_for(l4, va, level);
	return e && (!(*e & PTE_P) || (*e & PTE_PS));
}

int tables_map(u64 *l4, u64 va, u64 maddr, u64 size, u64 flags)
{
	u64 end = va + size;
	int rc = 0;

	// Before the allocator runs there is one CPU, not yet on its stack.
	if (mm_ready)
		spin_lock(&map_lock);
	while (va < end) {
		unsigned int level = 1;
		u64 *e;

		if (flags && large_fits(l4, va, maddr, end - va, 2))
			level = 2;
		e = entry_for(l4, va, level);
		if (!e) {
			rc = -ENOMEM;
			break;
		}
		*e = flags ? maddr | flags | (level > 1 ? PTE_PS : 0) : 0;
		va += 1UL << (PAGE_SHIFT + 9 * (level - 1));
		maddr += 1UL << (PAGE_SHIFT + 9 * (level - 1));
	}
	if (mm_ready)
		spin_unlock(&map_lock);
	return rc;
}

int hv_map(u64 va, u64 maddr, u64 size, u64 flags)
{
	return tables_map(hv_l4, va, maddr, size, flags);
}

u64 hv_maddr(u64 va)
{
	const u64 *table = hv_l4;

	for (unsigned int level = 4;; level--) {
		u64 pte = table[pte_index(va, level)];
		u64 mask = (1UL << (PAGE_SHIFT + 9 * (level - 1))) - 1;

		if (!(pte & PTE_P))
			return 0;
		if (level == 1 || (level < 4 && (pte & PTE_PS)))
			return (pte & PTE_ADDR & ~mask) | (va & mask);
		table = maddr_to_virt(pte & PTE_ADDR);
	}
}

u64 virt_to_maddr(const void *p)
{
	u64 va = (u64)p;

	if (va >= DIRECT_START)
		return va - DIRECT_START;
	return va - IMAGE_START + image_maddr;
}

static struct spinlock mmio_lock = SPINLOCK_INIT(RANK_MMIO);
static u64 mmio_next = MMIO_START;

static void *window_map(u64 maddr, u64 size, u64 flags)
{
	u64 first = maddr & PAGE_MASK, offset = maddr - first, va;
	u64 bytes = ROUND_UP(offset + size, PAGE_SIZE);

	SPIN_GUARD(&mmio_lock);
	va = mmio_next;
	if (bytes > MMIO_END - va || hv_map(va, first, bytes, flags))
		return NULL;
	mmio_next += bytes;
	return (void *)(va + offset);
}

void *mmio_map(u64 maddr, u64 size)
{
	return window_map(maddr, size, HV_UC);
}

const void *table_map(u64 maddr, u64 size)
{
	return window_map(maddr, size, HV_RO);
}
