// SPDX-License-Identifier: MIT
// A PV vcpu: making and ending it, its state to and from the hardware, its
// context as hypercalls give it (public header arch-x86/xen.h).
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/private.h"
#include "sched/sched.h"
#include "x86/desc.h"
#include "x86/fpu.h"
#include "x86/tlb.h"

// What a guest may ask for in CR4.
#define CR4_ALLOWED                                                    \
	(CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSFXSR | \
	 CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE | CR4_MCE | CR4_PCE)

int pv_vcpu_init(struct vcpu *v)
{
	struct pv_vcpu *pv = heap_alloc(sizeof(*pv));

	if (!pv)
		return -ENOMEM;
	v->pv = pv;
	spin_init(&pv->ldt_lock, RANK_LDT);
	pv->traps = heap_alloc_array(256, sizeof(*pv->traps));
	pv->fpu = heap_alloc(fpu_state_size);
	if (!pv->traps || !pv->fpu || perdom_prepare(v->domain, v->id))
		return -ENOMEM;
	fpu_reset(pv->fpu);
	pv->xcr0 = XCR0_X87;
	pv->dr[6] = DR6_ONES;
	pv->dr[7] = DR7_ONE;
	pv->cr4 = hv_cr4 & CR4_SHOWN;
	v->hot.mode_kernel = 1;
	v->hot.exit = v->domain->isolated ? EXIT_ISOLATED : 0;
	if (v->domain->pv32) {
		if (pv32_vcpu_init(v))
			return -ENOMEM;
		pv32_vcpu_set(v);
	}
	return pv_set_gdt(v, NULL, 0);
}

void pv_vcpu_exit(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;

	if (!pv)
		return;
	heap_free(pv->traps);
	heap_free(pv->fpu);
	hvpages_free(pv->l4, 0);
	heap_free(pv);
	v->pv = NULL;
}

u64 pv_cr4_real(const struct vcpu *v)
{
	return (hv_cr4 &
		~(CR4_TSD | CR4_DE | (vcpu_isolated(v) ? CR4_PGE : 0))) |
	       (v->pv->cr4 & (CR4_TSD | CR4_DE)) |
	       (v->domain->vtsc ? CR4_TSD : 0);
}

void pv_set_ts(struct vcpu *v, bool on)
{
	v->pv->cr0_ts = on ? CR0_TS : 0;
	if (on)
		write_cr0(read_cr0() | CR0_TS);
	else
		clts();
}

// Interrupts off; v's registers are still in the hardware.
static inline void segments_save(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;

	pv->ds = read_ds();
	pv->es = read_es();
	pv->fs = read_fs();
	pv->gs = read_gs();
	pv->fs_base = read_fs_base();
	v->hot.gs_base[!!v->hot.mode_kernel] = read_gs_base();
}

void pv_switch_from(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;

	// It may lose the CPU before its failsafe callback was told what could not
	// be loaded: that is loaded once more, and told then.
	if (likely(!(v->hot.exit & EXIT_FAILSAFE)))
		segments_save(v);
	fpu_save(pv->fpu);
	if (pv->dr[7] & DR7_ENABLED)
		write_dr7(DR7_ONE);
	lldt(0);
	gdt_load_idle();
	if (v->hot.pv32)
		gdt_set_pv32(false);
	tlb_switch_cr3(hv_cr3);
	if (unlikely(vcpu_isolated(v)))
		isolation_forget();
	cpumask_clear_atomic(&v->domain->account.tlb_cpus, smp_cpu_id());
}

// False: a selector means nothing any more; it is null now.
static bool segments_load(const struct vcpu *v)
{
	const struct pv_vcpu *pv = v->pv;
	bool ok = load_ds(pv->ds);

	ok = load_es(pv->es) && ok;
	ok = load_fs(pv->fs) && ok;
	ok = load_gs(pv->gs) && ok;
	// In 32-bit code the descriptors have the bases.
	if (v->hot.pv32)
		return ok;
	write_fs_base(pv->fs_base);
	write_gs_base(v->hot.gs_base[v->hot.mode_kernel]);
	return ok;
}

void pv_switch_to(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;
	u64 cr4 = pv_cr4_real(v);

	cpumask_set_atomic(&v->domain->account.tlb_cpus, smp_cpu_id());
	perdom_map(v->domain, PERDOM_GDT(v->id) + GDT_GUEST_PAGES * PAGE_SIZE,
		   pte_make(virt_to_mfn(this_cpu(gdt_page)), WINDOW_PAGE));
	if (read_cr4() != cr4)
		write_cr4(cr4);
	tlb_switch_cr3(v->hot.mode_kernel ? v->hot.cr3_kernel
					  : v->hot.cr3_user);
	if (v->hot.pv32)
		gdt_set_pv32(true);
	gdt_load(PERDOM_GDT(v->id));
	ldt_load(PERDOM_LDT(v->id), pv->ldt_entries);
	v->hot.exit &= ~EXIT_FAILSAFE;
	if (!segments_load(v))
		v->hot.exit |= EXIT_FAILSAFE;
	fpu_load(pv->fpu, pv->xcr0);
	if (pv->cr0_ts)
		write_cr0(read_cr0() | CR0_TS);
	debugregs_load(v);
	emul_switch_to(v);
}

// The user registers that a guest or the tools set are made harmless.
static void regs_import(struct vcpu *v, const struct cpu_user_regs *u)
{
	struct cpu_regs *r = &v->regs;

	_Static_assert(offsetof(struct cpu_user_regs, ss) ==
			       offsetof(struct cpu_regs, ss),
		       "one layout");
	memcpy(r, u, sizeof(*r));
	r->cs = pv_selector(v->domain, u->cs);
	r->ss = pv_selector(v->domain, u->ss);
	r->rflags = (r->rflags &
		     ~(FLAG_IOPL | FLAG_VM | FLAG_NT | FLAG_VIF | FLAG_VIP)) |
		    FLAG_IF | 2;
	r->entry_vector = 0;
	r->error_code = 0;
	v->pv->iopl = (u32)(u->rflags & FLAG_IOPL);
	v->pv->ds = u->ds;
	v->pv->es = u->es;
	v->pv->fs = u->fs;
	v->pv->gs = u->gs;
}

static bool context_ok(const struct domain *d,
		       const struct vcpu_guest_context *c)
{
	const u64 at[] = { c->event_callback_eip,   c->failsafe_callback_eip,
			   c->syscall_callback_eip, c->fs_base,
			   c->gs_base_kernel,	    c->gs_base_user };

	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++)
		if (!pv_entry_ok(d, at[i]))
			return false;
	for (unsigned int i = 0; i < 256; i++)
		if (!pv_entry_ok(d, c->trap_ctxt[i].address))
			return false;
	return c->gdt_ents <= PV_GDT_FRAMES * 512 && c->ldt_ents <= 8192 &&
	       !(c->ldt_base & ~PAGE_MASK) &&
	       (!c->ldt_ents || va_is_guest(c->ldt_base));
}

static void callbacks_import(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct vcpu_hot *h = &v->hot;
	struct pv_vcpu *pv = v->pv;

	h->event_cb = c->event_callback_eip;
	h->failsafe_cb = c->failsafe_callback_eip;
	h->syscall_cb = c->syscall_callback_eip;
	h->kernel_sp = c->kernel_sp;
	h->kernel_ss = c->kernel_ss;
	h->cb_flags = 0;
	if (c->flags & VGCF_failsafe_disables_events)
		h->cb_flags |= CB_FAILSAFE_MASKS_EVENTS;
	if (c->flags & VGCF_syscall_disables_events)
		h->cb_flags |= CB_SYSCALL_MASKS_EVENTS;
	memcpy(pv->traps, c->trap_ctxt, 256 * sizeof(*pv->traps));
	pv->fs_base = c->fs_base;
	h->gs_base[1] = c->gs_base_kernel;
	h->gs_base[0] = c->gs_base_user;
	pv->cr4 = (pv->cr4 & ~CR4_TSD) | (c->ctrlreg[4] & CR4_ALLOWED);
	pv->cr0_ts = c->ctrlreg[0] & CR0_TS;
	if (c->flags & VGCF_i387_valid)
		fpu_set_fxsave(pv->fpu, &c->fpu_ctxt);
}

// v does not run. Guest context of VCPUOP_initialise and setvcpucontext:
// -EINVAL, -ENOMEM, -ERESTART.
int pv_context_set(struct vcpu *v, const struct vcpu_guest_context *c)
{
	u64 user = c->ctrlreg[1] & PAGE_MASK; // 0: no tables for user mode
	u64 kernel = c->ctrlreg[3] & PAGE_MASK;
	struct pv_vcpu *pv = v->pv;
	int rc;

	if (!context_ok(v->domain, c))
		return -EINVAL;
	if (pv_settle(current))
		return -ERESTART;
	// Its tables are for life, as far as this call goes.
	if (v->initialised && (pv_base(v) != kernel || v->hot.cr3_user != user))
		return -EOPNOTSUPP;
	rc = pv_set_gdt(v, c->gdt_frames, (unsigned int)c->gdt_ents);
	if (rc)
		return rc;
	callbacks_import(v, c);
	regs_import(v, &c->user_regs);
	for (unsigned int i = 0; i < 8; i++)
		if (i != 4 && i != 5)
			pv_set_debugreg(v, i, c->debugreg[i]);
	pv_clear_ldt(v);
	pv->ldt_base = c->ldt_base;
	pv->ldt_entries = (u32)c->ldt_ents;
	// Before its tables, whose rules it may change.
	if (!v->id)
		__atomic_fetch_or(&v->domain->vm_assist,
				  (u32)c->vm_assist & PV_ASSISTS,
				  __ATOMIC_SEQ_CST);
	pv_short_cuts(v->domain);
	rc = pv_new_base(v, gfn(kernel >> PAGE_SHIFT), false);
	if (!rc && user)
		rc = pv_new_base(v, gfn(user >> PAGE_SHIFT), true);
	if (rc)
		return rc;
	// It will run on these tables.
	if (!(c->flags & VGCF_in_kernel) && !v->hot.cr3_user && !v->hot.pv32)
		return -EINVAL;
	if (!v->hot.pv32)
		v->hot.mode_kernel = !!(c->flags & VGCF_in_kernel);
	// The builder has cleared the shared page.
	if (!v->id)
		domain_wallclock_update(v->domain);
	v->initialised = true;
	return 0;
}

void pv_context_get(struct vcpu *v, struct vcpu_guest_context *c)
{
	struct pv_vcpu *pv = v->pv;
	const struct vcpu_hot *h = &v->hot;

	memset(c, 0, sizeof(*c));
	memcpy(&c->user_regs, &v->regs, sizeof(v->regs));
	c->user_regs.entry_vector = 0;
	c->user_regs.ds = pv->ds;
	c->user_regs.es = pv->es;
	c->user_regs.fs = pv->fs;
	c->user_regs.gs = pv->gs;
	// The guest sees its own flags: IF is its event mask, IOPL its own.
	c->user_regs.rflags = (v->regs.rflags & ~FLAG_IOPL) | pv->iopl;
	c->flags = VGCF_i387_valid;
	if (h->pv32 ? cs_is_ring1(v->regs.cs) : h->mode_kernel)
		c->flags |= VGCF_in_kernel;
	if (h->cb_flags & CB_FAILSAFE_MASKS_EVENTS)
		c->flags |= VGCF_failsafe_disables_events;
	if (h->cb_flags & CB_SYSCALL_MASKS_EVENTS)
		c->flags |= VGCF_syscall_disables_events;
	if (!(v->pause_flags & VPF_DOWN))
		c->flags |= VGCF_online;
	fpu_get_fxsave(pv->fpu, &c->fpu_ctxt);
	memcpy(c->trap_ctxt, pv->traps, 256 * sizeof(*pv->traps));
	c->ldt_base = pv->ldt_base;
	c->ldt_ents = pv->ldt_entries;
	memcpy(c->gdt_frames, pv->gdt_frames, sizeof(pv->gdt_frames));
	c->gdt_ents = pv->gdt_entries;
	c->kernel_ss = h->kernel_ss;
	c->kernel_sp = h->kernel_sp;
	c->ctrlreg[0] = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE |
			pv->cr0_ts;
	c->ctrlreg[1] = h->cr3_user;
	c->ctrlreg[3] = pv_base(v);
	c->ctrlreg[4] = pv->cr4;
	memcpy(c->debugreg, pv->dr, sizeof(pv->dr));
	c->event_callback_eip = h->event_cb;
	c->failsafe_callback_eip = h->failsafe_cb;
	c->syscall_callback_eip = h->syscall_cb;
	c->vm_assist = v->domain->vm_assist;
	c->fs_base = pv->fs_base;
	c->gs_base_kernel = h->gs_base[1];
	c->gs_base_user = h->gs_base[0];
}
