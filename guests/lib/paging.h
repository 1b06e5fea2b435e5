// SPDX-License-Identifier: MIT
// Page tables of the guest, and pages to try things with: paging.c.
#ifndef LIB_PAGING_H
#define LIB_PAGING_H

#define PTE_P	  0x001ul
#define PTE_W	  0x002ul
#define PTE_U	  0x004ul
#define PTE_PWT	  0x008ul
#define PTE_PCD	  0x010ul
#define PTE_A	  0x020ul
#define PTE_D	  0x040ul
#define PTE_PS	  0x080ul
#define PTE_G	  0x100ul
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
