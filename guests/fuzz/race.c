// SPDX-License-Identifier: MIT
// The hypercall itself, in a 64-bit kernel with the seed and the number of the call
// in registers that a panic of the hypervisor shows, and the vcpu that changes arguments while
// it runs.
#include "fuzz/fuzz.h"
#include "lib/cpu.h"

static struct {
	volatile u64 *volatile at; // NULL: hands off
	u64 was, now;
	volatile bool busy;
} change;
static bool racing;
static u8 stack[8192] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));

#ifdef __x86_64__
long fuzz_hypercall(u64 nr, const u64 *args)
{
	register u64 r10 __asm__("r10") = args[3];
	register u64 r8 __asm__("r8") = args[4];
	register u64 seed __asm__("r12") = call_seed;
	register u64 number __asm__("r13") = call_number;
	u64 rax = nr, a1 = args[0], a2 = args[1], a3 = args[2];

	__asm__ volatile("syscall"
			 : "+a"(rax), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10),
			   "+r"(r8)
			 : "r"(seed), "r"(number)
			 : "rcx", "r11", "memory");
	return (long)rax;
}
#else
// 64 bits take two registers: which argument has them, by the call.
static const struct {
	u8 nr, at;
} wide[] = {
	{ __HYPERVISOR_update_va_mapping, 1 },
	{ __HYPERVISOR_update_va_mapping_otherdomain, 1 },
	{ __HYPERVISOR_set_timer_op, 0 },
	{ __HYPERVISOR_update_descriptor, 0 },
	{ __HYPERVISOR_update_descriptor, 1 },
};

static bool is_wide(u64 nr, int at)
{
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
		if (wide[i].nr == nr && wide[i].at == at)
			return true;
	return false;
}

long fuzz_hypercall(u64 nr, const u64 *args)
{
	uptr a[10] = { 0 }; // five of them are the call's
	int n = 0;

	for (int i = 0; i < 5; i++) {
		a[n++] = (uptr)args[i];
		if (is_wide(nr, i))
			a[n++] = (uptr)(args[i] >> 32);
	}
	return hypercall5((uptr)nr, a[0], a[1], a[2], a[3], a[4]);
}
#endif

static void second_main(void)
{
	volatile u64 *at;

	for (;;) {
		at = change.at;
		if (!at) {
			sched_op(SCHEDOP_yield, NULL);
			continue;
		}
		change.busy = true;
		barrier();
		while (change.at) {
			*at = change.now;
			*at = change.was;
		}
		barrier();
		change.busy = false;
	}
}

// A word of the argument is one thing and another, both harmless.
void race_begin(struct call *c)
{
	u32 words = (u32)c->size / 8;
	volatile u64 *at = (u64 *)((u8 *)arg_pages + c->keep[2]);

	if (!racing || c->at < 0 || words <= c->first ||
	    c->op->flags & OP_EXACT)
		return;
	at += c->first + below(words - c->first);

	change.was = *at;
	change.now = odd_harmless();
	barrier();
	change.at = at;
}

void race_end(void)
{
	if (!change.at)
		return;
	change.at = NULL;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (change.busy)
		sched_op(SCHEDOP_yield, NULL);
}

void race_init(void)
{
	static struct vcpu_guest_context context;

	if (!has_word("race"))
		return;
	context_make(&context, second_main, stack + sizeof(stack),
		     trap_stack + sizeof(trap_stack));
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &context), 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	racing = true;
}
