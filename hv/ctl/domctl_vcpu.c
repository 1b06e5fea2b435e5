// SPDX-License-Identifier: MIT
// domctl: what concerns one vcpu: its context, its state, where it may run.
#include "access/access.h"
#include "ctl/private.h"
#include "dom/policy.h"
#include "mm/alloc.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/fpu.h"
#include "x86/pte.h"

long domctl_setvcpucontext(struct sub *s, struct xen_domctl_vcpucontext *a)
{
	struct vcpu *v = domain_vcpu(s->d, a->vcpu);
	long rc;

	if (!v)
		return -EINVAL;
	// Without a context: reset of the vcpu.
	if (!handle_gva(a->ctxt))
		return -EOPNOTSUPP;
	rc = vcpu_context_load(v, handle_gva(a->ctxt), true);
	// Its wall clock starts with its first vcpu.
	if (!rc && !v->id)
		domain_wallclock_update(s->d);
	return rc;
}

long domctl_getvcpucontext(struct sub *s, struct xen_domctl_vcpucontext *a)
{
	struct vcpu_guest_context *c __heap_ref = NULL;

	if (!s->v->initialised)
		return -ENODATA;
	c = heap_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	s->d->ops->context_get(s->v, c);
	return s->d->pv32 ? context32_to_guest(handle_gva(a->ctxt), c)
			  : copy_struct_to_guest(handle_gva(a->ctxt), c);
}

long domctl_getvcpuinfo(struct sub *s, struct xen_domctl_getvcpuinfo *a)
{
	struct vcpu *v = s->v;

	a->online = !(v->pause_flags & VPF_DOWN);
	a->blocked = !!(v->pause_flags & VPF_BLOCKED);
	a->running = READ_ONCE(v->running);
	a->cpu_time = vcpu_cpu_time(v);
	a->cpu = v->cpu;
	return 0;
}

// Entry points of 32-bit code, beside the context.

static u64 entry_eip(const struct vcpu *v, u64 entry)
{
	return v->hot.pv32 ? (u32)entry : entry;
}

static u16 entry_cs(const struct vcpu *v, u64 entry)
{
	return v->hot.pv32 ? (u16)(entry >> 32) : SEL_RING3_CS64;
}

static u64 entry_make(const struct vcpu *v, u16 cs, u64 eip)
{
	return v->hot.pv32 ? pv32_entry(v->domain, cs, eip) : eip;
}

long domctl_get_ext_vcpucontext(struct sub *s,
				struct xen_domctl_ext_vcpucontext *a)
{
	const struct vcpu_hot *h = &s->v->hot;
	u64 caps = 0;

	emul_rdmsr(s->v, MSR_MCG_CAP, &caps);
	*a = (struct xen_domctl_ext_vcpucontext){
		.vcpu = s->v->id,
		.size = sizeof(*a),
		.syscall32_callback_eip = entry_eip(s->v, h->syscall32_cb),
		.syscall32_callback_cs = entry_cs(s->v, h->syscall32_cb),
		.syscall32_disables_events =
			!!(h->cb_flags & CB_SYSCALL32_MASKS_EVENTS),
		.sysenter_callback_eip = entry_eip(s->v, h->sysenter_cb),
		.sysenter_callback_cs = entry_cs(s->v, h->sysenter_cb),
		.sysenter_disables_events =
			!!(h->cb_flags & CB_SYSENTER_MASKS_EVENTS),
		.vmce.caps = caps,
	};
	return 0;
}

long domctl_set_ext_vcpucontext(struct sub *s,
				struct xen_domctl_ext_vcpucontext *a)
{
	struct vcpu_hot *h = &s->v->hot;

	if (a->size < offsetof(typeof(*a), mcg_cap) ||
	    !va_canonical(a->syscall32_callback_eip) ||
	    !va_canonical(a->sysenter_callback_eip))
		return -EINVAL;
	h->cb_flags &= ~(CB_SYSCALL32_MASKS_EVENTS | CB_SYSENTER_MASKS_EVENTS);
	if (a->syscall32_disables_events)
		h->cb_flags |= CB_SYSCALL32_MASKS_EVENTS;
	if (a->sysenter_disables_events)
		h->cb_flags |= CB_SYSENTER_MASKS_EVENTS;
	h->syscall32_cb = entry_make(s->v, a->syscall32_callback_cs,
				     a->syscall32_callback_eip);
	h->sysenter_cb = entry_make(s->v, a->sysenter_callback_cs,
				    a->sysenter_callback_eip);
	return 0;
}

// Extended state: XCR0, all components that were ever used, the image.

#define XSTATE_HEAD (2 * sizeof(u64))
#define XSTATE_BV   64 // word of the image that names the components in it

long domctl_getvcpuextstate(struct sub *s, struct xen_domctl_vcpuextstate *a)
{
	u64 gva = handle_gva(a->buffer), mask = fpu_xcr0_mask;
	const u64 *image = (const void *)s->v->pv->fpu;
	u64 head[2] = { 0 };
	u32 size = 0;

	if (mask) {
		head[0] = s->v->pv->xcr0;
		head[1] = head[0] | image[XSTATE_BV];
		size = MIN(policy_xsave_size(s->d, head[1]), fpu_state_size);
	}
	if ((!a->size && !a->xfeature_mask) || !gva) {
		a->xfeature_mask = mask;
		a->size = XSTATE_HEAD + size;
		return 0;
	}
	if (a->size != XSTATE_HEAD + size || a->xfeature_mask != mask)
		return -EINVAL;
	if (copy_struct_to_guest(gva, &head))
		return -EFAULT;
	return copy_to_guest(gva + sizeof(head), image, size);
}

// Copies the image in and takes it over; -ENOMEM, -EFAULT, -EINVAL.
static long extstate_load(struct vcpu *v, u64 gva, u32 size, u64 components)
{
	u64 *image __heap_ref = heap_alloc(fpu_state_size);

	if (!image)
		return -ENOMEM;
	if (copy_from_guest(image, gva, size))
		return -EFAULT;
	return image[XSTATE_BV] & ~components
		       ? -EINVAL
		       : fpu_set_xsave(v->pv->fpu, image, size);
}

long domctl_setvcpuextstate(struct sub *s, struct xen_domctl_vcpuextstate *a)
{
	u64 gva = handle_gva(a->buffer), head[2];
	long rc;

	if (a->size < XSTATE_HEAD || a->size > XSTATE_HEAD + fpu_state_size)
		return -EINVAL;
	if (copy_struct_from_guest(&head, gva))
		return -EFAULT;
	if (!head[0] && !head[1])
		return a->size > XSTATE_HEAD ? -EINVAL : 0;
	if (head[0] & ~head[1] || head[1] & ~policy_xcr0_mask(s->d) ||
	    fpu_check_xcr0(head[0]) || fpu_check_xcr0(head[1]))
		return -EINVAL;
	rc = extstate_load(s->v, gva + XSTATE_HEAD,
			   (u32)(a->size - XSTATE_HEAD), head[1]);
	if (!rc)
		s->v->pv->xcr0 = head[0];
	return rc;
}

// MSRs that a guest may have changed.

static const u32 kept_msrs[] = { MSR_MISC_FEATURES, MSR_TSC_AUX };

long domctl_get_vcpu_msrs(struct sub *s, struct xen_domctl_vcpu_msrs *a)
{
	u64 gva = handle_gva(a->msrs);
	u32 n = 0, room = a->msr_count;

	if (!gva) {
		a->msr_count = ARRAY_SIZE(kept_msrs);
		return 0;
	}
	for (u32 i = 0; i < ARRAY_SIZE(kept_msrs); i++) {
		struct xen_domctl_vcpu_msr m = { .index = kept_msrs[i] };
		u64 value;

		if (!emul_rdmsr(s->v, m.index, &value) || !value)
			continue;
		m.value = value;
		if (n < room && copy_struct_to_guest(gva + n * sizeof(m), &m))
			return -EFAULT;
		n++;
	}
	a->msr_count = n;
	s->copy_back = true;
	return n > room ? -ENOBUFS : 0;
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

long domctl_set_vcpu_msrs(struct sub *s, struct xen_domctl_vcpu_msrs *a)
{
	u64 gva = handle_gva(a->msrs);
	struct xen_domctl_vcpu_msr m;

	if (a->msr_count > ARRAY_SIZE(kept_msrs))
		return -EINVAL;
	for (u32 i = 0; i < a->msr_count; i++, gva += sizeof(m)) {
		if (copy_struct_from_guest(&m, gva))
			return -EFAULT;
		if (!msr_set(s->v, &m)) {
			a->msr_count = i;
			s->copy_back = true;
			return -EINVAL;
		}
	}
	return 0;
}

// Affinity.

#define AFFINITY_HARD XEN_VCPUAFFINITY_HARD
#define AFFINITY_SOFT XEN_VCPUAFFINITY_SOFT

static bool maps_given(const struct xen_domctl_vcpuaffinity *a)
{
	return a->flags &&
	       (!(a->flags & AFFINITY_HARD) ||
		handle_gva(a->cpumap_hard.bitmap)) &&
	       (!(a->flags & AFFINITY_SOFT) ||
		handle_gva(a->cpumap_soft.bitmap));
}

// Those of both sets that were asked for.
static long affinity_give(const struct xen_domctl_vcpuaffinity *a,
			  cpumask_t hard, cpumask_t soft)
{
	long rc = 0;

	if (a->flags & AFFINITY_HARD)
		rc = bitmap_to_guest(&a->cpumap_hard, hard, nr_cpus);
	if (!rc && a->flags & AFFINITY_SOFT)
		rc = bitmap_to_guest(&a->cpumap_soft, soft, nr_cpus);
	return rc;
}

// What the caller gets back is what takes effect.
long domctl_setvcpuaffinity(struct sub *s, struct xen_domctl_vcpuaffinity *a)
{
	struct vcpu *v = s->v;
	cpumask_t old = v->affinity_hard, hard = old, soft = 0;
	const cpumask_t pool = sched_pool_cpus(v->domain);
	long rc = 0;

	if (!maps_given(a))
		return -EINVAL;
	if (a->flags & AFFINITY_HARD)
		rc = bitmap_from_guest(&hard, &a->cpumap_hard, nr_cpus);
	if (!rc && a->flags & AFFINITY_SOFT)
		rc = bitmap_from_guest(&soft, &a->cpumap_soft, nr_cpus);
	if (rc)
		return rc;
	if (a->flags & XEN_VCPUAFFINITY_FORCE)
		sched_pin_override(v, -1);
	if (a->flags & AFFINITY_HARD)
		rc = sched_set_hard_affinity(v, hard);
	if (!rc && a->flags & AFFINITY_SOFT) {
		rc = sched_set_soft_affinity(v, soft);
		if (rc)
			sched_set_hard_affinity(v, old);
	}
	return rc ? rc : affinity_give(a, hard & pool, soft & hard & pool);
}

long domctl_getvcpuaffinity(struct sub *s, struct xen_domctl_vcpuaffinity *a)
{
	return maps_given(a) ? affinity_give(a, s->v->affinity_hard,
					     s->v->affinity_soft)
			     : -EINVAL;
}

long domctl_sendtrigger(struct sub *s, struct xen_domctl_sendtrigger *a)
{
	struct vcpu *v = domain_vcpu(s->d, a->vcpu);

	if (!v)
		return -ESRCH;
	// Buttons of machines with such guests.
	if (a->trigger == XEN_DOMCTL_SENDTRIGGER_POWER ||
	    a->trigger == XEN_DOMCTL_SENDTRIGGER_SLEEP)
		return -EINVAL;
	if (a->trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
		return -ENOSYS;
	vcpu_send_nmi(v);
	return 0;
}
