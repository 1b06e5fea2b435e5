// SPDX-License-Identifier: MIT
// domctl: dispatch, and the life of domains (public header domctl.h).
#include "access/access.h"
#include "con/con.h"
#include "ctl/private.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/cpuid.h"

#define CTL_ANY	   1u
#define CTL_OTHER  2u
#define CTL_PAUSED (4u | CTL_OTHER)

struct entry {
	domctl_fn *fn;
	s16 error;
	u16 flags;
};

#define DOMCTL(name, flags)  [XEN_DOMCTL_##name] = { domctl_##name, 0, flags },
#define REFUSED(name, error) [XEN_DOMCTL_##name] = { NULL, error, 0 },
static const struct entry table[] = {
#include "ctl/domctl.def"
};
#undef DOMCTL
#undef REFUSED

static bool may_call(const struct domctl *c)
{
	return currd->is_control ||
	       (c->op.cmd == XEN_DOMCTL_getdomaininfo &&
		currd->create_flags & XEN_DOMCTL_CDF_xs_domain);
}

static long locked_call(struct domctl *c, const struct entry *e)
{
	bool pause = (e->flags & CTL_PAUSED) == CTL_PAUSED;
	long rc;

	if (!e->fn)
		return e->error ? e->error : -ENOSYS;
	if (e->flags & CTL_OTHER && c->d == currd)
		return -EINVAL;
	if (!control_lock())
		return -ERESTART;
	if (!pause) {
		rc = e->fn(c);
	} else if (c->d && c->d->state == DOM_ALIVE) {
		domain_pause(c->d);
		rc = e->fn(c);
		domain_unpause(c->d);
	} else {
		rc = -EINVAL;
	}
	control_unlock();
	return rc;
}

long call_domctl(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	static const struct entry unknown;
	const struct entry *e = &unknown;
	struct domctl c = { 0 };
	long rc;

	if (copy_struct_from_guest(&c.op, a1))
		return -EFAULT;
	if (c.op.interface_version != CTL_DOMCTL_VERSION)
		return -EACCES;
	if (c.op.cmd < ARRAY_SIZE(table))
		e = &table[index_nospec(c.op.cmd, ARRAY_SIZE(table))];
	c.d = domain_get_by_id(c.op.domain);
	if (!c.d && !(e->flags & CTL_ANY))
		return -ESRCH;
	rc = may_call(&c) ? locked_call(&c, e) : -EPERM;
	if (c.d)
		domain_put(c.d);
	if (c.copy_back && copy_struct_to_guest(a1, &c.op))
		return -EFAULT;
	return rc == -ERESTART
		       ? call_again(__HYPERVISOR_domctl, 1, a1, 0, 0, 0, 0)
		       : rc;
}

// Creation.

// A number that no domain has, the next one after the last pick; 0: none.
static u16 pick_id(void)
{
	static u32 last;
	u32 id = 0;

	spin_lock(&domain_list_lock);
	for (u32 from = last + 1;; from = 1) {
		id = from;
		list_for_each(l, &domain_list) {
			u16 used = list_entry(l, struct domain, all)->id;

			if (used == id)
				id++;
			else if (used > id)
				break;
		}
		if (id < DOMID_FIRST_RESERVED || from == 1)
			break;
	}
	spin_unlock(&domain_list_lock);
	if (id >= DOMID_FIRST_RESERVED)
		return 0;
	last = id;
	return (u16)id;
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
	return a->cpupool_id ? -ENOENT : 0;
}

long domctl_createdomain(struct domctl *c)
{
	const struct xen_domctl_createdomain *a = &c->op.u.createdomain;
	const struct xen_domctl_tsc_info tsc = { 0 };
	bool chosen = c->op.domain && c->op.domain < DOMID_FIRST_RESERVED;
	struct domain_config cfg = {
		.domid = chosen ? c->op.domain : 0,
		.max_vcpus = a->max_vcpus,
		.flags = a->flags,
		.ssidref = a->ssidref,
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
	if (chosen && c->d)
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
	c->op.domain = d->id;
	c->copy_back = true;
	return 0;
}

long domctl_max_vcpus(struct domctl *c)
{
	struct domain *d = c->d;
	int rc = 0;

	if (c->op.u.max_vcpus.max != d->max_vcpus)
		return -EINVAL;
	for (u32 i = 0; i < d->max_vcpus && !rc; i++)
		rc = d->vcpu[i] ? 0 : vcpu_create(d, i, NULL);
	return rc;
}

long domctl_destroydomain(struct domctl *c)
{
	return domain_kill(c->d);
}

long domctl_pausedomain(struct domctl *c)
{
	return domain_pause_by_controller(c->d);
}

long domctl_unpausedomain(struct domctl *c)
{
	return domain_unpause_by_controller(c->d);
}

long domctl_resumedomain(struct domctl *c)
{
	domain_resume(c->d);
	return 0;
}

long domctl_setdebugging(struct domctl *c)
{
	c->d->debugger_attached = c->op.u.setdebugging.enable;
	return 0;
}

long domctl_setdomainhandle(struct domctl *c)
{
	memcpy(c->d->handle, c->op.u.setdomainhandle.handle,
	       sizeof(c->d->handle));
	return 0;
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
	u32 code = d->shut_down ? d->shutdown_code : XEN_DOMINF_shutdownmask;

	memset(i, 0, sizeof(*i));
	i->domain = d->id;
	vcpus_info(d, i);
	i->flags |= code << XEN_DOMINF_shutdownshift;
	if (d->state == DOM_DEAD)
		i->flags |= XEN_DOMINF_dying;
	if (d->shut_down)
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
	i->shared_info_frame = mfn_val(virt_to_mfn(d->shared));
	i->ssidref = d->ssidref;
	memcpy(i->handle, d->handle, sizeof(i->handle));
	i->gpaddr_bits = cpu_host.phys_bits;
}

long domctl_getdomaininfo(struct domctl *c)
{
	struct domain *d;

	if (c->op.domain >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	d = domain_get_from(c->op.domain);
	if (!d)
		return -ESRCH;
	domain_info_fill(d, &c->op.u.getdomaininfo);
	c->op.domain = d->id;
	c->copy_back = true;
	domain_put(d);
	return 0;
}
