// SPDX-License-Identifier: MIT
#ifndef ATTACK_H
#define ATTACK_H

#include "lib/domu.h"

#define MS 1000000ul
// What no pointer of a guest's may reach.
#ifdef __x86_64__
#define NOT_OURS 0xffff830000000000
#else
#define NOT_OURS 0xfffff000
#endif

static inline xen_pfn_t *p2m(void)
{
	return (xen_pfn_t *)start_info->mfn_list;
}

// Writes a word; false when that trapped (on any vcpu, with poke_hook set).
bool poke(volatile void *at, u64 value);
bool poke_hook(struct regs *regs);

// Two vcpus, one step each over and over, for some time. The second one runs
// no step outside of this call.
void race(void (*mine)(void), void (*other)(void), u64 time);

// Only the guest's own mapping keeps the page: it can be exchanged for another
// frame, which then backs the page.
bool page_exchange(void *page);

// Hypercalls that a domain makes one after the other; nr ~0 ends the list, as
// does a full one. The result stands in `result`.
struct request {
	uptr nr, args[5];
	long result;
	uptr unused;
};
#ifdef __x86_64__
#define ENTRY(e) (e)
#else
#define ENTRY(e) (uptr)(e), (uptr)((u64)(e) >> 32) // in two arguments
#endif
#define REQUESTS 32
// What the data page of such a domain holds.
struct request_page {
	struct request requests[REQUESTS];
	struct mmu_update updates[REQUESTS];
	union {
		struct gnttab_map_grant_ref map;
		u32 words[128];
	};
};
extern const u8 code_requests[];
// Its data page at window 1.
struct request_page *requests_open(const struct domu *d);

// A result of a step of race(); a failed check unless 0 or one of these.
bool fine(long rc, long a, long b);

// races.c: two ports of our own, bound to each other.
void pair_bind(volatile u32 *a, volatile u32 *b);

// granted.c: the first frame of a domain's grant table, or our own, writable
// at window GRANT_WINDOW; an entry of it; mapping and unmapping ATTACK_REF.
#define GRANT_WINDOW 3
#define ATTACK_REF   20u
struct grant_entry_v1 *grants_of(domid_t id);
void grant(struct grant_entry_v1 *e, domid_t to, u64 frame);
struct gnttab_map_grant_ref map_with(u64 at, domid_t from, u32 flags);
int16_t unmap_with(u64 at, u64 device, u32 handle);

u64 free_pages(void);
u64 free_pages_settled(void);
// Waits until as many frames are free as before.
bool free_again(u64 want);

#endif
