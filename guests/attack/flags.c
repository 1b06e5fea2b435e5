// SPDX-License-Identifier: MIT
// Flags that a guest brings along on each way in: nested task, alignment
// check, direction, single step. The way out is an iret in ring 0, which NT
// would make a fault.
#include "attack/attack.h"
#include "lib/cpu.h"

#define TF   0x100ul
#define DF   0x400ul
#define NT   0x4000ul
#define AC   0x40000ul
#define ALL  (DF | NT | AC)
#define KEPT (NT | AC)
#ifdef __x86_64__
#define PUSHF "pushfq"
#define POPF  "popfq"
#define SP    "%%rsp"
#else
#define PUSHF "pushfl"
#define POPF  "popfl"
#define SP    "%%esp"
#endif

#ifdef __x86_64__
__asm__("flags_load_code:\n" // (flags, nr): a call with these flags
	"	mov %rsi, %rax\n"
	"	pushfq\n"
	"	or %rdi, (%rsp)\n"
	"	popfq\n"
	"	xor %edi, %edi\n"
	"	xor %esi, %esi\n"
	"	syscall\n"
	"	pushfq\n"
	"	pop %rdx\n"
	"	mov %rdx, flags_after\n"
	"	pushq $0x202\n"
	"	popfq\n"
	"	ret\n"
	"flags_ud2:\n" // (flags)
	"	pushfq\n"
	"	or %rdi, (%rsp)\n"
	"	popfq\n"
	"	ud2\n"
	"flags_int80:\n" // (flags)
	"	pushfq\n"
	"	or %rdi, (%rsp)\n"
	"	popfq\n"
	"	int $0x80\n"
	"flags_sysenter:\n" // (flags)
	"	pushfq\n"
	"	or %rdi, (%rsp)\n"
	"	popfq\n"
	"	sysenter\n"
	"	ud2\n"
	"flags_entry:\n"
	"	pushfq\n"
	"	popq flags_after\n"
	"	jmp syscall_entry\n");
extern u8 flags_entry[];
#else
#define WITH_FLAGS            \
	"	pushfl\n"           \
	"	orl %edx, (%esp)\n" \
	"	popfl\n"
__asm__("flags_load_code:\n"
	"	mov 4(%esp), %edx\n"
	"	mov 8(%esp), %eax\n"
	"	push %ebx\n"
	"	xor %ebx, %ebx\n"
	"	xor %ecx, %ecx\n" WITH_FLAGS "	int $0x82\n"
	"	pushfl\n"
	"	pop %edx\n"
	"	mov %edx, flags_after\n"
	"	pushl $0x202\n"
	"	popfl\n"
	"	pop %ebx\n"
	"	ret\n"
	"flags_ud2:\n"
	"	mov 4(%esp), %edx\n" WITH_FLAGS "	ud2\n"
	"flags_int80:\n"
	"	mov 4(%esp), %edx\n" WITH_FLAGS "	int $0x80\n"
	"flags_sysenter:\n"
	"	mov 4(%esp), %edx\n" WITH_FLAGS "	sysenter\n"
	"	ud2\n");
#endif
extern uptr flags_after;
uptr flags_after;
long flags_load_code(uptr flags, uptr nr);
void flags_ud2(uptr flags);
void flags_int80(uptr flags);
long flags_sysenter(long flags);

TEST(flags_at_hypercalls)
{
	long version = version_op(XENVER_version, NULL);

	CHECK_EQ(flags_load_code(ALL, __HYPERVISOR_xen_version), version);
	CHECK_EQ(flags_after & ALL, ALL);
	CHECK_EQ(flags_load_code(NT, 1000), -ENOSYS);
	CHECK_EQ(flags_after & NT, NT);
}

static long user_nothing(long arg)
{
	return arg;
}

// The call that returns to user mode leaves by iret, which NT makes a fault.
TEST(flags_at_iret)
{
	__asm__ volatile(PUSHF "\n\tor %0, (" SP ")\n\t" POPF ::"r"(NT)
			 : "memory", "cc");
	CHECK_EQ(user_call(user_nothing, 5), 5);
	__asm__ volatile("push $0x202\n\t" POPF ::: "memory", "cc");
}

#ifdef __x86_64__
static long user_call_with(long flags)
{
	return flags_load_code((u64)flags, 1000);
}

// Kernels rely on what syscall clears by its mask, DF too.
TEST(flags_at_syscall)
{
	CHECK_EQ(set_callback(CALLBACKTYPE_syscall, 0, flags_entry), 0);
	CHECK_TRAP(user_call(user_call_with, ALL), VECTOR_SYSCALL, 0);
	CHECK_EQ(flags_after & ALL, 0);
	CHECK_EQ(trap_last.regs.rflags & ALL, ALL);
	CHECK_EQ(set_callback(CALLBACKTYPE_syscall, 0, syscall_entry), 0);
}
#endif

// Their frames have them.
TEST(flags_at_traps)
{
	CHECK_TRAP(flags_ud2(KEPT), 6, 0);
	CHECK_EQ(trap_last.regs.rflags & KEPT, KEPT);
	CHECK_TRAP(flags_int80(KEPT), VECTOR_SOFT, 0);
	CHECK_EQ(trap_last.regs.rflags & KEPT, KEPT);
}

static long user_sysenter(long flags)
{
	return flags_sysenter(flags);
}

// Intel's has it in 64-bit code, and clears neither NT nor TF nor AC. Without
// a callback it is as if there were no such instruction.
TEST(flags_at_sysenter)
{
	static const uptr flags[] = { 0, NT, AC, TF, NT | AC | TF };
	// AMD's knows it in compatibility mode, where it is switched off.
	u32 none = cpu_is_intel() || WIDTH == 32 ? 13 : 6;

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		CHECK_TRAP(user_call(user_sysenter, (long)flags[i]), none, 0);
		CHECK_EQ(version_op(XENVER_pagesize, NULL), PAGE_SIZE);
	}
	CHECK_EQ(set_callback(CALLBACKTYPE_sysenter, 0, syscall_entry), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		CHECK_TRAP(user_call(user_sysenter, (long)flags[i]),
			   cpu_is_intel() ? VECTOR_SYSCALL : none, 0);
		CHECK_EQ(version_op(XENVER_pagesize, NULL), PAGE_SIZE);
	}
	CHECK_EQ(set_callback(CALLBACKTYPE_sysenter, 0, NULL), 0);
}
