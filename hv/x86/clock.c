// SPDX-License-Identifier: MIT
// HPET: IA-PC HPET specification 1.0a, 2.3. PM timer: ACPI 6.4, 4.8.3.3. PIT:
// channel 2 of the 8254, which makes no interrupts.
#include "x86/time.h"
#include "x86/platform.h"

#define HPET_PERIOD  (0x004 / 4) // femtoseconds a tick
#define HPET_CONFIG  (0x010 / 4)
#define HPET_COUNTER (0x0f0 / 4)
#define HPET_ENABLE  1u
#define HPET_SLOWEST 100000000u // longest period allowed, fs
#define PM_HZ	     3579545u
#define PIT_HZ	     1193182u
#define FS_PER_S     1000000000000000UL
#define READS	     3 // the quickest of these counts

static struct {
	struct spinlock lock;
	const char *name;
	u32 (*read)(void);
	u32 mask;
	u32 last;
	u64 ticks; // since clock_init
	u64 wrap_ns;
	struct time_scale scale;
} plt = { .lock = SPINLOCK_INIT(RANK_TIME) };

static u32 hpet_read(void)
{
	return ((volatile u32 *)platform.hpet)[HPET_COUNTER];
}

static u32 pm_read(void)
{
	return inl((u16)platform.pm_timer_port);
}

// Counts down: negated it is a counter like the others.
static u32 pit_read(void)
{
	u32 v;

	outb(0x43, 0x80);
	v = inb(0x42);
	return -(v | (u32)inb(0x42) << 8);
}

static __init void clock_use(const char *name, u32 (*read)(void), u32 mask,
			     u64 hz)
{
	plt.name = name;
	plt.read = read;
	plt.mask = mask;
	// Over a million seconds, so that nothing of hz is rounded away.
	time_rate(&plt.scale, NS_PER_S << 20, hz << 20);
	plt.wrap_ns =
		time_scale_delta((u64)mask + 1, plt.scale.mul, plt.scale.shift);
	plt.last = read() & mask;
}

static __init bool hpet_init(void)
{
	volatile u32 *hpet = platform.hpet;
	u32 period = hpet ? hpet[HPET_PERIOD] : 0, v, tries = 1000;

	if (!period || period > HPET_SLOWEST)
		return false;
	hpet[HPET_CONFIG] |= HPET_ENABLE;
	v = hpet[HPET_COUNTER];
	while (tries && hpet[HPET_COUNTER] == v)
		tries--;
	if (tries)
		clock_use("HPET", hpet_read, ~0u, FS_PER_S / period);
	return tries;
}

void __init clock_init(void)
{
	if (hpet_init())
		return;
	if (platform.pm_timer_port) {
		clock_use("ACPI PM timer", pm_read,
			  platform.pm_timer_32bit ? ~0u : 0xffffff, PM_HZ);
		return;
	}
	// Gate on, speaker off, mode 2 from 65536.
	outb(0x61, (inb(0x61) & 0xfc) | 1);
	outb(0x43, 0xb4);
	outb(0x42, 0);
	outb(0x42, 0);
	clock_use("PIT", pit_read, 0xffff, PIT_HZ);
}

const char *clock_name(void)
{
	return plt.name;
}

// Counter and TSC as close together as some tries get them: the host of a
// virtual machine, or an SMI, may come in between.
static u32 read_pair(u64 *tsc)
{
	u64 best = ~0UL, from, to;
	u32 v = 0, got;

	for (unsigned int i = 0; i < READS; i++) {
		from = rdtsc_ordered();
		got = plt.read();
		to = rdtsc_ordered();
		if (to - from < best) {
			best = to - from;
			*tsc = from + best / 2;
			v = got & plt.mask;
		}
	}
	return v;
}

struct time_point clock_read(u64 guess)
{
	struct time_point p;
	u32 v;

	SPIN_GUARD_IRQ(&plt.lock);
	v = read_pair(&p.tsc);
	plt.ticks += (v - plt.last) & plt.mask;
	plt.last = v;
	p.ns = time_scale_delta(plt.ticks, plt.scale.mul, plt.scale.shift);
	for (; guess > p.ns + plt.wrap_ns / 2; p.ns += plt.wrap_ns)
		plt.ticks += (u64)plt.mask + 1;
	return p;
}

void __init clock_wait(u64 ns, struct time_point *from, struct time_point *to)
{
	u32 start, v;

	*from = clock_read(0);
	start = plt.last;
	do {
		v = plt.read() - start;
	} while (time_scale_delta(v & plt.mask, plt.scale.mul,
				  plt.scale.shift) < ns);
	*to = clock_read(0);
}
