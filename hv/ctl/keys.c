// SPDX-License-Identifier: MIT
// Debug keys that tell of time, memory and lines. Their letters are Xen's.
#include "con/con.h"
#include "ctl/ctl.h"
#include "dom/domain.h"
#include "mm/alloc.h"
#include "x86/apic.h"
#include "x86/time.h"

static void show_domain_time(struct domain *d)
{
	printk("d%u: TSC mode %u, %s, %u kHz, incarnation %u\n", d->id,
	       d->tsc_mode, d->vtsc ? "emulated" : "native",
	       d->tsc_khz ? d->tsc_khz : (u32)tsc_khz(), d->tsc_incarnation);
}

static void show_time(char key)
{
	printk("system time %lu ns, TSC %lu kHz, platform timer %s\n",
	       time_now(), tsc_khz(), clock_name());
	domains_visit(show_domain_time);
}

static void show_memory(char key)
{
	printk("memory: %lu pages, %lu free, %lu of them claimed\n",
	       frames_total_count(), frames_free_count(), frames_claimed());
	if (key == 'H')
		printk("free blocks, a bit for each order: %lx below 4 GiB, "
		       "%lx above\n",
		       frames_free_orders(false), frames_free_orders(true));
}

static void show_domain_pages(struct domain *d)
{
	printk("d%u: %lu pages, all on node 0\n", d->id,
	       READ_ONCE(d->account.total));
}

static void show_nodes(char key)
{
	printk("node 0: all CPUs, %lu pages, %lu free\n", frames_total_count(),
	       frames_free_count());
	domains_visit(show_domain_pages);
}

static void show_ioapics(char key)
{
	ioapic_show();
}

void __init ctl_keys_init(void)
{
	debug_key_register('t', show_time, "time");
	debug_key_register('m', show_memory, "memory");
	debug_key_register('H', show_memory, "free blocks of memory");
	debug_key_register('u', show_nodes, "memory nodes");
	debug_key_register('z', show_ioapics, "IO-APICs");
}
