// SPDX-License-Identifier: MIT
// Debug keys that tell of domains, CPUs and memory. Their letters are Xen's.
#include "con/con.h"
#include "ctl/ctl.h"
#include "dom/domain.h"
#include "mm/alloc.h"
#include "sched/sched.h"
#include "x86/clock.h"
#include "x86/ioapic.h"
#include "x86/time.h"

static void show_dom0(char key)
{
	struct vcpu *v;

	for_each_vcpu(dom0, v)
		vcpu_show(v);
}

static void show_running(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		if (READ_ONCE(v->running))
			vcpu_show(v);
}

static void show_cpus(char key)
{
	printk("guests that run, CPUs not named are idle:\n");
	domains_visit(show_running);
}

static void show_domain(struct domain *d)
{
	static const char *const state[] = { "alive", "dying", "dead" };
	struct vcpu *v;

	printk("d%u: %s%s, %u references, %lu of %lu pages, paused %u\n", d->id,
	       state[d->state], d->shut_down ? ", shut down" : "", d->ref,
	       READ_ONCE(d->account.total), READ_ONCE(d->account.max),
	       d->pause_count);
	for_each_vcpu(d, v)
		printk("  v%u: CPU %u%s, upcall %u mask %u, flags %x, hard "
		       "%lx soft %lx\n",
		       v->id, v->cpu, v->running ? " runs" : "",
		       v->info->evtchn_upcall_pending,
		       v->info->evtchn_upcall_mask, v->pause_flags,
		       v->affinity_hard, v->affinity_soft);
}

static void show_domains(char key)
{
	domains_visit(show_domain);
}

static void show_share(struct domain *d)
{
	static const char *const what[] = { "runs", "waits", "blocked",
					    "offline" };
	struct vcpu_runstate_info now;
	u16 weight, cap;
	struct vcpu *v;

	sched_domain_get(d, &weight, &cap);
	printk("d%u: weight %u, cap %u\n", d->id, weight, cap);
	for_each_vcpu(d, v) {
		runstate_get(v, &now);
		printk("  v%u: %s on CPU %u, ran %lu ms, waited %lu ms\n",
		       v->id, what[now.state], v->cpu,
		       now.time[RUNSTATE_running] / 1000000,
		       now.time[RUNSTATE_runnable] / 1000000);
	}
}

static void show_queues(char key)
{
	unsigned int cpu;

	for_each_cpu_in(cpu, cpu_online)
		printk("CPU %u: idle for %lu ms\n", cpu,
		       cpu_idle_time(cpu) / 1000000);
	domains_visit(show_share);
}

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
	debug_key_register('0', show_dom0, "registers of Dom0");
	debug_key_register('d', show_cpus, "registers of guests that run");
	debug_key_register('q', show_domains, "domains and their vcpus");
	debug_key_register('r', show_queues, "shares of the CPUs");
	debug_key_register('t', show_time, "time");
	debug_key_register('m', show_memory, "memory");
	debug_key_register('H', show_memory, "free blocks of memory");
	debug_key_register('u', show_nodes, "memory nodes");
	debug_key_register('z', show_ioapics, "IO-APICs");
}
