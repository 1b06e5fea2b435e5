// SPDX-License-Identifier: MIT
#ifndef STAGE_MEMMAP_H
#define STAGE_MEMMAP_H

#include "lib/handover.h"

/* Half open, in bytes. */
struct span {
	uint64_t start, end;
};

/* The memory map and what must not be allocated from it. */
struct memory {
	const struct handover_range *range;
	unsigned nr_ranges;
	unsigned nr_busy;
	struct span busy[12];
};

/*
 * Turn a loader's map into a sorted one without overlaps, with RAM shrunk to
 * whole pages and equal neighbours merged. Where ranges overlap, the type that
 * promises least wins: reserved, unusable, NVS, ACPI, RAM. Returns the number
 * of ranges, 0 if there is nothing or more than max (or MEMMAP_RAW_MAX in).
 */
#define MEMMAP_RAW_MAX 256
unsigned memmap_sanitize(const struct handover_range *in, unsigned nr_in,
			 struct handover_range *out, unsigned max);

/* Nothing will be allocated there any more. */
void memory_keep(struct memory *m, uint64_t start, uint64_t end);

/*
 * Take size bytes of RAM, as high as possible, start and end multiples of
 * align (a power of two). Returns the address, 0 if there is no such place.
 */
uint64_t memory_take(struct memory *m, uint64_t size, uint64_t align);

/* The largest free piece of RAM; it stays free. */
struct span memory_largest(const struct memory *m);

#endif
