// SPDX-License-Identifier: MIT
// Exceptions: those of a guest go to pv/, those of our own are mended by the
// exception table or end in a panic.
#include "x86/desc.h"
#include "x86/entry.h"
#include "x86/irq.h"
#include "x86/panic.h"
#include "x86/smp.h"

struct extable_entry {
	s32 from, to; // relative to themselves
};

extern const struct extable_entry __extable_start[], __extable_end[];
extern const char entry_iret_to_guest[];

static const char trap_names[32][4] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
	"#DF", "9",   "#TS", "#NP", "#SS", "#GP", "#PF", "15",
	"#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

// Sorted by nobody: the table is short and searched only after faults.
static bool extable_fixup(struct cpu_regs *regs)
{
	const struct extable_entry *e;

	for (e = __extable_start; e < __extable_end; e++) {
		if ((u64)&e->from + (u64)(s64)e->from == regs->rip) {
			regs->rip = (u64)&e->to + (u64)(s64)e->to;
			return true;
		}
	}
	return false;
}

#define RING1_WITHOUT (CR4_SMEP | CR4_SMAP)

void ring1_entered(void)
{
	write_cr4(read_cr4() | (hv_cr4 & RING1_WITHOUT));
	cpu_info()->relaxed = false;
}

void ring1_leave(void)
{
	if (!(hv_cr4 & RING1_WITHOUT))
		return;
	cpu_info()->relaxed = true;
	write_cr4(read_cr4() & ~RING1_WITHOUT);
}

// The frame that IRET refused still stands at the top of the stack, below its
// general registers the fault's frame was pushed: the registers in there are
// the guest's.
static __noreturn void iret_refused(const struct cpu_regs *regs)
{
	struct cpu_regs *guest = &cpu_info()->regs;
	struct cpu_regs copy = *regs;

	copy.rip = guest->rip;
	copy.cs = guest->cs;
	copy.rflags = guest->rflags;
	copy.rsp = guest->rsp;
	copy.ss = guest->ss;
	if (cpu_info()->relaxed)
		ring1_entered();
	*guest = copy;
	// regs itself is overwritten by now.
	guest_iret_failed((u8)copy.entry_vector, copy.error_code);
	stack_reset_jump(entry_resume_guest);
}

static __noinline void trap_hypervisor(struct cpu_regs *regs)
{
	u64 cr2 = read_cr2();

	if (regs->rip == (u64)entry_iret_to_guest)
		iret_refused(regs);
	if (extable_fixup(regs))
		return;
	panic_regs(regs,
		   "%s (vector %u, error %#x) in the hypervisor, cr2 %#lx",
		   trap_names[regs->entry_vector & 31], regs->entry_vector,
		   regs->error_code, cr2);
}

void trap_dispatch(struct cpu_regs *regs)
{
	u32 vector = regs->entry_vector;

	// Ring 1 may have gone on to ring 3 by itself.
	if (regs_from_guest(regs) && unlikely(cpu_info()->relaxed))
		ring1_entered();
	if (vector >= 0x20 && vector != EV_INT80) {
		if (unlikely(vector == EV_INT82)) {
			guest_hypercall32(regs);
			return;
		}
		irq_dispatch(regs);
		if (!regs_from_guest(regs))
			guest_interrupted();
		return;
	}
	if (regs_from_guest(regs))
		guest_trap(regs);
	else
		trap_hypervisor(regs);
}

// NMI, #DF, #MC, and #DB out of the hypervisor, on their own stacks. No lock
// may be taken here: the CPU may have held any.
void trap_ist(struct cpu_regs *regs)
{
	// Not out of the hypervisor, whose way out may have got so far.
	if (regs_from_guest(regs) && cpu_info()->relaxed)
		ring1_entered();
	switch (regs->entry_vector) {
	case 1:
		// A breakpoint or single step that a guest armed and that came
		// in behind syscall or sysenter: it means nothing here. TF
		// stays until entry_sysenter has put it in the guest's frame.
		write_dr6(0xffff0ff0);
		if (regs->rip < 0xffff800000000000UL)
			panic_regs(regs, "debug trap at a strange address");
		return;
	case 2:
		if (smp_nmi_stop())
			machine_halt();
		guest_nmi();
		return;
	default:
		panic_regs(regs, "%s", trap_names[regs->entry_vector & 31]);
	}
}
