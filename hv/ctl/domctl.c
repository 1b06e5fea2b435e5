// SPDX-License-Identifier: MIT
// domctl: the life of domains, and what there is to know of them.
#include "ctl/private.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/cpuid.h"

// Creation.

static bool id_used(u16 id)
{
	SPIN_GUARD(&domain_list_lock);
	for_each_domain(d)
		if (d->id == id)
			return true;
	return false;
}

// A number that no domain has, the next one after the last pick; 0: none.
static u16 pick_id(void)
{
	static u16 last;

	for (u32 i = 1; i < DOMID_FIRST_RESERVED; i++) {
		last = last % (DOMID_FIRST_RESERVED - 1) + 1;
		if (!id_used(last))
			return last;
	}
	return 0;
}

// Kinds and options that there are; -EINVAL, -EOPNOTSUPP, -ENOENT.
static int check_config(const struct xen_domctl_createdomain *a)
{
	const u32 flags = XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_oos_off |
			  XEN_DOMCTL_CDF_s3_integrity;

	if (a->flags & ~flags || a->iommu_opts || a->vmtrace_size ||
	    a->grant_opts & ~XEN_DOMCTL_GRANT_version_mask ||
	    a->arch.misc_flags & ~XEN_X86_MSR_RELAXED ||
	    a->arch.emulation_flags & ~XEN_X86_EMU_ALL)
		return -EINVAL;
	if (!XEN_DOMCTL_GRANT_version(a->grant_opts) ||
	    XEN_DOMCTL_GRANT_version(a->grant_opts) > 2)
		return -EINVAL;
	if (a->arch.emulation_flags & ~XEN_X86_EMU_PIT)
		return -EOPNOTSUPP;
	return 0;
}

long domctl_createdomain(struct sub *s, struct xen_domctl_createdomain *a)
{
	const struct xen_domctl_tsc_info tsc = { 0 };
	bool chosen = s->domid && s->domid < DOMID_FIRST_RESERVED;
	struct domain_config cfg = {
		.domid = chosen ? s->domid : 0,
		.max_vcpus = a->max_vcpus,
		.flags = a->flags,
		.ssidref = a->ssidref,
		.cpupool_id = a->cpupool_id,
		.max_evtchn_port = MIN(a->max_evtchn_port, 0x7fffffffu),
		// Below zero: the default.
		.max_grant_frames = (u32)MAX(a->max_grant_frames, -1),
		.max_maptrack_frames = (u32)MAX(a->max_maptrack_frames, -1),
		.grant_version = XEN_DOMCTL_GRANT_version(a->grant_opts),
		.ops = &pv_guest_ops,
	};
	struct domain *d;
	int rc = check_config(a);

	if (rc)
		return rc;
	if (!a->max_grant_frames)
		return -EINVAL;
	if (chosen && s->d)
		return -EEXIST;
	if (!chosen)
		cfg.domid = pick_id();
	if (!cfg.domid)
		return -ENOMEM;
	memcpy(cfg.handle, a->handle, sizeof(cfg.handle));
	rc = domain_create(&cfg, &d);
	if (rc)
		return rc;
	domain_tsc_set(d, &tsc);
	s->domid = d->id;
	return 0;
}

long domctl_max_vcpus(struct sub *s, struct xen_domctl_max_vcpus *a)
{
	struct domain *d = s->d;
	int rc = 0;

	if (a->max != d->max_vcpus)
		return -EINVAL;
	for (u32 i = 0; i < d->max_vcpus && !rc; i++)
		rc = d->vcpu[i] ? 0 : vcpu_create(d, i, NULL);
	return rc;
}

// Information.

// Blocked when all vcpus that are up are, running when one is.
static void vcpus_info(struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	u32 flags = XEN_DOMINF_blocked;
	struct vcpu *v;

	i->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
	for_each_vcpu(d, v) {
		u32 held = READ_ONCE(v->pause_flags);

		i->cpu_time += vcpu_cpu_time(v);
		i->max_vcpu_id = v->id;
		if (held & VPF_DOWN)
			continue;
		if (!(held & VPF_BLOCKED))
			flags &= ~XEN_DOMINF_blocked;
		if (READ_ONCE(v->running))
			flags |= XEN_DOMINF_running;
		i->nr_online_vcpus++;
	}
	if (i->nr_online_vcpus)
		i->flags |= flags;
}

void domain_info_fill(struct domain *d, struct xen_domctl_getdomaininfo *i)
{
	// Once: it may end right now.
	bool ended = READ_ONCE(d->shut_down);
	u32 code = ended ? d->shutdown_code - 1u : XEN_DOMINF_shutdownmask;

	memset(i, 0, sizeof(*i));
	i->domain = d->id;
	vcpus_info(d, i);
	i->flags |= code << XEN_DOMINF_shutdownshift;
	if (d->state == DOM_DEAD)
		i->flags |= XEN_DOMINF_dying;
	if (ended)
		i->flags |= XEN_DOMINF_shutdown;
	if (d->controller_pauses)
		i->flags |= XEN_DOMINF_paused;
	if (d->debugger_attached)
		i->flags |= XEN_DOMINF_debugged;
	if (d->create_flags & XEN_DOMCTL_CDF_xs_domain)
		i->flags |= XEN_DOMINF_xs_domain;
	i->tot_pages = d->account.total;
	i->max_pages = d->account.max;
	i->outstanding_pages = d->account.claim;
	i->cpupool = sched_pool_id(d);
	i->shared_info_frame = mfn_val(virt_to_mfn(d->shared));
	i->ssidref = d->ssidref;
	memcpy(i->handle, d->handle, sizeof(i->handle));
	i->gpaddr_bits = cpu_host.phys_bits;
}

long domctl_getdomaininfo(struct sub *s, struct xen_domctl_getdomaininfo *a)
{
	if (s->domid >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	if (!s->d)
		return -ESRCH;
	domain_info_fill(s->d, a);
	s->domid = s->d->id;
	return 0;
}
