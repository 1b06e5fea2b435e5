// SPDX-License-Identifier: MIT
// One grant entry: the words that guest and hypervisor share, and what the
// hypervisor knows of it. Pure: statuses are GNTST_* of grant_table.h.
#ifndef GRANT_ENTRY_H
#define GRANT_ENTRY_H

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

// Checks what the guest wrote and what is in use, and marks the entry as read
// or written from now on; a is not changed. *flags are the flags that were
// found valid. GNTST_okay or GNTST_general_error; an entry that changes again
// and again is an error too.
int grant_entry_claim(const struct grant_words *w, const struct grant_active *a,
		      const struct grant_want *want, u16 *flags);
// Takes marks back that a's users do not need.
void grant_entry_settle(const struct grant_words *w,
			const struct grant_active *a);

// Marks an entry as committed if it accepts a transfer from domid.
bool grant_entry_commit_transfer(u32 *head, u16 domid);

#endif
