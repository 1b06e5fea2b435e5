// SPDX-License-Identifier: MIT
// Memory: frames (buddy allocator), small objects, temporary and device
// mappings, the M2P.
#ifndef MM_ALLOC_H
#define MM_ALLOC_H

#include "mm/page.h"

#define MAX_ORDER 18 // 1 GiB

// Frames. width: highest address in bits, 0 for any. Frames for a domain are
// scrubbed when their former owner was another one; `zero` gets zeroed ones.
// NULL when there is none. Count is 0 and owner none on return.
#define ALLOC_ZERO    1u
#define ALLOC_NOCLAIM 2u // may take frames that are claimed (the claimer)
#define ALLOC_NOSCRUB 4u // the caller overwrites them, or trusts the reader
struct page_info *frames_alloc(unsigned order, unsigned width, unsigned flags);
void frames_free(struct page_info *pg, unsigned order);
u64 frames_free_count(void);
u64 frames_total_count(void); // the machine's RAM
// Orders of which there are free blocks, below 4 GiB or above.
u64 frames_free_orders(bool high);
u64 frames_claimed(void); // outstanding
// -ENOMEM when it cannot be promised; 0 frames cancels.
int frames_claim(struct page_account *who, u64 frames);

// One hypervisor page or 2^order of them, zeroed, from the direct map.
void *hvpages_alloc(unsigned order);
void hvpages_free(void *p, unsigned order); // NULL is allowed

// Small objects up to a few pages, zeroed, 16-byte aligned. May not be called
// from interrupt context.
void *heap_alloc(size_t size);
void *heap_alloc_array(size_t n, size_t size); // checks the product
void heap_free(void *p);		       // NULL is allowed
// A pointer of this kind frees what it points to when its block ends.
#define __heap_ref __attribute__((cleanup(heap_ref_end)))
static inline void heap_ref_end(void *p)
{
	heap_free(*(void **)p);
}

// These two are the only way to a guest's frame. Today the direct map.
static inline void *map_frame(mfn_t m)
{
	return (void *)(DIRECT_START + mfn_to_maddr(m));
}

// The same, to an entry of a table.
static inline u64 *map_entry(u64 maddr)
{
	return (u64 *)(DIRECT_START + maddr);
}

static inline void unmap_frame(const void *p)
{
	(void)p;
}

static inline void *maddr_to_virt(u64 maddr)
{
	return (void *)(DIRECT_START + maddr);
}

u64 virt_to_maddr(const void *p); // direct map or image

static inline mfn_t virt_to_mfn(const void *p)
{
	return maddr_to_mfn(virt_to_maddr(p));
}

static inline struct page_info *virt_to_page(const void *p)
{
	return mfn_to_page(virt_to_mfn(p));
}

// Device memory, uncached, for good; NULL when the window is full.
void *mmio_map(u64 maddr, u64 size);
// Any physical range, cached and read-only in effect: ACPI tables at boot.
const void *table_map(u64 maddr, u64 size);

// M2P: what a frame's owner calls it.
#define m2p_rw ((u64 *)M2P_RW_START)

// What 32-bit kernels see of it: 4 bytes a frame, in pieces of 2 MiB, read-only,
// at the end of their address space, which is left to the hypervisor (public
// header arch-x86/xen-x86_32.h).
#define HOLE32_START	   0xf5800000
#define M2P32_PIECES	   ((0x100000000 - HOLE32_START) >> 21)
#define M2P32_PIECE_FRAMES (1UL << 19)
extern u32 *m2p32[M2P32_PIECES];
// Makes it, with the first such domain: 0, -ENOMEM, or -ERESTART to be called
// again. One caller at a time.
int m2p32_make(void);
void m2p32_set(mfn_t m, u64 pfn);
// Entry of a level-2 table that shows a piece, or 0.
u64 m2p32_entry(unsigned int piece);

static inline void m2p_set(mfn_t m, u64 pfn)
{
	m2p_rw[mfn_val(m)] = pfn;
	if (unlikely(m2p32[0]))
		m2p32_set(m, pfn);
}

#define M2P_INVALID (~0UL)

#endif
