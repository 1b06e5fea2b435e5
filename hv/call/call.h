// SPDX-License-Identifier: MIT
// Hypercall handlers: at most five arguments as registers give them; result
// to RAX. Handlers copy in, check, call their room, copy out.
#ifndef CALL_CALL_H
#define CALL_CALL_H

#include "lib/abi.h"
#include "lib/errno.h"
#include "x86/percpu.h"
#include "x86/softirq.h"

typedef long hypercall_t(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

#define CALL(nr, name, what) \
	long call_##name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
#include "call/table.def"
#undef CALL

// True when a long operation should make room: an interrupt's work waits.
static inline bool preempt_check(void)
{
	return softirq_pending();
}

// Makes the guest issue the call again with these arguments once it runs
// again; the handler returns what this returns. Inside a multicall the
// entry's arguments are replaced.
long call_again(u32 nr, unsigned int n_args, u64 a1, u64 a2, u64 a3, u64 a4,
		u64 a5);

#endif
