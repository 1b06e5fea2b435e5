// SPDX-License-Identifier: MIT
// sched_op: what a vcpu asks about its own running, and its domain's end
// (public header sched.h).
#include "access/access.h"
#include "call/call.h"
#include "evtchn/evtchn.h"
#include "sched/sched.h"

#define POLL_PORTS_MAX 128

static long op_yield(void *arg)
{
	sched_yield();
	return 0;
}

static long op_block(void *arg)
{
	vcpu_block_current();
	return 0;
}

static long op_shutdown(void *arg)
{
	const struct sched_shutdown *op = arg;

	domain_shutdown(currd, (u8)op->reason);
	return 0;
}

// 1: one of the ports is pending, 0: none, or an error.
static int any_pending(const struct sched_poll *op)
{
	u64 gva;
	u32 port;
	int r;

	for (u32 i = 0; i < op->nr_ports; i++) {
		if (!access_index(handle_gva(op->ports), i, sizeof(port),
				  &gva) ||
		    copy_struct_from_guest(&port, gva))
			return -EFAULT;
		r = evtchn_is_pending(currd, port);
		if (r)
			return r;
	}
	return 0;
}

// The vcpu counts as blocked, and as polling, before it looks at its ports:
// an event that comes in between wakes it.
static long poll_ports(const struct sched_poll *op, int wait_for)
{
	struct vcpu *v = current;
	int r = 0;

	__atomic_fetch_or(&v->pause_flags, VPF_BLOCKED, __ATOMIC_SEQ_CST);
	evtchn_poll_set(v, wait_for);
	if (!vcpu_event_pending(v)) {
		r = any_pending(op);
		if (!r) {
			if (op->timeout)
				vcpu_set_poll_timer(v, op->timeout);
			softirq_raise(SOFTIRQ_SCHED);
			return 0;
		}
	}
	evtchn_poll_set(v, 0);
	__atomic_fetch_and(&v->pause_flags, ~VPF_BLOCKED, __ATOMIC_SEQ_CST);
	return r < 0 ? r : 0;
}

static long op_poll(void *arg)
{
	const struct sched_poll *op = arg;
	u32 port;

	if (op->nr_ports > POLL_PORTS_MAX)
		return -EINVAL;
	if (!access_ok(handle_gva(op->ports), op->nr_ports * sizeof(port)))
		return -EFAULT;
	if (op->nr_ports != 1)
		return poll_ports(op, -1);
	if (copy_struct_from_guest(&port, handle_gva(op->ports)))
		return -EFAULT;
	// Port 0 is nobody's; every other one fits.
	return port && port <= 0x7fffffff ? poll_ports(op, (int)port) : -EINVAL;
}

static long op_remote_shutdown(void *arg)
{
	const struct sched_remote_shutdown *op = arg;
	struct domain *d __domain_ref = domain_get_by_id(op->domain_id);

	if (!d)
		return -ESRCH;
	if (!currd->is_control)
		return -EPERM;
	domain_shutdown(d, (u8)op->reason);
	return 0;
}

// The code that a shutdown which comes later will be known by.
static long op_shutdown_code(void *arg)
{
	const struct sched_shutdown *op = arg;

	domain_shutdown_code(currd, (u8)op->reason);
	return 0;
}

SUB_FN(watchdog, sched_watchdog, domain_watchdog_set(currd, a->id, a->timeout))

SUB_FN(pin_override, sched_pin_override, sched_pin_override(current, a->pcpu))

static const struct sub_op ops[] = {
	[SCHEDOP_yield] = { op_yield, 0, 0 },
	[SCHEDOP_block] = { op_block, 0, 0 },
	SUB_OP(SCHEDOP_shutdown, shutdown, sched_shutdown, 0),
	SUB_OP(SCHEDOP_poll, poll, sched_poll, 0),
	SUB_OP(SCHEDOP_remote_shutdown, remote_shutdown, sched_remote_shutdown,
	       0),
	SUB_OP(SCHEDOP_shutdown_code, shutdown_code, sched_shutdown, 0),
	SUB_OP(SCHEDOP_watchdog, watchdog, sched_watchdog, 0),
	SUB_OP(SCHEDOP_pin_override, pin_override, sched_pin_override,
	       SUB_HARDWARE),
};

long call_sched_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	return sub_op_call(ops, ARRAY_SIZE(ops), cmd, arg);
}

// The first form had three of them, the reason of a shutdown by value.
long call_sched_op_compat(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	switch ((u32)cmd) {
	case SCHEDOP_yield:
		return op_yield(NULL);
	case SCHEDOP_block:
		return op_block(NULL);
	case SCHEDOP_shutdown:
		return op_shutdown(&(struct sched_shutdown){ (u8)arg });
	default:
		return -ENOSYS;
	}
}
