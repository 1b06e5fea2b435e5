// SPDX-License-Identifier: MIT
// One record per frame: owner, references, type. mm/page.h has what is done with
// it (docs/page-types.md).
#ifndef MM_RECORD_H
#define MM_RECORD_H

#include "lib/cpumask.h"
#include "lib/types.h"
#include "x86/layout.h"
#include "x86/spinlock.h"

// Stands for an owner of frames; dom/ embeds it at the start of a domain.
struct page_account {
	cpumask_t tlb_cpus;   // CPUs that may hold translations, atomic
	struct spinlock lock; // RANK_PAGELIST: everything below
	u32 first;	      // mfn + 1 of the first frame of the list, 0 none
	u64 total;	      // frames of the domain
	u64 special; // frames of the hypervisor that it shares, not in total
	u64 max;     // what it may have
	u64 claim;   // frames promised and not yet taken
	bool dying;  // takes no more frames
	bool closed; // `empty` is to be called when the last frame is gone
	void (*empty)(struct page_account *who);
};

struct page_info {
	u64 count;	// PGC_*, references
	u64 type;	// PGT_*, type count
	u32 next, prev; // mfn + 1 in the owner's or a free list
	u32 owner;	// mfn of the page_account's page; 0 none
	// Table being built or undone: entries done. In no type: TLB stamp of
	// the end of its last one. First of a free block: its order.
	u32 aux;
};

_Static_assert(sizeof(struct page_info) == 32, "record per frame");

// count
#define PGC_ALLOCATED BIT(63) // the owner's own reference is still held
#define PGC_SPECIAL   BIT(62) // hypervisor's frame that a guest may map
#define PGC_FREE      BIT(61) // in the buddy allocator
#define PGC_DIRTY     BIT(60) // free and not scrubbed
// Was writable in tables of another domain than its owner since the last flush
// for a new type: more CPUs than the owner's may know it.
#define PGC_FOREIGN BIT(59)
#define PGC_COUNT   0xffffffffffffUL
// Highest guest PTE cache attribute in use is not tracked: RAM is mapped
// write-back only.

// type
#define PGT_NONE	(0UL << 60)
#define PGT_L1		(1UL << 60)
#define PGT_L2		(2UL << 60)
#define PGT_L3		(3UL << 60)
#define PGT_L4		(4UL << 60)
#define PGT_SEGDESC	(5UL << 60)
#define PGT_WRITABLE	(7UL << 60)
#define PGT_L2_TOP	(10UL << 60) // 32-bit: below the L3's last slot
#define PGT_TYPE	(15UL << 60)
#define PGT_PINNED	BIT(59)
#define PGT_VALIDATED	BIT(58)
#define PGT_PARTIAL	BIT(57) // interrupted validation or undo; aux says where
#define PGT_LOCKED	BIT(56) // somebody changes entries of this table
#define PGT_COUNT	0xffffffffUL

#define PGT_LEVEL(t)	((unsigned int)((t) >> 60) & 7) // of a table
#define PGT_IS_TABLE(t) (PGT_LEVEL(t) - 1 < 4)

#define frame_table	((struct page_info *)FRAMES_START)
extern u64 max_mfn;	   // first frame number without a record
extern u64 frame_chunks[]; // a bit for each 65,536 frames with RAM among them

// Is there RAM, or what lies among it? Records of other frames below max_mfn
// are there too, empty and read-only.
static inline bool mfn_valid(mfn_t m)
{
	u64 chunk = mfn_val(m) >> 16;

	return mfn_val(m) < max_mfn &&
	       (frame_chunks[chunk / 64] >> (chunk % 64) & 1);
}

static inline struct page_info *mfn_to_page(mfn_t m)
{
	return &frame_table[mfn_val(m)];
}

static inline mfn_t page_to_mfn(const struct page_info *pg)
{
	return mfn((u64)(pg - frame_table));
}

static inline struct page_account *page_owner(const struct page_info *pg)
{
	u32 owner = READ_ONCE(pg->owner);

	return owner ? (struct page_account *)(DIRECT_START +
					       ((u64)owner << PAGE_SHIFT))
		     : NULL;
}

// Accounts begin pages, so that their frame's number says which one it is.
static inline u32 account_number(const struct page_account *who)
{
	return (u32)(((u64)who - DIRECT_START) >> PAGE_SHIFT);
}

static inline bool page_is_of(const struct page_info *pg,
			      const struct page_account *who)
{
	return READ_ONCE(pg->owner) == account_number(who);
}

#endif
