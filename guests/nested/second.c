// SPDX-License-Identifier: MIT
// The other vcpu: does one thing over and over, or is down.
#include "lib/cpu.h"
#include "nested/nested.h"
#include <xen/sysctl.h>

static u8 stack[16384] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));
static struct vcpu_guest_context context;
static void (*volatile work)(void);

bool on_second(const void *p)
{
	const u8 *at = p;

	return (at >= stack && at < stack + sizeof(stack)) ||
	       (at >= trap_stack && at < trap_stack + sizeof(trap_stack));
}

bool one_cpu(void)
{
	static struct xen_sysctl op = {
		.cmd = XEN_SYSCTL_physinfo,
		.interface_version = XEN_SYSCTL_INTERFACE_VERSION,
	};

	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &op), 0);
	return op.u.physinfo.nr_cpus == 1;
}

bool wait_for(const volatile unsigned int *what, unsigned int value)
{
	u64 until = system_time() + PATIENCE;

	while (*what != value && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	return CHECK_EQ(*what, value);
}

void second_idle(void)
{
	sched_op(SCHEDOP_yield, NULL);
}

static void second_main(void)
{
	void (*now)(void);

	for (;;) {
		now = work;
		if (now)
			now();
		else
			vcpu_op(VCPUOP_down, 1, NULL);
	}
}

void second_start(void (*step)(void))
{
	static bool made;

	if (!made) {
		context_make(&context, second_main, stack + sizeof(stack),
			     trap_stack + sizeof(trap_stack));
		for (unsigned int i = 0; i < 32; i++)
			context.trap_ctxt[i] =
				(struct trap_info){ (u8)i, 0, FLAT_KERNEL_CS,
						    (uptr)trap_entries[i] };
		made = CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
	}
	work = step;
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL);
}

void second_stop(void)
{
	u64 until = system_time() + PATIENCE;

	work = NULL;
	while (vcpu_op(VCPUOP_is_up, 1, NULL) && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
}
