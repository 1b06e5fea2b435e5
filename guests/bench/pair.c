// SPDX-License-Identifier: MIT
// Two vcpus: events between them, switches on one CPU, interrupts and flushes
// between two. Both have upcalls masked but for the job `interrupts`.
#include "bench/bench.h"
#include "lib/cpu.h"

static u8 stack[16384] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));
static struct vcpu_guest_context context;
static void (*volatile job)(void);
static volatile u32 turns;
static volatile bool stop;
static u32 to_first, to_second;
static bool one_cpu;

static void relax(void)
{
	if (one_cpu)
		sched_op(SCHEDOP_yield, NULL);
	else
		__asm__ volatile("pause" ::: "memory");
}

static void second_main(void)
{
	vcpu_info_of(1)->evtchn_upcall_mask = 1;
	vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL);
	for (;;) {
		if (job) {
			job();
			job = NULL;
		}
		relax();
	}
}

static void job_start(void (*what)(void))
{
	stop = false;
	turns = 0;
	job = what;
}

static void job_end(void)
{
	u64 until = system_time() + 5 * SECOND;

	stop = true;
	while (job && system_time() < until)
		relax();
	CHECK(!job);
}

// On one or on two CPUs; whether there is a second vcpu.
static void need_pair(bool two_cpus)
{
	static bool up;

	only_in("pair");
	one_cpu = has_word("one-cpu");
	if (two_cpus && one_cpu)
		test_skip("takes two CPUs");
	if (vcpu_op(VCPUOP_is_up, 1, NULL) < 0)
		test_skip("takes two vcpus");
	if (up)
		return;
	up = true;
	to_first = port_of_ipi(0);
	to_second = port_of_ipi(1);
	context_make(&context, second_main, stack + sizeof(stack),
		     trap_stack + sizeof(trap_stack));
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
}

static void answer(void)
{
	for (unsigned int i = 0; i < rounds; i++) {
		port_wait(to_second);
		port_send(to_first);
	}
}

TEST(vcpu_events)
{
	need_pair(false);
	job_start(answer);
	for (unsigned int i = 0; i < rounds; i++) {
		MARK(VCPU_EVENT, 1);
		port_send(to_second);
		port_wait(to_first);
		MARK(VCPU_EVENT, 2);
	}
	job_end();
}

// A yield that switches starts on one vcpu and ends on the other; one that does
// not ends no section.
static void yield_back(void)
{
	while (!stop) {
		MARK(VCPU_SWITCH, 2);
		MARK(VCPU_SWITCH_BACK, 1);
		turns++;
		sched_op(SCHEDOP_yield, NULL);
	}
}

TEST(vcpu_switches)
{
	need_pair(false);
	if (!one_cpu)
		test_skip("takes one CPU");
	job_start(yield_back);
	for (unsigned int i = 0; i < 8 * rounds && turns < rounds; i++) {
		MARK(VCPU_SWITCH, 1);
		sched_op(SCHEDOP_yield, NULL);
		MARK(VCPU_SWITCH_BACK, 2);
	}
	job_end();
	CHECK(turns >= rounds);
}

static bool upcall(struct regs *regs)
{
	const u8 *at = (const u8 *)regs;

	if (regs->vector != VECTOR_EVENT || at < stack ||
	    at >= stack + sizeof(stack))
		return false;
	MARK(IPI, 2);
	vcpu_info_of(1)->evtchn_upcall_pending = 0;
	vcpu_info_of(1)->evtchn_pending_sel = 0;
	turns += port_take(to_second);
	return true;
}

static void interrupts(void)
{
	struct vcpu_info *info = vcpu_info_of(1);

	info->evtchn_upcall_pending = 0;
	info->evtchn_pending_sel = 0;
	info->evtchn_upcall_mask = 0;
	while (!stop)
		relax();
	info->evtchn_upcall_mask = 1;
}

// Goes on when the other one has made this many turns.
static void turns_await(u32 want)
{
	u64 until = system_time() + SECOND;

	while (turns < want && system_time() < until)
		relax();
	CHECK(turns >= want);
}

static void pauses(unsigned int n)
{
	while (n--)
		relax();
}

TEST(interrupt_of_a_vcpu)
{
	need_pair(true);
	trap_hook = upcall;
	job_start(interrupts);
	pauses(1000);
	for (u32 i = 1; i <= rounds; i++) {
		MARK(IPI, 1);
		port_send(to_second);
		turns_await(i);
	}
	job_end();
}

static void run(void)
{
	while (!stop) {
		MARK(VCPU_UP, 2);
		turns++;
		relax();
	}
}

TEST(remote_flush)
{
	u8 *page = page_alloc();
	u64 entry = make_entry(virt_to_mfn(page), PTE_RW | PTE_U);
	long rc = 0;

	need_pair(true);
	job_start(run);
	turns_await(1);
	SECTION(REMOTE_FLUSH,
		rc |= update_va(page, entry, UVMF_INVLPG | UVMF_ALL));
	CHECK_EQ(rc, 0);
	job_end();
	page_free(page);
}

static void stopped_await(void)
{
	struct vcpu_runstate_info state;

	do {
		relax();
		vcpu_op(VCPUOP_get_runstate_info, 1, &state);
	} while (state.state == RUNSTATE_running);
}

TEST(vcpu_down_up)
{
	need_pair(true);
	job_start(run);
	turns_await(1);
	for (unsigned int i = 0; i < rounds; i++) {
		MARK(VCPU_DOWN, 1);
		vcpu_op(VCPUOP_down, 1, NULL);
		MARK(VCPU_DOWN, 2);
		stopped_await();
		turns = 0;
		MARK(VCPU_UP, 1);
		vcpu_op(VCPUOP_up, 1, NULL);
		turns_await(1);
	}
	job_end();
}
