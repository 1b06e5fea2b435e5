// SPDX-License-Identifier: MIT
// Single steps over the instructions that call the kernel, in code as wide as
// it is and in 32-bit code under a 64-bit one. The flag is the caller's: it is
// in the frame and not with the kernel, and steps go on where the frame does.
#include "lib/cpu.h"
#include "traps/traps.h"

// The call, two instructions that are stepped over, the end. As bytes the same
// in code of either width.
static const u8 code[][8] = {
	{ 0xcd, 0x80, 0x90, 0x90, 0x0f, 0x0b }, // int $0x80
	{ 0x0f, 0x05, 0x90, 0x90, 0x0f, 0x0b }, // syscall
	{ 0x0f, 0x34, 0x90, 0x90, 0x0f, 0x0b }, // sysenter
};
enum way { INT80, SYSCALL, SYSENTER };

static struct regs start, met;
static unsigned int calls, steps;
static uptr at[4];

static bool follow(struct regs *regs)
{
	if (regs->vector == 1 && steps < ARRAY_SIZE(at)) {
		at[steps++] = regs->rip;
		return true;
	}
	if (regs->vector != VECTOR_SOFT && regs->vector != VECTOR_SYSCALL)
		return false;
	met = *regs;
	// sysenter keeps none of these: where to go on is by agreement.
	regs->rip = start.rip + 2;
	regs->rsp = start.rsp;
	regs->cs = start.cs;
	regs->ss = start.ss;
	return ++calls == 1;
}

static void check_steps(enum way way, uptr page, u16 cs)
{
	struct regs regs = { .rip = page + sizeof(*code) * way,
			     .cs = cs,
			     .ss = FLAT_USER_SS,
			     .rflags = FLAG_IF | FLAG_TF | 2,
			     .rsp = page + 64 };

	start = regs;
	calls = steps = 0;
	CHECK_TRAP(regs_resume(&regs), 6, 0);
	CHECK_EQ(trap_last.regs.rip, start.rip + 4);
	CHECK_EQ(calls, 1);
	CHECK_EQ(met.vector, way == INT80 ? VECTOR_SOFT : VECTOR_SYSCALL);
	CHECK_EQ(met.rflags & (FLAG_TF | FLAG_IF), FLAG_TF | FLAG_IF);
	if (way != SYSENTER) {
		CHECK_EQ(met.rip, start.rip + 2);
		CHECK_EQ(met.rsp, start.rsp);
	}
	CHECK_EQ(steps, 2);
	CHECK_EQ(at[0], start.rip + 3);
	CHECK_EQ(at[1], start.rip + 4);
}

static void callback_set(u16 type)
{
	struct callback_register r = {
		.type = type,
#ifdef __x86_64__
		.address = (uptr)syscall_entry,
#else
		.address = { FLAT_KERNEL_CS, (uptr)syscall_entry },
#endif
	};

	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &r), 0);
}

static long nothing(long x)
{
	return x;
}

static void check_ways(uptr page, u16 cs, bool has_syscall)
{
	callback_set(CALLBACKTYPE_sysenter);
	callback_set(CALLBACKTYPE_syscall32);
	user_call(nothing, 0); // there are tables and a stack
	trap_hook = follow;
	check_steps(INT80, page, cs);
	if (has_syscall)
		check_steps(SYSCALL, page, cs);
	if (cpu_is_intel())
		check_steps(SYSENTER, page, cs);
}

// Of 32-bit code syscall is AMD's. (QEMU's models of Intel's have it, too.)
TEST(steps_over_calls)
{
	void *page = page_alloc();

	memcpy(page, code, sizeof(code));
	check_ways((uptr)page, FLAT_USER_CS, WIDTH == 64 || !cpu_is_intel());
	page_free(page);
}

#ifdef __x86_64__
static u64 *low[4];

// From the page up to the table of user mode.
void low_map(const void *from, size_t size)
{
	user_call(nothing, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(low); i++) {
		low[i] = page_alloc();
		if (!i) {
			memcpy(low[0], from, size);
			continue;
		}
		low[i][i == 1] = make_entry(virt_to_mfn(low[i - 1]),
					    i == 1 ? PTE_RO : PTE_TABLE);
		CHECK_EQ(page_set_ro(low[i]), 0);
	}
	CHECK_EQ(mmu_update_one(user_base_mfn() << 12,
				make_entry(virt_to_mfn(low[3]), PTE_TABLE)),
		 0);
}

void low_unmap(void)
{
	CHECK_EQ(mmu_update_one(user_base_mfn() << 12, 0), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(low); i++) {
		CHECK_EQ(page_set_rw(low[i]), 0);
		page_free(low[i]);
	}
}

TEST(steps_over_calls_32)
{
	low_map(code, sizeof(code));
	check_ways(LOW_CODE, FLAT_USER_CS32, !cpu_is_intel());
	low_unmap();
}
#endif
