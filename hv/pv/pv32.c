// SPDX-License-Identifier: MIT
// Domains whose kernel is a 32-bit one, in ring 1 (docs/pv32.md): how a domain
// becomes one, its frames on the guest's stack, its way back.
#include "access/access.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"
#include "x86/entry.h"

// The tables that the processor walks: ours, but for the first slot.
int pv32_vcpu_init(struct vcpu *v)
{
	u64 *l4 = v->pv->l4;

	if (l4)
		return 0;
	l4 = hvpages_alloc(0);
	if (!l4)
		return -ENOMEM;
	l4_fill(l4, v->domain);
	// It has one of its own, and 64-bit programs are none of its kind.
	l4[SLOT_M2P] = 0;
	v->pv->l4 = l4;
	return 0;
}

void pv32_vcpu_set(struct vcpu *v)
{
	v->hot.pv32 = true;
	v->hot.mode_kernel = MODE_PV32;
	v->hot.exit = EXIT_RING1;
}

// Frames that it has, its tables would have to be looked at anew.
int pv_set_address_size(struct domain *d, u32 bits)
{
	struct vcpu *v;
	int rc;

	if (bits == (d->pv32 ? 32 : 64))
		return 0;
	if (bits != 32)
		return -EINVAL;
	if (d->account.total)
		return -EACCES;
	if (virt_to_maddr(d->shared) >> 32)
		return -ENOMEM;
	rc = m2p32_make();
	for_each_vcpu(d, v)
		if (!rc)
			rc = pv32_vcpu_init(v);
	if (rc)
		return rc;
	// All of it or nothing.
	for_each_vcpu(d, v)
		pv32_vcpu_set(v);
	d->pv32 = true;
	d->isolated = false;
	d->l1_adjusted = 0;
	return 0;
}

// Words more, EIP, CS with the event mask in its upper half, EFLAGS; out of
// ring 3 also ESP and SS, on the stack that stack_switch named. Its segments are
// taken as flat.
void bounce32(struct cpu_regs *regs, u64 entry, bool masks_events,
	      const u64 *more, unsigned int n)
{
	struct vcpu *v = current;
	u8 mask = READ_ONCE(v->info->evtchn_upcall_mask);
	u32 frame[MORE_MAX + 5], *next = frame;
	u64 sp = regs->rsp;
	u16 ss = regs->ss;

	while (n-- > 0)
		*next++ = (u32)*more++;
	*next++ = (u32)regs->rip;
	*next++ = regs->cs | (u32)mask << 16;
	*next++ = (u32)bounce_flags(v, regs, mask);
	if (!pv_kernel_mode(v)) {
		sp = v->hot.kernel_sp;
		ss = (u16)v->hot.kernel_ss;
		*next++ = (u32)regs->rsp;
		*next++ = regs->ss;
	}
	n = (unsigned int)(next - frame) * sizeof(*frame);
	sp = (u32)(sp - n);
	if (!entry || copy_to_guest(sp, frame, n)) {
		bounce_failed(v, entry, sp);
		return;
	}
	if (masks_events)
		WRITE_ONCE(v->info->evtchn_upcall_mask, 1);
	regs->rip = (u32)entry;
	regs->cs = (u16)(entry >> 32);
	regs->rsp = sp;
	regs->ss = ss;
	regs->rflags &= ~FLAGS_CLEARED;
	regs->entry_vector = 0;
}

// SYSCALL and SYSENTER do not tell which ring they came from: the outer one, but
// ring 1 can execute them as well.
void syscall32(struct cpu_regs *regs, u64 callback, bool masks_events)
{
	if (cpu_info()->relaxed)
		ring1_entered();
	regs->cs = SEL32_RING3_CS;
	regs->ss = SEL32_RING3_DS;
	syscall_deliver(regs, callback, masks_events);
}

void guest_hypercall32(struct cpu_regs *regs)
{
	irq_enable();
	hypercall32(regs);
}

// The guest's IRET: EAX, EIP, CS, EFLAGS, to ring 3 also ESP and SS.
long call32_iret(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
long call32_iret(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct cpu_regs *regs = &cpu_info()->regs;
	u64 at = (u32)regs->rsp;
	struct vcpu *v = current;
	struct {
		u32 eax, eip, cs, eflags, esp, ss;
	} f;
	const u32 outer = offsetof(typeof(f), esp);

	if (copy_from_guest(&f, at, outer) ||
	    (!cs_is_ring1((u16)f.cs) &&
	     copy_from_guest(&f.esp, at + outer, sizeof(f) - outer)) ||
	    !(f.cs & 3) || f.eflags & FLAG_VM) {
		domain_crash(v->domain, "iret frame at %#lx", at);
		return 0;
	}
	if (pv_shows_iopl(v->domain))
		v->pv->iopl = f.eflags & (u32)FLAG_IOPL;
	regs->entry_vector = 0;
	regs->rip = f.eip;
	regs->cs = (u16)f.cs;
	regs->rflags =
		(f.eflags & ~(FLAG_IOPL | FLAG_VIF | FLAG_VIP)) | FLAG_IF | 2;
	regs->rsp = (u32)(at + outer);
	if (!cs_is_ring1(regs->cs)) {
		regs->rsp = f.esp;
		regs->ss = (u16)f.ss;
	}
	v->nmi_masked = false;
	WRITE_ONCE(v->info->evtchn_upcall_mask, !(f.eflags & FLAG_IF));
	return (long)f.eax;
}
