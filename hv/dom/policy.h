// SPDX-License-Identifier: MIT
// CPUID and MSR policy: what a domain's guest is told about the processor.
// The tools decide, this enforces.
#ifndef DOM_POLICY_H
#define DOM_POLICY_H

#include "dom/domain.h"
#include "dom/policy_leaves.h"
#include <xen/domctl.h>

#define POLICY_MAX_MSRS 2

// Guest's view of leaf/sub, leaves 0x40000000+ included. kernel/user XCR0
// dependent words come from v.
void policy_cpuid(const struct vcpu *v, u32 leaf, u32 sub, u32 r[4]);
// XCR0 bits the domain may set.
u64 policy_xcr0_mask(struct domain *d);
// Bytes of an XSAVE area for these components (CPUID leaf 0xd, EBX).
u32 policy_xsave_size(struct domain *d, u64 xcr0);

// A feature by its number in the public header cpufeatureset.h
// (XEN_X86_FEATURE_*).
static inline bool policy_has(const struct domain *d, unsigned int feature)
{
	return d->policy.features[feature / 32] >> feature % 32 & 1;
}

// Of a domain that has not run yet: x->nr_leaves and x->nr_msrs of them, all or
// none; what is wrong is told in x. Leaves: -ERANGE no such leaf, -EINVAL more
// than there is, -ENOBUFS. MSRs: -EINVAL (also: flags), -ERANGE, -EOVERFLOW.
int policy_set(struct domain *d, const struct policy_leaf *l,
	       const struct xen_msr_entry *m, struct xen_domctl_cpu_policy *x);
// kind: XEN_SYSCTL_cpu_policy_* (raw, host, pv_max, hvm_max, pv_default...)
// -EOPNOTSUPP for the hvm ones, -EINVAL unknown.
int policy_system(u32 kind, struct policy *p);
extern const struct domain_unit policy_unit;
void policy_init(void); // reads the host's CPUID once

#endif
