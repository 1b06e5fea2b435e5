// SPDX-License-Identifier: MIT
// Event channels: public header event_channel.h.
#include "access/access.h"
#include "call/call.h"
#include "evtchn/evtchn.h"

#define EVTCHNOP_RESET_CONT 14 // a reset that goes on

union evtchn_arg {
	struct evtchn_alloc_unbound alloc_unbound;
	struct evtchn_bind_interdomain bind_interdomain;
	struct evtchn_bind_virq bind_virq;
	struct evtchn_bind_pirq bind_pirq;
	struct evtchn_bind_ipi bind_ipi;
	struct evtchn_status status;
	struct evtchn_bind_vcpu bind_vcpu;
	struct evtchn_reset reset;
	struct evtchn_init_control init_control;
	struct evtchn_expand_array expand_array;
	struct evtchn_set_priority set_priority;
	u32 port; // close, send, unmask
};

// An operation that is one call.
#define DO(name, result)                          \
	static int op_##name(union evtchn_arg *a) \
	{                                         \
		return result;                    \
	}
#define PLAIN(name) DO(name, evtchn_##name(&a->name))

PLAIN(alloc_unbound)
PLAIN(bind_interdomain)
PLAIN(bind_virq)
PLAIN(bind_pirq)
PLAIN(bind_ipi)
PLAIN(status)
PLAIN(init_control)
PLAIN(expand_array)
PLAIN(set_priority)

DO(close, evtchn_close(currd, a->port))
DO(send, evtchn_send(currd, a->port))
DO(bind_vcpu, evtchn_bind_vcpu(a->bind_vcpu.port, a->bind_vcpu.vcpu))
DO(unmask, evtchn_unmask(a->port))

static int op_reset_any(union evtchn_arg *a, bool resuming)
{
	struct domain *d = domain_get_self_or(a->reset.dom);
	int rc;

	if (!d)
		return -ESRCH;
	rc = domain_may_control(currd, d) ? evtchn_reset(d, resuming) : -EPERM;
	domain_put(d);
	return rc;
}

DO(reset, op_reset_any(a, false))
DO(reset_cont, op_reset_any(a, true))

#define SIZE(member) sizeof(((union evtchn_arg *)NULL)->member)

static const struct {
	int (*fn)(union evtchn_arg *a);
	u8 in, out; // bytes to copy; out: after success
} op_table[] = {
#define IN(nr, name, member) [nr] = { op_##name, SIZE(member), 0 }
#define BOTH(nr, name)	     [nr] = { op_##name, SIZE(name), SIZE(name) }
	BOTH(EVTCHNOP_bind_interdomain, bind_interdomain),
	BOTH(EVTCHNOP_bind_virq, bind_virq),
	BOTH(EVTCHNOP_bind_pirq, bind_pirq),
	IN(EVTCHNOP_close, close, port),
	IN(EVTCHNOP_send, send, port),
	BOTH(EVTCHNOP_status, status),
	BOTH(EVTCHNOP_alloc_unbound, alloc_unbound),
	BOTH(EVTCHNOP_bind_ipi, bind_ipi),
	IN(EVTCHNOP_bind_vcpu, bind_vcpu, bind_vcpu),
	IN(EVTCHNOP_unmask, unmask, port),
	IN(EVTCHNOP_reset, reset, reset),
	BOTH(EVTCHNOP_init_control, init_control),
	IN(EVTCHNOP_expand_array, expand_array, expand_array),
	IN(EVTCHNOP_set_priority, set_priority, set_priority),
	IN(EVTCHNOP_RESET_CONT, reset_cont, reset),
};

// a1: EVTCHNOP_*, a2: its argument. What was bound stays bound when the
// result cannot be copied out (-EFAULT).
long call_event_channel_op(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	union evtchn_arg arg;
	u32 op = (u32)a1;
	int rc;

	if (op >= ARRAY_SIZE(op_table))
		return -ENOSYS;
	op = (u32)index_nospec(op, ARRAY_SIZE(op_table));
	if (copy_from_guest(&arg, a2, op_table[op].in))
		return -EFAULT;
	rc = op_table[op].fn(&arg);
	if (rc == -ERESTART)
		return call_again(__HYPERVISOR_event_channel_op, 2,
				  EVTCHNOP_RESET_CONT, a2, 0, 0, 0);
	if (!rc && op_table[op].out &&
	    copy_to_guest(a2, &arg, op_table[op].out))
		return -EFAULT;
	return rc;
}

// The old form: number and argument in one structure.
long call_event_channel_op_compat(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 op;

	if (copy_from_guest(&op, a1 + offsetof(struct evtchn_op, cmd), 4))
		return -EFAULT;
	if (op > EVTCHNOP_unmask)
		return -ENOSYS;
	return call_event_channel_op(op, a1 + offsetof(struct evtchn_op, u), 0,
				     0, 0);
}
