// SPDX-License-Identifier: MIT
// domctl: what a domain has and may use: memory, devices, time, processor
// features, its share of the CPUs.
#include "call/compat.h"
#include "ctl/private.h"
#include "dom/policy.h"
#include "mm/alloc.h"
#include "sched/sched.h"
#include "x86/pte.h"

// Memory.

long domctl_max_mem(struct sub *s, struct xen_domctl_max_mem *a)
{
	u64 max = a->max_memkb >> (PAGE_SHIFT - 10);

	SPIN_GUARD(&s->d->account.lock);
	s->d->account.max = MIN(max, 0xffffffffUL);
	return 0;
}

static u64 frame_kind(const struct domain *d, u64 frame)
{
	struct page_info *pg = frame_get(mfn(frame), &d->account);
	u64 type, kind = XEN_DOMCTL_PFINFO_XTAB;

	if (!pg)
		return kind;
	if (!(pg->count & PGC_SPECIAL)) {
		type = READ_ONCE(pg->type);
		kind = PGT_IS_TABLE(type & PGT_TYPE)
			       ? (u64)PGT_LEVEL(type)
					 << XEN_DOMCTL_PFINFO_LTAB_SHIFT
			       : XEN_DOMCTL_PFINFO_NOTAB;
		if (type & PGT_PINNED)
			kind |= XEN_DOMCTL_PFINFO_LPINTAB;
	}
	page_put(pg);
	return kind;
}

// Each frame number is replaced by what the frame is.
long domctl_getpageframeinfo3(struct sub *s,
			      struct xen_domctl_getpageframeinfo3 *a)
{
	u64 gva = handle_gva(a->array), left = a->num, frame;

	if (left > 1024)
		return -E2BIG;
	for (; left; left--, gva += currd->pv32 ? 4 : 8) {
		if (left != a->num && preempt_check()) {
			a->num = left;
			a->array.p = (typeof(a->array.p))gva;
			s->copy_back = true;
			return -ERESTART;
		}
		if (pfn_from_guest(&frame, gva, 0) ||
		    pfn_to_guest(gva, 0, frame_kind(s->d, frame)))
			return -EFAULT;
	}
	return 0;
}

// Devices. Nobody gives what he has not.

static bool may_use(struct domain *d, enum domain_right kind, u64 first,
		    u64 last)
{
	SPIN_GUARD(&d->lock);
	return rangeset_has(&d->rights[kind], first, last);
}

long domain_permit(struct domain *d, enum domain_right kind, u64 first, u64 n,
		   bool allow)
{
	u64 last = first + n - 1;

	if (last < first)
		return -EINVAL;
	if (!may_use(currd, kind, first, last))
		return -EPERM;
	SPIN_GUARD(&d->lock);
	return allow ? rangeset_add(&d->rights[kind], first, last)
		     : rangeset_remove(&d->rights[kind], first, last);
}

// Guests of this kind map device frames themselves: nothing is to be done.
long domctl_memory_mapping(struct sub *s, struct xen_domctl_memory_mapping *a)
{
	u64 last = a->first_mfn + a->nr_mfns - 1;

	if (last < a->first_mfn || last > PTE_ADDR >> PAGE_SHIFT ||
	    a->first_gfn + a->nr_mfns - 1 < a->first_gfn)
		return -EINVAL;
	return 0;
}

// Time.

enum tsc_mode { TSC_DEFAULT, TSC_EMULATE, TSC_NATIVE };

long domctl_settimeoffset(struct sub *s, struct xen_domctl_settimeoffset *a)
{
	s->d->time_offset_s = a->time_offset_seconds;
	domain_wallclock_update(s->d);
	return 0;
}

int domain_tsc_set(struct domain *d, const struct xen_domctl_tsc_info *t)
{
	bool safe = cpu_has(ITSC);

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

long domctl_gettscinfo(struct sub *s, struct xen_domctl_tsc_info *a)
{
	struct xen_domctl_tsc_info *t = a;
	const struct time_scale *scale = time_scale_this_cpu();
	const struct domain *d = s->d;
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
	return 0;
}

// Shares and places.

long domctl_scheduler_op(struct sub *s, struct xen_domctl_scheduler_op *a)
{
	long rc = -EINVAL;

	s->copy_back = true;
	if (a->sched_id != XEN_SCHEDULER_CREDIT2)
		return -EINVAL;
	if (a->cmd == XEN_DOMCTL_SCHEDOP_putinfo)
		rc = sched_domain_set(s->d, a->u.credit2.weight,
				      a->u.credit2.cap);
	else if (a->cmd == XEN_DOMCTL_SCHEDOP_getinfo)
		rc = sched_domain_get(s->d, &a->u.credit2.weight,
				      &a->u.credit2.cap);
	return rc;
}

// The one node there is.

long domctl_setnodeaffinity(struct sub *s, struct xen_domctl_nodeaffinity *a)
{
	u64 nodes;
	int rc = bitmap_from_guest(&nodes, &a->nodemap, 64);

	return rc || nodes & 1 ? rc : -EINVAL;
}

// Processor features.

_Static_assert(sizeof(struct policy_leaf) == sizeof(struct xen_cpuid_leaf) &&
		       offsetof(struct policy_leaf, r) ==
			       offsetof(struct xen_cpuid_leaf, a),
	       "leaves are copied as they are");

static int put_policy(const struct policy *p, struct xen_domctl_cpu_policy *to)
{
	const struct xen_msr_entry m[] = {
		{ MSR_PLATFORM_INFO, 0, p->platform_info },
		{ MSR_ARCH_CAPS, 0, p->arch_caps },
	};
	u64 leaves = handle_gva(to->leaves), msrs = handle_gva(to->msrs);

	// What fits, in any case.
	if (leaves && copy_to_guest(leaves, p->leaves.leaf,
				    MIN(to->nr_leaves, p->leaves.n) *
					    sizeof(*p->leaves.leaf)))
		return -EFAULT;
	if (leaves && p->leaves.n > to->nr_leaves)
		return -ENOBUFS;
	to->nr_leaves = leaves ? p->leaves.n : POLICY_MAX_LEAVES;
	if (msrs && copy_to_guest(msrs, m,
				  MIN(to->nr_msrs, ARRAY_SIZE(m)) * sizeof(*m)))
		return -EFAULT;
	if (msrs && ARRAY_SIZE(m) > to->nr_msrs)
		return -ENOBUFS;
	to->nr_msrs = ARRAY_SIZE(m);
	return 0;
}

int policy_copy_out(const struct domain *d, u32 kind,
		    struct xen_domctl_cpu_policy *to)
{
	struct policy *p __heap_ref = NULL;
	int rc;

	if (d)
		return put_policy(&d->policy, to);
	p = heap_alloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	rc = policy_system(kind, p);
	return rc ? rc : put_policy(p, to);
}

long domctl_set_cpu_policy(struct sub *s, struct xen_domctl_cpu_policy *a)
{
	struct policy_leaf *l __heap_ref = NULL;
	struct xen_msr_entry m[POLICY_MAX_MSRS];
	struct vcpu *v;

	// A guest that has run knows its processor already.
	for_each_vcpu(s->d, v)
		if (vcpu_cpu_time(v))
			return -EEXIST;
	if (a->nr_leaves > POLICY_MAX_LEAVES || a->nr_msrs > POLICY_MAX_MSRS)
		return -E2BIG;
	l = heap_alloc_array(POLICY_MAX_LEAVES, sizeof(*l));
	if (!l)
		return -ENOMEM;
	s->copy_back = true;
	if (copy_from_guest(l, handle_gva(a->leaves),
			    a->nr_leaves * sizeof(*l)) ||
	    copy_from_guest(m, handle_gva(a->msrs), a->nr_msrs * sizeof(*m)))
		return -EFAULT;
	return policy_set(s->d, l, m, a);
}
