// SPDX-License-Identifier: MIT
// Dispatch of hypercalls, multicall, continuations.
#include "pv/pv.h"
#include "access/access.h"
#include "call/call.h"
#include "dom/trace.h"
#include "x86/desc.h"
#include "x86/entry.h"
#include "x86/panic.h"

static long call_none(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return -ENOSYS;
}

// No calls from here on.
#define CALLS_END (__HYPERVISOR_domctl + 1)
// Numbers that are none.
#define HOLES                                                 \
	[11] = call_none, [27] = call_none, [31] = call_none, \
	[34] = call_none, [CALLS_END] = call_none,
#define HOLES_MASK (1UL << 11 | 1UL << 27 | 1UL << 31 | 1UL << 34)

// None is forgotten: it would be called at address 0.
#define CALL(nr, name, kind32, what) | 1UL << (nr)
_Static_assert((HOLES_MASK
#include "call/table.def"
		) == (1UL << CALLS_END) - 1,
	       "every number has its entry");
#undef CALL

#define CALL(nr, name, kind32, what) [nr] = call_##name,
static hypercall_t *const table[CALLS_END + 1] = { HOLES
#include "call/table.def"
};
#undef CALL
#define CALL32_SAME(name)	     call_##name
#define CALL32_OWN(name)	     call32_##name
#define CALL32_NONE(name)	     call_none
#define CALL(nr, name, kind32, what) [nr] = CALL32_##kind32(name),
static hypercall_t *const table32[CALLS_END + 1] = { HOLES
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

static inline long dispatch(hypercall_t *const *calls, u64 nr, u64 a1, u64 a2,
			    u64 a3, u64 a4, u64 a5)
{
	return calls[index_clamp(nr, CALLS_END)](a1, a2, a3, a4, a5);
}

#ifdef DEBUG
void assert_call_ended(void)
{
	spin_assert_none_held();
	ASSERT(read_flags() & FLAG_IF);
	// Without SMAP AC means nothing, and a guest's may be left.
	ASSERT(!(hv_cr4 & CR4_SMAP && read_flags() & FLAG_AC));
	ASSERT(!this_cpu(batch).entry);
}
#endif

static __noinline u64 hypercall_traced(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5,
				       u64 nr)
{
	trace_call(TRC_PV_HYPERCALL_V2, nr, a1, a2, a3);
	return (u64)dispatch(table, nr, a1, a2, a3, a4, a5);
}

// Nothing to be saved before the jump, nothing to be done behind it.
u64 hypercall(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 nr)
{
	if (unlikely(READ_ONCE(trace_on)))
		return hypercall_traced(a1, a2, a3, a4, a5, nr);
	return (u64)dispatch(table, nr, a1, a2, a3, a4, a5);
}

void hypercall32(struct cpu_regs *regs)
{
	if (unlikely(READ_ONCE(trace_on)))
		trace_call(TRC_PV_HYPERCALL_V2, (u32)regs->rax, regs->rbx,
			   regs->rcx, regs->rdx);
	regs->rax = (u32)dispatch(table32, (u32)regs->rax, (u32)regs->rbx,
				  (u32)regs->rcx, (u32)regs->rdx,
				  (u32)regs->rsi, (u32)regs->rdi);
	assert_call_ended();
}

long call_again_with(u32 nr, const u64 *args, unsigned int n)
{
	struct batch *b = &this_cpu(batch);
	struct cpu_regs *regs = &cpu_info()->regs;
	u64 *const reg[2][5] = {
		{ &regs->rdi, &regs->rsi, &regs->rdx, &regs->r10, &regs->r8 },
		{ &regs->rbx, &regs->rcx, &regs->rdx, &regs->rsi, &regs->rdi },
	};

	for (unsigned int i = 0; i < n; i++)
		*(b->entry ? &b->entry->args[i] : reg[currd->pv32][i]) =
			args[i];
	if (b->entry) {
		b->again = true;
		b->entry->op = nr;
	} else {
		regs->rip -= 2; // syscall is two bytes, int $0x82 too
	}
	return nr;
}

// Twice: of each width its own loop.
static __forced_inline long multicall(u64 list, u64 n, bool pv32)
{
	hypercall_t *const *calls = pv32 ? table32 : table;
	u64 stride = pv32 ? compat_size(LAYOUT32_multicall)
			  : sizeof(struct multicall_entry);
	struct batch *b = &this_cpu(batch);
	struct multicall_entry e;

	n = (u32)n;
	if (b->entry)
		return -EINVAL;
	for (u64 i = 0; i < n; i++, list += stride) {
		if (i && preempt_check())
			return call_again(__HYPERVISOR_multicall, list, n - i);
		if (pv32 ? compat_from_guest(LAYOUT32_multicall, &e, list,
					     sizeof(e))
			 : copy_struct_from_guest(&e, list))
			return -EFAULT;
		if (unlikely(READ_ONCE(trace_on)))
			trace_call(TRC_PV_HYPERCALL_SUBCALL, e.op, e.args[0],
				   e.args[1], e.args[2]);
		*b = (struct batch){ .entry = &e };
		e.result = (u64)dispatch(calls, e.op, e.args[0], e.args[1],
					 e.args[2], e.args[3], e.args[4]);
		b->entry = NULL;
		if (b->again) {
			// Its arguments have moved on.
			if (compat_to_guest(LAYOUT32_multicall, list, &e,
					    sizeof(e)))
				return -EFAULT;
			return call_again(__HYPERVISOR_multicall, list, n - i);
		}
		// An iret: what follows, and a continuation, would work on the
		// registers of another context.
		if (e.op == __HYPERVISOR_iret)
			return (long)e.result;
		// The second of 8 words.
		if (copy_to_guest(list + stride / 8, &e.result, stride / 8))
			return -EFAULT;
	}
	return 0;
}

long call_multicall(u64 list, u64 n, u64 a3, u64 a4, u64 a5)
{
	return multicall(list, n, false);
}

long call32_multicall(u64 list, u64 n, u64 a3, u64 a4, u64 a5)
{
	return multicall(list, n, true);
}
