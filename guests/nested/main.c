// SPDX-License-Identifier: MIT
// Traps in callbacks, callbacks in traps, each in each: every handler finds its
// own frame, and all go on where they were.
#include "nested/nested.h"

enum cause {
	FAULT,
	PROTECTION,
	BREAKPOINT,
	INVALID,
	SOFTWARE,
	EVENT,
	NMI,
	FAILSAFE,
	CAUSES,
};

#define DEPTH	 3
#define SELECTOR 0x0b
#define MARK	 0x5a6b7c8dul

static const u16 vectors[CAUSES] = {
	14, 13, 3, 6, VECTOR_SOFT, VECTOR_EVENT, 2, VECTOR_FAILSAFE
};

static u8 plan[DEPTH];
static unsigned int depth, handled;
static bool masked; // events, where the next trap comes from
static u32 ports[DEPTH];
static u64 *gdt;
static void *nowhere;
extern u8 fault_at[], fault_next[], protection_at[], protection_next[],
	invalid_at[], breakpoint_at[], software_at[];

// Registers that the way to the handler and back may not change.
#define KEPT(text, input)                                        \
	do {                                                     \
		uptr first_ = MARK, then_;                       \
		register uptr second_ __asm__(R_SECOND) = ~MARK; \
		__asm__ volatile(text                            \
				 : "+c"(first_), "+r"(second_)   \
				 : "a"(input)                    \
				 : "memory");                    \
		then_ = second_;                                 \
		CHECK_EQ(first_, MARK);                          \
		CHECK_EQ(then_, ~MARK);                          \
	} while (0)

static __attribute__((noinline, noclone)) long trap_by(long cause)
{
	switch (cause) {
	case FAULT:
		KEPT("fault_at: testb %%al, (%%" R_AX ")\nfault_next:",
		     nowhere);
		break;
	case PROTECTION:
		KEPT("protection_at: movw %%ax, %%fs\nprotection_next:",
		     0x1230);
		break;
	case BREAKPOINT:
		KEPT("breakpoint_at: int3", 0);
		break;
	case INVALID:
		KEPT("invalid_at: ud2", 0);
		break;
	case SOFTWARE:
		KEPT("software_at: int $0x80", 0);
		break;
	}
	return cause;
}

// A selector goes stale, and the CPU to vcpu 1 and back.
static void failsafe_provoke(void)
{
	u64 until = system_time() + PATIENCE;
	unsigned int before = handled;
	u16 fs = 0xffff;

	CHECK_EQ(update_descriptor(virt_to_maddr(gdt + 1), 0x00cff3000000ffff),
		 0);
	__asm__ volatile("movw %w0, %%fs" : : "r"(SELECTOR));
	CHECK_EQ(update_descriptor(virt_to_maddr(gdt + 1), 0), 0);
	while (handled == before && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	__asm__ volatile("movw %%fs, %0" : "=r"(fs));
	CHECK_EQ(fs, 0);
}

static void provoke(enum cause cause)
{
	struct vcpu_info *info = vcpu_info_of(0);
	const u8 mask = info->evtchn_upcall_mask;
	unsigned int before = handled;

	if (cause == EVENT)
		info->evtchn_upcall_mask = 0;
	masked = info->evtchn_upcall_mask;
	barrier();
	if (cause == EVENT)
		CHECK_EQ(port_send(ports[depth]), 0);
	else if (cause == NMI)
		CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	else if (cause == FAILSAFE)
		failsafe_provoke();
	else
		trap_by(cause);
	CHECK(handled > before);
	CHECK_EQ(info->evtchn_upcall_mask, cause == EVENT ? 0 : mask);
	info->evtchn_upcall_mask = mask;
}

// The instruction that a trap of the kernel or of user mode comes from, and
// where it goes on.
static void check_place(enum cause cause, struct regs *regs)
{
	switch (cause) {
	case FAULT:
		CHECK_EQ(regs->rip, fault_at);
		CHECK_EQ(vcpu_info_of(0)->arch.cr2, nowhere);
		CHECK_EQ(regs->error, regs->cs & 2 ? 4 : 0);
		regs->rip = (uptr)fault_next;
		break;
	case PROTECTION:
		CHECK_EQ(regs->rip, protection_at);
		CHECK_EQ(regs->error, 0x1230);
		regs->rip = (uptr)protection_next;
		break;
	case BREAKPOINT:
		CHECK_EQ(regs->rip, breakpoint_at + 1);
		break;
	case INVALID:
		CHECK_EQ(regs->rip, invalid_at);
		regs->rip += 2;
		break;
	case SOFTWARE:
		CHECK_EQ(regs->rip, software_at + 2);
		break;
	case FAILSAFE:
		CHECK_EQ(failsafe_selectors[2] & 0xffff, SELECTOR);
		break;
	default:
		break;
	}
}

static bool handle(struct regs *regs)
{
	enum cause cause = depth < DEPTH ? plan[depth] : CAUSES;
	struct vcpu_info *info = vcpu_info_of(0);
	u8 mask = info->evtchn_upcall_mask;

	if (on_second(regs) || cause >= CAUSES ||
	    regs->vector != vectors[cause] ||
	    (regs->vector == USER_RETURN_VECTOR && regs->rax == USER_RETURN))
		return false;
	CHECK_EQ(regs->cs >> MASK_IN_CS & 1, masked);
	CHECK_EQ(!(regs->rflags & FLAG_IF), masked);
	CHECK_EQ(mask, cause == EVENT || cause == NMI || masked);
	check_place(cause, regs);
	if (cause == EVENT) {
		u32 count = event_counts[ports[depth]];

		event_dispatch();
		CHECK_EQ(event_counts[ports[depth]], count + 1);
	}
	CHECK_EQ(version_op(XENVER_version, NULL), 4 << 16 | 17);
	depth++;
	if (depth < DEPTH && plan[depth] < CAUSES)
		provoke(plan[depth]);
	depth--;
	handled++;
	CHECK_EQ(info->evtchn_upcall_mask, mask);
	return true;
}

static void begin(void)
{
	struct evtchn_bind_ipi bind = { 0 };

	for (int i = 0; i < DEPTH; i++) {
		CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
		ports[i] = bind.port;
	}
	nowhere = window(0);
	CHECK_EQ(set_callback(CALLBACKTYPE_nmi, 0, trap_entries[2]), 0);
	trap_hook = handle;
	depth = 0;
	if (!one_cpu())
		return;
	gdt = page_alloc();
	CHECK_EQ(page_set_ro(gdt), 0);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	second_start(second_idle);
}

static void end(void)
{
	for (int i = 0; i < DEPTH; i++)
		CHECK_EQ(port_close(ports[i]), 0);
	if (!one_cpu())
		return;
	second_stop();
	CHECK_EQ(set_gdt(0, 0), 0);
	CHECK_EQ(page_set_rw(gdt), 0);
	page_free(gdt);
}

// Two NMIs at a time are nmi.c's. Without a CPU in common no selector goes
// stale.
static bool fits(void)
{
	unsigned int nmis = 0, failsafes = 0;

	for (int i = 0; i < DEPTH; i++) {
		nmis += plan[i] == NMI;
		failsafes += plan[i] == FAILSAFE;
	}
	return nmis < 2 && (!failsafes || one_cpu());
}

// Of one, two and three levels, CAUSES meaning none.
static void all_below(unsigned int first, void (*run)(void))
{
	plan[0] = (u8)first;
	for (plan[1] = 0; plan[1] <= CAUSES; plan[1]++)
		for (plan[2] = plan[1] == CAUSES ? CAUSES : 0;
		     plan[2] <= CAUSES; plan[2]++)
			if (fits())
				run();
}

static void run_here(void)
{
	unsigned int levels = 0, before = handled;

	while (levels < DEPTH && plan[levels] < CAUSES)
		levels++;
	provoke(plan[0]);
	if (handled != before + levels || depth)
		check_failed("plan", plan[0], "%u, %u: %u handled", plan[1],
			     plan[2], handled - before);
}

static void check_cause(enum cause cause)
{
	begin();
	for (u8 mask = 0; mask < 2; mask++) {
		vcpu_info_of(0)->evtchn_upcall_mask = mask;
		all_below(cause, run_here);
	}
	event_mask_all();
	end();
}

TEST(in_traps)
{
	for (enum cause cause = FAULT; cause <= SOFTWARE; cause++)
		check_cause(cause);
}

TEST(in_event_callbacks)
{
	check_cause(EVENT);
}

TEST(in_nmi_callbacks)
{
	check_cause(NMI);
}

TEST(in_failsafe_callbacks)
{
	if (!one_cpu())
		test_skip("the vcpus have a CPU each");
	check_cause(FAILSAFE);
}

// Its handlers run on the stack that stack_switch named, those in them below.
static void run_in_user(void)
{
	unsigned int levels = 0, before = handled;

	while (levels < DEPTH && plan[levels] < CAUSES)
		levels++;
	masked = false;
	CHECK_EQ(user_call(trap_by, plan[0]), plan[0]);
	if (handled != before + levels || depth)
		check_failed("user plan", plan[0], "%u, %u: %u handled",
			     plan[1], plan[2], handled - before);
}

TEST(in_traps_of_user_mode)
{
	begin();
	for (enum cause cause = FAULT; cause <= SOFTWARE; cause++)
		all_below(cause, run_in_user);
	end();
}

static long nothing(long x)
{
	return x;
}

// Pending when user mode begins.
static void run_event_in_user(void)
{
	unsigned int before = handled;

	event_mask_all();
	CHECK_EQ(port_send(ports[0]), 0);
	masked = false;
	CHECK_EQ(user_call(nothing, 5), 5);
	CHECK(handled > before);
}

TEST(in_events_of_user_mode)
{
	begin();
	all_below(EVENT, run_event_in_user);
	end();
}
