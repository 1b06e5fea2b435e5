// SPDX-License-Identifier: MIT
/* The stage's memory map: sanitizing, and taking room out of it. */
#include <stdbool.h>
#include <stdlib.h>

#define HOST_TEST
#include "../../hv/lib/memmap.c"
#include "unit.h"

#define CELL  1024ULL /* a quarter of a page */
#define CELLS 128

static void overlap_reserved_wins(void)
{
	static const struct handover_range in[] = {
		{ 0x100000, 0x800000, E820_RAM, 0 },
		{ 0x0, 0x9fc00, E820_RAM, 0 },
		{ 0x200000, 0x300000, E820_RESERVED, 0 },
		{ 0x280000, 0x380000, E820_ACPI, 0 },
		{ 0x800000, 0x900000, E820_RAM, 0 },
		{ 0xa00000, 0xa00000, E820_RAM, 0 },
		{ 0xb00000, 0xb01000, 77, 0 },
	};
	struct handover_range out[16];
	unsigned nr = memmap_sanitize(in, 7, out, 16);

	CHECK(nr == 6);
	CHECK(out[0].start == 0 && out[0].end == 0x9f000);
	CHECK(out[1].start == 0x100000 && out[1].end == 0x200000);
	CHECK(out[2].end == 0x300000 && out[2].type == E820_RESERVED);
	CHECK(out[3].end == 0x380000 && out[3].type == E820_ACPI);
	CHECK(out[4].end == 0x900000 && out[4].type == E820_RAM);
	CHECK(out[5].start == 0xb00000 && out[5].type == E820_RESERVED);
}

static void limits(void)
{
	static struct handover_range in[MEMMAP_RAW_MAX + 1];
	struct handover_range out[4];

	for (unsigned i = 0; i <= MEMMAP_RAW_MAX; i++)
		in[i] = (struct handover_range){ i * 0x1000, (i + 1) * 0x1000,
						 E820_RAM, 0 };
	CHECK(memmap_sanitize(in, 0, out, 4) == 0);
	CHECK(memmap_sanitize(in, MEMMAP_RAW_MAX + 1, out, 4) == 0);
	CHECK(memmap_sanitize(in, MEMMAP_RAW_MAX, out, 4) == 1);
	CHECK(out[0].start == 0 && out[0].end == 0x1000 * MEMMAP_RAW_MAX);
	for (unsigned i = 0; i < 10; i++)
		in[i].type = i & 1 ? E820_NVS : E820_RAM;
	CHECK(memmap_sanitize(in, 4, out, 4) == 4);
	CHECK(memmap_sanitize(in, 5, out, 4) == 0);
	in[0] = (struct handover_range){ UINT64_MAX - 10, UINT64_MAX, 1, 0 };
	CHECK(memmap_sanitize(in, 1, out, 4) == 0);
}

static unsigned cell_rank(const struct handover_range *in, unsigned nr,
			  unsigned cell)
{
	unsigned rank = 0;

	for (unsigned i = 0; i < nr; i++)
		if (in[i].start <= cell * CELL && in[i].end > cell * CELL &&
		    type_rank(in[i].type) > rank)
			rank = type_rank(in[i].type);
	return rank;
}

static unsigned out_rank(const struct handover_range *out, unsigned nr,
			 unsigned cell)
{
	for (unsigned i = 0; i < nr; i++)
		if (out[i].start <= cell * CELL && out[i].end > cell * CELL)
			return type_rank(out[i].type);
	return 0;
}

/* Whole pages of RAM stay RAM; a cell of RAM in a mixed page is lost. */
static void check_cells(const struct handover_range *in, unsigned nr_in,
			const struct handover_range *out, unsigned nr)
{
	for (unsigned c = 0; c < CELLS; c++) {
		unsigned want = cell_rank(in, nr_in, c);
		bool whole = true;

		for (unsigned k = c & ~3U; k < (c | 3U) + 1; k++)
			whole = whole && cell_rank(in, nr_in, k) == 1;
		if (want == 1 && !whole)
			want = 0;
		CHECK(out_rank(out, nr, c) == want);
	}
	for (unsigned i = 1; i < nr; i++)
		CHECK(out[i - 1].end <= out[i].start);
}

static void random_maps(void)
{
	struct handover_range in[12], out[64];

	srand(1);
	for (unsigned round = 0; round < 5000; round++) {
		unsigned nr_in = 1 + rand() % 12;

		for (unsigned i = 0; i < nr_in; i++) {
			uint64_t start = rand() % CELLS;
			uint64_t end = start + rand() % (CELLS - start + 1);

			in[i] = (struct handover_range){ start * CELL,
							 end * CELL,
							 1 + rand() % 6, 0 };
		}
		check_cells(in, nr_in, out,
			    memmap_sanitize(in, nr_in, out, 64));
	}
}

static const struct handover_range two_banks[] = {
	{ 0x0, 0x9f000, E820_RAM, 0 },
	{ 0xf0000, 0x100000, E820_RESERVED, 0 },
	{ 0x100000, 0x1ffe0000, E820_RAM, 0 },
	{ 0x100000000, 0x180000000, E820_RAM, 0 },
};

static void take_high(void)
{
	struct memory m = { .range = two_banks,
			    .nr_ranges = 4,
			    .limit = 0x100000000 };

	memory_keep(&m, 0, 0x100000);
	CHECK(memory_take(&m, 300000, 0x200000) == 0x1fe00000);
	CHECK(memory_take(&m, 300000, 0x200000) == 0x1fc00000);
	CHECK(memory_take(&m, 1, 0x1000) == 0x1ffdf000);
	CHECK(memory_take(&m, 0x1e0000, 0x1000) == 0x1fa20000);
	CHECK(memory_take(&m, 0x20000000, 0x1000) == 0);
	CHECK(memory_take(&m, UINT64_MAX, 0x1000) == 0);
	CHECK(memory_take(&m, 0, 0x1000) == 0);
}

static void take_avoids_busy(void)
{
	struct memory m = { .range = two_banks,
			    .nr_ranges = 3,
			    .limit = UINT64_MAX };

	memory_keep(&m, 0, 0x100000);
	memory_keep(&m, 0x1000000, 0x1ff00000);
	memory_keep(&m, 0x800000, 0x800000);
	CHECK(memory_take(&m, 0x100000, 0x200000) == 0xe00000);
	CHECK(memory_take(&m, 0xd00000, 0x100000) == 0x100000);
	CHECK(memory_take(&m, 0x100000, 0x100000) == 0xf00000);
	CHECK(memory_take(&m, 0x100000, 0x100000) == 0);
}

static void check_next(const struct memory *m, uint64_t from, uint64_t start,
		       uint64_t end)
{
	struct span s = memory_next(m, from);

	CHECK(s.start == start && s.end == end);
}

static void pieces(void)
{
	struct memory m = { .range = two_banks,
			    .nr_ranges = 3,
			    .limit = 0x1ffd0000 };

	check_next(&m, 0, 0, 0x9f000);
	check_next(&m, 0x9f000, 0x100000, 0x1ffd0000);
	memory_keep(&m, 0, 0x100000);
	memory_keep(&m, 0x300001, 0x3fffff);
	memory_keep(&m, 0x100000, 0x200000);
	memory_keep(&m, 0x1f000000, 0x1ffe0000);
	check_next(&m, 0, 0x200000, 0x300000);
	check_next(&m, 0x300000, 0x400000, 0x1f000000);
	check_next(&m, 0x1f000000, 0, 0);
}

/* Neighbours become one: there is room for many. */
static void keep_many(void)
{
	struct memory m = { .range = two_banks,
			    .nr_ranges = 3,
			    .limit = UINT64_MAX };

	for (unsigned i = 1; i <= 1000; i++)
		CHECK(memory_take(&m, 0x1000, 0x1000) ==
		      0x1ffe0000 - i * 0x1000);
	CHECK(m.nr_busy == 1);
	for (unsigned i = 1; i < 64; i++)
		CHECK(memory_keep(&m, i * 0x10000, i * 0x10000 + 1));
	CHECK(!memory_keep(&m, 0x800000, 0x801000));
	CHECK(memory_keep(&m, 0x10000, 0x12000));
	m.limit = 0x1000000;
	CHECK(memory_take(&m, 0x1000, 0x1000) == 0);
}

UNIT_MAIN(UNIT(overlap_reserved_wins), UNIT(limits), UNIT(random_maps),
	  UNIT(take_high), UNIT(take_avoids_busy), UNIT(pieces),
	  UNIT(keep_many))
