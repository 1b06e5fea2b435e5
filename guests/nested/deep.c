// SPDX-License-Identifier: MIT
// Handlers in handlers until a kernel's stack ends: its domain does, and only it.
// The page below the stack is code, which is read-only.
#include "lib/domu.h"
#include "nested/nested.h"

#define SPIN_TIME (20 * MS)

// What they count stands at DOMU_DATA.
#ifdef __x86_64__
#define FRAME 64 // seven words, on 16 bytes
#define TOP   (DOMU_STACK + PAGE_SIZE - 40)
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"deep_trap:\n" // a trap table with one entry: this place
	"	lea 1f(%rip), %rax\n"
	"	push $0\n"
	"	push $0\n"
	"	push %rax\n"
	"	push $6\n"
	"	movw $0xe033, 2(%rsp)\n"
	"	mov %rsp, %rdi\n"
	"	xor %eax, %eax\n"
	"	syscall\n"
	"	sub $8, %rsp\n"
	"1:	incq 0x3000\n"
	"	ud2\n"
	".balign 16\n"
	"deep_fault:\n" // its handler faults by its own push
	"	lea 2f(%rip), %rax\n"
	"	push $0\n"
	"	push $0\n"
	"	push %rax\n"
	"	push $14\n"
	"	movw $0xe033, 2(%rsp)\n"
	"	mov %rsp, %rdi\n"
	"	xor %eax, %eax\n"
	"	syscall\n"
	"	sub $8, %rsp\n"
	"2:	incq 0x3000\n"
	"	mov 0x800000, %rax\n"
	".balign 16\n"
	"deep_nmi:\n" // an NMI where there is no stack
	"	lea 3f(%rip), %rax\n"
	"	push $0\n"
	"	push $0\n"
	"	push %rax\n"
	"	push $2\n"
	"	movw $0xe033, 2(%rsp)\n"
	"	mov %rsp, %rdi\n"
	"	xor %eax, %eax\n"
	"	syscall\n"
	"	incq 0x3000\n"
	"	xor %esp, %esp\n"
	"	mov $11, %edi\n" // VCPUOP_send_nmi
	"	xor %esi, %esi\n"
	"	xor %edx, %edx\n"
	"	mov $24, %eax\n"
	"	syscall\n"
	"3:	incq 0x3000\n"
	"	jmp 3b\n"
	".balign 16\n"
	"deep_spin:\n"
	"4:	incq 0x3000\n"
	"	jmp 4b\n"
	".skip 256\n"
	".popsection\n");
#else
#define FRAME 12 // EIP, CS, EFLAGS
#define TOP   (DOMU_STACK + PAGE_SIZE - 16)
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"deep_trap:\n"
	"	push $0\n"
	"	push $0\n"
	"	push $(0x1000 + 1f - deep_trap)\n"
	"	push $0xe0190006\n" // vector, flags, selector
	"	mov %esp, %ebx\n"
	"	xor %eax, %eax\n"
	"	int $0x82\n"
	"1:	incl 0x3000\n"
	"	ud2\n"
	".balign 16\n"
	"deep_fault:\n"
	"	push $0\n"
	"	push $0\n"
	"	push $(0x1000 + 2f - deep_fault)\n"
	"	push $0xe019000e\n"
	"	mov %esp, %ebx\n"
	"	xor %eax, %eax\n"
	"	int $0x82\n"
	"2:	incl 0x3000\n"
	"	mov 0x800000, %eax\n"
	".balign 16\n"
	"deep_nmi:\n"
	"	push $0\n"
	"	push $0\n"
	"	push $(0x1000 + 3f - deep_nmi)\n"
	"	push $0xe0190002\n"
	"	mov %esp, %ebx\n"
	"	xor %eax, %eax\n"
	"	int $0x82\n"
	"	incl 0x3000\n"
	"	xor %esp, %esp\n"
	"	mov $11, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	xor %edx, %edx\n"
	"	mov $24, %eax\n"
	"	int $0x82\n"
	"3:	incl 0x3000\n"
	"	jmp 3b\n"
	".balign 16\n"
	"deep_spin:\n"
	"4:	incl 0x3000\n"
	"	jmp 4b\n"
	".skip 256\n"
	".popsection\n");
#endif
extern const u8 deep_trap[], deep_fault[], deep_nmi[], deep_spin[];

// Frames of so many bytes that the stack has room for, and the first round.
static uptr rounds(uptr frame)
{
	return (TOP - DOMU_STACK) / frame + 1;
}

// Another domain, which was there before, goes on meanwhile.
static void check_end(const u8 *code, uptr want)
{
	struct domu d, other;
	volatile uptr *data = window(1), *others = window(2);
	uptr seen;

	if (!domu_make(&other, deep_spin, NULL, 0))
		return;
	CHECK_EQ(foreign_map(2, other.id, other.data, PTE_RW), 0);
	domu_unpause(&other);
	if (domu_make(&d, code, NULL, 0)) {
		CHECK_EQ(foreign_map(1, d.id, d.data, PTE_RW), 0);
		domu_unpause(&d);
		CHECK_EQ(domu_outcome(d.id, PATIENCE), SHUTDOWN_crash);
		CHECK_EQ(*data, want);
		window(1);
		domain_destroy(d.id);
	}
	seen = *others;
	CHECK_EQ(domu_outcome(other.id, SPIN_TIME), DOMU_RUNS);
	CHECK(*others != seen);
	window(2);
	domain_destroy(other.id);
}

TEST(traps_until_the_stack_ends)
{
	check_end(deep_trap, rounds(FRAME));
}

// The frame has an error code, too: a word more, and on 64 bits no hole.
TEST(faults_until_the_stack_ends)
{
	check_end(deep_fault, rounds(WIDTH == 64 ? 64 : 16));
}

TEST(nmi_without_stack)
{
	check_end(deep_nmi, 1);
}
