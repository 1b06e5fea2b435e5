// SPDX-License-Identifier: MIT
// The platform timer: HPET, ACPI PM timer or PIT, whichever is there. It
// counts at one rate whatever the CPUs do, but is slow to read.
#ifndef X86_CLOCK_H
#define X86_CLOCK_H

#include "x86/time_math.h"

void clock_init(void); // boot CPU
const char *clock_name(void);
// Platform time and this CPU's TSC at one moment, interrupts off. `guess` is
// what the time is by the TSC: it tells how often a short counter wrapped.
struct time_point clock_read(u64 guess);
// Busy wait of about ns by the timer; the moments of its beginning and end.
void clock_wait(u64 ns, struct time_point *from, struct time_point *to);

#endif
