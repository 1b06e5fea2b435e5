// SPDX-License-Identifier: MIT
// Xenstore, as a DomU talks to it over its ring. Not for Dom0's place. Paths that
// do not start with a slash lie below the domain's own. One vcpu.
#ifndef LIB_STORE_H
#define LIB_STORE_H

#include "lib/guest.h"
#include <xen/io/xs_wire.h>

#define STORE_TEXT 512 // longest path, value or answer here, with its NUL

// A request of this type; the payload's strings with their NULs, but for a
// value at the end. Returns the length of the answer, which stands in *answer
// (may be NULL) with a NUL behind it, or minus the error's number.
long store_call(u32 type, u32 transaction, const void *payload, size_t size,
		char *answer);

// Minus the error's number, or 0 (read: the length).
long store_read(u32 transaction, const char *path, char *value);
long store_write(u32 transaction, const char *path, const char *value);
long store_remove(u32 transaction, const char *path);
// Permissions, "n5" and the like, each with its NUL.
long store_allow(u32 transaction, const char *path, const char *permissions,
		 size_t size);
long store_watch(const char *path, const char *token);
long store_unwatch(const char *path, const char *token);
long store_begin(u32 *transaction);
long store_end(u32 transaction, bool commit); // -EAGAIN: to be done again
// The token of the oldest event not asked for yet, and its path (may be NULL);
// false: there is none. Does not wait.
bool store_event(char *token, char *path);
// Waits for an event of any port; upcalls are masked before and after.
void store_wait(void);
u32 number_of(const char *text); // decimal, behind blanks

#endif
