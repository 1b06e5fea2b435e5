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
#define call_again(nr, ...)                                 \
	call_again_with((nr), (const u64[]){ __VA_ARGS__ }, \
			ARRAY_SIZE(((const u64[]){ __VA_ARGS__ })))
long call_again_with(u32 nr, const u64 *args, unsigned int n);

// Sub-operations by number. fn gets a copy of the argument of `size` bytes;
// it goes back to the guest as the flags say.
struct sub_op {
	long (*fn)(void *arg);
	u8 size, flags;
};
#define SUB_OUT	     1u	 // on success and -ENFILE
#define SUB_OUT_ANY  2u	 // whatever fn said
#define SUB_HARDWARE 4u	 // -EPERM for all but the hardware domain
#define SUB_CONTROL  8u	 // and for all but the control domain
#define SUB_ONE	     16u // for the caller: not an array

#define SUB_OP(nr, name, type, flags) \
	[nr] = { op_##name, sizeof(struct type), flags }
// One that is an expression of its argument *a.
#define SUB_FN(name, type, result)       \
	static long op_##name(void *arg) \
	{                                \
		struct type *a = arg;    \
                                         \
		return result;           \
	}

// -ENOSYS: not in the table; -EFAULT; else what fn said.
long sub_op_run(const struct sub_op *op, u64 gva);
long sub_op_call(const struct sub_op *ops, u32 n, u64 nr, u64 gva);

#endif
