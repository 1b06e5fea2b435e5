// SPDX-License-Identifier: MIT
// TLB flushes and their clock.
#include "x86/tlb.h"
#include "x86/insn.h"
#include "x86/ipi.h"
#include "x86/panic.h"
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

// Changing CR4.PGE drops everything, global and of all PCIDs (SDM vol. 3,
// 4.10.4.1).
void tlb_switch_cr3(u64 cr3)
{
	u64 flags = irq_save();
	u64 cr4 = read_cr4();
	u32 t = clock_tick();

	if (cr4 & CR4_PGE)
		write_cr4(cr4 & ~CR4_PGE);
	write_cr3(cr3);
	if (cr4 & CR4_PGE)
		write_cr4(cr4);
	this_cpu(tlb_time) = t;
	irq_restore(flags);
}

void tlb_flush_local(void)
{
	u64 flags = irq_save();
	u64 cr4 = read_cr4();
	u32 t = clock_tick();

	if (cr4 & CR4_PGE) {
		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4);
	} else {
		write_cr3(read_cr3());
	}
	this_cpu(tlb_time) = t;
	irq_restore(flags);
}

// Runs fn on the CPUs of mask. A CPU that spins with interrupts off for a
// lock that the caller holds would never answer: none of those may be held.
static void on_cpus(cpumask_t mask, void (*fn)(void *), void *data)
{
	cpumask_t self = cpumask_of(smp_cpu_id());
	u64 flags = irq_save();

	if (mask & self)
		fn(data);
	mask &= READ_ONCE(cpu_online) & ~self;
	if (mask) {
		ASSERT(!(cpu_info()->held_locks >> RANK_IRQ_FIRST));
		ipi_request(IPI_FLUSH, mask, fn, data);
	}
	irq_restore(flags);
}

static void flush_all(void *unused)
{
	tlb_flush_local();
}

static void flush_va(void *va)
{
	// INVLPG reaches the current PCID only.
	if (read_cr4() & CR4_PCIDE)
		tlb_flush_local();
	else
		invlpg((u64)va);
}

static void flush_cache(void *unused)
{
	wbinvd();
}

void tlb_flush_mask(cpumask_t mask)
{
	on_cpus(mask, flush_all, NULL);
}

void tlb_flush_va_mask(cpumask_t mask, u64 va)
{
	on_cpus(mask, flush_va, (void *)va);
}

void cache_flush_mask(cpumask_t mask)
{
	on_cpus(mask, flush_cache, NULL);
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
