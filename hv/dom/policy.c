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

	// Of our own leaves nothing is known before there is a domain.
	if (leaf >> 16 != XEN_LEAVES >> 16)
		cpuid(leaf, sub == NO_SUB ? 0 : sub, l.r);
	leaves_put(&host, &l);
}

static void read_leaves(u32 first, u32 last)
{
	u64 xcr0 = fpu_xcr0_mask;

	for (u32 leaf = first; leaf <= last; leaf++) {
		if (leaves_valid(leaf, NO_SUB))
			read_leaf(leaf, NO_SUB);
		for (u32 sub = 0; leaves_valid(leaf, sub); sub++)
			if (leaf != 0xd || sub < 2 || xcr0 >> sub & 1)
				read_leaf(leaf, sub);
	}
}

void policy_init(void)
{
	read_leaves(0, MIN(cpu_host.max_basic, CPU_MAX_BASIC));
	read_leaf(XEN_LEAVES, NO_SUB);
	read_leaf(XEN_LEAVES + 0x100, NO_SUB);
	read_leaves(0x80000000, MIN(cpu_host.max_ext, CPU_MAX_EXT));
}

static void pv_limits(struct leaves_limits *lim, bool opt_in)
{
	static const u16 always[] = { XEN_X86_FEATURE_HTT,
				      XEN_X86_FEATURE_CMP_LEGACY,
				      XEN_X86_FEATURE_HYPERVISOR };
	static const u16 as_host[] = { XEN_X86_FEATURE_FDP_EXCP_ONLY,
				       XEN_X86_FEATURE_NO_FPU_SEL };
	// True of the machine but useless, or more, without help that PV
	// guests do not get: MSR_SPEC_CTRL and masks of breakpoints are not
	// switched with them.
	static const u16 hidden[] = { XEN_X86_FEATURE_IBRSB,
				      XEN_X86_FEATURE_STIBP,
				      XEN_X86_FEATURE_DBEXT,
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
	lim->xcr0 = fpu_xcr0_mask;
	lim->vendor = cpu_host.vendor;
}

static u64 host_arch_caps(void)
{
	const u32 *has = &cpu_host.features[CPU_WORD_CAPS];
	const u32 *may = &policy_pv_default[CPU_WORD_CAPS];

	return cpu_has(ARCH_CAPS)
		       ? (u64)(has[1] & may[1]) << 32 | (has[0] & may[0])
		       : 0;
}

// Leaves as given, restricted or not, become p's.
static void leaves_take(struct policy *p, const struct leaves_limits *lim)
{
	if (lim)
		leaves_restrict(&p->leaves, lim);
	for (unsigned int i = 0; i < CPU_WORDS; i++)
		p->features[i] = leaves_word(&p->leaves, i);
}

// The machine's policy.
static void policy_make(struct policy *p, const struct leaves_limits *lim)
{
	p->leaves = host;
	leaves_take(p, lim);
	p->platform_info = cpu_host.cpuid_faulting ? INFO_FAULTING : 0;
	p->arch_caps = host_arch_caps();
}

int policy_system(u32 kind, struct policy *p)
{
	bool most = kind == XEN_SYSCTL_cpu_policy_pv_max;
	bool pv = most || kind == XEN_SYSCTL_cpu_policy_pv_default;
	struct leaves_limits lim;

	if (kind == XEN_SYSCTL_cpu_policy_hvm_max ||
	    kind == XEN_SYSCTL_cpu_policy_hvm_default)
		return -EOPNOTSUPP;
	if (!pv && kind != XEN_SYSCTL_cpu_policy_raw &&
	    kind != XEN_SYSCTL_cpu_policy_host)
		return -EINVAL;
	pv_limits(&lim, most);
	policy_make(p, pv ? &lim : NULL);
	return 0;
}

static int add_msr(struct policy *p, const struct xen_msr_entry *m)
{
	if (m->flags)
		return -EINVAL;
	if (m->idx == MSR_ARCH_CAPS) {
		p->arch_caps = m->val & host_arch_caps();
		return 0;
	}
	if (m->idx != MSR_PLATFORM_INFO)
		return -ERANGE;
	if (m->val & ~INFO_FAULTING)
		return -EOVERFLOW;
	p->platform_info = m->val;
	return m->val && !cpu_host.cpuid_faulting ? -EINVAL : 0;
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
static int check_head(struct leaves *s, u32 head)
{
	const struct policy_leaf *l = leaves_find(s, head, NO_SUB);
	const struct policy_leaf *most = leaves_find(&host, head, NO_SUB);

	return l && most && l->r[0] > most->r[0] ? -EINVAL : 0;
}

int policy_set(struct domain *d, const struct policy_leaf *l,
	       const struct xen_msr_entry *m, struct xen_domctl_cpu_policy *x)
{
	struct policy *p __heap_ref = heap_alloc(sizeof(*p));
	struct leaves_limits lim;
	int rc = 0;

	if (!p)
		return -ENOMEM;
	*p = d->policy;
	x->err_leaf = x->err_subleaf = x->err_msr = ~0u;
	for (u32 i = 0; i < x->nr_leaves && !rc; i++) {
		rc = add_leaf(&p->leaves, &l[i]);
		if (rc) {
			x->err_leaf = l[i].leaf;
			x->err_subleaf = l[i].sub;
		}
	}
	for (u64 head = 0; head <= 0x80000000 && !rc; head += 0x80000000) {
		rc = check_head(&p->leaves, (u32)head);
		if (rc)
			x->err_leaf = (u32)head;
	}
	for (u32 i = 0; i < x->nr_msrs && !rc; i++) {
		rc = add_msr(p, &m[i]);
		if (rc)
			x->err_msr = m[i].idx;
	}
	if (rc)
		return rc;
	pv_limits(&lim, true);
	leaves_take(p, &lim);
	d->policy = *p;
	return 0;
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
	// The emulated TSC has it in it.
	u64 offset = d->vtsc ? 0 : d->vtsc_offset_ns;

	if (sub == 0) {
		r[0] = d->vtsc | cpu_has(ITSC) << 1 | cpu_has(RDTSCP) << 2;
		r[1] = d->tsc_mode;
		r[2] = d->tsc_khz;
		r[3] = d->tsc_incarnation;
	} else if (sub == 1 && !d->is_hardware) {
		r[0] = (u32)offset;
		r[1] = (u32)(offset >> 32);
		r[2] = scale->mul;
		r[3] = (u32)scale->shift;
	} else if (sub == 2) {
		r[0] = (u32)tsc_khz();
	}
}

// Leaves of the hypervisor: public header arch-x86/cpuid.h.
static void hypervisor_leaf(const struct domain *d, u32 leaf, u32 sub, u32 r[4])
{
	static const u32 fixed[3][4] = {
		{ XEN_LEAVES + XEN_CPUID_MAX_NUM_LEAVES,
		  XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
		  XEN_CPUID_SIGNATURE_EDX },
		{ XEN_VERSION },
		{ 1, // page of hypercalls
		  XEN_MSR_BASE, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD },
	};
	u32 i = leaf - XEN_LEAVES;

	if (i < ARRAY_SIZE(fixed))
		memcpy(r, fixed[index_nospec(i, ARRAY_SIZE(fixed))],
		       sizeof(fixed[0]));
	else if (i == 3)
		time_leaf(d, sub, r);
	else if (i == 5 && !sub)
		r[1] = 64 - (u32)__builtin_clzl(max_mfn) + PAGE_SHIFT;
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
	// 64-bit code, and what there is of it.
	if (v->domain->pv32 && leaf == 0x80000001) {
		r[2] &= ~BIT(0);
		r[3] &= ~BIT(29);
		// SYSCALL of 32-bit code is AMD's.
		if (cpu_host.vendor == CPU_INTEL)
			r[3] &= ~BIT(11);
	}
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
	.init = policy_domain_init,
};
