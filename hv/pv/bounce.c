// SPDX-License-Identifier: MIT
// Frames on the guest kernel's stack: exceptions, events, system calls
// (public header arch-x86/xen-x86_64.h: RCX and R11 lie below the processor's
// frame, as the way back is sysret).
#include "access/access.h"
#include "dom/trace.h"
#include "lib/errno.h"
#include "pv/private.h"
#include "x86/insn.h"
#include "x86/segment.h"

#define FRAME_MAX 12

// Flags that the handler starts without.
#define FLAGS_CLEARED (FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC)

// A guest that asked for it finds its IOPL in RFLAGS, as on hardware.
static bool shows_iopl(const struct domain *d)
{
	return d->vm_assist & BIT(VMASST_TYPE_architectural_iopl);
}

// Puts words (lowest address first) and then the processor's frame on the
// kernel's stack, and lets the guest go on at rip.
static void frame_push(struct cpu_regs *regs, const u64 *words, unsigned int n,
		       u64 rip, bool masks_events)
{
	struct vcpu *v = current;
	u8 mask = READ_ONCE(v->info->evtchn_upcall_mask);
	bool kernel = pv_kernel_mode(v);
	u64 frame[FRAME_MAX], sp, cs = regs->cs;

	if (kernel) {
		sp = regs->rsp;
		cs &= ~3UL; // the guest's kernel sees itself in ring 0
	} else {
		sp = v->hot.kernel_sp;
		cs |= 3;
		pv_toggle_mode(v);
	}
	for (unsigned int i = 0; i < n; i++)
		frame[i] = words[i];
	frame[n++] = regs->rip;
	frame[n++] = cs | (u64)mask << 32;
	frame[n++] = (regs->rflags & ~(FLAG_IF | FLAG_IOPL)) |
		     (mask ? 0 : FLAG_IF) |
		     (shows_iopl(v->domain) ? v->pv->iopl : 0);
	frame[n++] = regs->rsp;
	frame[n++] = regs->ss;
	sp = (sp & ~15UL) - n * 8;
	if (!rip || copy_to_guest(sp, frame, n * 8)) {
		domain_crash(v->domain,
			     "no frame for handler %#lx at stack %#lx", rip,
			     sp);
		return;
	}
	if (masks_events)
		WRITE_ONCE(v->info->evtchn_upcall_mask, 1);
	regs->rip = rip;
	regs->rsp = sp;
	regs->cs = SEL_RING3_CS64;
	regs->ss = SEL_RING3_DS;
	regs->rflags &= ~FLAGS_CLEARED;
	regs->entry_vector = EV_SYSCALL;
}

void pv_bounce(struct cpu_regs *regs, const struct bounce *b)
{
	u64 words[3] = { regs->rcx, regs->r11, b->error_code };

	frame_push(regs, words, b->has_error ? 3 : 2, b->rip, b->masks_events);
}

void pv_bounce_failsafe(struct cpu_regs *regs)
{
	struct vcpu *v = current;
	u64 words[6] = { regs->rcx, regs->r11, v->pv->ds,
			 v->pv->es, v->pv->fs, v->pv->gs };

	frame_push(regs, words, 6, v->hot.failsafe_cb,
		   v->hot.cb_flags & CB_FAILSAFE_MASKS_EVENTS);
}

static bool vector_has_error(u8 vector)
{
	return vector < 32 && (0x60227d00u >> vector & 1);
}

void pv_inject(u8 vector, u32 error_code)
{
	struct cpu_regs *regs = &cpu_info()->regs;
	const struct trap_info *ti = &current->pv->traps[vector];
	struct bounce b = {
		.rip = ti->address,
		.has_error = vector_has_error(vector),
		.error_code = error_code,
		.masks_events = ti->flags & 4,
	};

	if (vector == 14)
		TRACE(TRC_PV_PAGE_FAULT | TRC_64_FLAG, TRACE_64(regs->rip),
		      TRACE_64(current->info->arch.cr2), error_code);
	else
		TRACE(TRC_PV_TRAP | TRC_64_FLAG, TRACE_64(regs->rip),
		      vector | (u32)b.has_error << 15 | error_code << 16);
	if (!b.rip) {
		domain_crash(currd, "trap %u (error %#x) without a handler",
			     vector, error_code);
		return;
	}
	pv_bounce(regs, &b);
}

void pv_inject_page_fault(u64 address, u32 error_code)
{
	struct vcpu *v = current;

	v->info->arch.cr2 = address;
	// Its kernel runs in ring 3; it shall not see that.
	error_code &= ~4u;
	if (!pv_kernel_mode(v))
		error_code |= 4;
	pv_inject(14, error_code);
}

// The guest's IRET: frame on its kernel stack (struct iret_context).
long call_iret(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
long call_iret(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct cpu_regs *regs = &cpu_info()->regs;
	struct vcpu *v = current;
	struct iret_context f;

	(void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
	if (copy_struct_from_guest(&f, regs->rsp)) {
		domain_crash(v->domain, "iret frame at %#lx", regs->rsp);
		return 0;
	}
	if ((f.cs & 3) == 3) {
		if (!v->hot.cr3_user) {
			domain_crash(v->domain, "iret to user, no user tables");
			return 0;
		}
		pv_toggle_mode(v);
	}
	if (f.flags & VGCF_in_syscall) {
		regs->entry_vector = EV_SYSCALL;
	} else {
		regs->entry_vector = 0;
		regs->r11 = f.r11;
		regs->rcx = f.rcx;
	}
	if (shows_iopl(v->domain))
		v->pv->iopl = (u32)(f.rflags & FLAG_IOPL);
	regs->rip = f.rip;
	regs->cs = (u16)f.cs | 3;
	regs->rflags =
		(f.rflags & ~(FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP)) |
		FLAG_IF | 2;
	regs->rsp = f.rsp;
	regs->ss = (u16)f.ss | 3;
	WRITE_ONCE(v->info->evtchn_upcall_mask, !(f.rflags & FLAG_IF));
	return (long)f.rax;
}
