// SPDX-License-Identifier: MIT
// vcpu_op and sched_op. Vcpu 1 changes arguments, 2 sleeps over and over, 3 never
// gets a context.
#include "fuzz/fuzz.h"
#include "lib/cpu.h"
#include <xen/domctl.h>

#define SLEEPER 2

static u8 stack[8192] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));
static u8 info_pages[4][PAGE_SIZE] __page_aligned;

static void sleeper_main(void)
{
	for (;;)
		vcpu_op(VCPUOP_down, SLEEPER, NULL);
}

static void sleeper_context(struct vcpu_guest_context *c)
{
	context_make(c, sleeper_main, stack + sizeof(stack),
		     trap_stack + sizeof(trap_stack));
	for (unsigned int i = 0; i < 32; i++)
		c->trap_ctxt[i] = (struct trap_info){ (u8)i, 0, FLAT_KERNEL_CS,
						      (uptr)trap_entries[i] };
}

void vcpus_init(void)
{
	static struct vcpu_guest_context context;

	sleeper_context(&context);
	if (vcpu_op(VCPUOP_initialise, SLEEPER, &context))
		printf("FUZZ one vcpu\n");
	vcpus_reset();
}

void vcpus_reset(void)
{
	for (u32 id = 0; id < 4; id++) {
		struct vcpu_register_runstate_memory_area none = { 0 };
		struct vcpu_register_time_memory_area no_time = { 0 };

		vcpu_op(VCPUOP_stop_periodic_timer, id, NULL);
		vcpu_op(VCPUOP_register_runstate_memory_area, id, &none);
		vcpu_op(VCPUOP_register_vcpu_time_memory_area, id, &no_time);
	}
	vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL);
	set_timer(0);
	for (u64 reg = 0; reg < 4; reg++)
		HC2(__HYPERVISOR_set_debugreg, reg, 0);
	HC2(__HYPERVISOR_set_debugreg, 7, 0);
	HC1(__HYPERVISOR_fpu_taskswitch, 0);
	for (u64 type = 0; type < 6; type++)
		HC2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, type);
}

static u64 some_vcpu(void)
{
	static const u64 odd[] = {
		3, 4, 5, 127, 128, 0xffffffff, (u64)1 << 32
	};

	if (chance(8))
		return odd[below(ARRAY_SIZE(odd))];
	return chance(60) ? 0 : SLEEPER;
}

static void make_vcpu(struct call *c)
{
	c->args[0] = c->op->cmd;
	c->args[1] = some_vcpu();
}

// Only one that is none of the running ones.
static void make_down(struct call *c)
{
	static const u64 ids[] = { SLEEPER, SLEEPER, SLEEPER,	3,
				   4,	    200,     0xffffffff };

	c->args[0] = c->op->cmd;
	c->args[1] = ids[below(ARRAY_SIZE(ids))];
}

static void make_initialise(struct call *c)
{
	struct vcpu_guest_context *x = (void *)out_pages;

	sleeper_context(x);
	x->ctrlreg[3] = chance(50) ? 0 : max_frame << 12;
	if (chance(20))
		x->user_regs.REGISTER(ip) = (uptr)nowhere();
	c->args[0] = c->op->cmd;
	c->args[1] = chance(70) ? 3 : SLEEPER;
	c->args[2] = chance(90) ? OUT_AREA : odd_pointer();
}

static void make_runstate(struct call *c)
{
	make_vcpu(c);
	c->args[2] = OUT_AREA;
}

static void run_on(u64 cpus)
{
	struct xen_domctl x = { .cmd = XEN_DOMCTL_setvcpuaffinity };

	x.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
	x.u.vcpuaffinity.cpumap_hard.bitmap.p = (void *)&cpus;
	x.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
	domctl(&x);
}

// Only a vcpu that is bound to a CPU is told of it.
static void make_physid(struct call *c)
{
	make_runstate(c);
	if (is_control && chance(80))
		run_on(1);
}

static void done_physid(struct call *c, long rc)
{
	(void)c;
	(void)rc;
	if (is_control)
		run_on(~0ul);
}

static void make_area(struct call *c)
{
	make_vcpu(c);
	u64 *a = arg_in(c, 2, 8);

	a[0] = chance(80) ? SLOT((u64)below(SLOTS)) + 8 * below(512)
			  : odd_pointer();
}

static void make_periodic(struct call *c)
{
	make_vcpu(c);
	struct vcpu_set_periodic_timer *a = arg_in(c, 2, sizeof(*a));

	a->period_ns = chance(80) ? MS * (1 + below(100)) : odd_value();
}

static void make_singleshot(struct call *c)
{
	make_vcpu(c);
	struct vcpu_set_singleshot_timer *a = arg_in(c, 2, sizeof(*a));

	c->args[1] = 0;
	a->timeout_abs_ns = system_time() / MS * MS + below(20) * MS;
	a->flags = below(2);
}

static void make_info(struct call *c)
{
	struct vcpu_register_vcpu_info *a = arg_in(c, 2, sizeof(*a));

	c->args[0] = c->op->cmd;
	c->args[1] = 2 + below(3);
	a->mfn = chance(80) ? virt_to_mfn(info_pages[c->args[1] & 3])
			    : max_frame + below(2);
	a->offset = chance(60) ? 64 * below(60) : below(5000);
}

static void make_sched(struct call *c)
{
	c->args[0] = c->op->cmd;
}

// An upcall waits, so that it does not sleep; blocking lets it in.
static void make_block(struct call *c)
{
	c->args[0] = c->op->cmd;
	vcpu_info_of(0)->evtchn_upcall_pending = 1;
}

static void done_block(struct call *c, long rc)
{
	(void)c;
	(void)rc;
	event_mask_all();
}

static void make_sched_old(struct call *c)
{
	static const u64 numbers[] = { SCHEDOP_yield, SCHEDOP_yield,
				       SCHEDOP_block, 3, 1000 };

	vcpu_info_of(0)->evtchn_upcall_pending = 1;
	c->args[0] = numbers[below(ARRAY_SIZE(numbers))];
}

static void make_poll(struct call *c)
{
	struct sched_poll *p = arg(c, sizeof(*p));
	u32 n = below(4);

	for (u32 i = 0; i < n; i++)
		((u32 *)in_page)[i] = below(100);
	p->ports.p = (void *)IN_AREA;
	p->nr_ports = n;
	// Never without an end.
	p->timeout = system_time() / MS * MS + (chance(20) ? MS : 1);
	switch (below(12)) {
	case 0:
		p->nr_ports = 129;
		break;
	case 1:
		p->nr_ports = ~0u;
		break;
	case 2:
		p->ports.p = (void *)AREA(18);
		break;
	case 3:
		p->ports.p = (void *)0xffff830000000000;
	}
}

static void make_shutdown(struct call *c)
{
	c->args[0] = c->op->cmd;
	c->args[1] = nowhere();
}

static void make_remote_shutdown(struct call *c)
{
	static const domid_t ids[] = { VICTIM_ID, VICTIM_ID, VICTIM_ID,
				       77,	  0x7ff1,    0xffff };
	struct sched_remote_shutdown *a = arg(c, sizeof(*a));

	a->domain_id = ids[below(ARRAY_SIZE(ids))];
	a->reason = below(6);
}

static void make_watchdog(struct call *c)
{
	struct sched_watchdog *a = arg(c, sizeof(*a));

	a->id = chance(80) ? 0 : chance(50) ? below(5) : (u32)odd_value();
	a->timeout = a->id && chance(50) ? 0 : 10 + below(100);
}

// None may stay.
static void done_watchdog(struct call *c, long rc)
{
	(void)c;
	for (u32 id = 1; rc >= 0 && id < 3; id++) {
		struct sched_watchdog a = { id, 0 };

		sched_op(SCHEDOP_watchdog, &a);
	}
}

static void make_pin(struct call *c)
{
	struct sched_pin_override *a = arg(c, sizeof(*a));

	a->pcpu = (int)below(3) - 1;
}

static void make_code(struct call *c)
{
	*(u32 *)arg(c, 8) = below(6);
}

#define OP(name, make)                                                         \
	{                                                                      \
		"vcpu:" #name, make, NULL, __HYPERVISOR_vcpu_op, VCPUOP_##name \
	}
#define EXACT(name, make)                                        \
	{                                                        \
		"vcpu:" #name, make, NULL, __HYPERVISOR_vcpu_op, \
			VCPUOP_##name, 8, OP_EXACT               \
	}
#define AREA_OP(name)                                                 \
	{                                                             \
		"vcpu:" #name, make_area, NULL, __HYPERVISOR_vcpu_op, \
			VCPUOP_##name, 8, OP_AREA                     \
	}
#define SCHED(name, make, done, flags)                             \
	{                                                          \
		"sched:" #name, make, done, __HYPERVISOR_sched_op, \
			SCHEDOP_##name, 8, flags                   \
	}

static const struct op ops[] = {
	EXACT(initialise, make_initialise),
	OP(up, make_vcpu),
	EXACT(down, make_down),
	OP(is_up, make_vcpu),
	OP(get_runstate_info, make_runstate),
	AREA_OP(register_runstate_memory_area),
	OP(set_periodic_timer, make_periodic),
	OP(stop_periodic_timer, make_vcpu),
	OP(set_singleshot_timer, make_singleshot),
	OP(stop_singleshot_timer, make_vcpu),
	EXACT(register_vcpu_info, make_info),
	OP(send_nmi, make_vcpu),
	{ "vcpu:get_physid", make_physid, done_physid, __HYPERVISOR_vcpu_op,
	  VCPUOP_get_physid },
	AREA_OP(register_vcpu_time_memory_area),
	SCHED(yield, make_sched, NULL, 0),
	SCHED(block, make_block, done_block, OP_EXACT),
	SCHED(poll, make_poll, NULL, OP_EXACT),
	SCHED(shutdown, make_shutdown, NULL, OP_EXACT),
	SCHED(remote_shutdown, make_remote_shutdown, NULL, OP_EXACT),
	SCHED(shutdown_code, make_code, NULL, 0),
	SCHED(watchdog, make_watchdog, done_watchdog, OP_EXACT),
	SCHED(pin_override, make_pin, NULL, 0),
	{ "sched:old form", make_sched_old, done_block,
	  __HYPERVISOR_sched_op_compat, 0, 8, OP_EXACT },
};
const struct op_list vcpu_ops = { ops, ARRAY_SIZE(ops) };
