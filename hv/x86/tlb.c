// SPDX-License-Identifier: MIT
// TLB flushes and their clock.
#include "x86/tlb.h"
#include "x86/apic.h"
#include "x86/panic.h"
#include "x86/percpu.h"
#include "x86/spinlock.h"

u32 tlb_clock = 1;

// The clock as this CPU's last full flush had moved it: every translation
// made before the clock reached this value is gone.
static DEFINE_PERCPU(u32, tlb_time);

// Before the flush: who sees a stamp below the result has it before him.
static u32 clock_tick(void)
{
	u32 t = READ_ONCE(tlb_clock);

	while (t &&
	       !__atomic_compare_exchange_n(&tlb_clock, &t, t + 1, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return t ? t + 1 : 0;
}

// Changing CR4.PGE drops everything, global too (SDM vol. 3, 4.10.4.1).
static void flush_local(u64 cr3, bool same)
{
	u64 flags = irq_save();
	u64 cr4 = read_cr4();
	u32 t = clock_tick();

	if (cr4 & CR4_PGE)
		write_cr4(cr4 & ~CR4_PGE);
	if (!same || !(cr4 & CR4_PGE))
		write_cr3(cr3);
	if (cr4 & CR4_PGE)
		write_cr4(cr4);
	this_cpu(tlb_time) = t;
	irq_restore(flags);
}

void tlb_switch_cr3(u64 cr3)
{
	flush_local(cr3, false);
}

void tlb_flush_local(void)
{
	flush_local(read_cr3(), true);
}

// What to do for another CPU: drop one page's translation, or one of these,
// which are no pages' addresses.
#define FLUSH_ALL   1UL
#define FLUSH_CACHE 2UL

// One request at a time from a CPU. Who waits for others does so with
// interrupts off and answers theirs meanwhile, so that two that wait for each
// other both go on.
struct request {
	u64 what;
	cpumask_t waiting; // who has not finished yet, atomic
	cpumask_t in;	   // CPUs with a request for this one, atomic
};

static DEFINE_PERCPU(struct request, request);

static void flush(u64 what)
{
	if (what == FLUSH_ALL)
		tlb_flush_local();
	else if (what == FLUSH_CACHE)
		wbinvd();
	else
		invlpg(what);
}

void tlb_answer(void)
{
	cpumask_t self = cpumask_of(smp_cpu_id());
	cpumask_t from =
		__atomic_exchange_n(&this_cpu(request).in, 0, __ATOMIC_ACQUIRE);
	unsigned int cpu;

	for_each_cpu_in(cpu, from) {
		struct request *r = &per_cpu(request, cpu);

		flush(r->what);
		__atomic_fetch_and(&r->waiting, ~self, __ATOMIC_RELEASE);
	}
}

// On other CPUs that are online. A CPU that spins with interrupts off for a lock
// that the caller holds would never answer: none of those may be held.
static __noinline void flush_others(cpumask_t mask, u64 what)
{
	struct request *r = &this_cpu(request);
	cpumask_t self = cpumask_of(smp_cpu_id());
	u64 flags = irq_save();
	unsigned int cpu;

	ASSERT(!(cpu_info()->held_locks >> RANK_IRQ_FIRST));
	ASSERT(!r->waiting);
	r->what = what;
	__atomic_store_n(&r->waiting, mask, __ATOMIC_RELEASE);
	for_each_cpu_in(cpu, mask)
		if (!__atomic_fetch_or(&per_cpu(request, cpu).in, self,
				       __ATOMIC_SEQ_CST))
			apic_icr(cpu_apic_id[cpu], ICR_ASSERT | VECTOR_FLUSH);
	while (__atomic_load_n(&r->waiting, __ATOMIC_ACQUIRE)) {
		tlb_answer();
		cpu_relax();
	}
	irq_restore(flags);
}

static inline void flush_mask(cpumask_t mask, u64 what)
{
	cpumask_t self = cpumask_of(smp_cpu_id());

	if (mask & self)
		flush(what);
	mask &= READ_ONCE(cpu_online) & ~self;
	if (mask)
		flush_others(mask, what);
}

void tlb_flush_mask(cpumask_t mask)
{
	flush_mask(mask, FLUSH_ALL);
}

void tlb_flush_va_mask(cpumask_t mask, u64 va)
{
	flush_mask(mask, va & PAGE_MASK);
}

void cache_flush_mask(cpumask_t mask)
{
	flush_mask(mask, FLUSH_CACHE);
}

cpumask_t tlb_filter(cpumask_t mask, u32 stamp)
{
	unsigned int cpu;

	if (!stamp || !READ_ONCE(tlb_clock))
		return mask;
	for_each_cpu_in(cpu, mask)
		if (READ_ONCE(per_cpu(tlb_time, cpu)) > stamp)
			mask &= ~cpumask_of(cpu);
	return mask;
}

// While the clock stands at 0 each flush leaves a CPU's time at 0; when all
// have, no time from before the wrap is left that a new stamp could meet. Old
// stamps in frames compare as younger than they are: a flush too many.
void tlb_clock_restart(void)
{
	if (READ_ONCE(tlb_clock) || smp_cpu_id())
		return;
	tlb_flush_mask(cpu_online);
	WRITE_ONCE(tlb_clock, 1);
}
