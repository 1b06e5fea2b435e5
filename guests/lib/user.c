// SPDX-License-Identifier: MIT
// Guest user mode: any function of the image runs there, whose pages are all
// the user's.
#include "lib/guest.h"

#define RFLAGS_IF 0x202

static u8 user_stack[8192] __attribute__((aligned(16)));
static u8 kernel_stack[8192] __attribute__((aligned(16)));
static struct jump back;
static long result;

extern void user_return(void);
void user_returned(const struct regs *regs);

void user_returned(const struct regs *regs)
{
	result = (long)regs->rdi;
	jump_to(&back);
}

long user_call_flags(user_fn *fn, long arg, uptr rflags)
{
	uptr *stack = (uptr *)(user_stack + sizeof(user_stack) - 64);
	struct regs regs = { .rdi = (uptr)arg,
			     .rip = (uptr)fn,
			     .cs = FLAT_USER_CS,
			     .ss = FLAT_USER_SS,
			     .rflags = rflags,
			     .rsp = (uptr)(stack - 1) };

	user_tables_make();
	stack[0] = (uptr)arg; // where 32-bit code looks for it
	stack[-1] = (uptr)user_return;
	HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
	    kernel_stack + sizeof(kernel_stack));
	if (!jump_set(&back)) {
		if (calls_told)
			call_note(__HYPERVISOR_iret, 0, 0, 0);
		calls_told = false;
		regs_resume(&regs);
	}
	return result;
}

long user_call(user_fn *fn, long arg)
{
	return user_call_flags(fn, arg, RFLAGS_IF);
}
