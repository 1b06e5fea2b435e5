// SPDX-License-Identifier: MIT
// The end: what happened, where, and a restart.
#include "con/private.h"
#include "lib/string.h"
#include "x86/insn.h"
#include "x86/percpu.h"
#include "x86/smp.h"
#include "x86/time.h"

#define TRACE_MAX    24
#define REBOOT_DELAY 5 // s

bool con_noreboot;
void (*panic_show_guest)(const struct cpu_regs *r);

static unsigned int this_cpu_id(void)
{
	return on_cpu_stack() ? smp_cpu_id() : 0;
}

// End of the stack that sp is on; 0 when it is on none of the CPUs' stacks.
static u64 stack_end(u64 sp)
{
	u32 page = sp % STACK_SIZE / PAGE_SIZE;

	if (sp < STACKS_START || sp >= STACKS_END)
		return 0;
	if (page >= STACK_PAGE_MAIN)
		return (sp | (STACK_SIZE - 1)) + 1 - sizeof(struct cpu_info);
	return page & 1 ? (sp | (PAGE_SIZE - 1)) + 1 : 0;
}

// There are no frame pointers: whatever looks like a return address.
static void show_stack(u64 sp, u64 end)
{
	unsigned int n = 0;
	u64 v, offset;
	const char *name;

	printk(LOG_ERR "Stack at %016lx, possible callers:\n", sp);
	for (sp = ROUND_UP(sp, 8); sp + 8 <= end && n < TRACE_MAX; sp += 8) {
		v = *(const u64 *)sp;
		if (!image_is_text(v))
			continue;
		// A call may be the last instruction of its function.
		name = symbol_lookup(v - 1, &offset);
		printk(LOG_ERR "  %016lx %s+%#lx\n", v, name, offset + 1);
		n++;
	}
}

void show_general(const struct cpu_regs *r)
{
	printk(LOG_ERR "rip %04x:%016lx rsp %04x:%016lx flags %08lx\n", r->cs,
	       r->rip, r->ss, r->rsp, r->rflags);
	printk(LOG_ERR "rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax,
	       r->rbx, r->rcx, r->rdx);
	printk(LOG_ERR "rsi %016lx rdi %016lx rbp %016lx  r8 %016lx\n", r->rsi,
	       r->rdi, r->rbp, r->r8);
	printk(LOG_ERR " r9 %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9,
	       r->r10, r->r11, r->r12);
	printk(LOG_ERR "r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14,
	       r->r15);
}

static void show_regs(const struct cpu_regs *r)
{
	u64 offset = 0;
	const char *name = symbol_lookup(r->rip, &offset);

	printk(LOG_ERR "vector %#x error %#x in %s+%#lx\n", r->entry_vector,
	       r->error_code, name, offset);
	show_general(r);
	show_stack(r->rsp, stack_end(r->rsp));
}

// The clock may not be known yet: a port access takes 1 us or so.
static void delay_seconds(u32 s)
{
	if (tsc_khz()) {
		udelay(s * 1000000UL);
		return;
	}
	for (u32 i = 0; i < s * 1000000; i++)
		inb(0x80);
}

// Stops the others, then says what happened.
static void report(const struct cpu_regs *regs, const char *fmt, va_list ap)
{
	u64 sp = (u64)__builtin_frame_address(0), end = stack_end(sp);
	bool guest = regs && regs_from_guest(regs);

	con_panicking = true;
	if (on_cpu_stack() && (cpu_online & (cpu_online - 1)))
		smp_stop_others();
	console_sync();
	printk(LOG_ERR "\nRinglet panic on CPU %u: ", this_cpu_id());
	vprintk(fmt, ap);
	printk("\n");
	printk(LOG_ERR "Ringlet %s, cr0 %08lx cr2 %016lx cr3 %016lx cr4 %lx\n",
	       RINGLET_VERSION, read_cr0(), read_cr2(), read_cr3(), read_cr4());
	if (!regs)
		show_stack(sp, end ? end : (sp | (PAGE_SIZE - 1)) + 1);
	else if (!guest)
		show_regs(regs);
	if (panic_show_guest)
		panic_show_guest(guest ? regs : NULL);
}

// A panic of the same CPU within this one goes on to the restart; one that
// even this brings about, and other CPUs' panics, just stop.
static void die(const struct cpu_regs *regs, const char *fmt, va_list ap)
{
	static u32 count, panic_cpu;
	u32 before;

	irq_disable();
	before = __atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
	if (!before) {
		WRITE_ONCE(panic_cpu, this_cpu_id());
		report(regs, fmt, ap);
	} else if (before > 1 || this_cpu_id() != READ_ONCE(panic_cpu)) {
		for (;;)
			halt();
	} else {
		printk(LOG_ERR "Panic within the panic: %s\n", fmt);
	}
	if (con_noreboot) {
		printk(LOG_ERR "The machine is halted.\n");
		machine_halt();
	}
	printk(LOG_ERR "Restart in %u seconds.\n", REBOOT_DELAY);
	delay_seconds(REBOOT_DELAY);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(NULL, fmt, ap);
	va_end(ap);
	machine_reboot();
}

void panic_regs(const struct cpu_regs *regs, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	die(regs, fmt, ap);
	va_end(ap);
	machine_reboot();
}
