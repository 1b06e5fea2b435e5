// SPDX-License-Identifier: MIT
// Dispatch of hypercalls, multicall, continuations.
#include "pv/hypercall.h"
#include "access/access.h"
#include "call/call.h"
#include "dom/domain.h"
#include "x86/insn.h"

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

static long dispatch(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	hypercall_t *fn = NULL;

	if (nr < ARRAY_SIZE(table))
		fn = table[index_nospec(nr, ARRAY_SIZE(table))];
	return fn ? fn(a1, a2, a3, a4, a5) : -ENOSYS;
}

void hypercall(struct cpu_regs *regs)
{
	long rc = dispatch(regs->rax, regs->rdi, regs->rsi, regs->rdx,
			   regs->r10, regs->r8);

	regs->rax = (u64)rc;
}

long call_again(u32 nr, unsigned int n_args, u64 a1, u64 a2, u64 a3, u64 a4,
		u64 a5)
{
	struct batch *b = &this_cpu(batch);
	struct cpu_regs *regs = &cpu_info()->regs;
	const u64 args[5] = { a1, a2, a3, a4, a5 };

	if (b->entry) {
		b->again = true;
		b->entry->op = nr;
		for (unsigned int i = 0; i < n_args; i++)
			b->entry->args[i] = args[i];
		return nr;
	}
	regs->rip -= 2; // syscall is two bytes
	regs->rdi = a1;
	regs->rsi = n_args > 1 ? a2 : regs->rsi;
	regs->rdx = n_args > 2 ? a3 : regs->rdx;
	regs->r10 = n_args > 3 ? a4 : regs->r10;
	regs->r8 = n_args > 4 ? a5 : regs->r8;
	return nr;
}

// One entry: 0 when it is through, 1 when it and the rest are to be issued
// again, 2 when the mode changed under the batch.
static int batch_entry(struct multicall_entry *e)
{
	struct batch *b = &this_cpu(batch);
	b->again = false;
	b->entry = e;
	e->result = (unsigned long)dispatch(e->op, e->args[0], e->args[1],
					    e->args[2], e->args[3], e->args[4]);
	b->entry = NULL;
	if (b->again)
		return 1;
	return e->op == __HYPERVISOR_iret ? 2 : 0;
}

long call_multicall(u64 list, u64 n, u64 a3, u64 a4, u64 a5)
{
	struct multicall_entry e;
	n = (u32)n;
	if (this_cpu(batch).entry)
		return -EINVAL;
	for (u64 i = 0; i < n; i++, list += sizeof(e)) {
		int rc;

		if (i && preempt_check())
			return call_again(__HYPERVISOR_multicall, 2, list,
					  n - i, 0, 0, 0);
		if (copy_struct_from_guest(&e, list))
			return -EFAULT;
		rc = batch_entry(&e);
		if (rc == 2)
			// An iret: what follows, and a continuation, would
			// work on the registers of another context.
			return (long)e.result;
		if (rc == 1) {
			// Its arguments have moved on.
			if (copy_struct_to_guest(list, &e))
				return -EFAULT;
			return call_again(__HYPERVISOR_multicall, 2, list,
					  n - i, 0, 0, 0);
		}
		if (copy_to_guest(
			    list + offsetof(struct multicall_entry, result),
			    &e.result, sizeof(e.result)))
			return -EFAULT;
	}
	return 0;
}
