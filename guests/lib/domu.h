// SPDX-License-Identifier: MIT
// A small domain of one vcpu that can run: a page of code with its stack and a
// page of data, and what the toolstack does with it.
#ifndef LIB_DOMU_H
#define LIB_DOMU_H

#include "lib/guest.h"
#include <xen/domctl.h>

#define DOMU_CODE  0x1000ul // entry n of its one L1 maps n * PAGE_SIZE
#define DOMU_STACK 0x2000ul
#define DOMU_DATA  0x3000ul
#define DOMU_RUNS  (-1L)

struct domu {
	domid_t id;
	u64 code, stack, data; // frames
	u64 tables[4];	       // L1 first
	unsigned int levels;   // of them: 3 of a 32-bit kernel
};

static inline u64 domu_base(const struct domu *d)
{
	return d->tables[d->levels - 1];
}

// Built and paused, with a page that starts with this code and one with this
// data (both 2 KiB at most); false: there is none.
bool domu_make(struct domu *d, const void *code, const void *data, size_t size);
// The same with a kernel of so many bits.
bool domu_make_of(struct domu *d, unsigned int bits, const void *code,
		  const void *data, size_t size);
// The same with a domain that is there, d->id, and has no pages yet; code may be
// NULL.
bool domu_build(struct domu *d, const void *code, const void *data,
		size_t size);
void domu_unpause(const struct domu *d);
// Its context, all registers 0 but where it starts: kernel mode, DOMU_CODE.
void domu_context(struct vcpu_guest_context *c, u64 base);
long domu_set_context(domid_t id, struct vcpu_guest_context *c);
// The reason of its shutdown, or DOMU_RUNS after so many nanoseconds.
long domu_outcome(domid_t id, u64 patience);
// A frame of another domain at window(n); 0 or the error.
long foreign_map(unsigned int n, domid_t id, u64 mfn, u64 flags);

#endif
