// SPDX-License-Identifier: MIT
/* The memory map: sanitized once, then searched for room. Pure. */
#include "stage/memmap.h"

#define PAGE 4096ULL

/* Of two types for one address the one with the higher rank is believed. */
static unsigned type_rank(uint32_t type)
{
	if (type == E820_RAM)
		return 1;
	return type >= E820_ACPI && type <= E820_UNUSABLE ? type - 1 : 5;
}

/* The type of [start, end), which no range of the input cuts; 0: none. */
static uint32_t type_between(const struct handover_range *in, unsigned nr_in,
			     uint64_t start, uint64_t end)
{
	uint32_t type = 0;
	unsigned rank = 0;

	for (unsigned i = 0; i < nr_in; i++) {
		if (in[i].start > start || in[i].end < end)
			continue;
		if (type_rank(in[i].type) > rank) {
			rank = type_rank(in[i].type);
			type = rank == 5 ? E820_RESERVED : in[i].type;
		}
	}
	return type;
}

static unsigned edge_insert(uint64_t *edge, unsigned nr, uint64_t value)
{
	unsigned i = nr;

	for (; i > 0 && edge[i - 1] > value; i--)
		edge[i] = edge[i - 1];
	edge[i] = value;
	return nr + 1;
}

/* Add a piece to the end of the map; returns the new number of ranges. */
static unsigned range_append(struct handover_range *out, unsigned nr,
			     const struct handover_range *r)
{
	if (nr && out[nr - 1].end == r->start && out[nr - 1].type == r->type) {
		out[nr - 1].end = r->end;
		return nr;
	}
	out[nr] = *r;
	return nr + 1;
}

/* Shrink RAM to whole pages and drop what is left empty (or wrapped). */
static unsigned align_ram(struct handover_range *out, unsigned nr)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < nr; i++) {
		struct handover_range r = out[i];

		if (r.type == E820_RAM) {
			uint64_t down = r.start & ~(PAGE - 1);

			r.start = down == r.start ? down : down + PAGE;
			r.end &= ~(PAGE - 1);
		}
		if (r.start < r.end && r.start >= out[i].start)
			out[kept++] = r;
	}
	return kept;
}

unsigned memmap_sanitize(const struct handover_range *in, unsigned nr_in,
			 struct handover_range *out, unsigned max)
{
	uint64_t edge[2 * MEMMAP_RAW_MAX];
	unsigned nr_edges = 0, nr = 0;

	if (nr_in > MEMMAP_RAW_MAX)
		return 0;
	for (unsigned i = 0; i < nr_in; i++) {
		if (in[i].start >= in[i].end)
			continue;
		nr_edges = edge_insert(edge, nr_edges, in[i].start);
		nr_edges = edge_insert(edge, nr_edges, in[i].end);
	}
	for (unsigned i = 1; i < nr_edges; i++) {
		struct handover_range r = { edge[i - 1], edge[i], 0, 0 };

		if (r.start == r.end)
			continue;
		r.type = type_between(in, nr_in, r.start, r.end);
		if (!r.type)
			continue;
		if (nr == max &&
		    !(out[nr - 1].end == r.start && out[nr - 1].type == r.type))
			return 0;
		nr = range_append(out, nr, &r);
	}
	return align_ram(out, nr);
}

void memory_keep(struct memory *m, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	if (m->nr_busy == sizeof(m->busy) / sizeof(m->busy[0]))
		__builtin_trap();
	m->busy[m->nr_busy++] = (struct span){ start, end };
}

static const struct span *busy_at(const struct memory *m, uint64_t start,
				  uint64_t end)
{
	for (unsigned i = 0; i < m->nr_busy; i++)
		if (m->busy[i].start < end && start < m->busy[i].end)
			return &m->busy[i];
	return NULL;
}

/* The highest fit in one range of RAM; 0: none. */
static uint64_t fit_top(const struct memory *m, const struct handover_range *r,
			uint64_t size, uint64_t align)
{
	uint64_t end = r->end & ~(align - 1);

	while (end > r->start && end - r->start >= size) {
		uint64_t start = end - size;
		const struct span *b = busy_at(m, start, end);

		if (!b)
			return start;
		end = b->start & ~(align - 1);
	}
	return 0;
}

uint64_t memory_take(struct memory *m, uint64_t size, uint64_t align)
{
	uint64_t rounded = (size + align - 1) & ~(align - 1);

	if (!size || rounded < size)
		return 0;
	for (unsigned i = m->nr_ranges; i-- > 0;) {
		uint64_t start = 0;

		if (m->range[i].type == E820_RAM)
			start = fit_top(m, &m->range[i], rounded, align);
		if (start) {
			memory_keep(m, start, start + rounded);
			return start;
		}
	}
	return 0;
}

/* The free piece that begins at start and ends at end or earlier. */
static struct span piece_at(const struct memory *m, uint64_t start,
			    uint64_t end)
{
	const struct span *b;

	while (start < end && (b = busy_at(m, start, start + 1)))
		start = b->end;
	while (start < end && (b = busy_at(m, start, end)))
		end = b->start;
	return (struct span){ start, end > start ? end : start };
}

struct span memory_largest(const struct memory *m)
{
	struct span best = { 0, 0 };

	for (unsigned i = 0; i < m->nr_ranges; i++) {
		const struct handover_range *r = &m->range[i];
		struct span s = { r->start, r->start };

		while (r->type == E820_RAM && s.end < r->end) {
			s = piece_at(m, s.end, r->end);
			if (s.end - s.start > best.end - best.start)
				best = s;
		}
	}
	return best;
}
