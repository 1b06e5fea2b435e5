// SPDX-License-Identifier: MIT
// set_timer_op: the running vcpu's one-shot timer, in ns of system time.
#include "call/call.h"
#include "sched/sched.h"
#include "x86/time.h"

#define FAR_FUTURE_SHIFT 50 // about 13 days
#define FAR_FUTURE_DELAY (100 * NS_PER_MS)

// 0 stops the timer. A timeout that is negative or more than 2^50 ns away is
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
