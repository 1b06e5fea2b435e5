// SPDX-License-Identifier: MIT
// Page tables of the guest, and pages to try things with: paging.c.
#ifndef LIB_PAGING_H
#define LIB_PAGING_H

#define PTE_P	  ((u64)0x001)
#define PTE_W	  ((u64)0x002)
#define PTE_U	  ((u64)0x004)
#define PTE_PWT	  ((u64)0x008)
#define PTE_PCD	  ((u64)0x010)
#define PTE_A	  ((u64)0x020)
#define PTE_D	  ((u64)0x040)
#define PTE_PS	  ((u64)0x080)
#define PTE_G	  ((u64)0x100)
#define PTE_NX	  ((u64)1 << 63)
#define PTE_FRAME ((u64)0x000ffffffffff000)
#define PTE_RO	  (PTE_P | PTE_A | PTE_U)
#define PTE_RW	  (PTE_P | PTE_A | PTE_D | PTE_W)
#define PTE_TABLE (PTE_P | PTE_A | PTE_D | PTE_W | PTE_U)

extern u8 guest_start[], guest_end[];
u64 virt_to_pfn(const volatile void *p);
u64 virt_to_mfn(const volatile void *p);
u64 virt_to_maddr(const volatile void *p);
void *mfn_to_virt(u64 mfn);
// Entry for a frame.
static inline u64 make_entry(u64 mfn, u64 flags)
{
	return (mfn << 12) | flags;
}
// The entry of a level (1 to 4) that maps va, read-only; NULL if a table
// above it is missing.
const volatile u64 *entry_of(const volatile void *va, int level);
u64 entry_maddr(const volatile void *va, int level);
// One update of mmu_update: MMU_NORMAL_PT_UPDATE etc. is part of ptr.
long mmu_update_one(u64 ptr, u64 value);
long mmuext(unsigned int cmd, u64 arg1, u64 arg2);
long pin_table(int level, const void *table);
long unpin_table(const void *table);
// Remaps a page of the guest itself; they cannot fail on a healthy page.
long page_set_ro(const volatile void *page);
long page_set_rw(const volatile void *page);
// Zeroed pages of the image's own memory; page_free takes them back when they
// are writable again.
void *page_alloc(void);
void page_free(void *page);
// A spare virtual page; nothing is mapped there until the caller does so.
void *window(unsigned int n);
void *window_at(unsigned int n); // as it is
#define WINDOWS 16

#endif
