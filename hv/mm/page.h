// SPDX-License-Identifier: MIT
// One record per frame: owner, references, type. This file and page.c are the
// whole state machine; they know no page-table entry (docs/page-types.md).
#ifndef MM_PAGE_H
#define MM_PAGE_H

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
extern u64 frame_chunks[]; // a bit for each 65,536 frames that have records

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

// References. page_get: false unless `who` owns the frame and it is still
// allocated; page_get_any: whoever owns it. page_put of the last reference
// frees the frame.
bool page_get(struct page_info *pg, const struct page_account *who);
bool page_get_any(struct page_info *pg);
void page_put(struct page_info *pg);
// Takes the owner's own reference away (decrease_reservation, destruction);
// false when somebody else was faster. The caller then holds it and puts it.
bool page_take_allocated(struct page_info *pg);
// Checks that exactly `refs` references are held and no type count, and takes
// the frame off its owner (exchange, transfer): -EBUSY otherwise. The frame is
// then nobody's and the caller's.
int page_steal(struct page_info *pg, struct page_account *who, u64 refs);

// One more user of a type that the frame has, the hot case of page_type_begin();
// false: ask that.
static inline bool page_type_again(struct page_info *pg, u64 type)
{
	u64 x = READ_ONCE(pg->type);

	return (x & (PGT_TYPE | PGT_VALIDATED)) == (type | PGT_VALIDATED) &&
	       (x & PGT_COUNT) != PGT_COUNT &&
	       __atomic_compare_exchange_n(&pg->type, &x, x + 1, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

// Types. begin: 0 the type is valid and one more count taken; 1 the caller is
// to validate from the start, 2 to go on where aux says (and to page_put the
// reference of the PARTIAL flag), then to commit, abort or interrupt; -EBUSY
// conflicting type in use, -EINVAL count overflow, -EAGAIN another CPU is
// validating (asked with can_wait false).
int page_type_begin(struct page_info *pg, u64 type, bool can_wait);
void page_type_commit(struct page_info *pg);
void page_type_abort(struct page_info *pg); // nothing of it stays
// Validation or undo stopped half way, aux says where. The caller's count goes
// to the PARTIAL flag, with a reference that is taken for it; whoever clears
// the flag has both.
void page_type_interrupt(struct page_info *pg);
// Clears PARTIAL and gives the caller its count; false when it is not set.
// The caller holds a reference of its own.
bool page_type_claim(struct page_info *pg);

// Drops one type count. 0: done. 1: it was the last of a validated table: the
// caller is to undo its entries from aux down and to call page_type_abort or
// page_type_interrupt.
int page_type_put(struct page_info *pg);

// Writable references, the fast case of the above; 0 or an error.
int page_get_writable(struct page_info *pg, const struct page_account *who);
void page_put_writable(struct page_info *pg);

// A domain that is not the owner got the frame into its tables, writable; the
// caller holds a writable type count.
static inline void page_mark_foreign(struct page_info *pg)
{
	if (!(READ_ONCE(pg->count) & PGC_FOREIGN))
		__atomic_fetch_or(&pg->count, PGC_FOREIGN, __ATOMIC_SEQ_CST);
}

// The record of a frame that a guest named by its number, if it is who's: with
// a reference, or a writable one too. NULL otherwise.
static inline struct page_info *frame_get(mfn_t m,
					  const struct page_account *who)
{
	return mfn_valid(m) && page_get(mfn_to_page(m), who) ? mfn_to_page(m)
							     : NULL;
}

static inline struct page_info *frame_get_writable(
	mfn_t m, const struct page_account *who)
{
	return mfn_valid(m) && !page_get_writable(mfn_to_page(m), who)
		       ? mfn_to_page(m)
		       : NULL;
}

// Lock of a page table's entries. False when the frame is no table of any
// level any more.
bool page_lock(struct page_info *pg);
void page_unlock(struct page_info *pg);

// Gives 2^order fresh frames to an owner, each with its one reference.
// -ENOMEM: over its maximum, -EINVAL: dying.
int page_assign(struct page_account *who, struct page_info *pg,
		unsigned int order);
// A zeroed hypervisor page that a guest may map, writable or only readable;
// ended by page_unshare, freed when no mapping is left.
void page_share(struct page_account *who, struct page_info *pg, bool writable);
void page_unshare(struct page_info *pg);
// First frame of the owner's list that is not special, NULL when there is
// none; no reference is taken: for the destruction of domains.
struct page_info *page_first(struct page_account *who);
// Moves the frame to the end of its owner's list.
void page_to_tail(struct page_account *who, struct page_info *pg);
// No frame any more will be added; `empty` is called when the last is gone
// (perhaps at once).
void page_account_close(struct page_account *who);

#endif
