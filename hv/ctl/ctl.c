// SPDX-License-Identifier: MIT
// domctl, sysctl and platform_op: dispatch, and what they share (public
// headers domctl.h, sysctl.h, platform.h).
#include "access/access.h"
#include "ctl/private.h"
#include "dom/policy.h"
#include "evtchn/evtchn.h"
#include "lib/string.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/cpuid.h"

// Rules: see the tables.
#define CTL_ANY	     1u
#define CTL_OTHER    2u
#define CTL_PAUSED   4u
#define CTL_XENSTORE 8u
#define CTL_UNLOCKED 16u
#define CTL_VCPU     32u
#define CTL_RANGE    64u
#define CTL_VPAUSED  128u
#define CTL_STILL    256u
#define CTL_FROM     512u
#define CTL_IN	     1024u

// The releases of the tools that are served; others get -EACCES.
_Static_assert(XEN_DOMCTL_INTERFACE_VERSION == 0x15, "domctl of xl 4.17");
_Static_assert(XEN_SYSCTL_INTERFACE_VERSION == 0x15, "sysctl of xl 4.17");
_Static_assert(sizeof(struct xen_domctl) == 144, "domctl");
_Static_assert(sizeof(struct xen_sysctl) == 136, "sysctl");
_Static_assert(sizeof(struct xen_platform_op) == 136, "platform_op");
_Static_assert(offsetof(struct xen_sysctl, u) ==
		       offsetof(struct xen_platform_op, u),
	       "one place for the argument");

#define SUB_TABLE      "ctl/domctl.def"
#define SUB_NR(name)   XEN_DOMCTL_##name
#define SUB_TYPE(type) struct xen_domctl_##type
#define SUB_NAME(name) domctl_##name
#define SUB_ARRAY      domctls
#include "call/sub_ops.inc"

#define SUB_TABLE      "ctl/sysctl.def"
#define SUB_NR(name)   XEN_SYSCTL_##name
#define SUB_TYPE(type) struct xen_sysctl_##type
#define SUB_NAME(name) sysctl_##name
#define SUB_ARRAY      sysctls
#include "call/sub_ops.inc"

#define SUB_TABLE      "ctl/platform.def"
#define SUB_NR(name)   XENPF_##name
#define SUB_TYPE(type) struct xenpf_##type
#define SUB_NAME(name) platform_##name
#define SUB_ARRAY      platforms
#include "call/sub_ops.inc"

struct table {
	u32 call, version, size, n;
	const struct sub_op *ops;
};

// What the caller gives, whole.
union control {
	struct {
		u32 cmd, version;
	};
	struct xen_domctl domctl;
	struct xen_sysctl sysctl;
	struct xen_platform_op platform;
};

// One control operation at a time.
static struct spinlock lock = SPINLOCK_INIT(RANK_CONTROL);

// The argument of every such operation begins with the vcpu's number.
static long find_vcpu(struct sub *s, u32 flags, u32 id)
{
	s->v = domain_vcpu(s->d, id);
	if (!s->v)
		return flags & CTL_RANGE && id >= s->d->max_vcpus ? -EINVAL
								  : -ESRCH;
	return flags & CTL_VPAUSED && s->v == current ? -EINVAL : 0;
}

static long locked_call(struct sub *s, const struct sub_op *op, void *arg)
{
	bool pause = op->flags & (CTL_PAUSED | CTL_STILL) && s->d != currd;
	long rc = 0;

	if (op->flags & (CTL_VCPU | CTL_RANGE | CTL_VPAUSED))
		rc = find_vcpu(s, op->flags, *(u32 *)arg);
	if (op->flags & CTL_PAUSED && s->d->state != DOM_ALIVE)
		rc = -EINVAL;
	if (rc)
		return rc;
	if (pause)
		domain_pause(s->d);
	if (op->flags & CTL_VPAUSED)
		vcpu_pause(s->v);
	rc = op->fn(s, arg);
	if (op->flags & CTL_VPAUSED)
		vcpu_unpause(s->v);
	if (pause)
		domain_unpause(s->d);
	return rc;
}

static long run(struct sub *s, const struct sub_op *op, void *arg)
{
	long rc;

	if (!currd->is_control &&
	    !(op->flags & CTL_XENSTORE &&
	      currd->create_flags & XEN_DOMCTL_CDF_xs_domain))
		return -EPERM;
	if (!op->fn)
		return op->error ? op->error : -ENOSYS;
	if (op->flags & (CTL_OTHER | CTL_PAUSED) && s->d == currd)
		return -EINVAL;
	if (op->flags & CTL_UNLOCKED)
		return op->fn(s, arg);
	// Not waited for when an interrupt's work waits: the lock's holder may
	// be pausing us.
	while (!spin_trylock(&lock)) {
		if (preempt_check())
			return -ERESTART;
		cpu_relax();
	}
	rc = locked_call(s, op, arg);
	spin_unlock(&lock);
	return rc;
}

static long run_domctl(struct sub *s, const struct sub_op *op,
		       struct xen_domctl *x)
{
	struct domain *d __domain_ref = op->flags & CTL_FROM
						? domain_get_from(x->domain)
						: domain_get_by_id(x->domain);
	long rc;

	if (!d && !(op->flags & CTL_ANY))
		return -ESRCH;
	s->d = d;
	s->domid = x->domain;
	rc = run(s, op, &x->u);
	x->domain = s->domid;
	return rc;
}

static long ctl_call(const struct table *t, u64 gva)
{
	static const struct sub_op unknown;
	const struct sub_op *op = &unknown;
	struct sub s = { .gva = gva };
	union control c;
	long rc;

	if (copy_from_guest(&c, gva, t->size))
		return -EFAULT;
	if (c.version != t->version)
		return -EACCES;
	if (c.cmd < t->n)
		op = &t->ops[index_nospec(c.cmd, t->n)];
	rc = t->ops == domctls ? run_domctl(&s, op, &c.domctl)
			       : run(&s, op, &c.sysctl.u);
	if ((s.copy_back || (!rc && !(op->flags & CTL_IN))) &&
	    copy_to_guest(gva, &c, t->size))
		return -EFAULT;
	return rc == -ERESTART ? call_again(t->call, gva) : rc;
}

#define CTL_CALL(name, type, number, rows)                         \
	long call_##name(u64 arg, u64 a2, u64 a3, u64 a4, u64 a5)  \
	{                                                          \
		static const struct table t = {                    \
			__HYPERVISOR_##name, number, sizeof(type), \
			ARRAY_SIZE(rows),    rows,                 \
		};                                                 \
                                                                   \
		return ctl_call(&t, arg);                          \
	}

CTL_CALL(domctl, struct xen_domctl, XEN_DOMCTL_INTERFACE_VERSION, domctls)
CTL_CALL(sysctl, struct xen_sysctl, XEN_SYSCTL_INTERFACE_VERSION, sysctls)
CTL_CALL(platform_op, struct xen_platform_op, XENPF_INTERFACE_VERSION,
	 platforms)

static u64 low_bits(u64 set, u32 bits)
{
	return bits < 64 ? set & (BIT(bits) - 1) : set;
}

int bitmap_from_guest(u64 *out, const struct xenctl_bitmap *from, u32 bits)
{
	u64 set = 0;

	bits = MIN(from->nr_bits, bits);
	if (copy_from_guest(&set, handle_gva(from->bitmap), DIV_UP(bits, 8)))
		return -EFAULT;
	*out = low_bits(set, bits);
	return 0;
}

int bitmap_to_guest(const struct xenctl_bitmap *to, u64 set, u32 bits)
{
	u64 gva = handle_gva(to->bitmap), bytes = DIV_UP((u64)to->nr_bits, 8);
	u64 n = MIN(bytes, sizeof(set));

	if (bytes > PAGE_SIZE)
		return -E2BIG;
	set = low_bits(set, bits);
	if (copy_to_guest(gva, &set, n) || clear_guest(gva + n, bytes - n))
		return -EFAULT;
	return 0;
}
