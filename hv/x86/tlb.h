// SPDX-License-Identifier: MIT
// TLB flushes. The clock advances with every full flush of any CPU; a frame
// that is stamped with it must not be given a new type or owner before each
// CPU that may know it has flushed at or after that stamp.
#ifndef X86_TLB_H
#define X86_TLB_H

#include "lib/cpumask.h"

extern u32 tlb_clock; // 0: wrapped, everything counts as stale

void tlb_answer(void);	    // VECTOR_FLUSH: another CPU asks for a flush
void tlb_flush_local(void); // everything, global entries too

// These wait until all CPUs of mask have done it (those online, this one
// included when it is in there). Interrupts may be on or off; no lock of
// RANK_IRQ_FIRST or above may be held. Not for interrupt handlers. A CPU that is
// online answers in any case, and not in the middle of what it does with
// interrupts off: domain_get_by_id() relies on it.
void tlb_flush_mask(cpumask_t mask);
void tlb_flush_va_mask(cpumask_t mask, u64 va); // one page
// Loads CR3 and drops all translations, global ones too.
void tlb_switch_cr3(u64 cr3);
void cache_flush_mask(cpumask_t mask); // WBINVD

// Those of mask whose last full flush is older than stamp.
cpumask_t tlb_filter(cpumask_t mask, u32 stamp);

// Sets the clock going again after it wrapped; called now and then.
void tlb_clock_restart(void);

static inline u32 tlb_stamp(void)
{
	return READ_ONCE(tlb_clock);
}

#endif
