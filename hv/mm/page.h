// SPDX-License-Identifier: MIT
// References, types and locks of frames. This file and page.c are the whole state
// machine of a frame's record; they know no page-table entry (docs/page-types.md).
#ifndef MM_PAGE_H
#define MM_PAGE_H

#include "mm/record.h"

// References. page_get: false unless `who` owns the frame and it is still
// allocated; page_get_any: whoever owns it. page_put of the last reference
// frees the frame.
bool page_get_any(struct page_info *pg);
void page_put(struct page_info *pg);
static inline bool page_get(struct page_info *pg,
			    const struct page_account *who)
{
	u64 x = READ_ONCE(pg->count);

	if (unlikely((x & PGC_COUNT) - 1 >= PGC_COUNT - 1 ||
		     !__atomic_compare_exchange_n(&pg->count, &x, x + 1, false,
						  __ATOMIC_SEQ_CST,
						  __ATOMIC_SEQ_CST)) &&
	    !page_get_any(pg))
		return false;
	if (likely(page_is_of(pg, who)))
		return true;
	page_put(pg);
	return false;
}
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
// Where page_type_again() is not enough; puts the reference on failure.
int page_write_first(struct page_info *pg);
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
	return mfn_val(m) < max_mfn && page_get(mfn_to_page(m), who)
		       ? mfn_to_page(m)
		       : NULL;
}

static inline struct page_info *frame_get_writable(
	mfn_t m, const struct page_account *who)
{
	return mfn_valid(m) && !page_get_writable(mfn_to_page(m), who)
		       ? mfn_to_page(m)
		       : NULL;
}

// Lock of a page table's entries: who's table m, of any level, locked; NULL: it
// is none. No reference is needed: the last count of a table's type waits for the
// lock, and it has one.
struct page_info *table_lock(mfn_t m, const struct page_account *who);
static inline void page_unlock(struct page_info *pg)
{
	table_lock_note(-1);
	__atomic_fetch_and(&pg->type, ~PGT_LOCKED, __ATOMIC_SEQ_CST);
}
// The hot case: a table of the type PGT_*, which nobody has locked, below max_mfn.
// False: ask table_lock().
static inline bool table_lock_free(struct page_info *pg, u64 type,
				   const struct page_account *who)
{
	u64 x = READ_ONCE(pg->type);

	if ((x & (PGT_TYPE | PGT_VALIDATED | PGT_LOCKED)) !=
		    (type | PGT_VALIDATED) ||
	    !(x & PGT_COUNT) || !page_is_of(pg, who) ||
	    !__atomic_compare_exchange_n(&pg->type, &x, x | PGT_LOCKED, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	table_lock_note(1);
	// It may have been given away before it was locked.
	if (likely(page_is_of(pg, who)))
		return true;
	page_unlock(pg);
	return false;
}

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
// The first one that is pinned or half validated or undone, with a reference;
// those before it, at most *most, go to the end of the list and off *most.
struct page_info *page_first_table(struct page_account *who, u64 *most);
// Frees those at the head of the list that are neighbours and that nobody but the
// owner refers to, at most so many; how many they were. The account is not closed.
u64 page_free_unused(struct page_account *who, u64 most);
// Moves the frame to the end of its owner's list.
void page_to_tail(struct page_account *who, struct page_info *pg);
// No frame any more will be added; `empty` is called when the last is gone
// (perhaps at once).
void page_account_close(struct page_account *who);

#endif
