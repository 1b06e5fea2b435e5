// SPDX-License-Identifier: MIT
// The local APIC: interrupt priorities, IPIs, the timer of each CPU.
#ifndef X86_APIC_H
#define X86_APIC_H

#include "lib/types.h"

// Device vectors are global: the same number on every CPU. 0x80 and 0x82 are
// guests' software interrupts; 0x20-0x2f take the PIC's spurious ones.
#define VECTOR_FIRST	0x30
#define VECTOR_LAST	0xef
#define VECTOR_TIMER	0xf9
#define VECTOR_KICK	0xfc
#define VECTOR_FLUSH	0xfd
#define VECTOR_ERROR	0xfe
#define VECTOR_SPURIOUS 0xff

void apic_init(void);	  // boot CPU, once; the PIC is silent afterwards
void apic_init_cpu(void); // each other CPU, on itself
u32 apic_id(void);	  // this CPU's
void apic_eoi(void);
void apic_error_interrupt(void);

void apic_ipi(u32 id, u8 vector);
void apic_send_init(u32 id);
void apic_send_startup(u32 id, u8 page);
void apic_nmi_others(void);

// The timer. Calibration: run_free starts a count-down from ~0, remaining
// reads it, set_rate tells what was found out (tsc in kHz too).
void apic_timer_run_free(void);
u32 apic_timer_remaining(void);
void apic_timer_set_rate(u64 timer_khz, u64 tsc_rate_khz);
// One interrupt of VECTOR_TIMER in ns from now, at once for 0. It may come
// some time early when ns is long.
void apic_timer_set(u64 ns);

#endif
