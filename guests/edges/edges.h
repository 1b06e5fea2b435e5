// SPDX-License-Identifier: MIT
#ifndef EDGES_H
#define EDGES_H

#include "lib/domu.h"

#define REF	  24u // the grant of other domains that the tests use
#define NO_DOMAIN 4711

// main.c: a domain that was built, and its page, which it grants.
extern struct domu other;
bool other_make(void);
void other_end(void);
// The page is mapped at a window by its grant; gone again.
#define GRANTED_WINDOW 4
extern u64 granted_mfn; // its frame
u32 granted_map(void);	// the handle
void granted_unmap(u32 handle);

u64 grant_frame(domid_t id); // the first of its grant table
struct xen_memory_reservation list_of(u64 *frames, u64 n);
// A page's frame goes, while its mapping may stay; it gets another one.
void page_give_back(u64 *page);
void page_populate(u64 *page);

// A call whose argument lies anywhere. Words of the structure and registers that
// stand for something:
#define AT	      0xbad0bad0ul // the place that is tried
#define M2P	      0xbad0bad1ul // an update of a page's M2P entry, and its value
#define PFN	      0xbad0bad2ul
#define READ_MFN      0xbad0bad3ul // a page that is not writable
#define OTHER	      0xbad0bad4ul // the other domain
#define THEIRS	      0xbad0bad5ul // a page of its
#define OTHERS_GRANTS 0xbad0badaul // its grant table, as a resource
#define EVENTS	      0xbad0bad6ul // the guest's entry for events
#define STATE_MASK    0xbad0bad7ul // extended state of the other domain's vcpu,
#define STATE_SIZE    0xbad0bad8ul // and its size
#define LIST	      0xbad0bad9ul // of a frame that is none
#define WORDS	      10
#define HIGH(value)   ((u64)(value) << 32)

// What it answers where the structure can be read and written, only read, or
// where nothing is, of the guest's part of the address space and of another.
// Where AT is one of the words, the structure itself is in order, and what it
// points to is anywhere.
struct row {
	const char *name;
	u16 nr;
	u64 args[4], words[WORDS];
	long good, read_only, unmapped, forbidden;
	u8 status; // the byte of the structure that says how it went
};
extern const struct row rows[];
extern const unsigned int row_count;

// Calls with a count, and what they answer to 0, 1, so many and one more: the
// structure has it where COUNT or COUNT_HIGH stands, and what is pointed to is
// full of one word.
#define COUNT	   0xbad0badbul
#define COUNT_HIGH 0xbad0badcul
#define PORTS	   0xbad0baddul // a port, twice
struct counted {
	struct row call;
	u64 fill, most;
	long answers[4];
};
extern const struct counted counted[];
extern const unsigned int counted_count;

#endif
