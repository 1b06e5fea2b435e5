// SPDX-License-Identifier: MIT
// A second vcpu: bring-up, interrupts between vcpus, run states, timers.
#include "lib/cpu.h"
#include "smp/smp.h"

static u8 stack[16384] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));
static struct vcpu_guest_context context;
static u32 kick_port, timer_port;
static volatile u32 kicks, ticks, starts;
static volatile long result;
static long (*volatile work)(void);
struct vcpu_info *volatile info1;

static bool on_vcpu1(const void *p)
{
	const u8 *at = p;

	return at >= stack && at < stack + sizeof(stack);
}

// Both of its ports lie in the first word.
static bool vcpu1_events(struct regs *regs)
{
	uptr bits;

	if (regs->vector != VECTOR_EVENT || !on_vcpu1(regs))
		return false;
	info1->evtchn_upcall_pending = 0;
	__atomic_exchange_n(&info1->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	bits = (1ul << kick_port) | (timer_port ? 1ul << timer_port : 0);
	bits &= shared->evtchn_pending[0];
	__atomic_fetch_and(&shared->evtchn_pending[0], ~bits, __ATOMIC_SEQ_CST);
	if (bits >> kick_port & 1)
		kicks++;
	if (timer_port && bits >> timer_port & 1)
		ticks++;
	return true;
}

static void vcpu1_main(void)
{
	starts++;
	for (;;) {
		// Else the event that tells of work comes in between, and it
		// sleeps on.
		info1->evtchn_upcall_mask = 1;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (work) {
			info1->evtchn_upcall_mask = 0;
			result = work();
			work = NULL;
		} else {
			sched_op(SCHEDOP_block, NULL);
		}
	}
}

static bool wait_for(const volatile u32 *what, u32 value)
{
	u64 until = system_time() + PATIENCE;

	while (*what != value && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	return *what == value;
}

void call_start(long (*fn)(void))
{
	work = fn;
	port_send(kick_port);
}

long call_wait(void)
{
	u64 until = system_time() + PATIENCE;

	while (work && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK(!work);
	return result;
}

// fn on vcpu 1; its result.
static long call(long (*fn)(void))
{
	call_start(fn);
	return call_wait();
}

static void make_context(void)
{
	context_make(&context, vcpu1_main, stack + sizeof(stack),
		     trap_stack + sizeof(trap_stack));
}

static u32 bind_ipi(u32 vcpu)
{
	struct evtchn_bind_ipi op = { .vcpu = vcpu };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &op), 0);
	return op.port;
}

TEST(before)
{
	struct vcpu_runstate_info rs;

	CHECK_EQ(vcpu_op(VCPUOP_is_up, 0, NULL), 1);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 77, NULL), -ENOENT);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 0xffffffff, NULL), -ENOENT);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), -EINVAL);
	CHECK_EQ(vcpu_op(VCPUOP_down, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &rs), 0);
	CHECK_EQ(rs.state, RUNSTATE_offline);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &rs), 0);
	CHECK_EQ(rs.state, RUNSTATE_running);
}

TEST(bad_contexts)
{
	make_context();
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 0, &context), -EEXIST);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 77, &context), -ENOENT);
	context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(&context));
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
	make_context();
	context.gdt_ents = 14 * 512 + 1;
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
	make_context();
	context.gdt_ents = 512;
	context.gdt_frames[0] = 1ul << 28;
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
	make_context();
	context.ldt_ents = 8193;
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
	make_context();
#ifdef __x86_64__
	context.fs_base = 0x8000000000000000;
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
	make_context();
	context.event_callback_eip = 0x8000000000000000;
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
#else
	// The upper bits of the frame's number are the lower ones of CR3.
	context.ctrlreg[3] |= 1;
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EINVAL);
#endif
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
}

TEST(vcpu_info_place)
{
	static struct vcpu_info place __attribute__((aligned(64)));
	struct vcpu_register_vcpu_info reg = {
		.mfn = virt_to_mfn(&place),
		.offset = (u32)((uptr)&place & 0xfff),
	};
	struct vcpu_register_vcpu_info bad = reg;

	bad.offset = PAGE_SIZE - 8;
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &bad), -ENXIO);
	bad.offset = 8192;
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &bad), -ENXIO);
	bad = reg;
	bad.mfn = 1ul << 28;
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &bad), -EINVAL);
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 77, &reg), -ENOENT);
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &reg), 0);
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &reg), -EINVAL);
	info1 = &place;
}

TEST(bring_up)
{
	trap_hook = trap_hook_between = vcpu1_events;
	make_context();
	kick_port = bind_ipi(1);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), -EEXIST);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	CHECK(wait_for(&starts, 1));
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 1);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), 0);
}

static long answer(void)
{
	return 4711;
}

TEST(calls)
{
	u32 before = kicks;

	for (u32 i = 1; i <= 20; i++) {
		CHECK_EQ(call(answer), 4711);
		CHECK(wait_for(&kicks, before + i));
	}
}

static u32 back_port;

static long send_back(void)
{
	return port_send(back_port);
}

TEST(ipi_back)
{
	u32 before;

	back_port = bind_ipi(0);
	before = event_counts[back_port];
	event_unmask_all();
	CHECK_EQ(call(send_back), 0);
	CHECK(wait_for(&event_counts[back_port], before + 1));
	CHECK_EQ(port_close(back_port), 0);
}

TEST(runstates)
{
	static struct vcpu_runstate_info area;
	struct vcpu_register_runstate_memory_area reg = {};
	struct vcpu_runstate_info rs;
	u64 until = system_time() + PATIENCE;

	do {
		CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &rs), 0);
	} while (rs.state != RUNSTATE_blocked && system_time() < until);
	CHECK_EQ(rs.state, RUNSTATE_blocked);
	CHECK(rs.time[RUNSTATE_running] > 0);
	CHECK(rs.time[RUNSTATE_offline] > 0);
	set_xen_guest_handle(reg.addr.h, &area);
	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0);
	CHECK_EQ(area.state, RUNSTATE_running);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &rs), 0);
	CHECK(rs.time[RUNSTATE_running] >= area.time[RUNSTATE_running]);
	CHECK_EQ(area.state_entry_time >> 63, 0);
	set_xen_guest_handle(reg.addr.h, NULL);
	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0);
}

TEST(time_area)
{
	static struct vcpu_time_info area;
	struct vcpu_register_time_memory_area reg = {};

	set_xen_guest_handle(reg.addr.h, &area);
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0);
	CHECK(area.system_time > 0);
	CHECK_EQ(area.version & 1, 0);
	CHECK_EQ(area.tsc_to_system_mul,
		 vcpu_info_of(0)->time.tsc_to_system_mul);
	set_xen_guest_handle(reg.addr.h, NULL);
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &reg), 0);
}

static struct vcpu_set_singleshot_timer shot;

static long set_shot(void)
{
	return vcpu_op(VCPUOP_set_singleshot_timer, 1, &shot);
}

TEST(singleshot)
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = 1 };

	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &bind), 0);
	timer_port = bind.port;
	ticks = 0;
	shot.timeout_abs_ns = system_time() + 5 * MS;
	CHECK_EQ(call(set_shot), 0);
	CHECK(wait_for(&ticks, 1));
	CHECK(system_time() >= shot.timeout_abs_ns);
	// In the past: at once, and the flag that asks for an error is not
	// looked at (any more).
	shot.timeout_abs_ns = 1;
	CHECK_EQ(call(set_shot), 0);
	CHECK(wait_for(&ticks, 2));
	shot.flags = VCPU_SSHOTTMR_future;
	CHECK_EQ(call(set_shot), 0);
	CHECK(wait_for(&ticks, 3));
	// Only its own vcpu sets it; anybody may stop the periodic one.
	CHECK_EQ(vcpu_op(VCPUOP_set_singleshot_timer, 1, &shot), -EINVAL);
	CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
}

// The periodic timer ticks while its vcpu runs only.
static long five_ticks(void)
{
	u64 until = system_time() + PATIENCE / 2;
	u32 before = ticks;

	while (ticks < before + 5 && system_time() < until)
		barrier();
	return ticks >= before + 5;
}

TEST(periodic)
{
	struct vcpu_set_periodic_timer timer = { .period_ns = 2 * MS };

	CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 1, &timer), 0);
	CHECK_EQ(call(five_ticks), 1);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), 0);
	timer.period_ns = MS / 2;
	CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 1, &timer), -EINVAL);
	timer.period_ns = 1ull << 62;
	CHECK_EQ(vcpu_op(VCPUOP_set_periodic_timer, 1, &timer), -EINVAL);
}

static volatile u64 *remote_page;

static long read_page(void)
{
	return (long)*remote_page;
}

// A changed mapping is seen by the other vcpu after a flush of all.
TEST(remote_flush)
{
	u64 *a = page_alloc(), *b = page_alloc();

	remote_page = window(0);
	*a = 1;
	*b = 2;
	for (int i = 0; i < 10; i++) {
		update_va(remote_page, make_entry(virt_to_mfn(a), PTE_RO),
			  UVMF_INVLPG | UVMF_ALL);
		CHECK_EQ(call(read_page), 1);
		update_va(remote_page, make_entry(virt_to_mfn(b), PTE_RO),
			  UVMF_TLB_FLUSH | UVMF_ALL);
		CHECK_EQ(call(read_page), 2);
	}
	update_va(remote_page, 0, UVMF_TLB_FLUSH | UVMF_ALL);
	page_free(a);
	page_free(b);
}

TEST(down_and_up)
{
	struct vcpu_runstate_info rs;

	CHECK_EQ(vcpu_op(VCPUOP_down, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 1, &rs), 0);
	CHECK_EQ(rs.state, RUNSTATE_blocked);
	// It goes on where it was.
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 1);
	CHECK_EQ(call(answer), 4711);
	CHECK_EQ(starts, 1);
}
