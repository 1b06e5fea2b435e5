// SPDX-License-Identifier: MIT
// A domain beside the fuzzer which must see nothing of it: memory that it checks,
// an event that it sends to itself, a grant that it maps and copies.
#ifndef CANARY_H
#define CANARY_H

#include "fuzz/fuzz.h"

#define WITNESSES 8

// What it works with, and what it found; its own page.
struct canary {
	u64 rounds;
	u64 wrong; // number of the rule that did not hold, 0: none
	u64 detail;
	struct shared_info *shared;
	struct grant_entry_v1 *grants;
	u64 *witness[WITNESSES], *copy;
	u64 witness_mfn[WITNESSES], copy_mfn;
	uptr window; // an address with a table and nothing mapped
	u64 generation[WITNESSES];
	domid_t self, fuzzer;
	u32 port, open_port;
};
#define CANARY_REF  16u // for the fuzzer, read-only
#define CANARY_MINE 17u

void canary_run(struct canary *c) __attribute__((noreturn));
extern u8 canary_code[], canary_code_end[];

#endif
