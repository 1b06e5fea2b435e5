// SPDX-License-Identifier: MIT
// CPUID and MSR policies of the machine and of each domain. The rules are in
// dom/policy_leaves.c. A domain's policy is written while it is built, under
// the lock of the operation that builds it, and only read from then on.
#include "dom/policy.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/fpu.h"
#include "x86/insn.h"
#include <xen/arch-x86/cpuid.h>
#include <xen/sysctl.h>

#define INFO_FAULTING BIT(31) // of MSR_PLATFORM_INFO
#define XEN_LEAVES    0x40000000u
#define XEN_VERSION   (4 << 16 | 17)
#define XEN_MSR_BASE  0x40000000u

static struct leaves host; // what CPUID says, as far as guests may know it

static void read_leaf(u32 leaf, u32 sub)
{
	struct policy_leaf l = { .leaf = leaf, .sub = sub };

	cpuid(leaf, sub == NO_SUB ? 0 : sub, l.r);
	leaves_put(&host, &l);
}

// Nothing in it.
static void put_empty(u32 leaf, u32 sub)
{
	const struct policy_leaf l = { .leaf = leaf, .sub = sub };

	leaves_put(&host, &l);
}

static void read_basic(u32 leaf)
{
	u64 xcr0 = fpu_xcr0_mask();

	if (leaves_valid(leaf, NO_SUB)) {
		read_leaf(leaf, NO_SUB);
		return;
	}
	for (u32 sub = 0; leaves_valid(leaf, sub); sub++)
		if (leaf != 0xd || sub < 2 || xcr0 >> sub & 1)
			read_leaf(leaf, sub);
	// Sub-leaves behind the last one say nothing.
	if (leaf == 7)
		for (u32 sub = leaves_find(&host, 7, 0)->r[0] + 1; sub < 3;
		     sub++)
			put_empty(7, sub);
}

void policy_init(void)
{
	for (u32 i = 0; i <= MIN(cpu_host.max_basic, CPU_MAX_BASIC); i++)
		read_basic(i);
	put_empty(XEN_LEAVES, NO_SUB);
	put_empty(XEN_LEAVES + 0x100, NO_SUB);
	for (u32 i = 0x80000000; i <= MIN(cpu_host.max_ext, CPU_MAX_EXT); i++)
		read_leaf(i, NO_SUB);
}

static void pv_limits(struct leaves_limits *lim, bool opt_in)
{
	static const u16 always[] = { XEN_X86_FEATURE_HTT,
				      XEN_X86_FEATURE_CMP_LEGACY,
				      XEN_X86_FEATURE_HYPERVISOR };
	static const u16 as_host[] = { XEN_X86_FEATURE_FDP_EXCP_ONLY,
				       XEN_X86_FEATURE_NO_FPU_SEL };
	// True of the machine but useless, or more, without help that PV
	// guests do not get: MSR_SPEC_CTRL is not switched with them.
	static const u16 hidden[] = { XEN_X86_FEATURE_IBRSB,
				      XEN_X86_FEATURE_STIBP,
				      XEN_X86_FEATURE_SSBD,
				      XEN_X86_FEATURE_INTEL_PSFD };
	u32 *f = lim->features;

	for (unsigned int i = 0; i < CPU_WORDS; i++)
		f[i] = cpu_host.features[i] &
		       (policy_pv_default[i] |
			(opt_in ? policy_pv_opt_in[i] : 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(always); i++)
		f[always[i] / 32] |= 1u << always[i] % 32;
	for (unsigned int i = 0; i < ARRAY_SIZE(as_host); i++)
		if (cpu_has_bit(as_host[i]))
			f[as_host[i] / 32] |= 1u << as_host[i] % 32;
	for (unsigned int i = 0; i < ARRAY_SIZE(hidden); i++)
		f[hidden[i] / 32] &= ~(1u << hidden[i] % 32);
	// AMD's processors have no sysenter in long mode.
	if (cpu_host.vendor == CPU_AMD)
		f[0] &= ~(1u << XEN_X86_FEATURE_SEP);
	lim->xcr0 = fpu_xcr0_mask();
	lim->vendor = cpu_host.vendor;
}

static void note_features(struct policy *p)
{
	for (unsigned int i = 0; i < CPU_WORDS; i++)
		p->features[i] = leaves_word(&p->leaves, i);
}

static u64 host_arch_caps(void)
{
	u64 caps = 0;

	for (unsigned int i = 0; cpu_has(ARCH_CAPS) && i < 2; i++)
		caps |= (u64)(cpu_host.features[CPU_WORD_CAPS + i] &
			      policy_pv_default[CPU_WORD_CAPS + i])
			<< 32 * i;
	return caps;
}

// The machine's policy, restricted or not.
static void policy_make(struct policy *p, const struct leaves_limits *lim)
{
	p->leaves = host;
	if (lim)
		leaves_restrict(&p->leaves, lim);
	note_features(p);
	p->platform_info = cpu_host.cpuid_faulting ? INFO_FAULTING : 0;
	p->arch_caps = host_arch_caps();
}

int policy_system(u32 kind, struct policy *p)
{
	struct leaves_limits lim;

	switch (kind) {
	case XEN_SYSCTL_cpu_policy_raw:
	case XEN_SYSCTL_cpu_policy_host:
		policy_make(p, NULL);
		return 0;
	case XEN_SYSCTL_cpu_policy_pv_max:
	case XEN_SYSCTL_cpu_policy_pv_default:
		pv_limits(&lim, kind == XEN_SYSCTL_cpu_policy_pv_max);
		policy_make(p, &lim);
		return 0;
	case XEN_SYSCTL_cpu_policy_hvm_max:
	case XEN_SYSCTL_cpu_policy_hvm_default:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}

static int check_msr(const struct xen_msr_entry *m)
{
	if (m->flags)
		return -EINVAL;
	if (m->idx == MSR_ARCH_CAPS)
		return 0;
	if (m->idx != MSR_PLATFORM_INFO)
		return -ERANGE;
	if (m->val & ~INFO_FAULTING)
		return -EOVERFLOW;
	return m->val && !cpu_host.cpuid_faulting ? -EINVAL : 0;
}

int policy_set_msrs(struct domain *d, const struct xen_msr_entry *m, u32 n,
		    u32 *bad)
{
	for (u32 i = 0; i < n; i++) {
		int rc = check_msr(&m[i]);

		if (rc) {
			*bad = m[i].idx;
			return rc;
		}
	}
	for (u32 i = 0; i < n; i++) {
		if (m[i].idx == MSR_PLATFORM_INFO)
			d->policy.platform_info = m[i].val;
		else
			d->policy.arch_caps = m[i].val & host_arch_caps();
	}
	return 0;
}

// Adds one that the tools gave; what is zero anyway needs no room.
static int add_leaf(struct leaves *s, const struct policy_leaf *l)
{
	static const u32 zero[4];

	if (!leaves_valid(l->leaf, l->sub))
		return -ERANGE;
	if (!memcmp(l->r, zero, sizeof(zero)) &&
	    !leaves_find(s, l->leaf, l->sub))
		return 0;
	return leaves_put(s, l) ? 0 : -ENOBUFS;
}

// Not more leaves than the machine has.
static bool fits_host(struct leaves *s, u32 head)
{
	const struct policy_leaf *l = leaves_find(s, head, NO_SUB);
	const struct policy_leaf *most = leaves_find(&host, head, NO_SUB);

	return !l || !most || l->r[0] <= most->r[0];
}

int policy_set_leaves(struct domain *d, const struct policy_leaf *l, u32 n,
		      u32 *bad_leaf, u32 *bad_sub)
{
	struct leaves *s = heap_alloc(sizeof(*s));
	struct leaves_limits lim;
	int rc = 0;

	if (!s)
		return -ENOMEM;
	*s = d->policy.leaves;
	for (u32 i = 0; i < n && !rc; i++) {
		rc = add_leaf(s, &l[i]);
		if (rc) {
			*bad_leaf = l[i].leaf;
			*bad_sub = l[i].sub;
		}
	}
	for (u64 head = 0; head <= 0x80000000 && !rc; head += 0x80000000) {
		if (!fits_host(s, (u32)head)) {
			*bad_leaf = (u32)head;
			rc = -EINVAL;
		}
	}
	if (!rc) {
		pv_limits(&lim, true);
		leaves_restrict(s, &lim);
		d->policy.leaves = *s;
		note_features(&d->policy);
	}
	heap_free(s);
	return rc;
}

u64 policy_xcr0_mask(struct domain *d)
{
	const struct policy_leaf *l = leaves_find(&d->policy.leaves, 0xd, 0);

	return l ? (u64)l->r[3] << 32 | l->r[0] : 0;
}

u32 policy_xsave_size(struct domain *d, u64 xcr0)
{
	return leaves_xsave_size(&d->policy.leaves, xcr0);
}

static void time_leaf(const struct domain *d, u32 sub, u32 r[4])
{
	const struct time_scale *scale = time_scale_this_cpu();

	if (sub == 0) {
		r[0] = d->vtsc | time_tsc_invariant() << 1 |
		       cpu_has(RDTSCP) << 2;
		r[1] = d->tsc_mode;
		r[2] = d->tsc_khz;
		r[3] = d->tsc_incarnation;
	} else if (sub == 1 && !d->is_hardware) {
		r[0] = (u32)d->vtsc_offset_ns;
		r[1] = (u32)(d->vtsc_offset_ns >> 32);
		r[2] = scale->mul;
		r[3] = (u32)scale->shift;
	} else if (sub == 2) {
		r[0] = (u32)tsc_khz();
	}
}

// Leaves of the hypervisor: public header arch-x86/cpuid.h.
static void hypervisor_leaf(const struct domain *d, u32 leaf, u32 sub, u32 r[4])
{
	switch (leaf - XEN_LEAVES) {
	case 0:
		r[0] = XEN_LEAVES + XEN_CPUID_MAX_NUM_LEAVES;
		r[1] = XEN_CPUID_SIGNATURE_EBX;
		r[2] = XEN_CPUID_SIGNATURE_ECX;
		r[3] = XEN_CPUID_SIGNATURE_EDX;
		break;
	case 1:
		r[0] = XEN_VERSION;
		break;
	case 2:
		r[0] = 1; // pages of hypercalls
		r[1] = XEN_MSR_BASE;
		r[2] = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
		break;
	case 3:
		time_leaf(d, sub, r);
		break;
	case 5:
		if (!sub)
			r[1] = 64 - (u32)__builtin_clzl(max_mfn) + PAGE_SHIFT;
		break;
	}
}

void policy_cpuid(const struct vcpu *v, u32 leaf, u32 sub, u32 r[4])
{
	struct leaves *s = &v->domain->policy.leaves;
	const struct policy_leaf *l, *head;

	memset(r, 0, 4 * sizeof(u32));
	if (leaf >> 16 == XEN_LEAVES >> 16) {
		hypervisor_leaf(v->domain, leaf, sub, r);
		return;
	}
	head = leaves_find(s, leaf & 0x80000000, NO_SUB);
	l = leaves_find(s, leaf, sub);
	if (!l || !head || leaf > head->r[0])
		return;
	memcpy(r, l->r, sizeof(l->r));
	if (leaf == 1)
		r[1] |= (v->id * 2) << 24; // APIC id
}

static int policy_domain_init(struct domain *d, const struct domain_config *cfg)
{
	struct leaves_limits lim;

	pv_limits(&lim, false);
	// A domain that stays on this machine may know that its TSC is good.
	if (d->is_hardware && cpu_has(ITSC))
		lim.features[XEN_X86_FEATURE_ITSC / 32] |=
			1u << XEN_X86_FEATURE_ITSC % 32;
	policy_make(&d->policy, &lim);
	return 0;
}

const struct domain_unit policy_unit = {
	.name = "policy",
	.init = policy_domain_init,
};
