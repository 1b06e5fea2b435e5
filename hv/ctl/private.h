// SPDX-License-Identifier: MIT
// Between the files of ctl/. Each sub-operation runs with the control lock
// held and gets a copy of the caller's argument, which goes back on success, or
// with copy_back. -ERESTART: the call is issued again, with what was copied
// back.
#ifndef CTL_PRIVATE_H
#define CTL_PRIVATE_H

#include "call/call.h"
#include "dom/domain.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define FN(name, type, rules, result)
#define DO(name, type, rules, what)
#define REFUSED(name, error)
#define OP(name, type, rules) \
	long domctl_##name(struct sub *s, struct xen_domctl_##type *a);
#include "ctl/domctl.def"
#undef OP
#define OP(name, type, rules) \
	long sysctl_##name(struct sub *s, struct xen_sysctl_##type *a);
#include "ctl/sysctl.def"
#undef OP
#define OP(name, type, rules) \
	long platform_##name(struct sub *s, struct xenpf_##type *a);
#include "ctl/platform.def"
#undef OP
#undef FN
#undef DO
#undef REFUSED

long platform_set_time(u64 sec, u32 nsec, u64 system_time);
long platform_cpu_switch(u32 cpu, bool on);

// Sets of up to 64 bits, of which `bits` mean something. What the other side
// has more is zero. -EFAULT, -E2BIG (more than a page).
int bitmap_from_guest(u64 *out, const struct xenctl_bitmap *from, u32 bits);
int bitmap_to_guest(const struct xenctl_bitmap *to, u64 set, u32 bits);

// Takes a CPU out of use, or back; -EEXIST: it is that already.
long cpu_switch(u32 cpu, bool on);

// What d may use of a kind, as far as the caller has it himself: -EPERM; -EINVAL
// for a range that wraps around.
long domain_permit(struct domain *d, enum domain_right kind, u64 first, u64 n,
		   bool allow);

void domain_info_fill(struct domain *d, struct xen_domctl_getdomaininfo *i);

// Mode as settscinfo has it; d does not run. -EINVAL.
int domain_tsc_set(struct domain *d, const struct xen_domctl_tsc_info *t);

// d's policy, or the machine's of a kind when d is NULL. A null address asks
// for the most that there may be.
int policy_copy_out(const struct domain *d, u32 kind,
		    struct xen_domctl_cpu_policy *to);

#endif
