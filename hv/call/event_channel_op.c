// SPDX-License-Identifier: MIT
// Event channels: public header event_channel.h.
#include "call/call.h"
#include "evtchn/evtchn.h"

#define EVTCHNOP_reset_cont 14 // a reset that goes on

#define SUB_TABLE	    "call/event_channel.def"
#define SUB_NR(name)	    EVTCHNOP_##name
#define SUB_TYPE(type)	    struct evtchn_##type
#include "call/sub_ops.inc"

// a1: EVTCHNOP_*, a2: its argument. What was bound stays bound when the
// result cannot be copied out (-EFAULT).
long call_event_channel_op(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct sub s;
	u32 port;
	long rc;

	if (likely((u32)a1 == EVTCHNOP_send))
		return word_from_guest(&port, a2) ? -EFAULT
						  : evtchn_send(currd, port);
	s.gva = a2;
	rc = sub_op_call(ops, ARRAY_SIZE(ops), a1, &s);
	return rc == -ERESTART ? call_again(__HYPERVISOR_event_channel_op,
					    EVTCHNOP_reset_cont, a2)
			       : rc;
}

// The old form: number and argument in one structure.
long call_event_channel_op_compat(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sub_op_compat(a1, offsetof(struct evtchn_op, u), EVTCHNOP_unmask,
			     call_event_channel_op);
}
