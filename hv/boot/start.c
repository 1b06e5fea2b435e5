// SPDX-License-Identifier: MIT
// From the first instruction on our own page tables to Dom0: one readable
// order.
#include "boot/boot.h"
#include "call/memory.h"
#include "call/call.h"
#include "con/con.h"
#include "ctl/ctl.h"
#include "dom/policy.h"
#include "evtchn/evtchn.h"
#include "grant/grant.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "pci/pci.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/apic.h"
#include "x86/cpuid.h"
#include "x86/desc.h"
#include "x86/entry.h"
#include "x86/fpu.h"
#include "x86/irq.h"
#include "x86/patch.h"
#include "x86/platform.h"
#include "x86/smp.h"

void hv_start(u64 handover);
__noreturn void hv_start_failed(const char *why);

__init void boot_fail(const char *fmt, ...)
{
	va_list ap;

	printk(LOG_ERR "cannot start: ");
	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
	printk("; halted\n");
	machine_halt();
}

// Before there are page tables of ours: only the serial port's default.
__init void hv_start_failed(const char *why)
{
	con_init_early();
	printk(LOG_ERR "cannot start: %s; halted\n", why);
	for (;;)
		halt();
}

static __init void features_check(void)
{
	if (!cpu_has(NX) || !cpu_has(SYSCALL) || !cpu_has(FXSR))
		boot_fail("this CPU lacks NX, SYSCALL or FXSR; a 64-bit "
			  "processor of the last fifteen years is needed");
	if (!cpu_has(SMAP) || !opt_smap)
		smap_remove();
}

static __init void console_start(const struct handover *h)
{
	const char *line = maddr_to_virt(h->hv_cmdline);

	str_copy(hv_command_line, line, sizeof(hv_command_line));
	cmdline_parse(line, false);
	con_init_early();
	if (h->has_vga_text)
		con_vga_start(mmio_map(0xb8000, PAGE_SIZE));
	printk("Ringlet %s, by %s, command line: %s\n", RINGLET_VERSION,
	       h->loader, line);
	cmdline_parse(line, true);
	if (h->error[0])
		boot_fail("%s", h->error);
}

// What is no RAM of ours is device memory, which Dom0 may map.
static __init void frames_of_devices(u64 from, u64 to)
{
	for (; from < MIN(to, max_mfn); from++)
		if (mfn_valid(mfn(from)))
			mfn_to_page(mfn(from))->owner =
				(u32)mfn_val(virt_to_mfn(dom_io));
}

// The machine's map for Dom0, and whom each frame belongs to.
static __init void memory_describe(const struct handover *h)
{
	u64 at = 0;

	for (unsigned int i = 0; i < h->nr_ranges; i++) {
		const struct handover_range *r = &h->range[i];

		e820_host.entry[e820_host.n++] =
			(struct e820_entry){ r->start, r->end - r->start,
					     r->type };
		if (r->type != E820_RAM || r->start < 0x100000)
			continue;
		frames_of_devices(at, r->start >> PAGE_SHIFT);
		at = r->end >> PAGE_SHIFT;
	}
	frames_of_devices(at, max_mfn);
}

static __init void memory_start(const struct handover *h)
{
	mm_boot();
	if (domain_create_idle())
		boot_fail("not enough memory");
	memory_describe(h);
	m2p_share();
	printk("memory: %lu MiB, %lu MiB free\n", frames_total_count() >> 8,
	       frames_free_count() >> 8);
}

static __init void trampoline_choose(const struct handover *h)
{
	for (unsigned int i = 0; i < h->nr_ranges; i++) {
		const struct handover_range *r = &h->range[i];
		u64 end = MIN(r->end, 0xa0000UL) & PAGE_MASK;

		if (r->type == E820_RAM && r->start < 0x90000 &&
		    end >= r->start + 4 * PAGE_SIZE)
			smp_trampoline_page = (u32)(end - 2 * PAGE_SIZE);
	}
}

static __noreturn void ap_hook(unsigned int cpu)
{
	fpu_set_xcr0(fpu_xcr0_mask);
	sched_init_cpu(cpu);
	cpumask_set_atomic(&cpu_online, cpu);
	sched_start_idle();
}

static __init void cpus_start(const struct handover *h)
{
	unsigned int max =
		boot_options.max_cpus ? boot_options.max_cpus : MAX_CPUS;
	unsigned int n;

	max = MIN(max, platform.nr_cpus);
	for (unsigned int cpu = 1; cpu < max; cpu++)
		if (cpu_prepare(cpu))
			boot_fail("not enough memory for CPU %u", cpu);
	if (isolation_init(max))
		boot_fail("not enough memory for page-table isolation");
	trampoline_choose(h);
	smp_ap_hook = ap_hook;
	n = max > 1 ? smp_start_all(max) : 1;
	printk("CPUs: %u of %u run%s%s\n", n, platform.nr_cpus,
	       cpu_has(X2APIC) ? ", x2APIC" : "",
	       cpu_has(SMAP) && opt_smap ? ", SMAP" : "");
}

static __init void machine_start(const struct handover *h)
{
	acpi_init(h->rsdp);
	apic_init();
	irq_init();
	time_init();
	fpu_init();
	policy_init();
	cpuid_init_msrs();
	branches_choose();
}

static __init void rooms_start(void)
{
	sched_init();
	domain_unit_register(&policy_unit);
	domain_unit_register(&evtchn_unit);
	domain_unit_register(&grant_unit);
	domain_unit_register(&pci_unit);
	evtchn_init();
	ctl_keys_init();
	con_init_irq(boot_options.sync_console ? NULL : hvpages_alloc(2));
	irq_enable();
	pci_init();
}

// Not __init: the code that it frees is the caller's.
static __noreturn __noinline void boot_finish(u64 stage, u64 stage_size)
{
	mm_free_init();
	mm_boot_free(stage, stage_size);
	con_end_boot();
	domain_unpause_by_controller(dom0);
	sched_start_idle();
}

__init void hv_start(u64 handover)
{
	const struct handover *h = maddr_to_virt(handover);

	cpuid_init();
	console_start(h);
	features_check();
	cpu_init_this(0);
	memory_start(h);
	machine_start(h);
	rooms_start();
	cpus_start(h);
	dom0_build(h);
	wx_check();
	boot_finish(h->stage_maddr, h->stage_size);
}
