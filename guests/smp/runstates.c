// SPDX-License-Identifier: MIT
// Where the time of two vcpus goes: the sums of their run states, the copy
// that the guest has registered, two busy vcpus on one CPU. Nothing in here is
// rounded: what a hypercall tells lies between the times before and after it.
#include "smp/smp.h"

// How far the clocks of two CPUs may be apart.
#define SKEW (one_cpu() ? 0 : MS)

struct moment {
	u64 from, to;
	struct vcpu_runstate_info rs[2];
};

static void look(struct moment *m)
{
	m->from = system_time();
	for (u32 id = 0; id < 2; id++)
		CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, id, &m->rs[id]), 0);
	m->to = system_time();
}

static u64 sum(const struct vcpu_runstate_info *rs)
{
	return rs->time[0] + rs->time[1] + rs->time[2] + rs->time[3];
}

// Until vcpu 1 sleeps after its last call.
static void vcpu1_rests(void)
{
	u64 until = system_time() + PATIENCE;
	struct vcpu_runstate_info rs;

	do {
		sched_op(SCHEDOP_yield, NULL);
		CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &rs), 0);
	} while (rs.state != RUNSTATE_blocked && system_time() < until);
	CHECK_EQ(rs.state, RUNSTATE_blocked);
}

static void sleep_ns(u64 ns)
{
	struct sched_poll poll = { .timeout = system_time() + ns };

	sched_op(SCHEDOP_poll, &poll);
}

static void spin_ns(u64 ns)
{
	u64 until = system_time() + ns;

	while (system_time() < until)
		barrier();
}

static bool between(const char *what, u64 value, u64 least, u64 most)
{
	if (value >= least && value <= most)
		return true;
	check_failed(what, 0, "%" LL "u is not in %" LL "u to %" LL "u", value,
		     least, most);
	return false;
}

static volatile bool busy, stop;

static long be_busy(void)
{
	busy = true;
	while (!stop)
		barrier();
	busy = false;
	return 0;
}

// Lets vcpu 1 run until stop; false: it does not.
static bool busy_start(void)
{
	u64 until = system_time() + PATIENCE;

	stop = false;
	call_start(be_busy);
	while (!busy && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	return CHECK(busy);
}

static void busy_stop(void)
{
	stop = true;
	call_wait();
}

// The times of all states add up to the vcpu's age, whatever it does.
TEST(runstate_sums)
{
	u64 least[2] = {}, most[2] = { ~(u64)0, ~(u64)0 };
	struct moment m;

	for (int i = 0; i < 60; i++) {
		if (i == 20)
			busy_start();
		if (i == 40)
			busy_stop();
		if (i % 2)
			sleep_ns(MS / 2);
		else
			spin_ns(MS);
		look(&m);
		// When was it born, then?
		for (u32 id = 0; id < 2; id++) {
			u64 age = sum(&m.rs[id]);
			// The host may have come in between from and there.
			u64 low = m.from > age ? m.from - age : 0;
			u64 high = m.to - age;

			least[id] = low > least[id] ? low : least[id];
			most[id] = high < most[id] ? high : most[id];
		}
	}
	for (u32 id = 0; id < 2; id++)
		between("birth", least[id], 0, most[id] + SKEW);
}

static volatile struct vcpu_runstate_info area;
static u64 birth, reads;

// The area's times reach to state_entry_time, so this is the same each time.
static bool area_check(const struct vcpu_runstate_info *rs)
{
	return rs->state_entry_time - sum(rs) == birth;
}

// As Linux reads it: again when it changed meanwhile, or is about to.
static struct vcpu_runstate_info area_read(void)
{
	struct vcpu_runstate_info rs;
	u64 entry;

	do {
		entry = area.state_entry_time;
		barrier();
		memcpy(&rs, (const void *)&area, sizeof(rs));
		barrier();
	} while (entry >> 63 || area.state_entry_time != entry);
	return rs;
}

static long area_register(u32 id, const volatile void *place)
{
	struct vcpu_register_runstate_memory_area reg = {
		.addr.p = ADDRESS(place),
	};

	return vcpu_op(VCPUOP_register_runstate_memory_area, id, &reg);
}

static long area_watch(void)
{
	struct vcpu_runstate_info rs;
	long wrong = 0;

	busy = true;
	for (reads = 0; !stop; reads++) {
		rs = area_read();
		wrong += !area_check(&rs) || rs.state < RUNSTATE_running ||
			 rs.state > RUNSTATE_blocked;
	}
	return wrong;
}

// The copy of vcpu 0 is whole at any time, for another vcpu as well.
TEST(runstate_area)
{
	struct vcpu_runstate_info rs;

	CHECK_EQ(HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable,
		     VMASST_TYPE_runstate_update_flag),
		 0);
	CHECK_EQ(area_register(0, &area), 0);
	rs = area_read();
	CHECK_EQ(rs.state, RUNSTATE_running);
	birth = rs.state_entry_time - sum(&rs);
	stop = busy = false;
	call_start(area_watch);
	for (int i = 0; i < 200; i++) {
		sleep_ns(MS / 2);
		rs = area_read();
		CHECK_EQ(rs.state, RUNSTATE_running);
		if (!CHECK(area_check(&rs)))
			break;
	}
	busy_stop();
	CHECK_EQ(call_wait(), 0);
	CHECK(reads > 0);
	// The mark is off again, and the running vcpu's entry has passed.
	CHECK_EQ(area.state_entry_time >> 63, 0);
	between("entry", area.state_entry_time, birth, system_time());
	CHECK_EQ(area_register(0, NULL), 0);
	CHECK_EQ(HC2(__HYPERVISOR_vm_assist, VMASST_CMD_disable,
		     VMASST_TYPE_runstate_update_flag),
		 0);
}

// Another vcpu's area is filled at once, up to now.
TEST(runstate_area_of_other)
{
	struct vcpu_runstate_info rs;
	struct moment a, b;

	vcpu1_rests();
	look(&a);
	CHECK_EQ(area_register(1, &area), 0);
	look(&b);
	rs = area_read();
	CHECK_EQ(rs.state, RUNSTATE_blocked);
	between("age", sum(&rs), sum(&a.rs[1]), sum(&b.rs[1]));
	CHECK_EQ(area_register(1, NULL), 0);
#ifdef __x86_64__
	CHECK_EQ(area_register(1, (void *)HYPERVISOR_VIRT_START), -EFAULT);
#else
	// An address like any other for Ringlet, which fills in what it can.
	CHECK_EQ(area_register(1, (void *)HYPERVISOR_VIRT_START), 0);
	CHECK_EQ(area_register(1, NULL), 0);
#endif
	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 1, window(0)),
		 -EFAULT);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, window(0)), -EFAULT);
}

static u64 spent(const struct moment *a, const struct moment *b, u32 id, int s)
{
	return b->rs[id].time[s] - a->rs[id].time[s];
}

// Two that never rest on one CPU: half each, not a nanosecond lost, and what
// one does not get it waits for.
TEST(contention)
{
	struct moment a, b;
	u64 least, most;

	if (!one_cpu())
		test_skip("takes two vcpus on one CPU");
	if (!busy_start())
		return;
	look(&a);
	spin_ns(1000 * MS);
	look(&b);
	busy_stop();
	least = b.from - a.to;
	most = b.to - a.from;
	between("CPU",
		spent(&a, &b, 0, RUNSTATE_running) +
			spent(&a, &b, 1, RUNSTATE_running),
		least, most);
	for (u32 id = 0; id < 2; id++) {
		u64 ran = spent(&a, &b, id, RUNSTATE_running);
		u64 waited = spent(&a, &b, id, RUNSTATE_runnable);

		between("vcpu", ran + waited, least, most);
		between("share", ran, least * 35 / 100, most * 65 / 100);
		CHECK_EQ(spent(&a, &b, id, RUNSTATE_blocked), 0);
		CHECK_EQ(spent(&a, &b, id, RUNSTATE_offline), 0);
		printf("vcpu %u ran %" LL "u and waited %" LL "u of %" LL
		       "u us\n",
		       id, ran / 1000, waited / 1000, least / 1000);
	}
}

// Who sleeps waits for nobody.
TEST(idle)
{
	struct moment a, b;

	vcpu1_rests();
	look(&a);
	for (int i = 0; i < 10; i++)
		sleep_ns(20 * MS);
	look(&b);
	between("sleeper", spent(&a, &b, 0, RUNSTATE_blocked),
		(b.from - a.to) * 8 / 10, b.to - a.from);
	between("waiter", spent(&a, &b, 0, RUNSTATE_runnable), 0,
		(b.to - a.from) / 10);
	between("other", spent(&a, &b, 1, RUNSTATE_blocked), b.from - a.to,
		b.to - a.from + SKEW);
}
