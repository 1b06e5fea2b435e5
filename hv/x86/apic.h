// SPDX-License-Identifier: MIT
// The local APIC: interrupt priorities, IPIs, the timer of each CPU; IO-APICs.
#ifndef X86_APIC_H
#define X86_APIC_H

// Device vectors are global: the same number on every CPU. 0x80 and 0x82 are
// guests' software interrupts; 0x20-0x2f take the PIC's spurious ones.
#define VECTOR_FIRST	0x30
#define VECTOR_LAST	0xef
#define VECTOR_TIMER	0xf9
#define VECTOR_KICK	0xfc
#define VECTOR_FLUSH	0xfd
#define VECTOR_ERROR	0xfe
#define VECTOR_SPURIOUS 0xff

// What goes to another CPU: beside a vector ICR_ASSERT alone.
#define ICR_NMI	    0x400
#define ICR_INIT    0x500
#define ICR_STARTUP 0x600 // beside the number of the page to start in
#define ICR_ASSERT  0x4000
#define ICR_LEVEL   0x8000
#define ICR_OTHERS  0xc0000 // all but this CPU, whatever the id

void apic_init(void);	  // boot CPU, once; the PIC is silent afterwards
void apic_init_cpu(void); // each other CPU, on itself
void apic_eoi(void);
void apic_error_interrupt(void);

// Sends an interrupt, ICR_* and a vector, to the APIC with that id. All stores
// before are visible to who gets it.
void apic_icr(u32 id, u32 what);

// The timer. Calibration: run_free starts a count-down from ~0, remaining
// reads it, set_rate tells what was found out (tsc in kHz too).
void apic_timer_run_free(void);
u32 apic_timer_remaining(void);
void apic_timer_set_rate(u64 timer_khz, u64 tsc_rate_khz);
// One interrupt of VECTOR_TIMER in ns from now, at once for 0. It may come
// some time early when ns is long.
void apic_timer_set(u64 ns);

// IO-APICs.

#define RTE_ACTIVE_LOW 0x02000u
#define RTE_LEVEL      0x08000u
#define RTE_MASKED     0x10000u
#define RTE_TARGET(id) ((u32)(id) << 24)

// Masks all lines; returns the number of the highest GSI + 1.
unsigned int ioapic_init(void);
bool ioapic_has(unsigned int gsi);
// Half of a line's entry: low is vector and RTE_* flags, high the target's id.
void ioapic_write(unsigned int gsi, bool high, u32 v);
// Register of the IO-APIC at maddr, for PHYSDEVOP_apic_read. -ENODEV.
int ioapic_read(u64 maddr, u32 reg, u32 *v);
void ioapic_show(void); // the lines that are not masked

#endif
