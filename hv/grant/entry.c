// SPDX-License-Identifier: MIT
// The end of a use, and transfers; the beginning is in the header.
#include "grant/entry.h"

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
	u16 marks = (grant_in_use(a) ? 0 : GTF_reading) |
		    (a->writers ? 0 : GTF_writing);

	if (marks)
		clear_marks(w, marks);
}

bool grant_entry_commit_transfer(u32 *head, u16 domid)
{
	u32 want = GTF_accept_transfer | (u32)domid << 16;

	return __atomic_compare_exchange_n(head, &want,
					   want | GTF_transfer_committed, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
