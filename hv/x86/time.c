// SPDX-License-Identifier: MIT
// System time. Each CPU has a scale of its own from TSC to nanoseconds and
// bends it once a second towards the platform timer, never stepping back.
#include "x86/time.h"
#include "x86/apic.h"
#include "x86/cpuid.h"
#include "x86/panic.h"
#include "x86/percpu.h"
#include "x86/tlb.h"

// How long the boot CPU measures. 5 ms give 2 ppm with a HPET and 60 ppm with
// the PM timer; the first bends make good for that.
#define CALIBRATE_NS  (5 * NS_PER_MS)
#define FIRST_SYNC_NS (200 * NS_PER_MS)

struct cpu_time {
	struct time_scale scale; // written with interrupts off, by its CPU
	struct time_point last;
	struct timer sync;
};

static DEFINE_PERCPU(struct cpu_time, cpu_time);

static struct {
	struct spinlock lock;
	u64 sec;
	u32 nsec;
} wall = { .lock = SPINLOCK_INIT(RANK_TIME) };

static u64 khz;

void (*time_scale_changed)(void);

u64 time_now(void)
{
	return time_scale_at(&this_cpu(cpu_time).scale, rdtsc_ordered());
}

const struct time_scale *time_scale_this_cpu(void)
{
	return &this_cpu(cpu_time).scale;
}

u64 tsc_khz(void)
{
	return khz;
}

void udelay(u64 us)
{
	u64 from = rdtsc();

	while (rdtsc() - from < us * khz / 1000)
		cpu_relax();
}

static void time_sync(void *unused)
{
	struct cpu_time *t = &this_cpu(cpu_time);
	u64 flags = irq_save();
	struct time_point now = clock_read(time_now());

	time_scale_adjust(&t->scale, &t->last, &now);
	t->last = now;
	irq_restore(flags);
	if (time_scale_changed)
		time_scale_changed();
	tlb_clock_restart();
	timer_set(&t->sync, time_now() + NS_PER_S);
}

// This CPU's scale goes on from p.
static void sync_start(const struct time_point *p)
{
	struct cpu_time *t = &this_cpu(cpu_time);

	t->last = *p;
	t->scale.tsc_base = p->tsc;
	t->scale.ns_base = p->ns;
	timer_init(&t->sync, time_sync, NULL, smp_cpu_id());
	timer_set(&t->sync, time_now() + FIRST_SYNC_NS);
}

void __init time_init(void)
{
	struct time_point from, to;
	u64 timer;

	clock_init();
	apic_timer_run_free();
	clock_wait(CALIBRATE_NS, &from, &to);
	timer = ~0u - apic_timer_remaining();
	if (to.tsc <= from.tsc)
		panic("the time stamp counter does not count");
	khz = (to.tsc - from.tsc) * 1000000 / (to.ns - from.ns);
	apic_timer_set_rate(timer * 1000000 / (to.ns - from.ns), khz);
	time_rate(&this_cpu(cpu_time).scale, to.ns - from.ns,
		  to.tsc - from.tsc);
	printk("time: %s, TSC %lu.%03lu MHz%s\n", clock_name(), khz / 1000,
	       khz % 1000, cpu_has(TSC_DEADLINE) ? ", deadline timer" : "");
	timer_init_cpu(0);
	sync_start(&to);
	wallclock_set(rtc_read(), 0, time_now());
}

void time_init_cpu(void)
{
	struct time_point now = clock_read(0);
	struct time_scale *s = &this_cpu(cpu_time).scale;

	// One that was away goes on at its own rate.
	if (!s->mul)
		*s = per_cpu(cpu_time, 0).scale;
	sync_start(&now);
}

void time_stop_cpu(void)
{
	timer_stop(&this_cpu(cpu_time).sync);
}

void wallclock_get(u64 *sec, u32 *nsec)
{
	SPIN_GUARD_IRQ(&wall.lock);
	*sec = wall.sec;
	*nsec = wall.nsec;
}

void wallclock_set(u64 sec, u32 nsec, u64 system_time)
{
	u64 ns = sec * NS_PER_S + nsec;

	SPIN_GUARD_IRQ(&wall.lock);
	ns = ns > system_time ? ns - system_time : 0;
	wall.sec = ns / NS_PER_S;
	wall.nsec = (u32)(ns % NS_PER_S);
}
