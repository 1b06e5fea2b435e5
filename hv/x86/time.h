// SPDX-License-Identifier: MIT
// System time (nanoseconds since boot), the wallclock, timers.
#ifndef X86_TIME_H
#define X86_TIME_H

#include "lib/heap.h"
#include "x86/spinlock.h"

#define NS_PER_S   1000000000UL
#define NS_PER_MS  1000000UL
#define NS_PER_US  1000UL
#define TIME_NEVER (~0UL >> 1)

// TSC -> ns: ((tsc - tsc_base) << or >> shift) * mul >> 32, + ns_base, the
// form of struct vcpu_time_info (public header xen.h).
struct time_scale {
	u64 tsc_base;
	u64 ns_base;
	u32 mul;
	s8 shift;
};

u64 time_now(void); // monotonic across CPUs to within their calibration
const struct time_scale *time_scale_this_cpu(void);
// Called on a CPU, interrupts on, after its scale has changed; may be NULL.
extern void (*time_scale_changed)(void);
void time_init(void); // boot CPU, after apic_init(): calibrates, sets the clock
void time_init_cpu(void); // each other CPU, on itself
void time_stop_cpu(void); // before it is parked
u64 tsc_khz(void);
void udelay(u64 us);

// Scaled difference, pure: shared with tests.
static inline u64 time_scale_delta(u64 delta, u32 mul, s8 shift)
{
	delta = shift >= 0 ? delta << shift : delta >> -shift;
	return (u64)(((unsigned __int128)delta * mul) >> 32);
}

// Wallclock at system time 0.
void wallclock_get(u64 *sec, u32 *nsec);
void wallclock_set(u64 sec, u32 nsec, u64 system_time);
u64 rtc_read(void); // seconds since 1970 from the CMOS clock; 0: there is none
// Guards the CMOS index and data ports 0x70 and 0x71, and the register that
// PIT and speaker share (RANK_RTC).
extern struct spinlock rtc_lock;

// A timer belongs to one CPU; its function runs there in SOFTIRQ_TIMER with
// interrupts on and no lock held. All calls may be made from any CPU and with
// locks below RANK_TIMER held.
struct timer {
	struct heap_node node; // key: when it expires
	void (*fn)(void *data);
	void *data;
	u32 cpu;
	u8 state; // enum timer_state
	bool killed;
};

enum timer_state { TIMER_IDLE, TIMER_QUEUED, TIMER_MOVING };

void timer_init_cpu(unsigned int cpu); // from anywhere, before the first use
void timer_interrupt(void);

void timer_init(struct timer *t, void (*fn)(void *), void *data, u32 cpu);
void timer_set(struct timer *t, u64 expires);
void timer_stop(struct timer *t);
void timer_move(struct timer *t, u32 cpu);
static inline void timer_migrate(struct timer *t, u32 cpu)
{
	if (READ_ONCE(t->cpu) != cpu)
		timer_move(t, cpu);
}
void timers_take(unsigned int cpu); // of a CPU that is offline, to this one
void timer_kill(struct timer *t);   // returns when fn does not run any more
static inline bool timer_active(const struct timer *t)
{
	return READ_ONCE(t->state) != TIMER_IDLE;
}

// The arithmetic of time, pure: shared with tests.

// A moment that the platform timer and the TSC were read at together.
struct time_point {
	u64 tsc, ns;
};

// mul and shift so that `ticks` scale to `ns`, to 2^-31 of the value. Neither
// is 0.
void time_rate(struct time_scale *s, u64 ns, u64 ticks);
u64 time_scale_at(const struct time_scale *s, u64 tsc);
// Moves the scale to `now` without a step back: the rate between last and now
// as measured, bent so that half of the difference is gone in one second. A
// clock that is far behind jumps; one that is far ahead is slowed down.
void time_scale_adjust(struct time_scale *s, const struct time_point *last,
		       const struct time_point *now);

// Fields of the CMOS clock as they were read.
struct rtc_fields {
	u8 sec, min, hour, day, month, year;
	u8 century; // 0: unknown
	u8 status_b;
};
u64 rtc_decode(const struct rtc_fields *f); // seconds since 1970

// The platform timer: HPET, ACPI PM timer or PIT, whichever is there. It
// counts at one rate whatever the CPUs do, but is slow to read.
void clock_init(void); // boot CPU
const char *clock_name(void);
// Platform time and this CPU's TSC at one moment, interrupts off. `guess` is
// what the time is by the TSC: it tells how often a short counter wrapped.
struct time_point clock_read(u64 guess);
// Busy wait of about ns by the timer; the moments of its beginning and end.
void clock_wait(u64 ns, struct time_point *from, struct time_point *to);

#endif
