// SPDX-License-Identifier: MIT
// Between the files of ctl/. Each sub-operation is a function; it runs with
// the control lock held and gets a copy of the caller's argument.
#ifndef CTL_PRIVATE_H
#define CTL_PRIVATE_H

#include "call/call.h"
#include "dom/domain.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

// The structure goes back to the caller on success, or with copy_back.
// -ERESTART: the call is issued again, with what was copied back.
struct ctl {
	union {
		struct {
			u32 cmd, version;
		};
		struct xen_domctl domctl;
		struct xen_sysctl sysctl;
		struct xen_platform_op platform;
	};
	bool copy_back;
	struct domain *d; // of a domctl, referenced; NULL only with CTL_ANY
	struct vcpu *v;	  // with CTL_VCPU
};
typedef long ctl_fn(struct ctl *c);

// One that is an expression.
#define CTL_FN(name, result)     \
	long name(struct ctl *c) \
	{                        \
		return result;   \
	}

#define DOMCTL(name, flags) ctl_fn domctl_##name;
#define SYSCTL(name, flags) ctl_fn sysctl_##name;
#define PLATFORM(name)	    ctl_fn platform_##name;
#define REFUSED(name, error)
#include "ctl/domctl.def"
#include "ctl/platform.def"
#include "ctl/sysctl.def"
#undef DOMCTL
#undef SYSCTL
#undef PLATFORM
#undef REFUSED

// Sets of up to 64 bits, of which `bits` mean something. What the other side
// has more is zero. -EFAULT, -E2BIG (more than a page).
int bitmap_from_guest(u64 *out, const struct xenctl_bitmap *from, u32 bits);
int bitmap_to_guest(const struct xenctl_bitmap *to, u64 set, u32 bits);

void domain_info_fill(struct domain *d, struct xen_domctl_getdomaininfo *i);

// Mode as settscinfo has it; d does not run. -EINVAL.
int domain_tsc_set(struct domain *d, const struct xen_domctl_tsc_info *t);

// d's policy, or the machine's of a kind when d is NULL. A null address asks
// for the most that there may be.
int policy_copy_out(const struct domain *d, u32 kind,
		    struct xen_domctl_cpu_policy *to);

#endif
