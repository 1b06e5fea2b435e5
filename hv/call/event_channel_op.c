// SPDX-License-Identifier: MIT
// Event channels: public header event_channel.h.
#include "access/access.h"
#include "call/call.h"
#include "evtchn/evtchn.h"

#define EVTCHNOP_RESET_CONT 14 // a reset that goes on

#define DO(name, result)    SUB_FN(name, evtchn_##name, result)

DO(alloc_unbound, evtchn_alloc_unbound(a))
DO(bind_interdomain, evtchn_bind_interdomain(a))
DO(bind_virq, evtchn_bind_virq(a))
DO(bind_pirq, evtchn_bind_pirq(a))
DO(bind_ipi, evtchn_bind_ipi(a))
DO(bind_vcpu, evtchn_bind_vcpu(a->port, a->vcpu))
DO(status, evtchn_status(a))
DO(init_control, evtchn_init_control(a))
DO(expand_array, evtchn_expand_array(a))
DO(set_priority, evtchn_set_priority(a))
DO(close, evtchn_close(currd, a->port))
DO(send, evtchn_send(currd, a->port))
DO(unmask, evtchn_unmask(a->port))

static long reset_domain(u16 domid, bool resuming)
{
	struct domain *d __domain_ref = domain_get_self_or(domid);

	if (!d)
		return -ESRCH;
	return domain_may_control(currd, d) ? evtchn_reset(d, resuming)
					    : -EPERM;
}

DO(reset, reset_domain(a->dom, false))
SUB_FN(reset_cont, evtchn_reset, reset_domain(a->dom, true))

static const struct sub_op ops[] = {
#define OP(nr, name, flags) SUB_OP(nr, name, evtchn_##name, flags)
	OP(EVTCHNOP_bind_interdomain, bind_interdomain, SUB_OUT),
	OP(EVTCHNOP_bind_virq, bind_virq, SUB_OUT),
	OP(EVTCHNOP_bind_pirq, bind_pirq, SUB_OUT),
	OP(EVTCHNOP_close, close, 0),
	OP(EVTCHNOP_send, send, 0),
	OP(EVTCHNOP_status, status, SUB_OUT),
	OP(EVTCHNOP_alloc_unbound, alloc_unbound, SUB_OUT),
	OP(EVTCHNOP_bind_ipi, bind_ipi, SUB_OUT),
	OP(EVTCHNOP_bind_vcpu, bind_vcpu, 0),
	OP(EVTCHNOP_unmask, unmask, 0),
	OP(EVTCHNOP_reset, reset, 0),
	OP(EVTCHNOP_init_control, init_control, SUB_OUT),
	OP(EVTCHNOP_expand_array, expand_array, 0),
	OP(EVTCHNOP_set_priority, set_priority, 0),
	SUB_OP(EVTCHNOP_RESET_CONT, reset_cont, evtchn_reset, 0),
};

// a1: EVTCHNOP_*, a2: its argument. What was bound stays bound when the
// result cannot be copied out (-EFAULT).
long call_event_channel_op(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	long rc = sub_op_call(ops, ARRAY_SIZE(ops), a1, a2);

	return rc == -ERESTART ? call_again(__HYPERVISOR_event_channel_op,
					    EVTCHNOP_RESET_CONT, a2)
			       : rc;
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
