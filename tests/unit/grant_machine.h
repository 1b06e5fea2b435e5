// SPDX-License-Identifier: MIT
// What grant/ and mm/page.c stand on, for tests: locks that are counted, frames
// of plain memory, a heap. chance() is the includer's: numbers below n.
#ifndef UNIT_GRANT_MACHINE_H
#define UNIT_GRANT_MACHINE_H

#define HOST_TEST
#define X86_LAYOUT_H
#define FRAMES_START 0x110000000000
#define DIRECT_START 0x120000000000
#define M2P_START    0x130000000000
#define M2P_RW_START M2P_START
#define X86_PERCPU_H
#define X86_SOFTIRQ_H

#include <stdlib.h>
#include <sys/mman.h>

#include "../../hv/lib/types.h"
#include "../../hv/x86/regs.h"

struct vcpu;
struct cpu_regs;
static struct vcpu *current;
#define cpu_online		  ((cpumask_t)1)
#define currd			  (current->domain)
#define DEFINE_PERCPU(type, name) type percpu__##name
static bool softirq_pending(void);

#include "../../hv/grant/entry.c"
#include "../../hv/grant/table.c"
#include "../../hv/grant/map.c"
#include "../../hv/grant/copy.c"
#define cas page_cas
#include "../../hv/mm/page.c"
#include "no_pv32.h"
#include "quiet.h"
#include "unit.h"

#define FRAMES	2048
#define DOMAINS 3

static struct domain *dom[DOMAINS];
static struct vcpu vcpus[DOMAINS];
static u32 used_frames, locks_held;
static u32 most_frames = FRAMES; // that there are
// What another vcpu does, before a lock is taken and after it was let go.
static void (*lock_hook)(void);
u64 max_mfn = FRAMES;
u64 frame_chunks[1] = { 1 };
u32 tlb_clock = 1;
static u32 chance(u32 n);

static bool softirq_pending(void)
{
	return chance(2);
}

void spin_lock(struct spinlock *l)
{
	if (lock_hook && !locks_held)
		lock_hook();
	CHECK(!l->holder);
	l->holder = 1;
	locks_held++;
}

void spin_unlock(struct spinlock *l)
{
	CHECK(l->holder);
	l->holder = 0;
	locks_held--;
	if (lock_hook && !locks_held)
		lock_hook();
}

void tlb_flush_mask(cpumask_t mask)
{
	(void)mask;
}

cpumask_t tlb_filter(cpumask_t mask, u32 stamp)
{
	return stamp ? mask : 0;
}

bool trace_on;
void trace_record(u32 event, const u32 *extra, unsigned int words)
{
	(void)event, (void)extra, (void)words;
}

void panic(const char *fmt, ...)
{
	printf("panic: %s\n", fmt);
	abort();
}

u64 virt_to_maddr(const void *p)
{
	return (u64)p - DIRECT_START;
}

void frames_claim_use(struct page_account *who, u64 n)
{
	(void)who;
	(void)n;
}

struct page_info *frames_alloc(unsigned order, unsigned width, unsigned flags)
{
	(void)order;
	(void)width;
	(void)flags;
	for (u32 i = 1; i < FRAMES && used_frames < most_frames; i++) {
		if (frame_table[i].prev != ~0u) {
			struct page_info *pg = &frame_table[i];

			if (pg->aux == 0xdead || pg->owner || pg->count)
				continue;
			memset(pg, 0, sizeof(*pg));
			pg->aux = 0xdead; /* taken */
			memset(maddr_to_virt(mfn_to_maddr(page_to_mfn(pg))), 0,
			       PAGE_SIZE);
			used_frames++;
			return pg;
		}
	}
	return NULL;
}

void frames_free(struct page_info *pg, unsigned order)
{
	(void)order;
	CHECK(!(pg->count & PGC_COUNT) && !pg->owner);
	memset(pg, 0, sizeof(*pg));
	used_frames--;
}

void frames_add(mfn_t first, u64 n)
{
	for (u64 i = 0; i < n; i++)
		frames_free(mfn_to_page(mfn(mfn_val(first) + i)), 0);
}

void *hvpages_alloc(unsigned order)
{
	struct page_info *pg = frames_alloc(order, 0, 0);

	return pg ? maddr_to_virt(mfn_to_maddr(page_to_mfn(pg))) : NULL;
}

void hvpages_free(void *p, unsigned order)
{
	frames_free(virt_to_page(p), order);
}

void *heap_alloc(size_t n)
{
	return calloc(1, n);
}

void *heap_alloc_array(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

void heap_free(void *p)
{
	free(p);
}

static void *area(u64 at, size_t size)
{
	void *p =
		mmap((void *)at, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

static void areas_make(void)
{
	area(FRAMES_START, FRAMES * sizeof(struct page_info));
	area(DIRECT_START, FRAMES * PAGE_SIZE);
	area(M2P_START, FRAMES * sizeof(u64));
}

#endif
