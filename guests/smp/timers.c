// SPDX-License-Identifier: MIT
// Timers of vcpu 0, which has events masked and polls: set_timer_op and the
// timers of vcpu_op. And the two vcpus' clocks.
#include "smp/smp.h"

#define SKEW   (one_cpu() ? 0 : MS)
#define ROUNDS 20

static u32 timer_port;

static void timer_start(void)
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };

	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &bind), 0);
	timer_port = bind.port;
}

static void timer_end(void)
{
	CHECK_EQ(set_timer(0), 0);
	CHECK_EQ(port_close(timer_port), 0);
}

static bool tick_take(void)
{
	uptr bit = 1ul << timer_port % WIDTH;

	vcpu_info_of(0)->evtchn_upcall_pending = 0;
	vcpu_info_of(0)->evtchn_pending_sel = 0;
	return __atomic_fetch_and(&shared->evtchn_pending[timer_port / WIDTH],
				  ~bit, __ATOMIC_SEQ_CST) &
	       bit;
}

// Sleeps until the timer has ticked; false: not in this time.
static bool tick_within(u64 ns)
{
	struct sched_poll poll = { .nr_ports = 1,
				   .timeout = system_time() + ns };

	set_xen_guest_handle(poll.ports, &timer_port);
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	return tick_take();
}

static long set_singleshot(u64 when)
{
	struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = when };

	return vcpu_op(VCPUOP_set_singleshot_timer, 0, &op);
}

// The delay of the best of many tries, for the machine has other work, too.
static void lateness(const char *name, long (*set)(u64 when), u64 ns)
{
	u64 least = ~(u64)0;

	for (int i = 0; i < ROUNDS; i++) {
		u64 due = system_time() + ns, now;

		CHECK_EQ(set(due), 0);
		if (!CHECK(tick_within(PATIENCE)))
			return;
		now = system_time();
		CHECK(now + SKEW >= due);
		if (now - due < least)
			least = now > due ? now - due : 0;
	}
	printf("%s: %" LL "u us late at best\n", name, least / 1000);
	CHECK(least < MS);
}

TEST(timer_lateness)
{
	timer_start();
	lateness("set_timer_op", set_timer, 2 * MS);
	lateness("singleshot", set_singleshot, 2 * MS);
	timer_end();
}

TEST(timer_in_the_past)
{
	static const u64 times[] = { 1, 1000 };
	u64 from;

	timer_start();
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		CHECK_EQ(set_timer(times[i]), 0);
		CHECK(tick_within(PATIENCE));
		CHECK_EQ(set_singleshot(times[i]), 0);
		CHECK(tick_within(PATIENCE));
	}
	CHECK_EQ(set_timer(system_time() - 1), 0);
	CHECK(tick_within(PATIENCE));
	// Once each: nothing comes after it.
	CHECK(!tick_within(20 * MS));
	// A new time takes the place of the old one; 0 is none.
	from = system_time();
	CHECK_EQ(set_timer(from + 10 * MS), 0);
	CHECK_EQ(set_timer(from + 60 * MS), 0);
	CHECK(tick_within(PATIENCE));
	CHECK(system_time() + SKEW >= from + 60 * MS);
	CHECK_EQ(set_timer(system_time() + 10 * MS), 0);
	CHECK_EQ(set_timer(0), 0);
	CHECK(!tick_within(30 * MS));
	CHECK_EQ(set_singleshot(system_time() + 10 * MS), 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	CHECK(!tick_within(30 * MS));
	timer_end();
}

// What cannot be meant is answered in 100 ms; far is far.
TEST(timer_far_away)
{
	struct sched_poll poll = { .nr_ports = 1 };
	u64 now = system_time();
	u64 times[] = { 1ull << 63, ~(u64)0, now + (1ull << 50) + 1000 * MS };

	timer_start();
	set_xen_guest_handle(poll.ports, &timer_port);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		now = system_time();
		CHECK_EQ(set_timer(times[i]), 0);
		CHECK(tick_within(PATIENCE));
		CHECK(system_time() + SKEW >= now + 100 * MS);
	}
	CHECK_EQ(set_timer(system_time() + (1ull << 49)), 0);
	CHECK(!tick_within(150 * MS));
	// The other call takes the number as it is: below zero has passed.
	CHECK_EQ(set_singleshot(1ull << 63), 0);
	CHECK(tick_within(PATIENCE));
	CHECK_EQ(set_singleshot(~(u64)0), 0);
	CHECK(tick_within(PATIENCE));
	// So does the timeout of a poll; the timer would end it otherwise.
	CHECK_EQ(set_timer(system_time() + 500 * MS), 0);
	poll.timeout = 1ull << 63;
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	CHECK(!tick_take());
	timer_end();
}

TEST(periodic_rate)
{
	struct vcpu_set_periodic_timer timer = { .period_ns = 5 * MS };
	u64 from, now, count = 0;

	timer_start();
	from = system_time();
	CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), 0);
	do {
		count += tick_take();
		now = system_time();
	} while (now < from + 300 * MS);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	printf("%" LL "u ticks of 5 ms in %" LL "u us\n", count,
	       (now - from) / 1000);
	CHECK(count <= (now - from) / (5 * MS) + 1);
	CHECK(count >= 10);
	tick_take();
	CHECK(!tick_within(30 * MS));
	timer_end();
}

static u64 latest, clock_end;

// How far this vcpu's clock is behind what any has seen.
static u64 chase(const struct vcpu_info *info)
{
	u64 seen, now, worst = 0;

	do {
		seen = __sync_val_compare_and_swap(&latest, 0, 0);
		now = system_time_of(info);
		if (now < seen && seen - now > worst)
			worst = seen - now;
		while (seen < now) {
			u64 old =
				__sync_val_compare_and_swap(&latest, seen, now);

			seen = old == seen ? now : old;
		}
	} while (now < clock_end);
	return worst;
}

static long chase_on_vcpu1(void)
{
	return (long)chase(info1);
}

TEST(clocks_agree)
{
	u64 worst[2];

	if (!one_cpu() && !on_ringlet())
		test_skip("apart by up to 80 ms there");
	latest = 0;
	clock_end = system_time() + 1500 * MS;
	call_start(chase_on_vcpu1);
	worst[0] = chase(vcpu_info_of(0));
	worst[1] = (u64)call_wait();
	printf("clocks behind by %" LL "u and %" LL "u ns\n", worst[0],
	       worst[1]);
	CHECK(worst[0] <= SKEW + 1000);
	CHECK(worst[1] <= SKEW + 1000);
}
