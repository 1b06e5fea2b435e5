// SPDX-License-Identifier: MIT
// Work that an interrupt or another CPU left for the way out to a guest or
// for the idle loop. Runs with interrupts on and no lock held.
#ifndef X86_SOFTIRQ_H
#define X86_SOFTIRQ_H

#include "x86/percpu.h"

enum softirq {
	SOFTIRQ_TIMER,
	SOFTIRQ_TIME, // time calibration
	SOFTIRQ_RCU,  // deferred freeing, dom/
	SOFTIRQ_CONSOLE,
	SOFTIRQ_TRACE, // a ring is half full
	SOFTIRQ_EVENT, // a long operation makes room for one; nothing to do
	SOFTIRQ_SCHED, // last: may not return
	SOFTIRQ_COUNT
};

void softirq_register(enum softirq nr, void (*fn)(void));
void softirq_raise(enum softirq nr);			  // on this CPU
void softirq_raise_on(unsigned int cpu, enum softirq nr); // sends an IPI
// No IPI, for NMI context: seen with the next interrupt. False: it was pending.
bool softirq_mark(unsigned int cpu, enum softirq nr);
// Interrupts off, but on while a handler runs; until none is pending, in order of
// number.
void softirq_run(void);

static inline bool softirq_pending(void)
{
	return READ_ONCE(cpu_info()->softirq_pending);
}

#endif
