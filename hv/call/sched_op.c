// SPDX-License-Identifier: MIT
// sched_op: what a vcpu asks about its own running, and its domain's end
// (public header sched.h); set_timer_op, which is such a thing too.
#include "access/access.h"
#include "call/call.h"
#include "evtchn/evtchn.h"
#include "sched/sched.h"
#include "x86/time.h"

#define POLL_PORTS_MAX	 128
#define FAR_FUTURE_SHIFT 50 // about 13 days
#define FAR_FUTURE_DELAY (100 * NS_PER_MS)

#define SUB_TABLE	 "call/sched.def"
#define SUB_NR(name)	 SCHEDOP_##name
#define SUB_TYPE(type)	 struct sched_##type
#include "call/sub_ops.inc"

// 1: one of the ports is pending, 0: none, or an error.
static int any_pending(const struct sched_poll *op)
{
	u32 port;
	int r = 0;

	for (u32 i = 0; i < op->nr_ports && !r; i++) {
		if (copy_element_from_guest(&port, handle_gva(op->ports), i))
			return -EFAULT;
		r = evtchn_is_pending(currd, port);
	}
	return r;
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

static long op_poll(struct sub *s, struct sched_poll *op)
{
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

static long op_remote_shutdown(struct sub *s, struct sched_remote_shutdown *op)
{
	struct domain *d __domain_ref = domain_get_by_id(op->domain_id);

	if (!d)
		return -ESRCH;
	if (!currd->is_control)
		return -EPERM;
	domain_shutdown(d, (u8)op->reason);
	return 0;
}

long call_sched_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct sub s;

	s.gva = arg;
	return sub_op_call(ops, ARRAY_SIZE(ops), cmd, &s);
}

// The first form had three of them, the reason of a shutdown by value.
long call_sched_op_compat(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	if ((u32)cmd != SCHEDOP_shutdown)
		return (u32)cmd < SCHEDOP_shutdown
			       ? call_sched_op(cmd, 0, 0, 0, 0)
			       : -ENOSYS;
	domain_shutdown(currd, (u8)arg);
	return 0;
}

// set_timer_op: the running vcpu's one-shot timer, in ns of system time. 0
// stops it. A timeout that is negative or more than 2^50 ns away is
// a guest's way to say "never" that it may regret (old Linux kernels compute
// such): it gets a tick soon, as Xen gives it one.
long call_set_timer_op(u64 timeout, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 now = time_now();
	struct vcpu *v = current;

	if (!timeout) {
		vcpu_stop_singleshot(v);
		return 0;
	}
	if ((s64)timeout < 0 ||
	    (timeout > now && (timeout - now) >> FAR_FUTURE_SHIFT))
		timeout = now + FAR_FUTURE_DELAY;
	vcpu_set_singleshot(v, timeout);
	return 0;
}
