// SPDX-License-Identifier: MIT
// Handlers in handlers until a kernel's stack ends: its domain does, and only it.
// The page below the stack is code, which is read-only.
#include "lib/domu.h"
#include "nested/nested.h"

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
	".balign 16\n"
	// A GDT, callbacks, a selector of it in FS, and no descriptor any more: the
	// CPU may be lost anywhere from there on.
	"stale:\n"
	"	mov $0x3010, %edi\n"
	"	mov $512, %esi\n"
	"	mov $2, %eax\n"
	"	syscall\n"
	"	mov 0x3018, %rdi\n"
	"	movabs $0x00cff3000000ffff, %rsi\n"
	"	mov $10, %eax\n"
	"	syscall\n"
	"	xor %edi, %edi\n" // set_callbacks
	"	mov 0x3020, %rsi\n"
	"	xor %edx, %edx\n"
	"	mov $4, %eax\n"
	"	syscall\n"
	"	incq 0x3000\n"
	"	mov 0x3028, %rsp\n"
	"	mov $0x0b, %eax\n"
	"	mov %eax, %fs\n"
	"	mov 0x3018, %rdi\n"
	"	xor %esi, %esi\n"
	"	mov $10, %eax\n"
	"	syscall\n"
	"5:	xor %edi, %edi\n" // yield
	"	mov $29, %eax\n"
	"	syscall\n"
	"	jmp 5b\n"
	"stale_heard:\n"
	"	incq 0x3000\n"
	"	push $0\n"
	"	mov %rsp, %rsi\n"
	"	mov $2, %edi\n"
	"	mov $29, %eax\n"
	"	syscall\n"
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
	".balign 16\n"
	"stale:\n"
	"	mov $0x3010, %ebx\n"
	"	mov $512, %ecx\n"
	"	mov $2, %eax\n"
	"	int $0x82\n"
	"	mov 0x3018, %ebx\n"
	"	mov 0x301c, %ecx\n"
	"	mov $0xffff, %edx\n"
	"	mov $0x00cff300, %esi\n"
	"	mov $10, %eax\n"
	"	int $0x82\n"
	"	mov $0xe019, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	mov %ebx, %edx\n"
	"	mov 0x3020, %esi\n"
	"	mov $4, %eax\n"
	"	int $0x82\n"
	"	incl 0x3000\n"
	"	mov 0x3028, %esp\n"
	"	mov $0x0b, %eax\n"
	"	mov %eax, %fs\n"
	"	mov 0x3018, %ebx\n"
	"	mov 0x301c, %ecx\n"
	"	xor %edx, %edx\n"
	"	xor %esi, %esi\n"
	"	mov $10, %eax\n"
	"	int $0x82\n"
	"5:	xor %ebx, %ebx\n"
	"	mov $29, %eax\n"
	"	int $0x82\n"
	"	jmp 5b\n"
	"stale_heard:\n"
	"	incl 0x3000\n"
	"	push $0\n"
	"	mov %esp, %ecx\n"
	"	mov $2, %ebx\n"
	"	mov $29, %eax\n"
	"	int $0x82\n"
	".skip 256\n"
	".popsection\n");
#endif
extern const u8 deep_trap[], deep_fault[], deep_nmi[], deep_spin[], stale[],
	stale_heard[];

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
	for (u64 until = system_time() + PATIENCE;
	     *others == seen && system_time() < until;)
		CHECK_EQ(domu_outcome(other.id, MS), DOMU_RUNS);
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

// A selector that went stale while the other one had the CPU, and how its kernel
// is told: the handler, the stack, what comes of it.
static void check_stale(uptr callback, uptr stack, long want, uptr count)
{
	struct domu d;
	volatile u64 *data = window(1);
	u64 gdt;

	if (!domu_make(&d, stale, NULL, 0))
		return;
	gdt = domain_page(d.id, 7);
	CHECK_EQ(foreign_map(2, d.id, gdt, PTE_RW), 0);
	memset(window_at(2), 0, PAGE_SIZE);
	window(2);
	CHECK_EQ(foreign_map(1, d.id, d.data, PTE_RW), 0);
	data[2] = gdt;
	data[3] = (gdt << 12) + 8;
	data[4] = callback;
	data[5] = stack;
	domu_unpause(&d);
	CHECK_EQ(domu_outcome(d.id, PATIENCE), want);
	CHECK_EQ(data[0], count);
	window(1);
	domain_destroy(d.id);
}

TEST(failsafe_without_stack)
{
	const uptr entry = DOMU_CODE + (uptr)(stale_heard - stale);

	if (!one_cpu())
		test_skip("the domains have a CPU each");
	check_stale(entry, TOP, SHUTDOWN_poweroff, 2);
	check_stale(entry, 0, SHUTDOWN_crash, 1);
	check_stale(entry, DOMU_STACK + 24, SHUTDOWN_crash, 1);
	check_stale(0, TOP, SHUTDOWN_crash, 1);
}
