// SPDX-License-Identifier: MIT
// NMIs: from whom, into what, one at a time.
#include "nested/nested.h"

static volatile unsigned int nmis, deepest, again, traps;
static volatile bool left; // user mode
static unsigned int depth;
static struct regs met;
static u8 mask_met;

// Sends `again` more out of the first one's handler.
static bool count(struct regs *regs)
{
	if (regs->vector != 2 || on_second(regs))
		return false;
	if (!nmis) {
		met = *regs;
		mask_met = vcpu_info_of(0)->evtchn_upcall_mask;
	}
	nmis++;
	left = true;
	if (++depth > deepest)
		deepest = depth;
	for (; again; again--) {
		CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
		CHECK_EQ(vcpu_op(VCPUOP_is_up, 0, NULL), 1);
	}
	depth--;
	return true;
}

static void begin(void)
{
	nmis = deepest = depth = again = traps = 0;
	left = false;
	trap_hook = count;
	CHECK_EQ(set_callback(CALLBACKTYPE_nmi, 0, trap_entries[2]), 0);
}

static long send(void)
{
	return vcpu_op(VCPUOP_send_nmi, 0, NULL);
}

// Whatever the event mask is: the handler starts with events masked, and finds
// the mask in its frame.
TEST(nmi_and_event_mask)
{
	for (u8 mask = 0; mask < 2; mask++) {
		begin();
		vcpu_info_of(0)->evtchn_upcall_mask = mask;
		CHECK_EQ(send(), 0);
		CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, mask);
		CHECK_EQ(nmis, 1);
		CHECK_EQ(mask_met, 1);
		CHECK_EQ(met.cs >> MASK_IN_CS & 1, mask);
		CHECK_EQ(!(met.rflags & FLAG_IF), mask);
	}
}

// Further ones wait for the handler's iret, all as one.
TEST(nmi_in_nmi_handler)
{
	for (unsigned int more = 1; more < 4; more++) {
		begin();
		again = more;
		CHECK_EQ(send(), 0);
		CHECK_EQ(nmis, 2);
		CHECK_EQ(deepest, 1);
	}
	CHECK_EQ(send(), 0);
	CHECK_EQ(nmis, 3);
}

static unsigned int nmis_inside, nmis_behind;

static bool count_around_trap(struct regs *regs)
{
	if (regs->vector == 3) {
		nmis_inside = nmis;
		traps++;
		return true;
	}
	if (regs->vector == 2 && !nmis) {
		nmis++;
		CHECK_EQ(send(), 0);
		CHECK_EQ(nmis, 1); // it waits
		__asm__ volatile("int3");
		nmis_behind = nmis;
		nmis--;
	}
	return count(regs);
}

// An iret out of a trap inside it lets the next one in, as the processor does
// (Intel SDM volume 3A, 6.7.1, Handling Multiple NMIs).
TEST(trap_in_nmi_handler)
{
	begin();
	trap_hook = count_around_trap;
	CHECK_EQ(send(), 0);
	CHECK_EQ(traps, 1);
	CHECK_EQ(nmis_inside, 1);
	CHECK_EQ(nmis_behind, 2);
	CHECK_EQ(nmis, 2);
}

static bool send_from_trap(struct regs *regs)
{
	if (regs->vector != 6)
		return count(regs);
	CHECK_EQ(send(), 0);
	CHECK_EQ(nmis, 1); // at once
	traps++;
	regs->rip += 2;
	return true;
}

static long invalid(long x)
{
	__asm__ volatile("ud2");
	return x;
}

TEST(nmi_in_trap_handler)
{
	begin();
	trap_hook = send_from_trap;
	CHECK_EQ(invalid(3), 3);
	CHECK_EQ(traps, 1);
	CHECK_EQ(nmis, 1);
	begin();
	trap_hook = send_from_trap;
	CHECK_EQ(user_call(invalid, 4), 4);
	CHECK_EQ(traps, 1);
	CHECK_EQ(nmis, 1);
	// Its frame is the handler's, which is the kernel's.
	CHECK_EQ(met.cs & 0xffff,
		 WIDTH == 64 ? FLAT_KERNEL_CS & ~3 : FLAT_KERNEL_CS);
}

static volatile bool armed;

static void step_send(void)
{
	if (armed) {
		armed = false;
		CHECK_EQ(send(), 0);
	}
	second_idle();
}

static long user_wait(long x)
{
	armed = true; // no sooner, or the kernel gets it
	while (!left)
		__asm__ volatile("pause");
	return x;
}

// From the other vcpu, into the kernel and into user mode, which both wait for
// nothing else.
TEST(nmi_from_another_vcpu)
{
	begin();
	armed = true;
	second_start(step_send);
	wait_for(&nmis, 1);
	second_stop();
	CHECK_EQ(nmis, 1);
	begin();
	second_start(step_send);
	CHECK_EQ(user_call(user_wait, 8), 8);
	second_stop();
	CHECK_EQ(nmis, 1);
	CHECK_EQ(met.cs & 0xffff, FLAT_USER_CS);
	CHECK_EQ(met.ss & 0xffff, FLAT_USER_SS);
	CHECK_EQ(mask_met, 1);
	CHECK_EQ(met.cs >> MASK_IN_CS & 1, 0);
}

static volatile unsigned int sleeps, nmis_there;

static bool count_there(struct regs *regs)
{
	nmis_there += regs->vector == 2 && on_second(regs);
	return regs->vector == 2;
}

static void step_sleep(void)
{
	static const struct callback_register c = {
		.type = CALLBACKTYPE_nmi,
#ifdef __x86_64__
		.address = (uptr)trap_entries[2],
#else
		.address = { FLAT_KERNEL_CS, (uptr)trap_entries[2] },
#endif
	};

	HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &c);
	sleeps++;
	sched_op(SCHEDOP_block, NULL);
}

static void wait_for_sleep(unsigned int n)
{
	struct vcpu_runstate_info rs;
	u64 until = system_time() + PATIENCE;

	wait_for(&sleeps, n);
	do {
		vcpu_op(VCPUOP_get_runstate_info, 1, &rs);
		sched_op(SCHEDOP_yield, NULL);
	} while (rs.state != RUNSTATE_blocked && system_time() < until);
	CHECK_EQ(rs.state, RUNSTATE_blocked);
}

// It ends a wait for events, too; and one for being up comes first.
TEST(nmi_wakes)
{
	begin();
	trap_hook = count_there;
	sleeps = nmis_there = 0;
	second_start(step_sleep);
	for (unsigned int i = 1; i < 4; i++) {
		wait_for_sleep(i);
		CHECK_EQ(nmis_there, i - 1);
		CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 1, NULL), 0);
		wait_for(&nmis_there, i);
	}
	wait_for_sleep(4);
	CHECK_EQ(vcpu_op(VCPUOP_down, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 1, NULL), 0);
	CHECK_EQ(nmis_there, 3);
	second_start(second_idle);
	wait_for(&nmis_there, 4);
	second_stop();
}

// Without one it is lost; and the callback is the trap table's entry.
TEST(nmi_without_callback)
{
	struct callback_unregister r = { .type = CALLBACKTYPE_nmi };

	begin();
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &r), 0);
	CHECK_EQ(send(), 0);
	CHECK_EQ(nmis, 0);
	CHECK_EQ(set_callback(CALLBACKTYPE_nmi, 0, trap_entries[2]), 0);
	CHECK_EQ(version_op(XENVER_version, NULL), 4 << 16 | 17);
	CHECK_EQ(nmis, 0);
	CHECK_EQ(send(), 0);
	CHECK_EQ(nmis, 1);
	// An empty table has none; one with vector 2 has.
	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, 0), 0);
	CHECK_EQ(send(), 0);
	CHECK_EQ(nmis, 1);
	CHECK_EQ(trap_table_load(0), 0);
	CHECK_EQ(send(), 0);
	CHECK_EQ(nmis, 2);
}
