// SPDX-License-Identifier: MIT
// domctl, sysctl and platform_op: dispatch, and what they share (public
// headers domctl.h, sysctl.h, platform.h).
#include "access/access.h"
#include "ctl/private.h"
#include "sched/sched.h"

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

// The releases of the tools that are served; others get -EACCES.
_Static_assert(XEN_DOMCTL_INTERFACE_VERSION == 0x15, "domctl of xl 4.17");
_Static_assert(XEN_SYSCTL_INTERFACE_VERSION == 0x15, "sysctl of xl 4.17");
_Static_assert(sizeof(struct xen_domctl) == 144, "domctl");
_Static_assert(sizeof(struct xen_sysctl) == 136, "sysctl");
_Static_assert(sizeof(struct xen_platform_op) == 136, "platform_op");

struct entry {
	ctl_fn *fn;
	s16 error; // the answer where there is no fn
	u16 flags;
};

#define DOMCTL(name, flags)  [XEN_DOMCTL_##name] = { domctl_##name, 0, flags },
#define REFUSED(name, error) [XEN_DOMCTL_##name] = { NULL, error, 0 },
static const struct entry domctls[] = {
#include "ctl/domctl.def"
};
#undef REFUSED
#define SYSCTL(name, flags)  [XEN_SYSCTL_##name] = { sysctl_##name, 0, flags },
#define REFUSED(name, error) [XEN_SYSCTL_##name] = { NULL, error, 0 },
static const struct entry sysctls[] = {
#include "ctl/sysctl.def"
};
#undef REFUSED
#define PLATFORM(name)	     [XENPF_##name] = { platform_##name, 0, 0 },
#define REFUSED(name, error) [XENPF_##name] = { NULL, error, 0 },
static const struct entry platforms[] = {
#include "ctl/platform.def"
};

struct table {
	u32 call, version, size, n;
	const struct entry *entry;
};

// One control operation at a time.
static struct spinlock lock = SPINLOCK_INIT(RANK_CONTROL);

// The argument of every such operation begins with the vcpu's number.
static long find_vcpu(struct ctl *c, u16 flags)
{
	const u32 id = c->domctl.u.vcpucontext.vcpu;

	c->v = domain_vcpu(c->d, id);
	if (!c->v)
		return flags & CTL_RANGE && id >= c->d->max_vcpus ? -EINVAL
								  : -ESRCH;
	return flags & CTL_VPAUSED && c->v == current ? -EINVAL : 0;
}

static long locked_call(struct ctl *c, const struct entry *e)
{
	bool pause = e->flags & (CTL_PAUSED | CTL_STILL) && c->d != currd;
	long rc = 0;

	if (e->flags & (CTL_VCPU | CTL_RANGE | CTL_VPAUSED))
		rc = find_vcpu(c, e->flags);
	if (e->flags & CTL_PAUSED && c->d->state != DOM_ALIVE)
		rc = -EINVAL;
	if (rc)
		return rc;
	if (pause)
		domain_pause(c->d);
	if (e->flags & CTL_VPAUSED)
		vcpu_pause(c->v);
	rc = e->fn(c);
	if (e->flags & CTL_VPAUSED)
		vcpu_unpause(c->v);
	if (pause)
		domain_unpause(c->d);
	return rc;
}

static long run(struct ctl *c, const struct entry *e)
{
	long rc;

	if (!currd->is_control &&
	    !(e->flags & CTL_XENSTORE &&
	      currd->create_flags & XEN_DOMCTL_CDF_xs_domain))
		return -EPERM;
	if (!e->fn)
		return e->error ? e->error : -ENOSYS;
	if (e->flags & (CTL_OTHER | CTL_PAUSED) && c->d == currd)
		return -EINVAL;
	if (e->flags & CTL_UNLOCKED)
		return e->fn(c);
	// Not waited for when an interrupt's work waits: the lock's holder may
	// be pausing us.
	while (!spin_trylock(&lock)) {
		if (preempt_check())
			return -ERESTART;
		cpu_relax();
	}
	rc = locked_call(c, e);
	spin_unlock(&lock);
	return rc;
}

static long ctl_call(const struct table *t, u64 gva)
{
	static const struct entry unknown;
	const struct entry *e = &unknown;
	struct ctl c = { 0 };
	long rc;

	if (copy_from_guest(&c, gva, t->size))
		return -EFAULT;
	if (c.version != t->version)
		return -EACCES;
	if (c.cmd < t->n)
		e = &t->entry[index_nospec(c.cmd, t->n)];
	if (t->entry == domctls) {
		c.d = domain_get_by_id(c.domctl.domain);
		if (!c.d && !(e->flags & CTL_ANY))
			return -ESRCH;
	}
	rc = run(&c, e);
	if (c.d)
		domain_put(c.d);
	if ((!rc || c.copy_back) && copy_to_guest(gva, &c, t->size))
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

	if (copy_from_guest(&set, handle_gva(from->bitmap),
			    MIN(DIV_UP((u64)from->nr_bits, 8), sizeof(set))))
		return -EFAULT;
	*out = low_bits(set, MIN(from->nr_bits, bits));
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
