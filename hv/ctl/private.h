// SPDX-License-Identifier: MIT
// Between the files of ctl/. Each sub-operation is a function; it runs with
// the control lock held and gets a copy of the caller's argument.
#ifndef CTL_PRIVATE_H
#define CTL_PRIVATE_H

#include "call/call.h"
#include "dom/domain.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

// The releases of the tools that are served; others get -EACCES.
#define CTL_DOMCTL_VERSION   XEN_DOMCTL_INTERFACE_VERSION
#define CTL_SYSCTL_VERSION   XEN_SYSCTL_INTERFACE_VERSION
#define CTL_PLATFORM_VERSION XENPF_INTERFACE_VERSION

_Static_assert(CTL_DOMCTL_VERSION == 0x15, "domctl of xl 4.17");
_Static_assert(CTL_SYSCTL_VERSION == 0x15, "sysctl of xl 4.17");
_Static_assert(sizeof(struct xen_domctl) == 144, "domctl");
_Static_assert(sizeof(struct xen_sysctl) == 136, "sysctl");
_Static_assert(sizeof(struct xen_platform_op) == 136, "platform_op");

// -ERESTART: the call is issued again, with what was copied back.
struct domctl {
	struct xen_domctl op;
	struct domain *d; // referenced; NULL only where the table allows it
	bool copy_back;	  // op goes back to the caller, on errors too
};
typedef long domctl_fn(struct domctl *c);

// op goes back on success, or when copy_back is set.
struct sysctl {
	struct xen_sysctl op;
	bool copy_back;
};
typedef long sysctl_fn(struct sysctl *c);

// op goes back when copy_back is set.
struct platform_call {
	struct xen_platform_op op;
	bool copy_back;
};
typedef long platform_fn(struct platform_call *c);

#define DOMCTL(name, flags) domctl_fn domctl_##name;
#define REFUSED(name, error)
#include "ctl/domctl.def"
#undef DOMCTL
#define SYSCTL(name, flags) sysctl_fn sysctl_##name;
#include "ctl/sysctl.def"
#undef SYSCTL
#define PLATFORM(name) platform_fn platform_##name;
#include "ctl/platform.def"
#undef PLATFORM
#undef REFUSED

// One control operation at a time. false: an interrupt's work waits, perhaps
// for this very CPU to let go of the caller; the call is to be issued again.
bool control_lock(void);
void control_unlock(void);

// Sets of up to 64 bits, of which `bits` mean something. What the other side
// has more is zero. -EFAULT, -E2BIG (more than a page).
int bitmap_from_guest(u64 *out, const struct xenctl_bitmap *from, u32 bits);
int bitmap_to_guest(const struct xenctl_bitmap *to, u64 set, u32 bits);

// The first domain whose number is id or more, referenced; NULL: none.
struct domain *domain_get_from(u32 id);
void domain_info_fill(struct domain *d, struct xen_domctl_getdomaininfo *i);

// Mode as settscinfo has it; d does not run. -EINVAL.
int domain_tsc_set(struct domain *d, const struct xen_domctl_tsc_info *t);

// Where a policy goes; a null address asks for the most that there may be.
struct policy_out {
	u64 leaves, msrs;
	u32 *nr_leaves, *nr_msrs;
};
// A domain's policy, or the machine's of a kind when d is NULL.
int policy_copy_out(const struct domain *d, u32 kind,
		    const struct policy_out *to);

#endif
