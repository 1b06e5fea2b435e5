// SPDX-License-Identifier: MIT
// Domains that break a rule which has no error code: the hypervisor ends them,
// and only them. Each one is a page of code in a domain of its own.
#include "lib/domu.h"

#define MS   ((u64)1000000)
#define WAIT (5000 * MS)

// What the domains execute; each snippet lies within one page.
#ifdef __x86_64__
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"code_poweroff:\n" // sched_op(SCHEDOP_shutdown, &poweroff)
	"	push $0\n"
	"	mov %rsp, %rsi\n"
	"	mov $2, %edi\n"
	"	mov $29, %eax\n"
	"	syscall\n"
	".balign 16\n"
	"code_no_handler:\n"
	"	ud2\n"
	".balign 16\n"
	"code_bad_stack:\n" // a trap table with one entry, then no stack
	"	lea 3f(%rip), %rax\n"
	"	push $0\n" // the end of the table
	"	push $0\n"
	"	push %rax\n"
	"	push $6\n" // vector and flags
	"	movw $0xe033, 2(%rsp)\n"
	"	mov %rsp, %rdi\n"
	"	xor %eax, %eax\n"
	"	syscall\n"
	"	xor %esp, %esp\n"
	"	ud2\n"
	"3:	jmp 3b\n"
	".balign 16\n"
	"code_bad_iret:\n" // the iret frame cannot be read
	"	mov $0x800000, %esp\n"
	"	mov $23, %eax\n"
	"	syscall\n"
	"4:	jmp 4b\n"
	".balign 16\n"
	"code_user_without_table:\n"
	"	push $0xe02b\n" // ss
	"	push $0x2800\n" // rsp
	"	push $0x202\n"
	"	push $0xe033\n" // user mode
	"	push $0x1000\n"
	"	push $0\n" // flags
	"	push $0\n"
	"	push $0\n"
	"	push $0\n"
	"	mov $23, %eax\n"
	"	syscall\n"
	"5:	jmp 5b\n"
	".balign 16\n"
	"code_absent_safe:\n" // update_va_mapping: not present, beyond all RAM
	"	movabs $0x000ffffffffff000, %rsi\n"
	"	jmp 7f\n"
	".balign 16\n"
	"code_absent:\n" // not present, but it names memory
	"	mov $0x1000, %esi\n"
	"7:	mov $0x3000, %edi\n"
	"	xor %edx, %edx\n"
	"	mov $14, %eax\n"
	"	syscall\n"
	"	test %eax, %eax\n"
	"8:	jnz 8b\n"
	"	push $0\n"
	"	mov %rsp, %rsi\n"
	"	mov $2, %edi\n"
	"	mov $29, %eax\n"
	"	syscall\n"
	".balign 16\n"
	"code_crash:\n" // by its own wish
	"	push $3\n"
	"	mov %rsp, %rsi\n"
	"	mov $2, %edi\n"
	"	mov $29, %eax\n"
	"	syscall\n"
	".balign 16\n"
	"code_spin:\n"
	"6:	jmp 6b\n"
	".balign 16\n"
	"code_end:\n"
	".popsection\n");
extern const u8 code_absent[], code_absent_safe[], code_user_without_table[];
#else
// They share what lies behind them in the page.
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"code_poweroff:\n"
	"	push $0\n"
	"	jmp 1f\n"
	".balign 16\n"
	"code_crash:\n" // by its own wish
	"	push $3\n"
	"	jmp 1f\n"
	".balign 16\n"
	"code_no_handler:\n"
	"	ud2\n"
	".balign 16\n"
	"code_bad_stack:\n" // a trap table with one entry, then no stack
	"	push $0\n"  // the end of the table
	"	push $0\n"
	"	push $0x1000\n"
	"	push $0xe0190006\n" // vector, flags, selector
	"	mov %esp, %ebx\n"
	"	xor %eax, %eax\n"
	"	int $0x82\n"
	"	xor %esp, %esp\n"
	"	ud2\n"
	".balign 16\n"
	"code_bad_iret:\n" // the iret frame cannot be read
	"	mov $0x800000, %esp\n"
	"	jmp 2f\n"
	".balign 16\n"
	"code_iret_ring_0:\n"
	"	push $0x202\n"
	"	push $0xe018\n"
	"	push $0x1000\n"
	"	push $0\n"
	"	jmp 2f\n"
	".balign 16\n"
	"code_iret_vm:\n"
	"	push $0x20202\n"
	"	push $0xe019\n"
	"	push $0x1000\n"
	"	push $0\n"
	"	jmp 2f\n"
	".balign 16\n"
	"code_spin:\n"
	"4:	jmp 4b\n"
	"1:	mov %esp, %ecx\n" // sched_op(SCHEDOP_shutdown, &reason)
	"	mov $2, %ebx\n"
	"	mov $29, %eax\n"
	"	int $0x82\n"
	"2:	mov $23, %eax\n" // iret
	"	int $0x82\n"
	"3:	jmp 3b\n"
	".balign 256\n"
	".popsection\n");
extern const u8 code_iret_ring_0[], code_iret_vm[];
#endif
extern const u8 code_poweroff[], code_no_handler[], code_bad_stack[],
	code_bad_iret[], code_crash[], code_spin[];

static domid_t start(const u8 *code)
{
	struct domu d;

	if (domu_make(&d, code, NULL, 0))
		domu_unpause(&d);
	return d.id;
}

static void run(const u8 *code, u64 patience, long want)
{
	domid_t id = start(code);

	if (id == DOMID_INVALID)
		return;
	CHECK_EQ(domu_outcome(id, patience), want);
	domain_destroy(id);
}

TEST(control)
{
	run(code_poweroff, WAIT, SHUTDOWN_poweroff);
	run(code_crash, WAIT, SHUTDOWN_crash);
	run(code_spin, 50 * MS, DOMU_RUNS);
}

TEST(no_trap_handler)
{
	run(code_no_handler, WAIT, SHUTDOWN_crash);
}

TEST(no_stack_for_trap)
{
	run(code_bad_stack, WAIT, SHUTDOWN_crash);
}

TEST(iret_frame_unreadable)
{
	run(code_bad_iret, WAIT, SHUTDOWN_crash);
}

#ifdef __x86_64__
TEST(user_mode_without_tables)
{
	run(code_user_without_table, WAIT, SHUTDOWN_crash);
}

// docs/xpti.md: only where the processor would read what such an entry names.
TEST(absent_entry_names_memory)
{
	run(code_absent_safe, WAIT, SHUTDOWN_poweroff);
	run(code_absent, WAIT,
	    has_word("isolated") ? SHUTDOWN_crash : SHUTDOWN_poweroff);
}

#else
// Not the guest's rings; and virtual 8086 mode, which long mode has not (AMD APM
// vol. 2, "Virtual-8086 Mode": legacy mode only).
TEST(iret_frames)
{
	run(code_iret_ring_0, WAIT, SHUTDOWN_crash);
	run(code_iret_vm, WAIT, SHUTDOWN_crash);
}
#endif

// By its tools, and in a table above the last: as a large page it would begin
// at a rounded address.
TEST(absent_large_entry_names_memory)
{
	struct mmu_update u = { .val = PTE_PS };
	struct domu d;

	if (!domu_make(&d, code_spin, NULL, 0))
		return;
	u.ptr = d.tables[1] << 12 | 5 * 8;
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL,
		     (d.id + 1u) << 16 | d.id),
		 has_word("isolated") ? -EINVAL : 0);
	domu_unpause(&d);
	CHECK_EQ(domu_outcome(d.id, 50 * MS),
		 has_word("isolated") ? SHUTDOWN_crash : DOMU_RUNS);
	domain_destroy(d.id);
}

static unsigned int failsafes;

static bool count_failsafes(struct regs *regs)
{
	if (regs->vector != VECTOR_FAILSAFE)
		return false;
	if (!failsafes++)
		memcpy(trap_last.selectors, failsafe_selectors,
		       sizeof(failsafe_selectors));
	return true;
}

// A selector goes stale while another domain has the CPU: nobody is ended, but
// the guest kernel hears of it through its failsafe callback.
TEST(stale_selector)
{
	u64 *gdt = page_alloc();
	u16 fs = 0xffff;
	domid_t id;

	trap_hook = count_failsafes;
	gdt[1] = 0x00cff3000000ffff; // flat data
	page_set_ro(gdt);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	__asm__ volatile("movw %w0, %%fs" : : "r"(0x0b));
	CHECK_EQ(update_descriptor(virt_to_maddr(gdt + 1), 0), 0);
	id = start(code_spin);
	CHECK_EQ(domu_outcome(id, 50 * MS), DOMU_RUNS);
	CHECK_EQ(failsafes, 1);
	CHECK_EQ(trap_last.selectors[2] & 0xffff, 0x0b);
	CHECK_EQ(trap_last.selectors[3] & 0xffff, 0);
	__asm__ volatile("movw %%fs, %0" : "=r"(fs));
	CHECK_EQ(fs, 0);
	domain_destroy(id);
	CHECK_EQ(set_gdt(0, 0), 0);
	CHECK_EQ(page_set_rw(gdt), 0);
	page_free(gdt);
}

// Whatever they did, their memory comes back.
TEST(no_leak)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo };
	domid_t id = domain_create();

	domain_page(id, 0);
	domain_destroy(id);
	for (int i = 0; i < 100; i++) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
		op.domain = id;
		if (domctl(&op) == -ESRCH || op.domain != id)
			return;
	}
	check_failed(__FILE__, __LINE__, "domain %d is still there", id);
}
