// SPDX-License-Identifier: MIT
#include "lib/memmap.h"

// Of two types for one address the one with the higher rank is believed.
static __init u32 type_rank(u32 type)
{
	if (type == E820_RAM)
		return 1;
	return type >= E820_ACPI && type <= E820_UNUSABLE ? type - 1 : 5;
}

// The type of [start, end), which no range of the input cuts; 0: none.
static __init u32 type_between(const struct handover_range *in, u32 nr_in,
			       u64 start, u64 end)
{
	u32 type = 0, rank = 0;

	for (u32 i = 0; i < nr_in; i++) {
		if (in[i].start > start || in[i].end < end)
			continue;
		if (type_rank(in[i].type) > rank) {
			rank = type_rank(in[i].type);
			type = rank == 5 ? E820_RESERVED : in[i].type;
		}
	}
	return type;
}

// Where a range begins or ends next after `at`; 0: nowhere.
static __init u64 next_edge(const struct handover_range *in, u32 nr_in, u64 at)
{
	u64 next = 0;

	for (u32 i = 0; i < nr_in; i++) {
		if (in[i].start > at && in[i].start - 1 < next - 1)
			next = in[i].start;
		if (in[i].end > at && in[i].end - 1 < next - 1)
			next = in[i].end;
	}
	return next;
}

// Shrinks RAM to whole pages and drops what is left empty.
static __init u32 align_ram(struct handover_range *out, u32 nr)
{
	u32 kept = 0;

	for (u32 i = 0; i < nr; i++) {
		struct handover_range r = out[i];

		if (r.type == E820_RAM) {
			r.end = ROUND_DOWN(r.end, PAGE_SIZE);
			// Wraps at the top: empty, too.
			r.start = MAX(r.start, ROUND_UP(r.start, PAGE_SIZE));
		}
		if (r.start < r.end)
			out[kept++] = r;
	}
	return kept;
}

__init u32 memmap_sanitize(const struct handover_range *in, u32 nr_in,
			   struct handover_range *out, u32 max)
{
	u32 nr = 0, type;

	if (nr_in > MEMMAP_RAW_MAX)
		return 0;
	for (u64 at = 0, end; (end = next_edge(in, nr_in, at)); at = end) {
		type = type_between(in, nr_in, at, end);
		if (nr && type == out[nr - 1].type && at == out[nr - 1].end)
			out[nr - 1].end = end;
		else if (type && nr == max)
			return 0;
		else if (type)
			out[nr++] = (struct handover_range){ at, end, type, 0 };
	}
	return align_ram(out, nr);
}

__init bool memory_keep(struct memory *m, u64 start, u64 end)
{
	start = ROUND_DOWN(start, PAGE_SIZE);
	end = ROUND_UP(end, PAGE_SIZE);
	if (start == end)
		return true;
	for (u32 i = 0; i < m->nr_busy; i++) {
		struct span *b = &m->busy[i];

		if (start > b->end || b->start > end)
			continue;
		*b = (struct span){ MIN(start, b->start), MAX(end, b->end) };
		return true;
	}
	if (m->nr_busy == ARRAY_SIZE(m->busy))
		return false;
	m->busy[m->nr_busy++] = (struct span){ start, end };
	return true;
}

static __init const struct span *busy_at(const struct memory *m, u64 start,
					 u64 end)
{
	for (u32 i = 0; i < m->nr_busy; i++)
		if (m->busy[i].start < end && start < m->busy[i].end)
			return &m->busy[i];
	return NULL;
}

__init u64 memory_take(struct memory *m, u64 size, u64 align)
{
	size = ROUND_UP(size, PAGE_SIZE);
	for (u32 i = m->nr_ranges; size && i-- > 0;) {
		const struct handover_range *r = &m->range[i];
		u64 end = r->type == E820_RAM ? MIN(r->end, m->limit) : 0;

		while (end > r->start && end - r->start >= size) {
			u64 start = ROUND_DOWN(end - size, align);
			const struct span *b = busy_at(m, start, start + size);

			if (start < r->start)
				break;
			if (!b)
				return memory_keep(m, start, start + size)
					       ? start
					       : 0;
			end = b->start;
		}
	}
	return 0;
}

__init struct span memory_next(const struct memory *m, u64 from)
{
	const struct span *b;

	for (u32 i = 0; i < m->nr_ranges; i++) {
		u64 start = MAX(m->range[i].start, from);
		u64 end = MIN(m->range[i].end, m->limit);

		if (m->range[i].type != E820_RAM)
			continue;
		while (start < end && (b = busy_at(m, start, start + 1)))
			start = b->end;
		while (start < end && (b = busy_at(m, start, end)))
			end = b->start;
		if (start < end)
			return (struct span){ start, end };
	}
	return (struct span){ 0, 0 };
}
