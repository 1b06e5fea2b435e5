// SPDX-License-Identifier: MIT
// Returns to, and stacks at, the edges of what an address may be; traps where
// the hypervisor itself is at work.
#include "attack/attack.h"

#define TOP_PAGE 0x00007ffffffff000ul // the last one of the lower half
#define HOLE	 0x0000800000000000ul
#define TF	 0x100ul

#ifdef __x86_64__
// In the data page: what to load into rsp.
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"code_bad_stack:\n"
	"	mov 0x3000, %rsp\n"
	"	ud2\n"
	".balign 16\n"
	"code_event:\n" // bind_ipi, the stack, send; its words are at 0x3008
	"	mov $7, %edi\n"
	"	mov $0x3008, %esi\n"
	"	mov $32, %eax\n"
	"	syscall\n"
	"	mov 0x300c, %eax\n"
	"	mov %eax, 0x3010\n"
	"	mov 0x3000, %rsp\n"
	"	mov $4, %edi\n"
	"	mov $0x3010, %esi\n"
	"	mov $32, %eax\n"
	"	syscall\n"
	"5:	mov $1, %edi\n" // SCHEDOP_block: unmasks as well
	"	mov $29, %eax\n"
	"	syscall\n"
	"	jmp 5b\n"
	".balign 16\n"
	"code_int80:\n"
	"	int $0x80\n"
	"6:	jmp 6b\n"
	".balign 16\n"
	"code_poweroff:\n"
	"	mov $0x3000, %esp\n"
	"	push $0\n"
	"	mov %rsp, %rsi\n"
	"	mov $2, %edi\n"
	"	mov $29, %eax\n"
	"	syscall\n"
	".balign 16\n"
	".skip 256\n"
	".popsection\n"
	"call_there:\n" // (rip, rax): a system call there; no way back
	"	mov %rdi, %rcx\n"
	"	mov %rsi, %rax\n"
	"	xor %edi, %edi\n"
	"	xor %esi, %esi\n"
	"	jmp *%rcx\n"
	"ud2_on:\n" // (rsp)
	"	mov %rdi, %rsp\n"
	"	ud2\n"
	"load_ss_call:\n" // (selector): mov to ss, then a hypercall at once
	"	mov %rdi, %r9\n"
	"	mov $17, %eax\n"
	"	xor %edi, %edi\n"
	"	xor %esi, %esi\n"
	"	mov (%r9), %ss\n"
	"	syscall\n"
	"	ret\n"
	"step_call:\n" // single-steps over a hypercall
	"	mov $17, %eax\n"
	"	xor %edi, %edi\n"
	"	xor %esi, %esi\n"
	"	pushfq\n"
	"	orq $0x100, (%rsp)\n"
	"	popfq\n"
	"	syscall\n"
	"	nop\n"
	"	pushfq\n"
	"	andq $~0x100, (%rsp)\n"
	"	popfq\n"
	"	ret\n");
void call_there(u64 rip, u64 nr);
void ud2_on(u64 rsp);
#else
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"code_bad_stack:\n"
	"	mov 0x3000, %esp\n"
	"	ud2\n"
	".balign 16\n"
	"code_event:\n"
	"	mov $7, %ebx\n"
	"	mov $0x3008, %ecx\n"
	"	mov $32, %eax\n"
	"	int $0x82\n"
	"	mov 0x300c, %eax\n"
	"	mov %eax, 0x3010\n"
	"	mov 0x3000, %esp\n"
	"	mov $4, %ebx\n"
	"	mov $0x3010, %ecx\n"
	"	mov $32, %eax\n"
	"	int $0x82\n"
	"5:	mov $1, %ebx\n"
	"	mov $29, %eax\n"
	"	int $0x82\n"
	"	jmp 5b\n"
	".balign 16\n"
	"code_int80:\n"
	"	int $0x80\n"
	"6:	jmp 6b\n"
	".balign 16\n"
	"code_iret:\n" // the frame at the word's address
	"	mov 0x3000, %esp\n"
	"	mov $23, %eax\n"
	"	int $0x82\n"
	".balign 16\n"
	"code_poweroff:\n"
	"	mov $0x3000, %esp\n"
	"	push $0\n"
	"	push $0\n"
	"	mov %esp, %ecx\n"
	"	mov $2, %ebx\n"
	"	mov $29, %eax\n"
	"	int $0x82\n"
	".balign 16\n"
	".skip 256\n"
	".popsection\n"
	"load_ss_call:\n" // (selector): mov to ss, then a hypercall at once
	"	mov 4(%esp), %edx\n"
	"	push %ebx\n"
	"	mov $17, %eax\n"
	"	xor %ebx, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	mov (%edx), %ss\n"
	"	int $0x82\n"
	"	pop %ebx\n"
	"	ret\n"
	"step_call:\n" // single-steps over a hypercall
	"	push %ebx\n"
	"	mov $17, %eax\n"
	"	xor %ebx, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	pushfl\n"
	"	orl $0x100, (%esp)\n"
	"	popfl\n"
	"	int $0x82\n"
	"	nop\n"
	"	pushfl\n"
	"	andl $~0x100, (%esp)\n"
	"	popfl\n"
	"	pop %ebx\n"
	"	ret\n");
extern const u8 code_iret[];
#endif
extern const u8 code_bad_stack[], code_event[], code_int80[], code_poweroff[];
long load_ss_call(const u64 *selector);
long step_call(void);

// A domain with one word of data, events and #UD to the start of its code, or
// to the one that ends it well.
static void run(const u8 *code, uptr word, uptr handler, long want)
{
	static struct vcpu_guest_context c;
	struct domu d;

	if (!domu_make(&d, code, &word, sizeof(word)))
		return;
	domu_context(&c, domu_base(&d));
	c.trap_ctxt[0] = (struct trap_info){ 6, 0, FLAT_KERNEL_CS, handler };
	c.trap_ctxt[6] = c.trap_ctxt[0];
	c.event_callback_eip = handler;
#ifndef __x86_64__
	c.event_callback_cs = FLAT_KERNEL_CS;
#endif
	CHECK_EQ(domu_set_context(d.id, &c), 0);
	domu_unpause(&d);
	if (domu_outcome(d.id, 3000 * MS) != want)
		check_failed("stack", 0, "%lx: not %ld", word, want);
	domain_destroy(d.id);
}

static const uptr bad_stacks[] = {
	0,
	8,
	0x3000 - 0x1000 - 8,
#ifdef __x86_64__
	HOLE,
	HOLE + 8,
	0xffff7ffffffffff8,
	0xffff800000000000,
	0xffff800000000020,
	0xffff800000001000,
	0xffff820000001000,
	0xffff830000100000,
	0xffff87fffffffff0,
	0xffff880000000000,
	0xffff880000000010,
	0xfffffffffffffff8,
#else
	HYPERVISOR_VIRT_START,
	HYPERVISOR_VIRT_START + 0x20,
	0xffa00000,
	0xfffff000,
	0xfffffff8,
	0xffffffff,
#endif
};

TEST(stacks_for_traps)
{
	uptr good = DOMU_CODE + (uptr)(code_poweroff - code_bad_stack);

	run(code_bad_stack, DOMU_STACK + PAGE_SIZE, good, SHUTDOWN_poweroff);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad_stacks); i++)
		run(code_bad_stack, bad_stacks[i], good, SHUTDOWN_crash);
}

TEST(stacks_for_events)
{
	uptr good = DOMU_CODE + (uptr)(code_poweroff - code_event);

	run(code_event, DOMU_STACK + PAGE_SIZE, good, SHUTDOWN_poweroff);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad_stacks); i += 2)
		run(code_event, bad_stacks[i], good, SHUTDOWN_crash);
}

TEST(int80_without_table)
{
	run(code_int80, 0, 0, SHUTDOWN_crash);
}

static long user_int(long vector)
{
	switch (vector) {
	case 0x21:
		__asm__ volatile("int $0x21");
		break;
	case 0x82:
		__asm__ volatile("int $0x82");
		break;
	default:
		__asm__ volatile("int $0x0e");
	}
	return 0;
}

TEST(int_from_user)
{
	if (!has_word("qemu10") && !has_word("bochs"))
		test_skip("this QEMU's error codes of INT n are wrong");
	CHECK_TRAP(user_call(user_int, 0x82), 13, 0x82 * 8 + 2);
	CHECK_TRAP(user_call(user_int, 0x21), 13, 0x21 * 8 + 2);
	CHECK_TRAP(user_call(user_int, 0x0e), 13, 0x0e * 8 + 2);
}

// A 32-bit address space has no hole; what is at its end: compat.c.
#ifdef __x86_64__
static u64 *top_tables[3], *top_page;

static void top_hang(u64 flags)
{
	top_page = page_alloc();
	for (int i = 0; i < 3; i++) {
		top_tables[i] = page_alloc();
		top_tables[i][511] =
			i ? make_entry(virt_to_mfn(top_tables[i - 1]),
				       PTE_TABLE)
			  : make_entry(virt_to_mfn(top_page), flags);
		CHECK_EQ(page_set_ro(top_tables[i]), 0);
	}
	CHECK_EQ(mmu_update_one(
			 entry_maddr((void *)TOP_PAGE, 4),
			 make_entry(virt_to_mfn(top_tables[2]), PTE_TABLE)),
		 0);
}

static void top_drop(void)
{
	CHECK_EQ(mmu_update_one(entry_maddr((void *)TOP_PAGE, 4), 0), 0);
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
	for (int i = 2; i >= 0; i--) {
		CHECK_EQ(page_set_rw(top_tables[i]), 0);
		CHECK(page_exchange(top_tables[i]));
		page_free(top_tables[i]);
	}
	CHECK(page_exchange(top_page));
	page_free(top_page);
}

// The system call is the last instruction below the hole: the way back is to
// an address that is none.
TEST(syscall_at_the_edge)
{
	u8 *code;

	top_hang(PTE_RW | PTE_U);
	code = (u8 *)top_page;
	code[PAGE_SIZE - 2] = 0x0f;
	code[PAGE_SIZE - 1] = 0x05;
	CHECK_TRAP(call_there(HOLE - 2, __HYPERVISOR_xen_version), 13, 0);
	CHECK_EQ(trap_last.regs.rip, HOLE);
	CHECK_EQ(trap_last.regs.rax, version_op(XENVER_version, NULL));
	// A number that there is not.
	CHECK_TRAP(call_there(HOLE - 2, 1000), 13, 0);
	CHECK_EQ(trap_last.regs.rip, HOLE);
	CHECK_EQ((long)trap_last.regs.rax, -ENOSYS);
	top_drop();
}

TEST(iret_to_the_edge)
{
	static const u64 rips[] = { HOLE, 0xffff7ffffffffff0,
				    0x8000000000000000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(rips); i++) {
		for (u64 flags = 0; flags <= VGCF_in_syscall;
		     flags += VGCF_in_syscall) {
			struct regs regs = { .error = flags,
					     .rip = rips[i],
					     .cs = FLAT_KERNEL_CS & ~3,
					     .ss = FLAT_KERNEL_SS,
					     .rflags = 0x202 };

			regs.rsp = (u64)__builtin_frame_address(0) - 4096;
			CHECK_TRAP(regs_resume(&regs), 13, 0);
			CHECK_EQ(trap_last.regs.rip, rips[i]);
		}
	}
}

// A frame just below the hole is a good one.
TEST(stack_at_the_edge)
{
	top_hang(PTE_RW | PTE_U);
	CHECK_TRAP(ud2_on(HOLE), 6, 0);
	CHECK_EQ(trap_last.regs.rsp, HOLE);
	CHECK_EQ(top_page[511], FLAT_KERNEL_SS);
	CHECK_EQ(top_page[510], HOLE);
	top_drop();
}
#endif

static unsigned int steps;

static bool count_steps(struct regs *regs)
{
	if (regs->vector != 1)
		return false;
	steps++;
	return true;
}

TEST(step_over_hypercall)
{
	trap_hook = count_steps;
	steps = 0;
	CHECK_EQ(step_call(), version_op(XENVER_version, NULL));
	// Bochs does not step behind sysret.
	CHECK_EQ(steps, WIDTH == 32 || has_word("bochs") ? 4 : 5);
	HC2(__HYPERVISOR_set_debugreg, 6, 0);
}

static long user_sum(long n)
{
	volatile long sum = 0;

	while (n)
		sum += n--;
	return sum;
}

TEST(step_user_mode)
{
	trap_hook = count_steps;
	steps = 0;
	CHECK_EQ(user_call_flags(user_sum, 10, 0x202 | TF), 55);
	CHECK(steps > 30);
	HC2(__HYPERVISOR_set_debugreg, 6, 0);
}

static void watch(const volatile void *what, uptr dr7)
{
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 0, what), 0);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 7, dr7), 0);
}

static void watch_end(void)
{
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 7, 0x400), 0);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 0, 0), 0);
	HC2(__HYPERVISOR_set_debugreg, 6, 0);
}

#define WATCH_8_ACCESS 0xb0402ul // register 0: 8 bytes, read or written

// The hypervisor touches what the guest watches: its arguments, the place of
// a frame, a selector. It goes on as if nothing had been.
TEST(watch_arguments)
{
	static struct multicall_entry list[2];
	static xen_extraversion_t extra;

	trap_hook = count_steps;
	calls_told = false; // that would look at the list too
	steps = 0;
	list[0].op = list[1].op = __HYPERVISOR_xen_version;
	watch(&list[1].op, WATCH_8_ACCESS);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, 2), 0);
	watch(&list[1].result, WATCH_8_ACCESS);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, 2), 0);
	watch(&extra, WATCH_8_ACCESS);
	CHECK_EQ(version_op(XENVER_extraversion, &extra), 0);
	watch_end();
	calls_told = calls_wanted;
	CHECK_EQ(steps, 0);
	CHECK_EQ(list[1].result, version_op(XENVER_version, NULL));
}

#ifdef __x86_64__
TEST(watch_frame)
{
	// The handler reads its frame.
	trap_hook = count_steps;
	top_hang(PTE_RW | PTE_U);
	watch((u64 *)(HOLE - 16), WATCH_8_ACCESS);
	CHECK_TRAP(ud2_on(HOLE), 6, 0);
	watch_end();
	CHECK_EQ(trap_last.regs.rsp, HOLE);
	top_drop();
}
#endif

TEST(watch_stack_selector)
{
	static u64 selector __attribute__((aligned(8))) = FLAT_KERNEL_SS;

	trap_hook = count_steps;
	steps = 0;
	watch(&selector, 0x30402 | 1ul << 19);
	CHECK_EQ(load_ss_call(&selector), version_op(XENVER_version, NULL));
	watch_end();
}

// 32-bit registers reach nothing of it: descriptors32, debug_addresses.
#ifdef __x86_64__
TEST(watch_hypervisor)
{
	static const u64 bad[] = { 0xffff800000000000,
				   0xffff828000000000,
				   0xffff830000000000,
				   0xffff87ffffffffff,
				   HOLE,
				   0x8000000000000000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (unsigned int reg = 0; reg < 4; reg++)
			CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, reg, bad[i]),
				 -EPERM);
	CHECK_EQ(HC1(__HYPERVISOR_get_debugreg, 0), 0);
}
#else
TEST(stacks_for_iret)
{
	static const uptr bad[] = { 0, 0x1ff8, 0xf57ffffc, 0xfffffff0,
				    0xfffffffc };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		run(code_iret, bad[i], 0, SHUTDOWN_crash);
}
#endif
