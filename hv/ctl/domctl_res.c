// SPDX-License-Identifier: MIT
// domctl: what a domain has and may use: memory, devices, time, processor
// features, its share of the CPUs.
#include "access/access.h"
#include "ctl/private.h"
#include "dom/policy.h"
#include "evtchn/evtchn.h"
#include "lib/rangeset.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/hypercall_page.h"
#include "sched/sched.h"
#include "x86/pte.h"

// Memory.

long domctl_max_mem(struct domctl *c)
{
	u64 max = c->op.u.max_mem.max_memkb >> (PAGE_SHIFT - 10);

	spin_lock(&c->d->account.lock);
	c->d->account.max = MIN(max, 0xffffffffUL);
	spin_unlock(&c->d->account.lock);
	return 0;
}

long domctl_hypercall_init(struct domctl *c)
{
	mfn_t m = mfn(c->op.u.hypercall_init.gmfn);
	void *page;

	if (!mfn_valid(m) || page_get_writable(mfn_to_page(m), &c->d->account))
		return -EACCES;
	page = map_frame(m);
	hypercall_page_fill(page);
	unmap_frame(page);
	page_put_writable(mfn_to_page(m));
	return 0;
}

static u64 frame_kind(const struct domain *d, u64 frame)
{
	struct page_info *pg = mfn_to_page(mfn(frame));
	u64 type, kind = XEN_DOMCTL_PFINFO_XTAB;

	if (!mfn_valid(mfn(frame)) || !page_get(pg, &d->account))
		return kind;
	if (!(pg->count & PGC_SPECIAL)) {
		type = READ_ONCE(pg->type);
		kind = PGT_IS_TABLE(type & PGT_TYPE)
			       ? (type & PGT_TYPE) / PGT_L1
					 << XEN_DOMCTL_PFINFO_LTAB_SHIFT
			       : XEN_DOMCTL_PFINFO_NOTAB;
		if (type & PGT_PINNED)
			kind |= XEN_DOMCTL_PFINFO_LPINTAB;
	}
	page_put(pg);
	return kind;
}

// Each frame number is replaced by what the frame is.
long domctl_getpageframeinfo3(struct domctl *c)
{
	struct xen_domctl_getpageframeinfo3 *a = &c->op.u.getpageframeinfo3;
	u64 gva = handle_gva(a->array), frame;

	if (a->num > 1024)
		return -E2BIG;
	for (; a->num; a->num--, gva += sizeof(frame)) {
		if (copy_struct_from_guest(&frame, gva))
			return -EFAULT;
		frame = frame_kind(c->d, frame);
		if (copy_struct_to_guest(gva, &frame))
			return -EFAULT;
		if (a->num > 1 && preempt_check()) {
			a->num--;
			a->array.p = (typeof(a->array.p))(gva + sizeof(frame));
			c->copy_back = true;
			return -ERESTART;
		}
	}
	return 0;
}

long domctl_set_address_size(struct domctl *c)
{
	return c->op.u.address_size.size == c->d->address_size ? 0 : -EINVAL;
}

long domctl_get_address_size(struct domctl *c)
{
	c->op.u.address_size.size = c->d->address_size;
	c->copy_back = true;
	return 0;
}

// Devices. Nobody gives what he has not.

static struct rangeset *set_of(struct domain *d, u32 cmd)
{
	if (cmd == XEN_DOMCTL_ioport_permission)
		return d->io_ports;
	return cmd == XEN_DOMCTL_irq_permission ? d->irqs : d->io_mem;
}

static bool may_use(struct domain *d, u32 cmd, u64 first, u64 last)
{
	bool has;

	spin_lock(&d->lock);
	has = rangeset_has(set_of(d, cmd), first, last);
	spin_unlock(&d->lock);
	return has;
}

static long permit(struct domctl *c, u64 first, u64 last, bool allow)
{
	struct rangeset *set = set_of(c->d, c->op.cmd);
	long rc;

	if (!may_use(currd, c->op.cmd, first, last))
		return -EPERM;
	spin_lock(&c->d->lock);
	rc = allow ? rangeset_add(set, first, last)
		   : rangeset_remove(set, first, last);
	spin_unlock(&c->d->lock);
	return rc;
}

long domctl_irq_permission(struct domctl *c)
{
	const struct xen_domctl_irq_permission *a = &c->op.u.irq_permission;
	int irq = pirq_irq(currd, a->pirq);

	return irq < 0 ? -EPERM
		       : permit(c, (u32)irq, (u32)irq, a->allow_access);
}

long domctl_iomem_permission(struct domctl *c)
{
	const struct xen_domctl_iomem_permission *a = &c->op.u.iomem_permission;
	u64 last = a->first_mfn + a->nr_mfns - 1;

	if (last < a->first_mfn)
		return -EINVAL;
	return permit(c, a->first_mfn, last, a->allow_access);
}

long domctl_ioport_permission(struct domctl *c)
{
	const struct xen_domctl_ioport_permission *a =
		&c->op.u.ioport_permission;
	u64 end = (u64)a->first_port + a->nr_ports;

	if (!a->nr_ports || end > 0x10000)
		return -EINVAL;
	return permit(c, a->first_port, end - 1, a->allow_access);
}

// Guests of this kind map device frames themselves.
long domctl_memory_mapping(struct domctl *c)
{
	const struct xen_domctl_memory_mapping *a = &c->op.u.memory_mapping;
	u64 last = a->first_mfn + a->nr_mfns - 1;

	if (last < a->first_mfn || last > PTE_ADDR >> PAGE_SHIFT ||
	    a->first_gfn + a->nr_mfns - 1 < a->first_gfn)
		return -EINVAL;
	return may_use(currd, c->op.cmd, a->first_mfn, last) &&
			       may_use(c->d, c->op.cmd, a->first_mfn, last)
		       ? 0
		       : -EPERM;
}

long domctl_set_virq_handler(struct domctl *c)
{
	return virq_set_handler(c->d, c->op.u.set_virq_handler.virq);
}

// Time.

enum tsc_mode { TSC_DEFAULT, TSC_EMULATE, TSC_NATIVE };

long domctl_settimeoffset(struct domctl *c)
{
	c->d->time_offset_s = c->op.u.settimeoffset.time_offset_seconds;
	domain_wallclock_update(c->d);
	return 0;
}

int domain_tsc_set(struct domain *d, const struct xen_domctl_tsc_info *t)
{
	bool safe = time_tsc_invariant();

	if (d->is_hardware)
		return 0;
	if (t->tsc_mode > TSC_NATIVE)
		return -EINVAL;
	d->tsc_mode = t->tsc_mode;
	d->vtsc = false;
	if (t->tsc_mode != TSC_NATIVE) {
		d->vtsc_offset_ns = time_now() - t->elapsed_nsec;
		d->tsc_khz = t->gtsc_khz ? t->gtsc_khz : (u32)tsc_khz();
		// A guest that came from a machine of another rate goes on
		// with the rate that it knows.
		d->vtsc = t->tsc_mode == TSC_EMULATE || !safe ||
			  d->tsc_khz != tsc_khz();
	}
	d->tsc_incarnation = t->incarnation + 1;
	return 0;
}

long domctl_settscinfo(struct domctl *c)
{
	return domain_tsc_set(c->d, &c->op.u.tsc_info);
}

long domctl_gettscinfo(struct domctl *c)
{
	struct xen_domctl_tsc_info *t = &c->op.u.tsc_info;
	const struct time_scale *scale = time_scale_this_cpu();
	const struct domain *d = c->d;
	u64 ns = 0;

	*t = (struct xen_domctl_tsc_info){
		.tsc_mode = d->tsc_mode,
		.incarnation = d->tsc_incarnation,
	};
	if (d->vtsc) {
		ns = time_now() - d->vtsc_offset_ns;
		t->gtsc_khz = d->tsc_khz;
	} else if (d->tsc_mode == TSC_DEFAULT) {
		ns = time_scale_delta(rdtsc(), scale->mul, scale->shift);
		t->gtsc_khz = (u32)tsc_khz();
	}
	t->elapsed_nsec = (s64)ns < 0 ? 0 : ns;
	c->copy_back = true;
	return 0;
}

// Shares and places.

long domctl_scheduler_op(struct domctl *c)
{
	struct xen_domctl_scheduler_op *a = &c->op.u.scheduler_op;
	long rc = -EINVAL;

	if (a->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	if (a->cmd == XEN_DOMCTL_SCHEDOP_putinfo)
		rc = sched_domain_set(c->d, a->u.credit2.weight,
				      a->u.credit2.cap);
	else if (a->cmd == XEN_DOMCTL_SCHEDOP_getinfo)
		rc = sched_domain_get(c->d, &a->u.credit2.weight,
				      &a->u.credit2.cap);
	c->copy_back = true;
	return rc;
}

// The one node there is.

long domctl_setnodeaffinity(struct domctl *c)
{
	u64 nodes;
	int rc = bitmap_from_guest(&nodes, &c->op.u.nodeaffinity.nodemap, 1);

	if (rc)
		return rc;
	return nodes ? 0 : -EINVAL;
}

long domctl_getnodeaffinity(struct domctl *c)
{
	return bitmap_to_guest(&c->op.u.nodeaffinity.nodemap, 1, 1);
}

// Processor features.

_Static_assert(sizeof(struct policy_leaf) == sizeof(struct xen_cpuid_leaf) &&
		       offsetof(struct policy_leaf, d) ==
			       offsetof(struct xen_cpuid_leaf, d),
	       "leaves are copied as they are");

static int leaves_copy_out(const struct domain *d, u32 kind,
			   const struct policy_out *to)
{
	struct policy_leaf *l = heap_alloc_array(POLICY_MAX_LEAVES, sizeof(*l));
	u32 n = POLICY_MAX_LEAVES;
	int rc;

	if (!l)
		return -ENOMEM;
	rc = d ? policy_get_leaves(d, l, &n)
	       : policy_system_leaves(kind, l, &n);
	if (!rc && !to->leaves)
		n = POLICY_MAX_LEAVES;
	else if (!rc && n > *to->nr_leaves)
		rc = -ENOBUFS;
	else if (!rc && copy_to_guest(to->leaves, l, n * sizeof(*l)))
		rc = -EFAULT;
	if (!rc)
		*to->nr_leaves = n;
	heap_free(l);
	return rc;
}

int policy_copy_out(const struct domain *d, u32 kind,
		    const struct policy_out *to)
{
	struct xen_msr_entry m[POLICY_MAX_MSRS];
	int rc = leaves_copy_out(d, kind, to);
	u32 n = POLICY_MAX_MSRS;

	if (rc)
		return rc;
	if (to->msrs) {
		n = d ? policy_get_msrs(d, m) : policy_system_msrs(kind, m);
		if (n > *to->nr_msrs)
			return -ENOBUFS;
		if (copy_to_guest(to->msrs, m, n * sizeof(*m)))
			return -EFAULT;
	}
	*to->nr_msrs = n;
	return 0;
}

long domctl_get_cpu_policy(struct domctl *c)
{
	struct xen_domctl_cpu_policy *a = &c->op.u.cpu_policy;
	const struct policy_out to = {
		.leaves = handle_gva(a->leaves),
		.msrs = handle_gva(a->msrs),
		.nr_leaves = &a->nr_leaves,
		.nr_msrs = &a->nr_msrs,
	};
	int rc = policy_copy_out(c->d, 0, &to);

	c->copy_back = !rc;
	return rc;
}

static long policy_replace(struct domain *d, struct xen_domctl_cpu_policy *a,
			   struct policy_leaf *l)
{
	struct xen_msr_entry m[POLICY_MAX_MSRS];
	u32 leaf, sub, msr;
	long rc;

	if (copy_from_guest(l, handle_gva(a->leaves),
			    a->nr_leaves * sizeof(*l)) ||
	    copy_from_guest(m, handle_gva(a->msrs), a->nr_msrs * sizeof(*m)))
		return -EFAULT;
	rc = policy_set_leaves(d, l, a->nr_leaves, &leaf, &sub);
	if (rc) {
		a->err_leaf = leaf;
		a->err_subleaf = sub;
		return rc;
	}
	rc = policy_set_msrs(d, m, a->nr_msrs, &msr);
	if (rc)
		a->err_msr = msr;
	return rc;
}

long domctl_set_cpu_policy(struct domctl *c)
{
	struct xen_domctl_cpu_policy *a = &c->op.u.cpu_policy;
	struct policy_leaf *l;
	struct vcpu *v;
	long rc;

	// A guest that has run knows its processor already.
	for_each_vcpu(c->d, v)
		if (vcpu_cpu_time(v))
			return -EEXIST;
	if (a->nr_leaves > POLICY_MAX_LEAVES || a->nr_msrs > POLICY_MAX_MSRS)
		return -E2BIG;
	l = heap_alloc_array(POLICY_MAX_LEAVES, sizeof(*l));
	if (!l)
		return -ENOMEM;
	a->err_leaf = a->err_subleaf = a->err_msr = ~0u;
	rc = policy_replace(c->d, a, l);
	c->copy_back = rc;
	heap_free(l);
	return rc;
}
