// SPDX-License-Identifier: MIT
// One grant entry: the words that guest and hypervisor share, and what the
// hypervisor knows of it. Pure: statuses are GNTST_* of grant_table.h.
#ifndef GRANT_ENTRY_H
#define GRANT_ENTRY_H

#include "lib/abi.h"
#include "lib/types.h"

// What is in use. With no reader and no writer the rest means nothing.
struct grant_active {
	u32 frame;	     // machine frame
	u16 domid      : 15; // who uses it
	u16 transitive : 1;  // stands for another domain's grant: no frame here
	u8 readers, writers; // users, the latter not among the former
};

_Static_assert(sizeof(struct grant_active) == 8, "512 in a page");

struct grant_want {
	u16 domid; // who asks
	bool write;
	bool whole;  // the whole page, to map it
	bool direct; // of a frame of the granter's, not a transitive grant
};

// flags and domid, the first word of an entry of either version; status is
// the entry's status word in version 2 and NULL in version 1.
struct grant_words {
	u32 *head;
	u16 *status;
};

// Takes marks back that a's users do not need.
void grant_entry_settle(const struct grant_words *w,
			const struct grant_active *a);

// In version 1 flags and domid are one word that both sides change by
// compare-and-exchange; in version 2 the hypervisor's marks have a word of their
// own, and the guest's word is looked at once more after they were set (public
// header grant_table.h). Inline: each use of a grant comes through here.
#define GRANT_CLAIM_TRIES 5
#define GRANT_USERS_MAX	  0xfe // two more at once

static inline bool grant_in_use(const struct grant_active *a)
{
	return a->readers || a->writers;
}

// Does the entry grant now what is wanted? Later users are asked like the first:
// it may have been taken back meanwhile. A granter that changes more than that
// while it is in use does not make one kind the other.
static __forced_inline bool grant_head_allows(u32 head,
					      const struct grant_active *a,
					      const struct grant_want *want)
{
	bool transitive = (head & GTF_type_mask) == GTF_transitive;

	if (head >> 16 != want->domid || (want->write && head & GTF_readonly) ||
	    (grant_in_use(a) && a->transitive != transitive))
		return false;
	if (transitive)
		return !want->direct;
	return (head & GTF_type_mask) == GTF_permit_access &&
	       !(want->whole && head & GTF_sub_page);
}

static inline u16 grant_marks_for(const struct grant_want *want)
{
	return GTF_reading | (want->write ? GTF_writing : 0);
}

static __forced_inline int grant_claim_v1(const struct grant_words *w,
					  const struct grant_active *a,
					  const struct grant_want *want,
					  u16 *flags)
{
	u32 head = READ_ONCE(*w->head);

	for (unsigned int i = 0; i < GRANT_CLAIM_TRIES; i++) {
		if (!grant_head_allows(head, a, want))
			return GNTST_general_error;
		if (__atomic_compare_exchange_n(
			    w->head, &head, head | grant_marks_for(want), false,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			*flags = (u16)head;
			return GNTST_okay;
		}
	}
	return GNTST_general_error;
}

static __forced_inline int grant_claim_v2(const struct grant_words *w,
					  const struct grant_active *a,
					  const struct grant_want *want,
					  u16 *flags)
{
	u32 head = READ_ONCE(*w->head);

	if (!grant_head_allows(head, a, want))
		return GNTST_general_error;
	__atomic_fetch_or(w->status, grant_marks_for(want), __ATOMIC_SEQ_CST);
	head = READ_ONCE(*w->head);
	if (!grant_head_allows(head, a, want)) {
		const struct grant_words words = *w; // so *w needs no memory

		grant_entry_settle(&words, a);
		return GNTST_general_error;
	}
	*flags = (u16)head;
	return GNTST_okay;
}

// Checks what the guest wrote and what is in use, and marks the entry as read
// or written from now on; a is not changed. *flags are the flags that were
// found valid. GNTST_okay or GNTST_general_error; an entry that changes again
// and again is an error too.
static __forced_inline int grant_entry_claim(const struct grant_words *w,
					     const struct grant_active *a,
					     const struct grant_want *want,
					     u16 *flags)
{
	if (grant_in_use(a) &&
	    (a->domid != want->domid || a->readers >= GRANT_USERS_MAX ||
	     a->writers >= GRANT_USERS_MAX))
		return GNTST_general_error;
	return w->status ? grant_claim_v2(w, a, want, flags)
			 : grant_claim_v1(w, a, want, flags);
}

// Marks an entry as committed if it accepts a transfer from domid.
bool grant_entry_commit_transfer(u32 *head, u16 domid);

#endif
