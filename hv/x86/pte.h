// SPDX-License-Identifier: MIT
// Page-table entries: AMD APM vol. 2 ch. 5, Intel SDM vol. 3 ch. 4.
#ifndef X86_PTE_H
#define X86_PTE_H

#define PTE_P	   0x001UL
#define PTE_W	   0x002UL
#define PTE_U	   0x004UL
#define PTE_PWT	   0x008UL
#define PTE_PCD	   0x010UL
#define PTE_A	   0x020UL
#define PTE_D	   0x040UL
#define PTE_PS	   0x080UL // L2, L3
#define PTE_PAT	   0x080UL // L1
#define PTE_G	   0x100UL
#define PTE_AVAIL  0xe00UL
#define PTE_AVAILH (0x7ffUL << 52)
#define PTE_KERNEL BIT(52) // software: the guest's kernel page, made user
#define PTE_GNTTAB BIT(62) // software: refused from guests
#define PTE_NX	   BIT(63)
#define PTE_ADDR   0x000ffffffffff000UL

#define PTE_CACHE  (PTE_PWT | PTE_PCD | PTE_PAT)

#define PTES	   512

static inline mfn_t pte_mfn(u64 pte)
{
	return mfn((pte & PTE_ADDR) >> PAGE_SHIFT);
}

static inline u64 pte_make(mfn_t m, u64 flags)
{
	return mfn_to_maddr(m) | flags;
}

// Index of va's entry in a table of level 1 to 4.
static inline unsigned int pte_index(u64 va, unsigned int level)
{
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & (PTES - 1);
}

static inline bool va_canonical(u64 va)
{
	return (u64)((s64)va >> 47) + 1 <= 1;
}

// Canonical and not the hypervisor's.
static inline bool va_is_guest(u64 va)
{
	return va < 0x0000800000000000UL || va >= 0xffff880000000000UL;
}

#endif
