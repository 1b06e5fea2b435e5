// SPDX-License-Identifier: MIT
// Dispatch of hypercalls, multicall, continuations.
#include "pv/pv.h"
#include "access/access.h"
#include "call/call.h"
#include "dom/trace.h"

#define CALL(nr, name, what) [nr] = call_##name,
static hypercall_t *const table[] = {
#include "call/table.def"
};
#undef CALL

// While a multicall runs on this CPU: its entry in work, and whether the
// handler wants it again.
struct batch {
	struct multicall_entry *entry;
	bool again;
};
DEFINE_PERCPU(struct batch, batch);

// Arguments that are told with a call, one bit each (public header trace.h).
static __noinline void trace_call(u32 event, u64 nr, u64 a1, u64 a2, u64 a3)
{
	static const u8 told[] = {
		[__HYPERVISOR_mmu_update] = 2,	   [__HYPERVISOR_multicall] = 2,
		[__HYPERVISOR_grant_table_op] = 5, [__HYPERVISOR_vcpu_op] = 3,
		[__HYPERVISOR_mmuext_op] = 2,	   [__HYPERVISOR_sched_op] = 1,
	};
	const u64 args[] = { a1, a2, a3 };
	u32 words[4] = { (u32)nr & 0xfffff }, n = 1;

	for (u32 i = 0; nr < ARRAY_SIZE(told) && i < 3; i++) {
		if (!(told[nr] >> i & 1))
			continue;
		words[0] |= TRC_PV_HYPERCALL_V2_ARG_32(i);
		words[n++] = (u32)args[i];
	}
	trace_record(event, words, n);
}

static long dispatch(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	hypercall_t *fn = NULL;

	if (nr < ARRAY_SIZE(table))
		fn = table[index_nospec(nr, ARRAY_SIZE(table))];
	return fn ? fn(a1, a2, a3, a4, a5) : -ENOSYS;
}

void hypercall(struct cpu_regs *regs)
{
	if (unlikely(READ_ONCE(trace_on)))
		trace_call(TRC_PV_HYPERCALL_V2, regs->rax, regs->rdi, regs->rsi,
			   regs->rdx);
	regs->rax = (u64)dispatch(regs->rax, regs->rdi, regs->rsi, regs->rdx,
				  regs->r10, regs->r8);
}

long call_again_with(u32 nr, const u64 *args, unsigned int n)
{
	struct batch *b = &this_cpu(batch);
	struct cpu_regs *regs = &cpu_info()->regs;
	u64 *const reg[] = { &regs->rdi, &regs->rsi, &regs->rdx, &regs->r10,
			     &regs->r8 };

	for (unsigned int i = 0; i < n; i++)
		*(b->entry ? &b->entry->args[i] : reg[i]) = args[i];
	if (b->entry) {
		b->again = true;
		b->entry->op = nr;
	} else {
		regs->rip -= 2; // syscall is two bytes
	}
	return nr;
}

long call_multicall(u64 list, u64 n, u64 a3, u64 a4, u64 a5)
{
	struct batch *b = &this_cpu(batch);
	struct multicall_entry e;

	n = (u32)n;
	if (b->entry)
		return -EINVAL;
	for (u64 i = 0; i < n; i++, list += sizeof(e)) {
		if (i && preempt_check())
			return call_again(__HYPERVISOR_multicall, list, n - i);
		if (copy_struct_from_guest(&e, list))
			return -EFAULT;
		if (unlikely(READ_ONCE(trace_on)))
			trace_call(TRC_PV_HYPERCALL_SUBCALL, e.op, e.args[0],
				   e.args[1], e.args[2]);
		*b = (struct batch){ .entry = &e };
		e.result = (u64)dispatch(e.op, e.args[0], e.args[1], e.args[2],
					 e.args[3], e.args[4]);
		b->entry = NULL;
		if (b->again) {
			// Its arguments have moved on.
			if (copy_struct_to_guest(list, &e))
				return -EFAULT;
			return call_again(__HYPERVISOR_multicall, list, n - i);
		}
		// An iret: what follows, and a continuation, would work on the
		// registers of another context.
		if (e.op == __HYPERVISOR_iret)
			return (long)e.result;
		if (copy_struct_to_guest(
			    list + offsetof(struct multicall_entry, result),
			    &e.result))
			return -EFAULT;
	}
	return 0;
}
