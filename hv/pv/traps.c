// SPDX-License-Identifier: MIT
// What happens in a guest: exceptions, system calls, and the last steps
// before it goes on.
#include "access/access.h"
#include "pv/hypercall.h"
#include "pv/private.h"
#include "sched/sched.h"
#include "x86/desc.h"
#include "x86/entry.h"
#include "x86/insn.h"
#include "x86/softirq.h"
#include "x86/spinlock.h"

// Software interrupts: may this guest mode enter the vector?
static bool softint_allowed(const struct trap_info *ti)
{
	unsigned int dpl = ti->flags & 3;

	return ti->address && dpl >= (pv_kernel_mode(current) ? 1u : 3u);
}

static void general_protection(struct cpu_regs *regs)
{
	u32 ec = regs->error_code;

	// INT n that our gate refused: error code vector * 8 + 2.
	if ((ec & 3) == 2) {
		u8 vector = (u8)(ec >> 3);

		if (softint_allowed(&current->pv->traps[vector])) {
			regs->rip += 2;
			pv_inject(vector, 0);
			return;
		}
	}
	if (pv_emulate_privileged(regs))
		return;
	pv_inject(13, ec);
}

static void page_fault(struct cpu_regs *regs)
{
	u64 address = read_cr2();
	u32 ec = regs->error_code;
	struct vcpu *v = current;

	irq_enable();
	if (unlikely(address - PERDOM_LDT(v->id) < LDT_WINDOW)) {
		if (ldt_fault(v, address))
			return;
		// The guest knows its LDT by another address.
		address += v->pv->ldt_base - PERDOM_LDT(v->id);
	}
	// Write to a present, read-only page by the guest's kernel.
	if ((ec & 0xb) == 3 && pv_kernel_mode(v) && va_is_guest(address) &&
	    ptwrite_emulate(v, regs, address))
		return;
	pv_inject_page_fault(address, ec);
}

static void debug_trap(struct cpu_regs *regs)
{
	struct vcpu *v = current;
	u64 dr6 = read_dr6();

	write_dr6(0xffff0ff0);
	v->pv->dr6 = (v->pv->dr6 & ~0xfUL) | dr6 | 0xffff0ff0;
	pv_inject(1, 0);
}

void guest_trap(struct cpu_regs *regs)
{
	switch (regs->entry_vector) {
	case 1:
		debug_trap(regs);
		return;
	case 6:
		irq_enable();
		if (!pv_emulate_invalid_op(regs))
			pv_inject(6, 0);
		return;
	case 7:
		// The guest asked for it with fpu_taskswitch, and once only.
		pv_set_ts(current, false);
		pv_inject(7, 0);
		return;
	case 13:
		irq_enable();
		general_protection(regs);
		return;
	case 14:
		page_fault(regs);
		return;
	case EV_INT80:
		irq_enable();
		if (softint_allowed(&current->pv->traps[EV_INT80])) {
			pv_inject(EV_INT80, 0);
			return;
		}
		regs->rip -= 2;
		pv_inject(13, EV_INT80 * 8 + 2);
		return;
	default:
		// Faults and traps that mean the same in a guest.
		irq_enable();
		pv_inject((u8)regs->entry_vector, regs->error_code);
	}
}

static void syscall_bounce(struct cpu_regs *regs, u64 callback, u32 mask_flag)
{
	struct bounce b = {
		.rip = callback,
		.masks_events = current->hot.cb_flags & mask_flag,
	};

	if (callback) {
		pv_bounce(regs, &b);
		return;
	}
	// As a processor without the instruction.
	if (regs->entry_vector != EV_SYSENTER)
		regs->rip -= 2;
	pv_inject(regs->entry_vector == EV_SYSENTER ? 13 : 6, 0);
}

void guest_syscall(struct cpu_regs *regs)
{
	struct vcpu *v = current;

	if (regs->entry_vector == EV_SYSENTER) {
		syscall_bounce(regs, v->hot.sysenter_cb,
			       CB_SYSENTER_MASKS_EVENTS);
		return;
	}
	if (regs->entry_vector == EV_SYSCALL32) {
		syscall_bounce(regs, v->hot.syscall32_cb,
			       CB_SYSCALL32_MASKS_EVENTS);
		return;
	}
	if (likely(pv_kernel_mode(v)))
		hypercall(regs);
	else
		syscall_bounce(regs, v->hot.syscall_cb,
			       CB_SYSCALL_MASKS_EVENTS);
}

static void event_deliver(struct cpu_regs *regs, struct vcpu *v)
{
	struct bounce b = { .rip = v->hot.event_cb, .masks_events = true };

	pv_bounce(regs, &b);
}

// By callback, or as the trap table has it.
static u64 pv_nmi_handler(const struct vcpu *v)
{
	return v->pv->nmi_address ? v->pv->nmi_address
				  : v->pv->traps[2].address;
}

static bool nmi_deliver(struct cpu_regs *regs, struct vcpu *v)
{
	struct bounce b = { .rip = pv_nmi_handler(v), .masks_events = true };

	if (!b.rip)
		return false;
	if (!__atomic_exchange_n(&v->nmi_pending, 0, __ATOMIC_SEQ_CST))
		return false;
	pv_bounce(regs, &b);
	return true;
}

void guest_exit_work(struct cpu_regs *regs)
{
	struct vcpu *v;

	for (;;) {
		if (unlikely(softirq_pending())) {
			irq_enable();
			softirq_run();
			irq_disable();
			continue;
		}
		v = current;
		if (unlikely(v->nmi_pending) && nmi_deliver(regs, v))
			continue;
		if (unlikely(v->hot.failsafe)) {
			v->hot.failsafe = 0;
			pv_bounce_failsafe(regs);
			continue;
		}
		if (!vcpu_event_pending(v))
			break;
		event_deliver(regs, v);
		// A guest without a handler was crashed: go round.
		if (!softirq_pending())
			break;
	}
	spin_assert_none_held();
}

void guest_nmi(void)
{
	struct domain *d = dom0;
	struct vcpu *v = d ? domain_vcpu(d, 0) : NULL;

	if (v && v->pv && pv_nmi_handler(v)) {
		WRITE_ONCE(v->nmi_pending, 1);
		softirq_mark(v->cpu, SOFTIRQ_SCHED);
	}
}

void guest_iret_failed(u8 vector, u32 error_code)
{
	u64 address = read_cr2();

	// ldt_lock's holder may wait for this CPU to flush its TLB.
	irq_enable();
	if (vector == 14) {
		// CS or SS of an LDT whose page the processor did not need yet.
		if (!ldt_fault(current, address))
			pv_inject_page_fault(address, error_code);
		return;
	}
	// As if the first instruction behind it had faulted.
	pv_inject(vector, error_code);
}
