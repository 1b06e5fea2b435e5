// SPDX-License-Identifier: MIT
#ifndef CONTINUED_H
#define CONTINUED_H

#include "lib/guest.h"

#define MS	   1000000ul
#define MANY	   4096u       // of a list of calls or updates
#define PAGES	   400u	       // of a list of frames
#define HUGE_FRAME (1ul << 28) // not there

// A timer ends over and over from here to there, in the middle of calls too.
void ticks_begin(void);
// At least one call gave way to an event and went on after it; or so often.
void ticks_end(const char *what);
extern unsigned int restarts;

// The same while vcpu 1 does this over and over.
void others_begin(void (*fn)(void));
void others_end(const char *what);
// Another round? Up to so many, and for some seconds while `more`.
bool go_on(unsigned int *round, unsigned int most, bool more);

// PAGES pages without a mapping, their frames in `frames`.
extern void *pages[PAGES];
extern xen_pfn_t frames[PAGES];
void pages_take_out(void);
// frames[] are those of the pages, which are mapped again.
void pages_put_back(void);
void pages_free(void);
// Frames for all pages from this one on.
void pages_populate(u32 from);
long owned(void); // pages that the domain has
struct xen_memory_reservation reservation_of(xen_pfn_t *list, u64 n);

// The only reference to a page that is mapped is that mapping.
void check_unused(void *page);

// The first frame of the grant table, version 1.
extern struct grant_entry_v1 *table;
void table_map(void);
void grant(u32 ref, const void *page);

#endif
