// SPDX-License-Identifier: MIT
// Writes trace rings. The reader may write into them what it likes: positions
// are kept here, its own is only ever compared.
#include "dom/trace.h"
#include "dom/domain.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "x86/softirq.h"

#define MAX_PAGES    0x4000u // of all rings
#define HEADER_BYTES 12u     // event word and TSC
#define LOST_WORDS   4u

struct trace_ring {
	struct t_buf *buf;
	u32 size; // bytes of records
	u32 prod; // runs from 0 to 2 * size, as the reader's position
	u32 lost;
	u64 lost_since;
};
static DEFINE_PERCPU(struct trace_ring, trace_ring);

bool trace_on;
u32 trace_events = TRC_ALL;
u64 trace_cpus = ~0UL;
static u32 ring_pages, info_bytes;
static struct t_info *info;

// Class and subclass have to match (public header trace.h).
static bool wanted(u32 event)
{
	u32 both = READ_ONCE(trace_events) & event;

	return both >> TRC_CLS_SHIFT && (both >> TRC_SUBCLS_SHIFT & 0xf) &&
	       READ_ONCE(trace_cpus) >> smp_cpu_id() & 1;
}

// Bytes that wait for the reader; all of them when its position is nonsense.
static u32 ring_used(const struct trace_ring *r)
{
	u32 cons = READ_ONCE(r->buf->cons), used;

	if (cons >= 2 * r->size)
		return r->size;
	used = r->prod >= cons ? r->prod - cons : r->prod + 2 * r->size - cons;
	return MIN(used, r->size);
}

static u32 ring_at(const struct trace_ring *r)
{
	return r->prod >= r->size ? r->prod - r->size : r->prod;
}

static void ring_advance(struct trace_ring *r, u32 bytes)
{
	r->prod += bytes;
	if (r->prod >= 2 * r->size)
		r->prod -= 2 * r->size;
	__atomic_store_n(&r->buf->prod, r->prod, __ATOMIC_RELEASE);
}

// Records do not wrap: one of no meaning fills the end.
static u32 gap_for(const struct trace_ring *r, u32 bytes)
{
	u32 left = r->size - ring_at(r);

	return bytes > left ? left : 0;
}

static u32 event_word(u32 event, u32 words, bool cycles)
{
	return event | words << TRACE_EXTRA_SHIFT |
	       (cycles ? (u32)TRC_HD_CYCLE_FLAG : 0);
}

static void put(struct trace_ring *r, u32 event, const u32 *extra, u32 words)
{
	u32 bytes = HEADER_BYTES + words * 4, gap = gap_for(r, bytes);
	u32 *at = (u32 *)((char *)(r->buf + 1) + ring_at(r));
	u64 tsc = rdtsc();

	if (gap) {
		bool cycles = gap / 4 - 1 > TRACE_EXTRA_MAX;

		*at = event_word(TRC_TRACE_WRAP_BUFFER,
				 gap / 4 - (cycles ? 3 : 1), cycles);
		ring_advance(r, gap);
		at = (u32 *)(r->buf + 1);
	}
	at[0] = event_word(event, words, true);
	at[1] = (u32)tsc;
	at[2] = (u32)(tsc >> 32);
	for (u32 i = 0; i < words; i++)
		at[3 + i] = extra[i];
	ring_advance(r, bytes);
}

static bool ring_has_room(const struct trace_ring *r, u32 bytes)
{
	return ring_used(r) + bytes + gap_for(r, bytes) <= r->size;
}

// Says first how many records had no place.
static bool put_lost(struct trace_ring *r)
{
	const u32 lost[LOST_WORDS] = { r->lost, TRACE_VCPU(current),
				       TRACE_64(r->lost_since) };

	if (!ring_has_room(r, r->size / 2))
		return false;
	put(r, TRC_LOST_RECORDS, lost, LOST_WORDS);
	r->lost = 0;
	return true;
}

void trace_record(u32 event, const u32 *extra, unsigned int words)
{
	struct trace_ring *r = &this_cpu(trace_ring);
	u64 flags;
	u32 used;

	if (!wanted(event))
		return;
	flags = irq_save();
	used = ring_used(r);
	if ((r->lost && !put_lost(r)) ||
	    !ring_has_room(r, HEADER_BYTES + words * 4)) {
		if (!r->lost++)
			r->lost_since = rdtsc();
	} else {
		put(r, event, extra, words);
		if (used < r->size / 2 && ring_used(r) >= r->size / 2)
			softirq_raise(SOFTIRQ_TRACE);
	}
	irq_restore(flags);
}

// Pages that Dom0 may map, contiguous.
static void *shared_pages(u32 n, bool writable)
{
	unsigned int order = 0;
	char *p;

	while (1u << order < n)
		order++;
	p = hvpages_alloc(order);
	for (u32 i = 0; p && i < 1u << order; i++)
		page_share(&dom_xen->account, virt_to_page(p + i * PAGE_SIZE),
			   writable);
	return p;
}

static int ring_create(u32 cpu, u32 pages, u32 list)
{
	struct trace_ring *r = &per_cpu(trace_ring, cpu);
	u32 *frames = (u32 *)info + list;

	if (!r->buf)
		r->buf = shared_pages(pages, true);
	if (!r->buf)
		return -ENOMEM;
	r->size = (u32)(pages * PAGE_SIZE - sizeof(*r->buf));
	for (u32 i = 0; i < pages; i++)
		frames[i] = (u32)mfn_val(virt_to_mfn(r->buf)) + i;
	info->mfn_offset[cpu] = (u16)list;
	return 0;
}

int trace_set_size(u32 pages)
{
	u32 list = (u32)DIV_UP(sizeof(*info) + nr_cpus * sizeof(u16), 4);
	int rc;

	if (!pages || (ring_pages && pages != ring_pages) ||
	    pages > MAX_PAGES / nr_cpus)
		return -EINVAL;
	if (ring_pages)
		return 0;
	info_bytes = (u32)ROUND_UP((list + nr_cpus * pages) * 4, PAGE_SIZE);
	if (!info)
		info = shared_pages((u32)(info_bytes / PAGE_SIZE), false);
	if (!info)
		return -ENOMEM;
	for (u32 cpu = 0; cpu < nr_cpus; cpu++) {
		rc = ring_create(cpu, pages, list + cpu * pages);
		if (rc)
			return rc;
	}
	info->tbuf_size = (u16)pages;
	ring_pages = pages;
	return 0;
}

u64 trace_info_mfn(u32 *bytes)
{
	*bytes = ring_pages ? info_bytes : 0;
	return ring_pages ? mfn_val(virt_to_mfn(info)) : 0;
}

int trace_switch(bool on)
{
	unsigned int cpu;

	if (on && !ring_pages)
		return -EINVAL;
	for (cpu = 0; !on && cpu < nr_cpus; cpu++)
		per_cpu(trace_ring, cpu).lost = 0;
	WRITE_ONCE(trace_on, on);
	return 0;
}
