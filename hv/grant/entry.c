// SPDX-License-Identifier: MIT
// The protocol is the public header grant_table.h's: in version 1 flags and
// domid are one word that both sides change by compare-and-exchange; in
// version 2 the hypervisor's marks have a word of their own, and the guest's
// word is looked at once more after they were set.
#include "grant/entry.h"
#include "lib/abi.h"

#define CLAIM_TRIES 5
#define USERS_MAX   0xfe // two more at once

static bool in_use(const struct grant_active *a)
{
	return a->readers || a->writers;
}

// Does the entry grant now what is wanted? Later users are asked like the first:
// it may have been taken back meanwhile. A granter that changes more than that
// while it is in use does not make one kind the other.
static bool head_allows(u32 head, const struct grant_active *a,
			const struct grant_want *want)
{
	bool transitive = (head & GTF_type_mask) == GTF_transitive;

	if (head >> 16 != want->domid || (want->write && head & GTF_readonly) ||
	    (in_use(a) && a->transitive != transitive))
		return false;
	if (transitive)
		return !want->direct;
	return (head & GTF_type_mask) == GTF_permit_access &&
	       !(want->whole && head & GTF_sub_page);
}

static u16 marks_for(const struct grant_want *want)
{
	return GTF_reading | (want->write ? GTF_writing : 0);
}

static void clear_marks(const struct grant_words *w, u16 marks)
{
	// Version 1: the low half of the word; the guest's other bits stay.
	if (w->status)
		__atomic_fetch_and(w->status, (u16)~marks, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(w->head, ~(u32)marks, __ATOMIC_SEQ_CST);
}

void grant_entry_settle(const struct grant_words *w,
			const struct grant_active *a)
{
	u16 marks =
		(in_use(a) ? 0 : GTF_reading) | (a->writers ? 0 : GTF_writing);

	if (marks)
		clear_marks(w, marks);
}

static int claim_v1(const struct grant_words *w, const struct grant_active *a,
		    const struct grant_want *want, u16 *flags)
{
	u32 head = READ_ONCE(*w->head);

	for (unsigned int i = 0; i < CLAIM_TRIES; i++) {
		if (!head_allows(head, a, want))
			return GNTST_general_error;
		if (__atomic_compare_exchange_n(
			    w->head, &head, head | marks_for(want), false,
			    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			*flags = (u16)head;
			return GNTST_okay;
		}
	}
	return GNTST_general_error;
}

static int claim_v2(const struct grant_words *w, const struct grant_active *a,
		    const struct grant_want *want, u16 *flags)
{
	u32 head = READ_ONCE(*w->head);

	if (!head_allows(head, a, want))
		return GNTST_general_error;
	__atomic_fetch_or(w->status, marks_for(want), __ATOMIC_SEQ_CST);
	head = READ_ONCE(*w->head);
	if (!head_allows(head, a, want)) {
		grant_entry_settle(w, a);
		return GNTST_general_error;
	}
	*flags = (u16)head;
	return GNTST_okay;
}

int grant_entry_claim(const struct grant_words *w, const struct grant_active *a,
		      const struct grant_want *want, u16 *flags)
{
	if (in_use(a) && (a->domid != want->domid || a->readers >= USERS_MAX ||
			  a->writers >= USERS_MAX))
		return GNTST_general_error;
	return w->status ? claim_v2(w, a, want, flags)
			 : claim_v1(w, a, want, flags);
}

bool grant_entry_commit_transfer(u32 *head, u16 domid)
{
	u32 want = GTF_accept_transfer | (u32)domid << 16;

	return __atomic_compare_exchange_n(head, &want,
					   want | GTF_transfer_committed, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
