// SPDX-License-Identifier: MIT
// Exceptions of the guest's kernel and user mode: which vector, which frame.
#include "lib/guest.h"
#include "traps/traps.h"

// What the routines below are about to load; the same in either mode.
#define MARK_STACK 0x44444444
uptr marks[] = { (uptr)0x1111111111111111, (uptr)0x2222222222222222,
		 (uptr)0x3333333333333333 };
uptr seen_rsp;
extern u8 marked_ud[], marked_int3[];

// Faults or traps at a known place with known registers.
__asm__(".macro marked name, insn\n"
	"\\name\\()_routine:\n"
	"	push " R_THIRD "\n"
	"	push $0x44444444\n"
	"	mov marks, " R_CX "\n"
	"	mov marks + " WORD ", " R_SECOND "\n"
	"	mov marks + 2 * " WORD ", " R_THIRD "\n"
	"	mov " R_SP ", seen_rsp\n"
	"\\name: \\insn\n"
	"	pop " R_CX "\n"
	"	pop " R_THIRD "\n"
	"	ret\n"
	".endm\n"
	".pushsection .text\n"
	"marked marked_ud, ud2\n"
	"marked marked_int3, int3\n"
	".popsection\n");
extern long marked_ud_routine(long), marked_int3_routine(long);

static void check_marks(const u8 *rip, uptr cs)
{
	const struct regs *r = &trap_last.regs;

	CHECK_EQ(r->rip, rip);
	CHECK_EQ(r->cs, cs);
	if (WIDTH == 32 && cs != FLAT_USER_CS) {
		// Public header xen-x86_32.h: "esp, ss" when the ring changes
		// only, as the processor does. So the stack follows.
		CHECK_EQ(r->rsp, MARK_STACK);
	} else {
		CHECK_EQ(r->ss, FLAT_USER_SS);
		CHECK_EQ(r->rsp, seen_rsp);
	}
	CHECK_EQ(r->rcx, marks[0]);
	CHECK_EQ(r->r_second, marks[1]);
	CHECK_EQ(r->r_third, marks[2]);
}

// What belongs to the hypervisor, or to nobody.
#ifdef __x86_64__
#define NOT_OURS ((long)0xffff830000000000)
#else
#define NOT_OURS ((long)0xffe00000)
#endif

TEST(kernel_frame)
{
	event_mask_all();
	CHECK_TRAP(marked_ud_routine(0), 6, 0);
	// The event mask is saved with CS, and stands for IF.
	check_marks(marked_ud, KERNEL_CS_IN_FRAME | MASK_IN_CS);
	CHECK_EQ(trap_last.regs.rflags & FLAG_IF, 0);
	event_unmask_all();
	CHECK_TRAP(marked_ud_routine(0), 6, 0);
	check_marks(marked_ud, KERNEL_CS_IN_FRAME);
	CHECK_EQ(trap_last.regs.rflags & FLAG_IF, FLAG_IF);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
	CHECK_TRAP(marked_int3_routine(0), 3, 0);
	check_marks(marked_int3 + 1, KERNEL_CS_IN_FRAME);
}

TEST(user_frame)
{
	CHECK_TRAP(user_call(marked_ud_routine, 0), 6, 0);
	check_marks(marked_ud, FLAT_USER_CS);
	CHECK_EQ(trap_last.regs.rflags & FLAG_IF, FLAG_IF);
	CHECK_TRAP(user_call(marked_int3_routine, 0), 3, 0);
	check_marks(marked_int3 + 1, FLAT_USER_CS);
}

TEST(trap_masks_events)
{
	trap_table_load(4);
	event_unmask_all();
	CHECK_TRAP(marked_ud_routine(0), 6, 0);
	CHECK_EQ(trap_last.regs.cs, KERNEL_CS_IN_FRAME);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 1);
	CHECK_TRAP(user_call(marked_ud_routine, 0), 6, 0);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 1);
	trap_table_load(0);
	event_unmask_all();
	CHECK_TRAP(user_call(marked_ud_routine, 0), 6, 0);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
}

static long divide_by(long n)
{
	long q = 1, r = 0;

	__asm__ volatile("idiv %2" : "+a"(q), "+d"(r) : "r"(n));
	return q;
}

static long read_at(long va)
{
	return *(volatile long *)va;
}

static long write_at(long va)
{
	*(volatile long *)va = 0;
	return 0;
}

static long call_at(long va)
{
	return ((user_fn *)va)(0);
}

static long load_fs(long sel)
{
	__asm__ volatile("movw %w0, %%fs" : : "r"(sel));
	return 0;
}

static long int_n(long n)
{
	switch (n) {
	case 3:
		__asm__ volatile("int $3");
		break;
	case 4:
		__asm__ volatile("int $4");
		break;
	case 14:
		__asm__ volatile("int $14");
		break;
	case 0x21:
		__asm__ volatile("int $0x21");
		break;
	case 0x80:
		__asm__ volatile("int $0x80");
		break;
	}
	return 0;
}

TEST(divide)
{
	CHECK_TRAP(divide_by(0), 0, 0);
	CHECK_TRAP(user_call(divide_by, 0), 0, 0);
	CHECK_EQ(user_call(divide_by, 1), 1);
}

TEST(general_protection)
{
#ifdef __x86_64__
	CHECK_TRAP(read_at(NON_CANONICAL), 13, 0);
	CHECK_TRAP(user_call(read_at, NON_CANONICAL), 13, 0);
#endif
	CHECK_TRAP(load_fs(0x1230), 13, 0x1230);
	CHECK_TRAP(user_call(load_fs, 0x1237), 13, 0x1234);
	// Selectors of the hypervisor.
	CHECK_TRAP(load_fs(0xe010), 13, 0xe010);
	CHECK_TRAP(load_fs(0xe040), 13, 0xe040);
	CHECK_NO_TRAP(load_fs(FLAT_KERNEL_SS));
	CHECK_NO_TRAP(load_fs(0));
}

TEST(page_faults)
{
	u8 *w = window(0);
	void *page = page_alloc();

	CHECK_TRAP(read_at((long)w), 14, 0);
	CHECK_EQ(trap_last.cr2, w);
	CHECK_TRAP(write_at((long)w + 8), 14, 2);
	CHECK_EQ(trap_last.cr2, w + 8);
	CHECK_TRAP(user_call(read_at, (long)w), 14, 4);
	CHECK_TRAP(user_call(write_at, (long)w), 14, 6);
	update_va(w, make_entry(virt_to_mfn(page), PTE_RO | PTE_NX), 2);
	CHECK_EQ(read_at((long)w), 0);
	CHECK_TRAP(write_at((long)w), 14, 3);
	CHECK_TRAP(call_at((long)w), 14, 0x11);
	CHECK_TRAP(user_call(write_at, (long)w), 14, 7);
	CHECK_TRAP(user_call(call_at, (long)w), 14, 0x15);
	CHECK_TRAP(read_at(NOT_OURS), 14,
		   has_word("isolated") ? 0 : HYPERVISOR_ERROR);
	window(0);
	page_free(page);
}

TEST(hypervisor_hole)
{
	// The M2P can be read in either mode only if the tables show it: the
	// user base table has it not. Ring 1 is a supervisor, and has one with
	// its programs.
	long present = WIDTH == 32;

	CHECK_NO_TRAP(read_at((long)HYPERVISOR_VIRT_START));
	CHECK_TRAP(write_at((long)HYPERVISOR_VIRT_START), 14, 3);
	CHECK_TRAP(user_call(read_at, (long)HYPERVISOR_VIRT_START), 14,
		   4 + present);
	CHECK_TRAP(user_call(write_at, (long)HYPERVISOR_VIRT_START), 14,
		   6 + present);
	CHECK_TRAP(call_at((long)HYPERVISOR_VIRT_START), 14, 0x11);
}

TEST(software_interrupts)
{
	CHECK_TRAP(int_n(3), 3, 0);
	CHECK_TRAP(int_n(4), 4, 0);
	CHECK_TRAP(user_call(int_n, 4), 4, 0);
	CHECK_TRAP(int_n(0x80), VECTOR_SOFT, 0);
	CHECK_TRAP(user_call(int_n, 0x80), VECTOR_SOFT, 0);
}

// int N with a gate of the guest: the vector of QEMU before 8 comes out
// doubled, so both places get the same gate.
static void gate_at(u8 vector, u8 dpl)
{
	struct trap_info table[3] = {
		{ vector, dpl, FLAT_KERNEL_CS, (uptr)soft_entry },
		{ (u8)(vector * 2), dpl, FLAT_KERNEL_CS, (uptr)soft_entry },
	};

	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, table), 0);
}

TEST(software_interrupt_rules)
{
	gate_at(0x21, 3);
	CHECK_TRAP(int_n(0x21), VECTOR_SOFT, 0);
	CHECK_TRAP(user_call(int_n, 0x21), VECTOR_SOFT, 0);
	gate_at(0x21, 1);
	CHECK_TRAP(int_n(0x21), VECTOR_SOFT, 0);
	CATCH(user_call(int_n, 0x21));
	CHECK_EQ(trap_last.regs.vector, 13);
	gate_at(0x21, 0);
	CATCH(int_n(0x21));
	CHECK_EQ(trap_last.regs.vector, 13);
	CHECK_EQ(trap_last.regs.error & 7, 2);
	trap_table_load(0);
	CATCH(int_n(14));
	CHECK_EQ(trap_last.regs.vector, 13);
}

// Every `int N`, four bytes apart.
__asm__(".pushsection .text\n"
	".balign 4\n"
	".globl int_insn\n"
	"int_insn:\n"
	".set n, 0\n"
	".rept 256\n"
	"	.byte 0xcd, n\n"
	"	ret\n"
	"	nop\n"
	".set n, n + 1\n"
	".endr\n"
	".popsection\n");

static void check_int(u8 vector, bool user, bool allowed)
{
	user_fn *fn = (user_fn *)(uptr)int_insn[vector];
	uptr rip = (uptr)int_insn[vector] + (allowed ? 2 : 0);

	if (user)
		CATCH(user_call(fn, 0));
	else
		CATCH(fn(0));
	if (trap_last.regs.vector != (allowed ? VECTOR_SOFT : 13) ||
	    trap_last.regs.error != (allowed ? 0 : vector * 8u + 2) ||
	    trap_last.regs.rip != rip)
		check_failed(__FILE__, __LINE__,
			     "int 0x%x (user %d): trap %lu, error %lx, rip %lx",
			     vector, user, trap_last.regs.vector,
			     trap_last.regs.error, trap_last.regs.rip);
}

TEST(software_interrupts_all)
{
	if (!has_word("qemu10"))
		test_skip("this emulator may give int N a wrong error code");
	// 3 and 4 have gates, 0x80 the guest's, 0x82 was a hypercall once.
	for (unsigned int n = 0; n < 256; n++) {
		if (n == 3 || n == 4 || n == 0x80 || n == 0x82)
			continue;
		check_int((u8)n, false, false);
		check_int((u8)n, true, false);
	}
	for (u8 dpl = 0; dpl < 4; dpl++) {
		struct trap_info table[2] = {
			{ 0x21, dpl, FLAT_KERNEL_CS, (uptr)soft_entry },
		};

		CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, table), 0);
		check_int(0x21, false, dpl >= 1);
		check_int(0x21, true, dpl == 3);
		check_int(0x42, true, false);
	}
	trap_table_load(0);
}

TEST(trap_table_arguments)
{
	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, NOT_OURS), -EFAULT);
	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, window(0)), -EFAULT);
	// No handle: the table is emptied.
	CHECK_EQ(HC1(__HYPERVISOR_set_trap_table, 0), 0);
	CHECK_EQ(trap_table_load(0), 0);
	CHECK_TRAP(marked_ud_routine(0), 6, 0);
}

static long use_fpu(long x)
{
	__asm__ volatile("fninit");
	return x;
}

static long fpu_error(long x)
{
	u16 control = 0x340;

	__asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait; fninit"
			 :
			 : "m"(control));
	return x;
}

TEST(fpu)
{
	CHECK_EQ(HC1(__HYPERVISOR_fpu_taskswitch, 1), 0);
	CHECK_TRAP(use_fpu(0), 7, 0);
	// The trap has cleared the flag.
	CHECK_NO_TRAP(use_fpu(0));
	CHECK_EQ(HC1(__HYPERVISOR_fpu_taskswitch, 1), 0);
	CHECK_EQ(HC1(__HYPERVISOR_fpu_taskswitch, 0), 0);
	CHECK_NO_TRAP(use_fpu(0));
	CHECK_TRAP(fpu_error(0), 16, 0);
	CHECK_NO_TRAP(use_fpu(0));
	CHECK_TRAP(user_call(fpu_error, 0), 16, 0);
	CHECK_NO_TRAP(use_fpu(0));
}

static unsigned int steps;
static uptr step_rip[8];

static bool count_steps(struct regs *regs)
{
	if (regs->vector != 1)
		return false;
	if (steps < 8)
		step_rip[steps] = regs->rip;
	steps++;
	return true;
}

static __attribute__((noinline, noclone)) long step_some(long x)
{
	__asm__ volatile("pushf; orl $0x100, (%" R_SP "); popf\n"
			 "step_1: nop\n"
			 "step_2: nop\n"
			 "step_3: pushf\n"
			 "step_4: andl $~0x100, (%" R_SP ")\n"
			 "step_5: popf\n"
			 "step_6: nop\n"
			 :
			 :
			 : "memory");
	return x;
}
extern u8 step_2[], step_3[], step_6[];

static void check_steps(void)
{
	CHECK_EQ(step_rip[0], (uptr)step_2);
	CHECK_EQ(step_rip[1], (uptr)step_3);
	CHECK_EQ(step_rip[4], (uptr)step_6);
	CHECK_EQ(steps, 5);
}

TEST(single_step)
{
	trap_hook = count_steps;
	steps = 0;
	step_some(0);
	check_steps();
	CHECK(HC1(__HYPERVISOR_get_debugreg, 6) & 0x4000);
	HC2(__HYPERVISOR_set_debugreg, 6, 0);
	steps = 0;
	CHECK_EQ(user_call(step_some, 3), 3);
	check_steps();
}

static long watched;

TEST(breakpoints)
{
	HC2(__HYPERVISOR_set_debugreg, 6, 0);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 0, &watched), 0);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 7, 0xd0403), 0);
	CHECK_TRAP(write_at((long)&watched), 1, 0);
	CHECK_EQ(HC1(__HYPERVISOR_get_debugreg, 6) & 0xf, 1);
	CHECK_NO_TRAP(read_at((long)&watched));
	CHECK_TRAP(user_call(write_at, (long)&watched), 1, 0);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 7, 0x400), 0);
	CHECK_NO_TRAP(write_at((long)&watched));
}

static bool nest(struct regs *regs)
{
	if (regs->vector != 3)
		return false;
	if (++steps < 5)
		marked_int3_routine(0);
	return true;
}

TEST(nested)
{
	trap_hook = nest;
	steps = 0;
	CHECK_NO_TRAP(marked_int3_routine(0));
	CHECK_EQ(steps, 5);
	steps = 0;
	CHECK_NO_TRAP(user_call(marked_int3_routine, 0));
	CHECK_EQ(steps, 5);
}
