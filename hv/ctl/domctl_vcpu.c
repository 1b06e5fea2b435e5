// SPDX-License-Identifier: MIT
// domctl: what concerns one vcpu: its context, its state, where it may run.
#include "access/access.h"
#include "ctl/private.h"
#include "dom/policy.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/emul.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/fpu.h"
#include "x86/pte.h"

#define MSR_MCG_CAP	  0x00000179
#define MSR_MISC_FEATURES 0x00000140

long domctl_setvcpucontext(struct domctl *c)
{
	const struct xen_domctl_vcpucontext *a = &c->op.u.vcpucontext;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	struct vcpu_guest_context *ctxt;
	long rc = -EFAULT;

	if (!v)
		return -EINVAL;
	// Without a context: reset of the vcpu.
	if (!handle_gva(a->ctxt))
		return -EOPNOTSUPP;
	ctxt = heap_alloc(sizeof(*ctxt));
	if (!ctxt)
		return -ENOMEM;
	if (!copy_struct_from_guest(ctxt, handle_gva(a->ctxt))) {
		spin_lock(&c->d->lock);
		rc = c->d->ops->context_set(v, ctxt);
		spin_unlock(&c->d->lock);
		if (!rc && ctxt->flags & VGCF_online)
			vcpu_up(v);
		else if (!rc)
			vcpu_down(v);
	}
	heap_free(ctxt);
	return rc;
}

long domctl_getvcpucontext(struct domctl *c)
{
	const struct xen_domctl_vcpucontext *a = &c->op.u.vcpucontext;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	struct vcpu_guest_context *ctxt;
	long rc = 0;

	if (!v)
		return -ESRCH;
	if (v == current)
		return -EINVAL;
	if (!v->initialised)
		return -ENODATA;
	ctxt = heap_alloc(sizeof(*ctxt));
	if (!ctxt)
		return -ENOMEM;
	vcpu_pause(v);
	c->d->ops->context_get(v, ctxt);
	vcpu_unpause(v);
	if (copy_struct_to_guest(handle_gva(a->ctxt), ctxt))
		rc = -EFAULT;
	heap_free(ctxt);
	return rc;
}

long domctl_getvcpuinfo(struct domctl *c)
{
	struct xen_domctl_getvcpuinfo *a = &c->op.u.getvcpuinfo;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);

	if (!v)
		return a->vcpu >= c->d->max_vcpus ? -EINVAL : -ESRCH;
	a->online = !(v->pause_flags & VPF_DOWN);
	a->blocked = !!(v->pause_flags & VPF_BLOCKED);
	a->running = READ_ONCE(v->running);
	a->cpu_time = vcpu_cpu_time(v);
	a->cpu = v->cpu;
	c->copy_back = true;
	return 0;
}

// Entry points of 32-bit code, beside the context.

long domctl_get_ext_vcpucontext(struct domctl *c)
{
	struct xen_domctl_ext_vcpucontext *a = &c->op.u.ext_vcpucontext;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	u64 caps = 0;

	if (!v)
		return -ESRCH;
	if (v == current)
		return -EINVAL;
	vcpu_pause(v);
	a->size = sizeof(*a);
	a->syscall32_callback_eip = v->hot.syscall32_cb;
	a->sysenter_callback_eip = v->hot.sysenter_cb;
	a->syscall32_callback_cs = a->sysenter_callback_cs = SEL_RING3_CS64;
	a->syscall32_disables_events =
		!!(v->hot.cb_flags & CB_SYSCALL32_MASKS_EVENTS);
	a->sysenter_disables_events =
		!!(v->hot.cb_flags & CB_SYSENTER_MASKS_EVENTS);
	memset(&a->vmce, 0, sizeof(a->vmce));
	emul_rdmsr(v, MSR_MCG_CAP, &caps);
	a->vmce.caps = caps;
	vcpu_unpause(v);
	c->copy_back = true;
	return 0;
}

long domctl_set_ext_vcpucontext(struct domctl *c)
{
	const struct xen_domctl_ext_vcpucontext *a = &c->op.u.ext_vcpucontext;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	u32 flags;

	if (!v)
		return -ESRCH;
	if (a->size < offsetof(typeof(*a), mcg_cap) ||
	    !va_canonical(a->syscall32_callback_eip) ||
	    !va_canonical(a->sysenter_callback_eip))
		return -EINVAL;
	flags = v->hot.cb_flags &
		~(CB_SYSCALL32_MASKS_EVENTS | CB_SYSENTER_MASKS_EVENTS);
	if (a->syscall32_disables_events)
		flags |= CB_SYSCALL32_MASKS_EVENTS;
	if (a->sysenter_disables_events)
		flags |= CB_SYSENTER_MASKS_EVENTS;
	v->hot.cb_flags = flags;
	v->hot.syscall32_cb = a->syscall32_callback_eip;
	v->hot.sysenter_cb = a->sysenter_callback_eip;
	return 0;
}

// Extended state: XCR0, all components that were ever used, the image.

#define XSTATE_HEAD (2 * sizeof(u64))
#define XSTATE_BV   64 // word of the image that names the components in it

long domctl_getvcpuextstate(struct domctl *c)
{
	struct xen_domctl_vcpuextstate *a = &c->op.u.vcpuextstate;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	u64 gva = handle_gva(a->buffer), mask = fpu_xcr0_mask(), head[2];
	const u64 *image;
	u32 size;
	long rc = 0;

	if (!v)
		return -ESRCH;
	if (v == current)
		return -EINVAL;
	vcpu_pause(v);
	image = fpu_xsave_image(v->pv->fpu);
	head[0] = mask ? v->pv->xcr0 : 0;
	head[1] = mask ? v->pv->xcr0 | image[XSTATE_BV] : 0;
	size = mask ? MIN(policy_xsave_size(c->d, head[1]), fpu_state_size())
		    : 0;
	if ((!a->size && !a->xfeature_mask) || !gva) {
		a->xfeature_mask = mask;
		a->size = XSTATE_HEAD + size;
		c->copy_back = true;
	} else if (a->size != XSTATE_HEAD + size || a->xfeature_mask != mask) {
		rc = -EINVAL;
	} else if (copy_struct_to_guest(gva, &head) ||
		   copy_to_guest(gva + sizeof(head), image, size)) {
		rc = -EFAULT;
	}
	vcpu_unpause(v);
	return rc;
}

// Copies the image in and takes it over; -ENOMEM, -EFAULT, -EINVAL.
static long extstate_load(struct vcpu *v, u64 gva, u32 size, u64 components)
{
	u64 *image = heap_alloc(fpu_state_size());
	long rc = -EINVAL;

	if (!image)
		return -ENOMEM;
	if (copy_from_guest(image, gva, size))
		rc = -EFAULT;
	else if (!(image[XSTATE_BV] & ~components))
		rc = fpu_set_xsave(v->pv->fpu, image, size);
	heap_free(image);
	return rc;
}

long domctl_setvcpuextstate(struct domctl *c)
{
	const struct xen_domctl_vcpuextstate *a = &c->op.u.vcpuextstate;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	u64 gva = handle_gva(a->buffer), head[2];
	long rc;

	if (!v)
		return -ESRCH;
	if (a->size < XSTATE_HEAD || a->size > XSTATE_HEAD + fpu_state_size())
		return -EINVAL;
	if (copy_struct_from_guest(&head, gva))
		return -EFAULT;
	if (!head[0] && !head[1])
		return 0;
	if (head[0] & ~head[1] || head[1] & ~policy_xcr0_mask(c->d) ||
	    fpu_check_xcr0(head[0]) || fpu_check_xcr0(head[1]))
		return -EINVAL;
	rc = extstate_load(v, gva + XSTATE_HEAD, (u32)(a->size - XSTATE_HEAD),
			   head[1]);
	if (!rc)
		v->pv->xcr0 = head[0];
	return rc;
}

// MSRs that a guest may have changed.

static const u32 kept_msrs[] = { MSR_MISC_FEATURES, MSR_TSC_AUX };

long domctl_get_vcpu_msrs(struct domctl *c)
{
	struct xen_domctl_vcpu_msrs *a = &c->op.u.vcpu_msrs;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	u64 gva = handle_gva(a->msrs);
	u32 n = 0;
	long rc = 0;

	if (!v)
		return -ESRCH;
	if (v == current)
		return -EINVAL;
	c->copy_back = true;
	if (!gva) {
		a->msr_count = ARRAY_SIZE(kept_msrs);
		return 0;
	}
	vcpu_pause(v);
	for (u32 i = 0; i < ARRAY_SIZE(kept_msrs) && !rc; i++) {
		struct xen_domctl_vcpu_msr m = { .index = kept_msrs[i] };
		u64 value;

		if (!emul_rdmsr(v, m.index, &value) || !value)
			continue;
		m.value = value;
		if (n < a->msr_count &&
		    copy_struct_to_guest(gva + n * sizeof(m), &m))
			rc = -EFAULT;
		n++;
	}
	vcpu_unpause(v);
	if (!rc && n > a->msr_count)
		rc = -ENOBUFS;
	a->msr_count = n;
	return rc;
}

// The emulation writes as for the running vcpu: the processor gets that one's
// values back.
static bool msr_set(struct vcpu *v, const struct xen_domctl_vcpu_msr *m)
{
	bool ok = false;
	u64 flags;

	for (u32 i = 0; i < ARRAY_SIZE(kept_msrs); i++) {
		if (m->index != kept_msrs[i] || m->reserved)
			continue;
		flags = irq_save();
		ok = emul_wrmsr(v, m->index, m->value);
		emul_switch_to(current);
		irq_restore(flags);
	}
	return ok;
}

long domctl_set_vcpu_msrs(struct domctl *c)
{
	struct xen_domctl_vcpu_msrs *a = &c->op.u.vcpu_msrs;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);
	struct xen_domctl_vcpu_msr m;

	if (!v)
		return -ESRCH;
	if (a->msr_count > ARRAY_SIZE(kept_msrs))
		return -EINVAL;
	for (u32 i = 0; i < a->msr_count; i++) {
		if (copy_struct_from_guest(&m,
					   handle_gva(a->msrs) + i * sizeof(m)))
			return -EFAULT;
		if (!msr_set(v, &m)) {
			a->msr_count = i;
			c->copy_back = true;
			return -EINVAL;
		}
	}
	return 0;
}

// Affinity.

#define AFFINITY_HARD XEN_VCPUAFFINITY_HARD
#define AFFINITY_SOFT XEN_VCPUAFFINITY_SOFT

static long affinity_vcpu(struct domctl *c, struct vcpu **v)
{
	const struct xen_domctl_vcpuaffinity *a = &c->op.u.vcpuaffinity;

	*v = domain_vcpu(c->d, a->vcpu);
	if (!*v)
		return a->vcpu >= c->d->max_vcpus ? -EINVAL : -ESRCH;
	if (!a->flags ||
	    (a->flags & AFFINITY_HARD && !handle_gva(a->cpumap_hard.bitmap)) ||
	    (a->flags & AFFINITY_SOFT && !handle_gva(a->cpumap_soft.bitmap)))
		return -EINVAL;
	return 0;
}

// What the caller gets back is what takes effect.
long domctl_setvcpuaffinity(struct domctl *c)
{
	const struct xen_domctl_vcpuaffinity *a = &c->op.u.vcpuaffinity;
	cpumask_t hard, soft, old;
	struct vcpu *v;
	long rc = affinity_vcpu(c, &v);

	if (rc)
		return rc;
	old = v->affinity_hard;
	if (a->flags & XEN_VCPUAFFINITY_FORCE)
		sched_pin_override(v, -1);
	if (a->flags & AFFINITY_HARD) {
		rc = bitmap_from_guest(&hard, &a->cpumap_hard, nr_cpus);
		if (!rc)
			rc = sched_set_hard_affinity(v, hard);
		if (!rc)
			rc = bitmap_to_guest(&a->cpumap_hard, hard & cpu_online,
					     nr_cpus);
		if (rc)
			return rc;
	}
	if (!(a->flags & AFFINITY_SOFT))
		return 0;
	rc = bitmap_from_guest(&soft, &a->cpumap_soft, nr_cpus);
	if (!rc)
		rc = sched_set_soft_affinity(v, soft);
	if (rc) {
		if (a->flags & AFFINITY_HARD)
			sched_set_hard_affinity(v, old);
		return rc;
	}
	return bitmap_to_guest(&a->cpumap_soft,
			       soft & v->affinity_hard & cpu_online, nr_cpus);
}

long domctl_getvcpuaffinity(struct domctl *c)
{
	const struct xen_domctl_vcpuaffinity *a = &c->op.u.vcpuaffinity;
	struct vcpu *v;
	long rc = affinity_vcpu(c, &v);

	if (!rc && a->flags & AFFINITY_HARD)
		rc = bitmap_to_guest(&a->cpumap_hard, v->affinity_hard,
				     nr_cpus);
	if (!rc && a->flags & AFFINITY_SOFT)
		rc = bitmap_to_guest(&a->cpumap_soft, v->affinity_soft,
				     nr_cpus);
	return rc;
}

long domctl_sendtrigger(struct domctl *c)
{
	const struct xen_domctl_sendtrigger *a = &c->op.u.sendtrigger;
	struct vcpu *v = domain_vcpu(c->d, a->vcpu);

	if (!v)
		return a->vcpu >= c->d->max_vcpus ? -EINVAL : -ESRCH;
	switch (a->trigger) {
	case XEN_DOMCTL_SENDTRIGGER_NMI:
		if (!__atomic_exchange_n(&v->nmi_pending, 1, __ATOMIC_SEQ_CST))
			vcpu_kick(v);
		return 0;
	case XEN_DOMCTL_SENDTRIGGER_POWER:
	case XEN_DOMCTL_SENDTRIGGER_SLEEP:
		return -EINVAL; // buttons of machines with such guests
	}
	return -ENOSYS;
}
