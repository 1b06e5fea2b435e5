// SPDX-License-Identifier: MIT
// Exceptions that programs seldom meet: BOUND, INTO, ICEBP, alignment, SSE. What
// an emulator does not raise is skipped there: QEMU's processor has neither
// alignment checks nor unmasked SSE exceptions, Bochs' has both.
#include "lib/cpu.h"
#include "lib/guest.h"
#include "traps/traps.h"

#define RFLAGS	     (FLAG_IF | 2)
#define FLAG_OF	     0x800ul
#define MXCSR_START  0x1f80u
#define MXCSR_DIVIDE 0x200u // masks division by zero
#ifdef __x86_64__
#define PUSHF  "pushfq\n\torq"
#define POPF   "popfq"
#define CODE32 FLAT_USER_CS32
#else
#define PUSHF  "pushfl\n\torl"
#define POPF   "popfl"
#define CODE32 FLAT_USER_CS
#endif

// 32-bit code, which ends in ud2, and two bounds.
static const u8 code[] = {
	0x62, 0x45, 0x00, 0x0f, 0x0b, // bound %eax, (%ebp), by SS
	0xce, 0x90, 0x0f, 0x0b,	      // into
	0,    0,    0,	  5,	0,    0, 0, 9, 0, 0, 0,
};
enum { BOUND, INTO = 5, LIMITS = 12 };

// Starts there, and ends in a trap.
static void run_code(uptr page, uptr at, uptr rax, uptr rflags)
{
	struct regs regs = { .rip = page + at,
			     .cs = CODE32,
			     .ss = FLAT_USER_SS,
			     .rbp = page + LIMITS,
			     .rax = rax,
			     .rflags = rflags,
			     .rsp = page + 64 };

	regs_resume(&regs);
}

static void check_code(uptr page)
{
	static const uptr in[] = { 5, 7, 9 }, out[] = { 4, 10, 0x80000000 };

	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		CHECK_TRAP(run_code(page, BOUND, in[i], RFLAGS), 6, 0);
		CHECK_EQ(trap_last.regs.rip, page + BOUND + 3);
		// A fault: it stands at the instruction.
		CHECK_TRAP(run_code(page, BOUND, out[i], RFLAGS), 5, 0);
		CHECK_EQ(trap_last.regs.rip, page + BOUND);
		CHECK_EQ(trap_last.regs.rax, out[i]);
	}
	CHECK_TRAP(run_code(page, INTO, 0, RFLAGS), 6, 0);
	// A trap: it stands behind it.
	CHECK_TRAP(run_code(page, INTO, 0, RFLAGS | FLAG_OF), 4, 0);
	CHECK_EQ(trap_last.regs.rip, page + INTO + 1);
	CHECK_EQ(trap_last.regs.rflags & FLAG_OF, FLAG_OF);
}

static long nothing(long x)
{
	return x;
}

TEST(bound_and_into)
{
	user_call(nothing, 0); // there are tables and a stack
#ifdef __x86_64__
	low_map(code, sizeof(code));
	check_code(LOW_CODE);
	low_unmap();
#else
	check_code((uptr)code);
	u32 pair[2] = { 5, 9 };

	CHECK_TRAP(__asm__ volatile("bound %0, %1"
				    :
				    : "r"(4), "m"(pair)),
		   5, 0);
	CHECK_EQ(trap_last.regs.cs & 0xffff, KERNEL_CS_IN_FRAME);
	CHECK_NO_TRAP(__asm__ volatile("bound %0, %1" : : "r"(6), "m"(pair)));
	CHECK_TRAP(__asm__ volatile("mov $0x7fffffff, %%eax\n\t"
				    "inc %%eax\n\t"
				    "into"
				    :
				    :
				    : "eax"),
		   4, 0);
	CHECK_EQ(trap_last.regs.cs & 0xffff, KERNEL_CS_IN_FRAME);
#endif
}

static __attribute__((noinline, noclone)) long icebp(long x)
{
	__asm__ volatile("icebp_at: .byte 0xf1");
	return x;
}
extern u8 icebp_at[];

TEST(icebp)
{
	if (!has_word("bochs"))
		test_skip("this emulator stops for its debugger");
	CHECK_TRAP(icebp(0), 1, 0);
	CHECK_EQ(trap_last.regs.rip, icebp_at + 1);
	CHECK_EQ(trap_last.regs.cs & 0xffff, KERNEL_CS_IN_FRAME);
	CHECK_TRAP(user_call(icebp, 0), 1, 0);
	CHECK_EQ(trap_last.regs.rip, icebp_at + 1);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_USER_CS);
}

// The flag first, so that nothing else of the kernel's runs with it.
static __attribute__((noinline, noclone)) long misaligned(long at)
{
	__asm__ volatile(PUSHF " $0x40000, (%" R_SP ")\n\t" POPF "\n"
			       "ac_at: mov (%0), %%eax\n\t"
			       "push $0x202\n\t" POPF
			 :
			 : "r"(at)
			 : "eax", "memory", "cc");
	return 0;
}
extern u8 ac_at[];

static void check_alignment(bool user, uptr at, bool traps)
{
	if (user)
		CATCH(user_call(misaligned, (long)at));
	else
		CATCH(misaligned((long)at));
	CHECK_EQ(trap_last.regs.vector, traps ? 17 : NO_TRAP);
	CHECK_EQ(trap_last.regs.error, 0);
	if (!traps)
		return;
	CHECK_EQ(trap_last.regs.rip, ac_at);
	CHECK_EQ(trap_last.regs.cs & 0xffff,
		 user ? FLAT_USER_CS : KERNEL_CS_IN_FRAME);
	CHECK_EQ(trap_last.regs.rflags & FLAG_AC, FLAG_AC);
}

// The processor checks in ring 3 only, where a 64-bit guest's kernel is, too.
TEST(alignment)
{
	static u64 words[2];
	const uptr at = (uptr)words;
	uptr cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	CHECK_EQ(cr0 >> 18 & 1, 1); // AM
	check_alignment(false, at, false);
	check_alignment(true, at, false);
	if (!has_word("bochs"))
		test_skip("this emulator checks no alignment");
	for (uptr off = 1; off < 4; off++) {
		check_alignment(false, at + off, WIDTH == 64);
		check_alignment(true, at + off, true);
	}
	// The handler starts without the flag.
	check_alignment(true, at + 4, false);
	CHECK_EQ(user_call(nothing, 7), 7);
}

static u32 mxcsr(void)
{
	u32 value;

	__asm__ volatile("stmxcsr %0" : "=m"(value));
	return value;
}

static void mxcsr_set(u32 value)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static const float one[4] = { 1, 1, 1, 1 };

static __attribute__((noinline, noclone)) long sse_divide(long x)
{
	mxcsr_set(MXCSR_START & ~MXCSR_DIVIDE);
	__asm__ volatile("movups %0, %%xmm0\n\t"
			 "xorps %%xmm1, %%xmm1\n"
			 "xm_at: divps %%xmm1, %%xmm0"
			 :
			 : "m"(one));
	return x;
}
extern u8 xm_at[];

TEST(sse_exceptions)
{
	CATCH(sse_divide(0));
	CHECK_EQ(mxcsr() & 4, 4); // it happened
	if (trap_last.regs.vector == NO_TRAP && !has_word("bochs")) {
		mxcsr_set(MXCSR_START);
		test_skip("this emulator raises no SSE exceptions");
	}
	CHECK_EQ(trap_last.regs.vector, 19);
	CHECK_EQ(trap_last.regs.rip, xm_at);
	CHECK_EQ(trap_last.regs.cs & 0xffff, KERNEL_CS_IN_FRAME);
	mxcsr_set(MXCSR_START);
	CHECK_TRAP(user_call(sse_divide, 0), 19, 0);
	CHECK_EQ(trap_last.regs.rip, xm_at);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_USER_CS);
	CHECK_EQ(mxcsr() & 4, 4);
	mxcsr_set(MXCSR_START);
}

static void check_software(u8 vector)
{
	struct trap_info table[2] = {
		{ vector, 3, FLAT_KERNEL_CS, (uptr)soft_entry },
	};
	user_fn *fn = (user_fn *)(uptr)int_insn[vector];

	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, table), 0);
	CHECK_TRAP(fn(0), VECTOR_SOFT, 0);
	CHECK_EQ(trap_last.regs.rip, int_insn[vector] + 2);
	CHECK_EQ(trap_last.regs.cs & 0xffff, KERNEL_CS_IN_FRAME);
	CHECK_TRAP(user_call(fn, 0), VECTOR_SOFT, 0);
	CHECK_EQ(trap_last.regs.rip, int_insn[vector] + 2);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_USER_CS);
	// Where its gate is the kernel's, it is a protection fault.
	trap_table_load(0);
	table[0].flags = 0;
	if (vector == 13)
		return;
	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, table), 0);
	CHECK_TRAP(user_call(fn, 0), 13, vector * 8u + 2);
	CHECK_EQ(trap_last.regs.rip, int_insn[vector]);
}

// Those that no processor raises out of a PV guest (#TS, #DF, and the like), and
// all others. Intel SDM volume 2, INT n: no error code, whatever the vector.
TEST(software_exceptions)
{
	if (!has_word("qemu10") && !has_word("bochs"))
		test_skip("this emulator may give int N a wrong error code");
	for (u8 vector = 0; vector < 22; vector++)
		if (vector != 3 && vector != 4) // gates of their own
			check_software(vector);
	trap_table_load(0);
}
