// SPDX-License-Identifier: MIT
#ifndef GRANTS_GRANTS_H
#define GRANTS_GRANTS_H

#include "lib/domu.h"

#define FIRST_REF 16u // below are reserved ones

extern struct grant_entry_v1 *table; // ours
void grant(u32 ref, const void *page, u16 flags);
int16_t unmap(u64 at, u32 handle);
// The table of another domain, in version 1, at window 0.
struct grant_entry_v1 *table_of(domid_t id);

#endif
