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
	// What SYSRET takes for granted.
	ASSERT(cpu_info()->regs.entry_vector != EV_SYSCALL ||
	       cpu_info()->regs.cs == SEL_RING3_CS64);
}
#endif

static long call_traced(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 nr = cpu_info()->regs.rax;

	trace_call(TRC_PV_HYPERCALL_V2, nr, a1, a2, a3);
	return dispatch(table, nr, a1, a2, a3, a4, a5);
}

static hypercall_t *const traced[CALLS_END + 1] = {
	[0 ... CALLS_END] = call_traced,
};
static hypercall_t *const *calls64 = table;

void calls_trace(bool on)
{
	__atomic_store_n(&calls64, on ? traced : table, __ATOMIC_RELAXED);
	// CPUs that were prepared have an area of their own.
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (!cpu || percpu_offset[cpu])
			WRITE_ONCE(((struct cpu_info *)cpu_stack_top(cpu))
					   ->all_calls_in_c,
				   on);
}

// Nothing to be saved before the jump, nothing to be done behind it.
u64 hypercall(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 nr)
{
	return (u64)dispatch(__atomic_load_n(&calls64, __ATOMIC_RELAXED), nr,
			     a1, a2, a3, a4, a5);
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

// Number and arguments of a 64-bit kernel's entry, which is in its part of the
// address space. -EFAULT.
static __forced_inline int entry_from_guest(struct multicall_entry *e, u64 at)
{
	u64 op, a0, a1, a2, a3, a4;

	assert_protected();
	stac();
	guest_load(op, at + offsetof(struct multicall_entry, op), fault);
	guest_load(a0, at + offsetof(struct multicall_entry, args[0]), fault);
	guest_load(a1, at + offsetof(struct multicall_entry, args[1]), fault);
	guest_load(a2, at + offsetof(struct multicall_entry, args[2]), fault);
	guest_load(a3, at + offsetof(struct multicall_entry, args[3]), fault);
	guest_load(a4, at + offsetof(struct multicall_entry, args[4]), fault);
	clac();
	e->op = op;
	e->args[0] = a0;
	e->args[1] = a1;
	e->args[2] = a2;
	e->args[3] = a3;
	e->args[4] = a4;
	return 0;
fault:
	clac();
	return -EFAULT;
}

// Its arguments have moved on.
static __noinline int entry_to_guest(u64 at, struct multicall_entry *e)
{
	if (currd->pv32)
		return compat_to_guest(LAYOUT32_multicall, at, e, sizeof(*e));
	return copy_to_guest(at, &e->op, sizeof(e->op)) ||
			       copy_to_guest(at + offsetof(typeof(*e), args),
					     e->args, 5 * sizeof(e->args[0]))
		       ? -EFAULT
		       : 0;
}

// The second of its words.
static __forced_inline int result_to_guest(u64 at, u64 result, bool pv32)
{
	if (pv32)
		return word_to_guest(at + 4, (u32)result);
	assert_protected();
	stac();
	guest_store(at + offsetof(struct multicall_entry, result), result,
		    fault);
	clac();
	return 0;
fault:
	clac();
	return -EFAULT;
}

// Twice: of each width its own loop.
static __forced_inline long multicall(u64 list, u64 n, bool pv32)
{
	hypercall_t *const *calls = pv32 ? table32 : table;
	u64 stride = pv32 ? compat_size(LAYOUT32_multicall)
			  : sizeof(struct multicall_entry);
	struct batch *b = &this_cpu(batch);
	struct multicall_entry e;
	long result;

	n = (u32)n;
	if (b->entry)
		return -EINVAL;
	if (!access_ok(list, n * stride))
		return -EFAULT;
	for (u64 i = 0; i < n; i++, list += stride) {
		if (i && preempt_check())
			return call_again(__HYPERVISOR_multicall, list, n - i);
		if (pv32 ? compat_from_guest(LAYOUT32_multicall, &e, list,
					     sizeof(e))
			 : entry_from_guest(&e, list))
			return -EFAULT;
		if (unlikely(READ_ONCE(trace_on)))
			trace_call(TRC_PV_HYPERCALL_SUBCALL, e.op, e.args[0],
				   e.args[1], e.args[2]);
		b->again = false;
		b->entry = &e;
		result = dispatch(calls, e.op, e.args[0], e.args[1], e.args[2],
				  e.args[3], e.args[4]);
		b->entry = NULL;
		if (unlikely(b->again)) {
			if (entry_to_guest(list, &e))
				return -EFAULT;
			return call_again(__HYPERVISOR_multicall, list, n - i);
		}
		// An iret: what follows, and a continuation, would work on the
		// registers of another context.
		if (e.op == __HYPERVISOR_iret)
			return result;
		if (result_to_guest(list, (u64)result, pv32))
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
