// SPDX-License-Identifier: MIT
// System calls of 32-bit programs, under kernels of either width. Header
// callback.h: CALLBACKTYPE_sysenter is for "32-bit guest applications on Intel
// CPUs", and for 64-bit ones there; CALLBACKTYPE_syscall32 is "Syscall by 32-bit
// guest app on AMD CPUs". Neither has the instruction of the other in
// compatibility mode: AMD's sysenter is a #GP as MSR_SYSENTER_CS is 0, Intel's
// syscall a #UD.
#include "lib/cpu.h"
#include "lib/guest.h"
#include <xen/callback.h>

#define NT   0x4000ul
#define AC   0x40000ul
#define LOW  0x400000ul // a program's code and stack, one page
#define ARGS 41

// A page, so that it can be mapped there. (flags in esi) EAX goes in and comes
// back.
__asm__(".pushsection .text.page, \"ax\"\n"
	".balign 4096\n"
	".code32\n"
	"fast_code:\n"
	"	pushl %esi\n"
	"	popfl\n"
	"	movl %esp, %ebp\n"
	"	syscall\n"
	"	ud2\n"
	".balign 64\n"
	"	pushl %esi\n"
	"	popfl\n"
	"	movl %esp, %ebp\n"
	"	sysenter\n"
	"	ud2\n"
	".balign 64\n"
	"	movl %esp, %ebp\n"
	"	int $0x80\n"
	"	ud2\n"
	".balign 4096\n"
#ifdef __x86_64__
	".code64\n"
#endif
	".popsection\n");
extern const u8 fast_code[];
// Where each begins, and the ud2 behind it.
enum way { SYSCALL, SYSENTER, INT80 };
static const uptr begins[] = { 0, 64, 128 }, after[] = { 6, 70, 132 };

static u8 user_stack[4096] __page_aligned;
static u8 kernel_stack[8192] __attribute__((aligned(16)));
static uptr code_at, stack_at;

// QEMU's Intel knows syscall there, too.
static bool syscall_there(void)
{
	return !cpu_is_intel() || !has_word("bochs");
}

#ifdef __x86_64__
#define USER_CS FLAT_RING3_CS32

// Below 4 GiB, in the tables of both modes.
static void place(void)
{
	u64 *table[3], mfn = 0;

	if (code_at)
		return;
	for (int i = 0; i < 3; i++) {
		unsigned int slot = LOW >> (12 + 9 * i) & 511;

		table[i] = page_alloc();
		table[i][slot] = i ? make_entry(mfn, PTE_TABLE)
				   : make_entry(virt_to_mfn(fast_code), PTE_RO);
		if (!i)
			table[i][slot + 1] = make_entry(virt_to_mfn(user_stack),
							PTE_RW | PTE_U);
		mfn = virt_to_mfn(table[i]);
		CHECK_EQ(page_set_ro(table[i]), 0);
	}
	CHECK_EQ(mmu_update_one(entry_maddr((void *)LOW, 4),
				make_entry(mfn, PTE_TABLE)),
		 0);
	CHECK_EQ(mmu_update_one(user_base_mfn() << 12,
				make_entry(mfn, PTE_TABLE)),
		 0);
	code_at = LOW;
	stack_at = LOW + 2 * PAGE_SIZE;
}
#else
#define USER_CS FLAT_USER_CS

// Programs see the kernel's pages that are theirs.
static void place(void)
{
	code_at = (uptr)fast_code;
	stack_at = (uptr)user_stack + sizeof(user_stack);
}
#endif

// Does not come back.
static void go(enum way way, uptr flags)
{
	struct regs regs = { .rax = ARGS,
			     .rsi = 0x202 | flags,
			     .rip = code_at + begins[way],
			     .cs = USER_CS,
			     .ss = FLAT_USER_SS,
			     .rflags = 0x202,
			     .rsp = stack_at };

	HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
	    kernel_stack + sizeof(kernel_stack));
	calls_told = false;
	regs_resume(&regs);
}

static enum way way;
static bool masked;
static struct regs seen;

// As a kernel does: sysenter tells neither where to go back nor the stack.
static bool answer(struct regs *regs)
{
	if (regs->vector != VECTOR_SYSCALL && regs->vector != VECTOR_SOFT)
		return false;
	seen = *regs;
	masked = vcpu_info_of(0)->evtchn_upcall_mask;
	if (way == SYSENTER) {
		regs->rip = code_at + after[way];
		regs->rsp = regs->rbp;
		regs->cs = USER_CS;
		regs->ss = FLAT_USER_SS;
	}
	regs->rflags &= ~(NT | AC);
	regs->rax++;
	return true;
}

// There, and back to the next instruction of the program.
static void check_round(enum way by, uptr flags, bool masks)
{
	way = by;
	trap_hook = answer;
	seen.vector = 0;
	CHECK_TRAP(go(by, flags), 6, 0);
	CHECK_EQ(trap_last.regs.rip, code_at + after[by]);
	CHECK_EQ(trap_last.regs.rax, ARGS + 1);
	CHECK_EQ(trap_last.regs.cs & 0xffff, USER_CS);
	CHECK_EQ(trap_last.regs.rsp, stack_at);
	CHECK_EQ(seen.vector, by == INT80 ? VECTOR_SOFT : VECTOR_SYSCALL);
	CHECK_EQ(seen.rax, ARGS);
	CHECK_EQ(seen.cs & 0xffff, USER_CS);
	CHECK_EQ(seen.rflags & 0x200, 0x200);
	if (by != SYSENTER) {
		CHECK_EQ(seen.rip, code_at + after[by]);
		CHECK_EQ(seen.rsp, stack_at);
	}
	CHECK_EQ(masked, masks);
	trap_hook = NULL;
}

TEST(int80_of_32_bit_program)
{
	place();
	check_round(INT80, 0, false);
}

// `without`: what the instruction is where it does not exist, or has no callback.
static void check_callback(u16 type, enum way by, bool there, u32 without)
{
	static const uptr flags[] = { 0, NT, AC, NT | AC };

	place();
	CHECK_EQ(set_callback(type, 0, NULL), 0);
	CHECK_TRAP(go(by, 0), without, 0);
	CHECK_EQ(set_callback(type, 0, syscall_entry), 0);
	for (size_t i = 0; there && i < ARRAY_SIZE(flags); i++)
		check_round(by, flags[i], false);
	if (!there) {
		CHECK_TRAP(go(by, 0), without, 0);
		CHECK_EQ(trap_last.regs.rip, code_at + after[by] - 2);
	}
	CHECK_EQ(version_op(XENVER_pagesize, NULL), PAGE_SIZE);
}

static void check_masks(u16 type, enum way by, bool there, u32 without)
{
	place();
	CHECK_EQ(set_callback(type, CALLBACKF_mask_events, syscall_entry), 0);
	if (there)
		check_round(by, 0, true);
	else
		CHECK_TRAP(go(by, 0), without, 0);
}

TEST(syscall_of_32_bit_program)
{
	check_callback(CALLBACKTYPE_syscall32, SYSCALL, syscall_there(), 6);
}

TEST(syscall_of_32_bit_program_masks)
{
	check_masks(CALLBACKTYPE_syscall32, SYSCALL, syscall_there(), 6);
}

TEST(sysenter_of_32_bit_program)
{
	check_callback(CALLBACKTYPE_sysenter, SYSENTER, cpu_is_intel(), 13);
}

TEST(sysenter_of_32_bit_program_masks)
{
	check_masks(CALLBACKTYPE_sysenter, SYSENTER, cpu_is_intel(), 13);
}

static long sysenter(long x)
{
	__asm__ volatile("sysenter" : "+a"(x) : : "memory");
	return x;
}

#ifdef __x86_64__
// In 64-bit code AMD's processors do not know the instruction.
TEST(sysenter_of_64_bit_program)
{
	CHECK_EQ(set_callback(CALLBACKTYPE_sysenter, 0, NULL), 0);
	CHECK_TRAP(user_call(sysenter, 5), cpu_is_intel() ? 13 : 6, 0);
	CHECK_EQ(set_callback(CALLBACKTYPE_sysenter, 0, syscall_entry), 0);
	CHECK_TRAP(user_call(sysenter, 5), cpu_is_intel() ? VECTOR_SYSCALL : 6,
		   0);
	CHECK_EQ(trap_last.regs.rax, 5);
}
#else
static long syscall32(long x)
{
	__asm__ volatile("syscall" : "+a"(x) : : "ecx", "memory");
	return x;
}

// Ring 1 may execute both, and neither tells its ring (docs/pv32.md): the
// kernel meets a program, on its stack for those.
TEST(fast_calls_of_ring_1)
{
	HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
	    kernel_stack + sizeof(kernel_stack));
	if (cpu_is_intel()) {
		CHECK_EQ(set_callback(CALLBACKTYPE_sysenter, 0, syscall_entry),
			 0);
		CHECK_TRAP(sysenter(5), VECTOR_SYSCALL, 0);
	} else {
		CHECK_EQ(set_callback(CALLBACKTYPE_syscall32, 0, syscall_entry),
			 0);
		CHECK_TRAP(syscall32(5), VECTOR_SYSCALL, 0);
	}
	CHECK_EQ(trap_last.regs.rax, 5);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_USER_CS);
	CHECK_EQ(trap_last.regs.ss, FLAT_USER_SS);
}
#endif
