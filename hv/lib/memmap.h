// SPDX-License-Identifier: MIT
// The machine's memory map and what of its RAM is taken: in the boot stage,
// and in the hypervisor until its allocator runs. Addresses in bytes.
#ifndef LIB_MEMMAP_H
#define LIB_MEMMAP_H

#include "lib/handover.h"
#include "lib/types.h"

// Half open.
struct span {
	u64 start, end;
};

struct memory {
	const struct handover_range *range; // sanitized
	u32 nr_ranges, nr_busy;
	u64 limit; // nothing is taken above
	struct span busy[64];
};

// Turns a loader's map into a sorted one without overlaps, with RAM shrunk to
// whole pages and equal neighbours merged. Where ranges overlap, the type that
// promises least wins: reserved, unusable, NVS, ACPI, RAM. Returns the number
// of ranges, 0 if there is nothing or more than max (or MEMMAP_RAW_MAX in).
#define MEMMAP_RAW_MAX 256
u32 memmap_sanitize(const struct handover_range *in, u32 nr_in,
		    struct handover_range *out, u32 max);

// Whole pages from which nothing will be taken; false: there are too many.
bool memory_keep(struct memory *m, u64 start, u64 end);
// Takes whole pages of RAM, as high as possible, that begin at a multiple of
// align (a power of two). Returns the address, 0 if there is no such place.
u64 memory_take(struct memory *m, u64 size, u64 align);
// The first free piece of RAM from there on; end 0: none.
struct span memory_next(const struct memory *m, u64 from);

#endif
