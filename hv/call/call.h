// SPDX-License-Identifier: MIT
// Hypercall handlers: at most five arguments as registers give them; result
// to RAX. Handlers copy in, check, call their room, copy out.
#ifndef CALL_CALL_H
#define CALL_CALL_H

#include "call/compat.h"
#include "lib/abi.h"
#include "lib/errno.h"
#include "x86/percpu.h"
#include "x86/softirq.h"

typedef long hypercall_t(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);

#define CALL(nr, name, kind32, what)                              \
	long call_##name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5); \
	long call32_##name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
#include "call/table.def"
#undef CALL

// True when a long operation should make room: an interrupt's work waits.
static inline bool preempt_check(void)
{
	return softirq_pending();
}

// Calls of 64-bit kernels make trace records from now on, or no more; under the
// control lock.
void calls_trace(bool on);

// The hypervisor's command line; boot/ keeps it here for xen_version.
extern char hv_command_line[1024];

// Makes the guest issue the call again with these arguments once it runs
// again; the handler returns what this returns. Inside a multicall the
// entry's arguments are replaced.
#define call_again(nr, ...)                                 \
	call_again_with((nr), (const u64[]){ __VA_ARGS__ }, \
			ARRAY_SIZE(((const u64[]){ __VA_ARGS__ })))
long call_again_with(u32 nr, const u64 *args, unsigned int n);

// Sub-operations stand in tables, .def files of rows, of which
// call/sub_ops.inc makes functions and the array `ops`:
//   OP(name, type, rules)         op_name() does it
//   FN(name, type, rules, result) an expression of *a and *s
//   DO(name, type, rules, what)   a statement; the answer is 0
//   HERE(name)                    no entry: the caller does it before it looks
// (rules say too which layout the argument has at 32-bit callers, L32(),
// when it is another one)
// where a is a copy of the argument, a struct of that type, and s what the
// rules had looked up.
struct sub {
	u64 gva;	  // of the argument
	struct vcpu *v;	  // whom a vcpu_op or a control operation is about
	struct domain *d; // whom else, referenced
	u64 done;	  // of a memory_op, before a preemption
	u16 domid;	  // of a domctl; goes back to the caller
	bool copy_back;	  // the argument, in any case
};
typedef long sub_fn(struct sub *s, void *arg);

// All pointers to structures are passed alike: fn is called with a void
// pointer, whatever the structure is. The table's rows are its prototypes.
struct sub_op {
	sub_fn *fn;
	s16 error; // of control: the answer where there is no fn
	u16 flags; // SUB_*; of control CTL_*
	u8 size;
	u8 layout32; // enum layout32, of 32-bit callers' argument
};
#define SUB_OUT	     1u	 // the argument goes back on success
#define SUB_OUT_ANY  2u	 // whatever fn said, unless it clears copy_back
#define SUB_ONE	     4u	 // for the caller: not an array
#define SUB_HARDWARE 8u	 // -EPERM for all but the hardware domain
#define SUB_CONTROL  16u // and for all but the control domain
#define SUB_SELF     32u // -EINVAL unless s->v is current
// The argument begins with a domid, or DOMID_SELF: -ESRCH, and -EPERM for who
// may not control it.
#define SUB_DOMAIN  64u
#define SUB_MANAGED 128u // as SUB_DOMAIN, but only for the control domain

// -ENOSYS: not in the table; -EFAULT; what the flags say; else what fn said.
long sub_op_run(const struct sub_op *op, struct sub *s);
static inline long sub_op_call(const struct sub_op *ops, u32 n, u64 nr,
			       struct sub *s)
{
	nr = (u32)nr;
	return nr < n ? sub_op_run(&ops[index_nospec(nr, n)], s) : -ENOSYS;
}
// The first form of some hypercalls: a number up to `last`, and its argument
// behind it, in one structure.
long sub_op_compat(u64 gva, u64 offset, u32 last, hypercall_t *call);

// The context at a guest address becomes v's: -EFAULT, -ENOMEM, -EINVAL,
// -ERESTART. From the guest itself only a first one does, -EEXIST; what tools
// give may be another one, and brings v up or down.
long vcpu_context_load(struct vcpu *v, u64 gva, bool tools);
void vcpu_send_nmi(struct vcpu *v);
// CALLBACKOP_register; NMI handler of current, 0: none.
long callback_set(const struct callback_register *r);
long nmi_register(u64 address);

#endif
