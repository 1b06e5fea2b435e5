// SPDX-License-Identifier: MIT
// Starting the other CPUs (Intel SDM vol. 3, 8.4.4) and stopping them.
#include "x86/smp.h"
#include "lib/string.h"
#include "x86/apic.h"
#include "x86/cpuid.h"
#include "x86/desc.h"
#include "x86/panic.h"
#include "x86/platform.h"
#include "x86/pte.h"
#include "x86/time.h"
#include "x86/tlb.h"

#define XAPIC_ID_MAX 0xfe
#define INIT_US	     200  // processors of this century need none
#define STARTUP_US   1000 // then the second one, which only old ones need
#define ANSWER_US    1000000
#define STOP_US	     100000
#define STEP_US	     20

struct trampoline_args {
	u64 stack;
	u64 entry;
	u64 cpu;
};

extern const u8 trampoline_start[], trampoline_args[], trampoline_end[];

u32 smp_trampoline_page;
__noreturn void (*smp_ap_hook)(unsigned int cpu);

cpumask_t smp_parked; // atomic
static u32 stopper;   // CPU + 1 that stops all others

static __noreturn void ap_main(unsigned int cpu)
{
	write_cr3(hv_cr3);
	cpu_init_this(cpu);
	tlb_flush_local();
	apic_init_cpu();
	time_init_cpu();
	smp_ap_hook(cpu);
}

void smp_park(void)
{
	unsigned int cpu = smp_cpu_id();

	time_stop_cpu();
	write_cr3(hv_cr3);
	cpumask_clear_atomic(&cpu_online, cpu);
	while (smp_park_wanted()) {
		irq_enable_halt();
		irq_disable();
	}
	ap_main(cpu);
}

void smp_park_set(unsigned int cpu, bool parked)
{
	if (parked)
		cpumask_set_atomic(&smp_parked, cpu);
	else
		cpumask_clear_atomic(&smp_parked, cpu);
	smp_kick(cpu);
}

static __init void *direct(u64 maddr)
{
	return (void *)(DIRECT_START + maddr);
}

// One page is a table of all four levels: entry 0 points to itself, so that
// addresses below 2 MiB are looked up in it four times, and the entry of the
// trampoline's page maps that page where it is. The hypervisor's own slots
// are beyond those of a low page.
static __init void trampoline_install(void)
{
	u32 code = smp_trampoline_page, table = code + PAGE_SIZE;
	const u64 *from = direct(hv_cr3 & PTE_ADDR);
	u64 *to = direct(table);

	memset(to, 0, PAGE_SIZE);
	to[0] = table | PTE_P | PTE_W;
	to[code >> PAGE_SHIFT] = code | PTE_P | PTE_W;
	for (unsigned int i = SLOT_M2P; i < SLOT_END; i++)
		to[i] = from[i];
	memcpy(direct(code), trampoline_start,
	       (u64)trampoline_end - (u64)trampoline_start);
}

// Until those of mask that are online are `want`; false: not within us.
static bool wait_online(cpumask_t mask, cpumask_t want, u64 us)
{
	for (u64 t = 0; (READ_ONCE(cpu_online) & mask) != want; t += STEP_US) {
		if (t >= us)
			return false;
		udelay(STEP_US);
	}
	return true;
}

static __init bool cpu_start(unsigned int cpu)
{
	u32 id = platform.apic_id[cpu];
	cpumask_t it = cpumask_of(cpu);
	u8 page = (u8)(smp_trampoline_page >> PAGE_SHIFT);
	struct trampoline_args *args =
		direct(smp_trampoline_page + (u64)trampoline_args -
		       (u64)trampoline_start);

	if (id > XAPIC_ID_MAX && !cpu_has(X2APIC))
		return false;
	cpu_apic_id[cpu] = id;
	timer_init_cpu(cpu);
	*args = (struct trampoline_args){ cpu_stack_top(cpu), (u64)ap_main,
					  cpu };
	apic_icr(id, ICR_LEVEL | ICR_ASSERT | ICR_INIT);
	udelay(INIT_US);
	apic_icr(id, ICR_ASSERT | ICR_STARTUP | page);
	if (wait_online(it, it, STARTUP_US))
		return true;
	apic_icr(id, ICR_ASSERT | ICR_STARTUP | page);
	if (wait_online(it, it, ANSWER_US))
		return true;
	// Back to sleep, so that it does not come late with another's stack.
	apic_icr(id, ICR_LEVEL | ICR_ASSERT | ICR_INIT);
	printk(LOG_WARN "CPU %u (APIC id %u) does not answer\n", cpu, id);
	return false;
}

unsigned int __init smp_start_all(unsigned int max)
{
	unsigned int running = 1;

	nr_cpus = MIN(platform.nr_cpus, max ? max : 1);
	if (nr_cpus > 1 && !smp_trampoline_page) {
		printk(LOG_WARN "no memory below 1 MiB: one CPU only\n");
		nr_cpus = 1;
	}
	if (nr_cpus > 1)
		trampoline_install();
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		running += cpu_start(cpu);
	return running;
}

void smp_kick(unsigned int cpu)
{
	apic_icr(cpu_apic_id[cpu], ICR_ASSERT | VECTOR_KICK);
}

void smp_stop_others(void)
{
	u32 self = smp_cpu_id() + 1, nobody = 0;

	if (!__atomic_compare_exchange_n(&stopper, &nobody, self, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		if (nobody == self)
			return;
		machine_halt(); // another one was faster
	}
	if (READ_ONCE(cpu_online) == cpumask_of(smp_cpu_id()))
		return;
	apic_icr(0, ICR_OTHERS | ICR_ASSERT | ICR_NMI);
	wait_online(CPUMASK_ALL, cpumask_of(smp_cpu_id()), STOP_US);
}

bool smp_nmi_stop(void)
{
	u32 by = READ_ONCE(stopper);

	return by && by != smp_cpu_id() + 1;
}

void machine_halt(void)
{
	irq_disable();
	if (smp_nmi_stop()) {
		cpumask_clear_atomic(&cpu_online, smp_cpu_id());
	} else {
		if (!READ_ONCE(stopper))
			console_sync();
		smp_stop_others();
	}
	for (;;)
		halt();
}
