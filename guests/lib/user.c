// SPDX-License-Identifier: MIT
// Guest user mode. Its base table is a copy of the kernel's, so that any
// function of the image runs there: the ABI has no supervisor pages.
#include "lib/guest.h"

#define RFLAGS_IF 0x202

static u8 user_stack[8192] __attribute__((aligned(16)));
static u8 kernel_stack[8192] __attribute__((aligned(16)));
static u64 *user_l4;
static struct jump back;
static long result;

extern void user_return(void);
void user_returned(const struct regs *regs);

static void user_init(void)
{
	const u64 *kernel = (const u64 *)start_info->pt_base;

	user_l4 = page_alloc();
	for (int i = 0; i < 512; i++) {
		if (i < 256 || i >= 272)
			user_l4[i] = kernel[i];
	}
	page_set_ro(user_l4);
	pin_table(4, user_l4);
	mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_l4), 0);
}

u64 user_base_mfn(void)
{
	if (!user_l4)
		user_init();
	return virt_to_mfn(user_l4);
}

void user_returned(const struct regs *regs)
{
	result = (long)regs->rdi;
	jump_to(&back);
}

long user_call_flags(user_fn *fn, long arg, u64 rflags)
{
	u64 *stack = (u64 *)(user_stack + sizeof(user_stack) - 64);
	struct regs regs = { .rdi = (u64)arg,
			     .rip = (u64)fn,
			     .cs = FLAT_USER_CS,
			     .ss = FLAT_USER_SS,
			     .rflags = rflags,
			     .rsp = (u64)(stack - 1) };

	user_base_mfn();
	stack[-1] = (u64)user_return;
	HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
	    kernel_stack + sizeof(kernel_stack));
	if (!jump_set(&back))
		regs_resume(&regs);
	return result;
}

long user_call(user_fn *fn, long arg)
{
	return user_call_flags(fn, arg, RFLAGS_IF);
}
