// SPDX-License-Identifier: MIT
// What happens in a guest: exceptions, system calls, events, each a frame on
// the guest kernel's stack (public header arch-x86/xen-x86_64.h: RCX and R11
// lie below the processor's frame, as the way back is sysret); and the last
// steps before the guest goes on.
#include "access/access.h"
#include "dom/shared.h"
#include "dom/trace.h"
#include "pv/private.h"
#include "sched/sched.h"
#include "x86/entry.h"
#include "x86/faultable.h"
#include "x86/softirq.h"

// Exceptions that come with an error code, a bit each.
#define ERROR_CODE_VECTORS 0x60227d00UL
#define NO_ERROR_CODE	   0xffff0000u // of int n, whatever the vector

__noinline void bounce_failed(const struct vcpu *v, u64 entry, u64 sp)
{
	domain_crash(v->domain, "no frame for handler %#lx at stack %#lx",
		     entry, sp);
}

// Kernel and user see their own GS base and tables. Global entries are the
// guest's user pages only, the same in both views: they may stay in the TLB.
static inline void enter_kernel(struct vcpu_hot *h)
{
	h->gs_base[0] = read_gs_base();
	write_gs_base(h->gs_base[1]);
	h->mode_kernel = 1;
	write_cr3(h->cr3_kernel);
}

static inline void enter_user(struct vcpu_hot *h)
{
	h->gs_base[1] = read_gs_base();
	write_gs_base(h->gs_base[0]);
	h->mode_kernel = 0;
	write_cr3(h->cr3_user);
}

// Puts RCX, R11, n words more and the processor's frame on the kernel's stack,
// below sp, and lets the guest go on at rip; mask: events are masked. False: it
// cannot be written.
static __forced_inline bool frame_put(struct vcpu *v, struct cpu_regs *regs,
				      u64 rip, u64 sp, u64 cs, u8 mask,
				      bool masks_events, const u64 *more,
				      unsigned int n)
{
	u64 at = (sp & ~15UL) - (7 + n) * 8, next;
	bool again = false;

	if (unlikely(!access_ok(at, (7 + n) * 8)))
		return false;
	assert_protected();
retry:
	next = at + 16;
	stac();
	guest_store(at, regs->rcx, fault);
	guest_store(at + 8, regs->r11, fault);
	for (unsigned int i = 0; i < n; i++, next += 8)
		guest_store(next, more[i], fault);
	guest_store(next, regs->rip, fault);
	guest_store(next + 8, cs | (u64)mask << 32, fault);
	guest_store(next + 16, bounce_flags(v, regs, mask), fault);
	guest_store(next + 24, regs->rsp, fault);
	guest_store(next + 32, regs->ss, fault);
	clac();
	if (masks_events)
		WRITE_ONCE(v->info->evtchn_upcall_mask, 1);
	regs->entry_vector = EV_SYSCALL;
	regs->rip = rip;
	regs->rsp = at;
	regs->cs = SEL_RING3_CS64;
	regs->ss = SEL_RING3_DS;
	regs->rflags &= ~FLAGS_CLEARED;
	return true;
fault:
	clac();
	// An entry that has just become writable may be in the TLB as it was; the
	// fault has dropped it there.
	if (again)
		return false;
	again = true;
	goto retry;
}

void pv_bounce(struct cpu_regs *regs, u64 rip, bool masks_events,
	       const u64 *more, unsigned int n)
{
	struct vcpu *v = current;
	u8 mask = READ_ONCE(v->info->evtchn_upcall_mask);
	u64 sp = v->hot.kernel_sp, cs = regs->cs | 3;

	if (v->hot.mode_kernel == 1) {
		sp = regs->rsp;
		cs &= ~3UL; // the guest's kernel sees itself in ring 0
	} else if (unlikely(v->hot.mode_kernel)) {
		bounce32(regs, rip, masks_events, more, n);
		return;
	} else {
		enter_kernel(&v->hot);
	}
	if (unlikely(!rip || !frame_put(v, regs, rip, sp, cs, mask,
					masks_events, more, n)))
		bounce_failed(v, rip, sp);
}

// What is hot, interrupts off: 64-bit kernels, and nothing is done where it
// returns false.
static __forced_inline bool try_bounce(struct vcpu *v, struct cpu_regs *regs,
				       u64 rip, u8 mask, bool masks_events,
				       const u64 *more, unsigned int n)
{
	struct vcpu_hot *h = &v->hot;
	u64 kernel = h->mode_kernel, sp = regs->rsp, cs = regs->cs & ~3UL;

	if (unlikely(!rip || kernel == MODE_PV32))
		return false;
	if (!kernel) {
		sp = h->kernel_sp;
		cs |= 3;
		enter_kernel(h);
	}
	if (likely(frame_put(v, regs, rip, sp, cs, mask, masks_events, more,
			     n)))
		return true;
	if (!kernel)
		enter_user(h);
	return false;
}

// The upcall.
static bool event_bounce(struct vcpu *v, struct cpu_regs *regs)
{
	return try_bounce(v, regs, v->hot.event_cb, 0, true, NULL, 0);
}

void pv_inject(u8 vector, u32 error_code)
{
	const struct trap_info *ti = &current->pv->traps[vector];
	bool has_error = vector < 32 && ERROR_CODE_VECTORS >> vector & 1 &&
			 error_code != NO_ERROR_CODE;
	struct cpu_regs *regs = &cpu_info()->regs;
	u64 code = error_code;

	if (vector == 14)
		TRACE(TRC_PV_PAGE_FAULT | TRC_64_FLAG, TRACE_64(regs->rip),
		      TRACE_64(vcpu_cr2(current)), error_code);
	else
		TRACE(TRC_PV_TRAP | TRC_64_FLAG, TRACE_64(regs->rip),
		      vector | (u32)has_error << 15 | error_code << 16);
	if (!ti->address) {
		domain_crash(currd, "trap %u (error %#x) without a handler",
			     vector, error_code);
		return;
	}
	pv_bounce(regs, ti->address, ti->flags & 4, &code, has_error);
}

void pv_inject_page_fault(u64 address, u32 error_code)
{
	struct vcpu *v = current;

	// Its kernel runs in ring 3; it shall not see that.
	error_code &= ~4u;
	if (!pv_kernel_mode(v))
		error_code |= 4;
	vcpu_cr2_set(v, address);
	pv_inject(14, error_code);
}

#define IRET_LOAD(to, word) \
	guest_load(to, at + offsetof(struct iret_context, word), fault)

// The guest's IRET, where entry.S does not do it: frame on its kernel stack
// (struct iret_context). Where that cannot be read to its end the guest is over,
// so words go straight to regs.
long call_iret(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
long call_iret(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct cpu_info *info = cpu_info();
	struct cpu_regs *regs = &info->regs;
	struct vcpu *v = info->vcpu;
	u64 at = regs->rsp;
	u64 rax, flags, cs, rflags, word;

	if (unlikely(!access_ok(at, sizeof(struct iret_context))))
		goto outside;
	assert_protected();
	stac();
	IRET_LOAD(flags, flags);
	IRET_LOAD(cs, cs);
	if ((cs & 3) == 3 && unlikely(!v->hot.cr3_user))
		goto no_tables;
	if (!(flags & VGCF_in_syscall)) {
		IRET_LOAD(word, r11);
		regs->r11 = word;
		IRET_LOAD(word, rcx);
		regs->rcx = word;
		regs->entry_vector = 0;
	}
	IRET_LOAD(word, rip);
	regs->rip = word;
	IRET_LOAD(rflags, rflags);
	regs->rflags = (rflags & ~FLAGS_NOT_GUESTS) | FLAG_IF | 2;
	IRET_LOAD(word, rsp);
	regs->rsp = word;
	IRET_LOAD(word, ss);
	regs->ss = (u16)word | 3;
	IRET_LOAD(rax, rax);
	clac();
	regs->cs = (u16)cs | 3;
	if (unlikely(regs->cs != SEL_RING3_CS64))
		regs->entry_vector = 0;
	if (pv_shows_iopl(v->domain))
		v->pv->iopl = (u32)(rflags & FLAG_IOPL);
	v->nmi_masked = false;
	WRITE_ONCE(v->info->evtchn_upcall_mask, !(rflags & FLAG_IF));
	if ((cs & 3) != 3)
		return (long)rax;
	enter_user(&v->hot);
	return (long)rax;
fault:
	clac();
outside:
	domain_crash(v->domain, "iret frame at %#lx", at);
	return 0;
no_tables:
	clac();
	domain_crash(v->domain, "iret to user, no user tables");
	return 0;
}

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
			pv_inject(vector, NO_ERROR_CODE);
			return;
		}
	}
	if (pv_emulate_privileged(regs))
		return;
	pv_inject(13, ec);
}

// Write to a present, read-only page by the guest's kernel: of a table, perhaps.
static inline bool may_be_ptwrite(const struct cpu_regs *regs, bool kernel)
{
	return (regs->error_code & 0xb) == 3 && kernel;
}

static void page_fault(struct cpu_regs *regs, u64 address)
{
	u32 ec = regs->error_code;
	struct vcpu *v = current;

	irq_enable();
	if (unlikely(address - PERDOM_LDT(v->id) < LDT_WINDOW)) {
		if (ldt_fault(v, address))
			return;
		// The guest knows its LDT by another address.
		address += v->pv->ldt_base - PERDOM_LDT(v->id);
	}
	if (may_be_ptwrite(regs, pv_kernel_mode(v)) && va_is_guest(address) &&
	    ptwrite_emulate(v, regs, address))
		return;
	pv_inject_page_fault(address, ec);
}

static void debug_trap(void)
{
	u64 *dr6 = &current->pv->dr[6];

	*dr6 = (*dr6 & ~0xfUL) | read_dr6() | DR6_ONES;
	write_dr6(DR6_ONES);
	pv_inject(1, 0);
}

void guest_trap(struct cpu_regs *regs)
{
	switch (regs->entry_vector) {
	case 1:
		debug_trap();
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
	case EV_INT80:
		// As if its gate had refused it.
		regs->rip -= 2;
		regs->error_code = EV_INT80 * 8 + 2;
		fallthrough;
	case 13:
		irq_enable();
		general_protection(regs);
		return;
	case 14:
		page_fault(regs, read_cr2());
		return;
	default:
		// Faults and traps that mean the same in a guest.
		irq_enable();
		pv_inject((u8)regs->entry_vector, regs->error_code);
	}
}

void syscall_deliver(struct cpu_regs *regs, u64 callback, bool masks_events)
{
	if (likely(callback)) {
		pv_bounce(regs, callback, masks_events, NULL, 0);
	} else if (regs->entry_vector == EV_SYSENTER) {
		// As a processor without the instruction.
		pv_inject(13, 0);
	} else {
		regs->rip -= 2;
		pv_inject(6, 0);
	}
}

// What SYSRET takes for granted.
static inline void assert_flat(const struct cpu_regs *regs)
{
	ASSERT(regs->entry_vector != EV_SYSCALL || regs->cs == SEL_RING3_CS64);
}

// Has guest_exit_work() something to do, events apart?
static inline bool exit_has_work(const struct cpu_info *info,
				 const struct vcpu *v)
{
	spin_assert_none_held();
	return READ_ONCE(info->softirq_pending) | v->hot.exit |
	       READ_ONCE(v->hot.nmi_pending);
}

enum way_out guest_way_out(struct cpu_regs *regs)
{
	const struct cpu_info *info = container_of(regs, struct cpu_info, regs);
	struct vcpu *v = info->vcpu;

	assert_flat(regs);
	if (unlikely(exit_has_work(info, v)))
		return OUT_WORK;
	if (vcpu_event_pending(v))
		return event_bounce(v, regs) ? OUT_SYSRET : OUT_WORK;
	if (regs->entry_vector != EV_SYSCALL)
		return OUT_IRET;
	// To an address that is not canonical Intel's processors would fault in
	// ring 0, on the guest's stack.
	return likely(va_canonical(regs->rip)) ? OUT_SYSRET : OUT_WORK;
}

void guest_syscall(struct cpu_regs *regs)
{
	const struct vcpu_hot *h = &current->hot;

	irq_enable();
	syscall_deliver(regs, h->syscall_cb,
			h->cb_flags & CB_SYSCALL_MASKS_EVENTS);
}

void guest_syscall_failed(struct cpu_regs *regs)
{
	struct vcpu *v = current;

	enter_user(&v->hot);
	WRITE_ONCE(v->info->evtchn_upcall_mask, 0);
	guest_syscall(regs);
}

void pv_short_cuts(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		struct vcpu_hot *h = &v->hot;
		bool ok = cpu_has(FSGSBASE) && !h->pv32 && !pv_shows_iopl(d);

		WRITE_ONCE(h->short_cb, ok ? h->syscall_cb : 0);
	}
}

enum way_out guest_page_fault(struct cpu_regs *regs)
{
	struct cpu_info *info = container_of(regs, struct cpu_info, regs);
	struct vcpu *v = info->vcpu;
	const struct trap_info *ti = &v->pv->traps[14];
	u64 address = read_cr2(), kernel = v->hot.mode_kernel;
	u64 code = (regs->error_code & ~4u) | (kernel ? 0 : 4);

	if (unlikely(info->relaxed))
		ring1_entered();
	if (likely(address - PERDOM_LDT(v->id) >= LDT_WINDOW &&
		   !may_be_ptwrite(regs, kernel) && !READ_ONCE(trace_on)) &&
	    likely(try_bounce(v, regs, ti->address,
			      READ_ONCE(v->info->evtchn_upcall_mask),
			      ti->flags & 4, &code, 1))) {
		v->info->arch.cr2 = address;
		return exit_has_work(info, v) || vcpu_event_pending(v)
			       ? OUT_WORK
			       : OUT_SYSRET;
	}
	page_fault(regs, address);
	irq_disable();
	return guest_way_out(regs);
}

void guest_sysenter(struct cpu_regs *regs)
{
	const struct vcpu_hot *h = &current->hot;
	bool sysenter = regs->entry_vector == EV_SYSENTER;
	u64 callback = sysenter ? h->sysenter_cb : h->syscall32_cb;
	u32 masks =
		sysenter ? CB_SYSENTER_MASKS_EVENTS : CB_SYSCALL32_MASKS_EVENTS;

	if (unlikely(h->pv32))
		syscall32(regs, callback, h->cb_flags & masks);
	else
		syscall_deliver(regs, callback, h->cb_flags & masks);
}

static void failsafe_deliver(struct cpu_regs *regs, struct vcpu *v)
{
	u64 selectors[] = { v->pv->ds, v->pv->es, v->pv->fs, v->pv->gs };

	v->hot.exit &= ~EXIT_FAILSAFE;
	pv_bounce(regs, v->hot.failsafe_cb,
		  v->hot.cb_flags & CB_FAILSAFE_MASKS_EVENTS, selectors,
		  ARRAY_SIZE(selectors));
}

// One at a time. Without a handler it is lost.
static bool nmi_deliver(struct cpu_regs *regs, struct vcpu *v)
{
	u64 handler = v->pv->traps[2].address;

	if (v->nmi_masked ||
	    !__atomic_exchange_n(&v->hot.nmi_pending, 0, __ATOMIC_SEQ_CST) ||
	    !handler)
		return false;
	v->nmi_masked = true;
	pv_bounce(regs, handler, true, NULL, 0);
	return true;
}

// False: something was done that may ask for more; true: the guest runs next,
// and sees what it may see.
static __noinline bool exit_special(struct cpu_regs *regs, struct vcpu *v)
{
	if (v->hot.exit & EXIT_FAILSAFE) {
		failsafe_deliver(regs, v);
		return false;
	}
	if (vcpu_event_pending(v)) {
		pv_bounce(regs, v->hot.event_cb, true, NULL, 0);
		if (softirq_pending())
			return false;
	}
	spin_assert_none_held();
	if (vcpu_isolated(v))
		isolation_leave(v);
	else if (cs_is_ring1(regs->cs))
		ring1_leave();
	return true;
}

void guest_exit_work(struct cpu_regs *regs)
{
	struct vcpu *v;

	assert_flat(regs);
	for (;;) {
		if (unlikely(softirq_pending())) {
			softirq_run();
			continue;
		}
		v = current;
		if (unlikely(v->hot.nmi_pending) && nmi_deliver(regs, v))
			continue;
		if (unlikely(v->hot.exit)) {
			if (exit_special(regs, v))
				return;
			continue;
		}
		if (!vcpu_event_pending(v))
			break;
		if (event_bounce(v, regs))
			break;
		pv_bounce(regs, v->hot.event_cb, true, NULL, 0);
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

	if (v && v->pv && v->pv->traps[2].address) {
		WRITE_ONCE(v->hot.nmi_pending, 1);
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
