// SPDX-License-Identifier: MIT
#include "x86/softirq.h"
#include "x86/desc.h"
#include "x86/smp.h"

static void (*handlers[SOFTIRQ_COUNT])(void);

void softirq_register(enum softirq nr, void (*fn)(void))
{
	handlers[nr] = fn;
}

// False: it was pending already.
bool softirq_mark(unsigned int cpu, enum softirq nr)
{
	struct cpu_info *ci = (struct cpu_info *)cpu_stack_top(cpu);
	u32 old = __atomic_fetch_or(&ci->softirq_pending, 1u << nr,
				    __ATOMIC_SEQ_CST);

	return !(old >> nr & 1);
}

void softirq_raise(enum softirq nr)
{
	softirq_mark(smp_cpu_id(), nr);
}

void softirq_raise_on(unsigned int cpu, enum softirq nr)
{
	// Somebody else's IPI is under way when the bit was set already.
	if (softirq_mark(cpu, nr) && cpu != smp_cpu_id())
		smp_kick(cpu);
}

void softirq_run(void)
{
	struct cpu_info *ci = cpu_info();
	u32 pending, nr;

	while ((pending = READ_ONCE(ci->softirq_pending))) {
		nr = (u32)__builtin_ctz(pending);
		__atomic_fetch_and(&ci->softirq_pending, ~(1u << nr),
				   __ATOMIC_SEQ_CST);
		irq_enable();
		if (handlers[nr])
			handlers[nr]();
		irq_disable();
	}
}
