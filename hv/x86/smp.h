// SPDX-License-Identifier: MIT
// Starting CPUs and talking to them.
#ifndef X86_SMP_H
#define X86_SMP_H

#include "x86/percpu.h"

// Two free pages below 1 MiB for the code that CPUs wake up in, set by boot/
// before smp_start_all(); free again after it. 0: no other CPU is started.
extern u32 smp_trampoline_page;
// Set by boot/: where a started CPU goes on when it is set up. It puts itself
// into cpu_online.
extern __noreturn void (*smp_ap_hook)(unsigned int cpu);
// Starts the first max CPUs of the platform table, each prepared by
// cpu_prepare(); returns how many run. Interrupts
// may be off.
unsigned int smp_start_all(unsigned int max);
// CPUs that are, or are about to be, out of use; who waits in its idle loop
// looks there. Parked, a CPU leaves cpu_online and halts, interrupts on, until
// it is wanted again; then it starts anew.
extern cpumask_t smp_parked;
void smp_park_set(unsigned int cpu, bool parked);
static inline bool smp_park_wanted(void)
{
	return cpumask_test(READ_ONCE(smp_parked), smp_cpu_id());
}
__noreturn void smp_park(void); // interrupts off, no softirq pending
// Makes cpu look at its softirqs.
void smp_kick(unsigned int cpu);
// Stops every other CPU, for panic and reboot: any context, any locks held.
// Comes back on one CPU only.
void smp_stop_others(void);
// True when this CPU is to stop for good: its NMI handler asks.
bool smp_nmi_stop(void);
// Both stop the other CPUs first, but on a CPU that is itself to stop.
__noreturn void machine_reboot(void);
__noreturn void machine_halt(void);
// Sleep state 4 or 5 with the values for the PM1 control registers, both with
// SLP_EN. -EINVAL: state or values; -EOPNOTSUPP: state 1 to 3; -EPERM: the
// machine has no such register. Does not return when it works.
int power_enter_sleep(u32 sleep_state, u16 pm1a, u16 pm1b);

#endif
