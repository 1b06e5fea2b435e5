// SPDX-License-Identifier: MIT
// CPUID and MSR policy: what a domain's guest is told about the processor.
// The tools decide, this enforces.
#ifndef DOM_POLICY_H
#define DOM_POLICY_H

#include "dom/domain.h"
#include "dom/policy_leaves.h"

// Guest's view of leaf/sub, leaves 0x40000000+ included. kernel/user XCR0
// dependent words come from v.
void policy_cpuid(const struct vcpu *v, u32 leaf, u32 sub, u32 r[4]);
// XCR0 bits the domain may set.
u64 policy_xcr0_mask(const struct domain *d);
// A feature by its number in the public header cpufeatureset.h
// (XEN_X86_FEATURE_*).
bool policy_has(const struct domain *d, unsigned int feature);
// Values of MSR_PLATFORM_INFO and MSR_ARCH_CAPS.
u64 policy_platform_info(const struct domain *d);
u64 policy_arch_caps(const struct domain *d);
#define POLICY_MAX_MSRS 2

// Bytes of an XSAVE area for these components (CPUID leaf 0xd, EBX).
u32 policy_xsave_size(const struct domain *d, u64 xcr0);
// Reads the whole policy: n in: room, out: used; -ENOBUFS. Sets leaves of a
// domain that has not run yet; -ERANGE no such leaf, -EINVAL more than there
// is, -ENOBUFS; *bad_leaf and *bad_sub then say which one.
int policy_get_leaves(const struct domain *d, struct policy_leaf *l, u32 *n);
int policy_set_leaves(struct domain *d, const struct policy_leaf *l, u32 n,
		      u32 *bad_leaf, u32 *bad_sub);
// The MSRs beside them (MSR_PLATFORM_INFO, MSR_ARCH_CAPS). get: how many were
// written to m. set: -EINVAL (also: flags), -ERANGE, -EOVERFLOW: *bad.
u32 policy_get_msrs(const struct domain *d,
		    struct xen_msr_entry m[POLICY_MAX_MSRS]);
int policy_set_msrs(struct domain *d, const struct xen_msr_entry *m, u32 n,
		    u32 *bad);
// kind: XEN_SYSCTL_cpu_policy_* (raw, host, pv_max, hvm_max, pv_default...)
// -EOPNOTSUPP for the hvm ones, -EINVAL unknown.
int policy_system_leaves(u32 kind, struct policy_leaf *l, u32 *n);
u32 policy_system_msrs(u32 kind, struct xen_msr_entry m[POLICY_MAX_MSRS]);
// The same as words of features (XEN_SYSCTL_get_cpu_featureset).
int policy_system_features(u32 kind, u32 words[CPU_WORDS]);
extern const struct domain_unit policy_unit;
void policy_init(void); // reads the host's CPUID once

#endif
