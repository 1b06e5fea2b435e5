// SPDX-License-Identifier: MIT
// The hypervisor's own page tables.
#ifndef MM_PAGING_H
#define MM_PAGING_H

#include "lib/handover.h"
#include "x86/pte.h"

#define HV_RO (PTE_P | PTE_A | PTE_G | PTE_NX)
#define HV_RW (PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_NX)
#define HV_RX (PTE_P | PTE_A | PTE_G)
#define HV_UC (HV_RW | PTE_PCD | PTE_PWT)

// Maps [maddr, +size) at va with the largest pages that fit, splitting those
// in the way; flags 0 unmaps. No TLB flush. -ENOMEM without a frame for a
// table.
int hv_map(u64 va, u64 maddr, u64 size, u64 flags);
// The same in a tree of its own.
int tables_map(u64 *l4, u64 va, u64 maddr, u64 size, u64 flags);
// What the hypervisor's tables map va to; 0: nothing.
u64 hv_maddr(u64 va);

// Boot: tables of our own with image, direct map and CPU 0's stack, from the
// handover's memory map; loads them. NULL, or a sentence on what is missing.
const char *paging_boot(const struct handover *h);
// Frame table and M2P; then all memory that is free goes to the allocator.
void mm_boot(void);
// Gives back the init part of the image and what the loader left.
void mm_boot_free(u64 maddr, u64 size);
void mm_free_init(void);

extern u64 *hv_l4; // direct map
extern u64 image_maddr;
extern char __image_start[], __text_end[], __rodata_end[], __init_text_end[],
	__init_end[], __file_end[], __image_end[], __percpu_start[],
	__percpu_end[];

#endif
