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

#define MSR_PLATFORM_INFO 0x000000ce
#define MSR_ARCH_CAPS	  0x0000010a
#define INFO_FAULTING	  BIT(31)
#define XEN_LEAVES	  0x40000000u
#define XEN_VERSION	  (4 << 16 | 17)
#define XEN_MSR_BASE	  0x40000000u

struct policy_domain {
	u64 platform_info, arch_caps;
	u32 features[CPU_WORDS];
	struct leaves leaves;
};

static struct leaves host; // what CPUID says, as far as guests may know it

static void read_leaf(u32 leaf, u32 sub)
{
	struct policy_leaf l = { .leaf = leaf, .sub = sub };
	u32 r[4];

	cpuid(leaf, sub == NO_SUB ? 0 : sub, r);
	l.a = r[0];
	l.b = r[1];
	l.c = r[2];
	l.d = r[3];
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
		for (u32 sub = leaves_find(&host, 7, 0)->a + 1; sub < 3; sub++)
			leaves_put(&host, &(struct policy_leaf){ .leaf = 7,
								 .sub = sub });
}

void policy_init(void)
{
	for (u32 i = 0; i <= MIN(cpu_host.max_basic, CPU_MAX_BASIC); i++)
		read_basic(i);
	leaves_put(&host,
		   &(struct policy_leaf){ XEN_LEAVES, NO_SUB, 0, 0, 0, 0 });
	leaves_put(&host, &(struct policy_leaf){ XEN_LEAVES + 0x100, NO_SUB, 0,
						 0, 0, 0 });
	for (u32 i = 0x80000000; i <= MIN(cpu_host.max_ext, CPU_MAX_EXT); i++)
		read_leaf(i, NO_SUB);
}

// Features that are true of the machine but useless, or more, without help
// that PV guests do not get: MSR_SPEC_CTRL is not switched with them.
static void hide_unswitched(u32 f[CPU_WORDS])
{
	static const u16 hidden[] = { XEN_X86_FEATURE_IBRSB,
				      XEN_X86_FEATURE_STIBP,
				      XEN_X86_FEATURE_SSBD,
				      XEN_X86_FEATURE_INTEL_PSFD };

	for (unsigned int i = 0; i < ARRAY_SIZE(hidden); i++)
		f[hidden[i] / 32] &= ~(1u << hidden[i] % 32);
}

static void pv_limits(struct leaves_limits *lim, bool opt_in)
{
	static const u16 always[] = { XEN_X86_FEATURE_HTT,
				      XEN_X86_FEATURE_CMP_LEGACY,
				      XEN_X86_FEATURE_HYPERVISOR };
	static const u16 as_host[] = { XEN_X86_FEATURE_FDP_EXCP_ONLY,
				       XEN_X86_FEATURE_NO_FPU_SEL };

	for (unsigned int i = 0; i < CPU_WORDS; i++)
		lim->features[i] = cpu_host.features[i] &
				   (policy_pv_default[i] |
				    (opt_in ? policy_pv_opt_in[i] : 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(always); i++)
		lim->features[always[i] / 32] |= 1u << always[i] % 32;
	for (unsigned int i = 0; i < ARRAY_SIZE(as_host); i++)
		if (cpu_has_bit(as_host[i]))
			lim->features[as_host[i] / 32] |= 1u << as_host[i] % 32;
	// AMD's processors have no sysenter in long mode.
	if (cpu_host.vendor == CPU_AMD)
		lim->features[0] &= ~(1u << XEN_X86_FEATURE_SEP);
	hide_unswitched(lim->features);
	lim->xcr0 = fpu_xcr0_mask();
	lim->vendor = cpu_host.vendor;
}

// Fills s with a policy of the machine's; -EOPNOTSUPP, -EINVAL.
static int system_policy(u32 kind, struct leaves *s)
{
	struct leaves_limits lim;

	switch (kind) {
	case XEN_SYSCTL_cpu_policy_raw:
	case XEN_SYSCTL_cpu_policy_host:
		*s = host;
		return 0;
	case XEN_SYSCTL_cpu_policy_pv_max:
	case XEN_SYSCTL_cpu_policy_pv_default:
		*s = host;
		pv_limits(&lim, kind == XEN_SYSCTL_cpu_policy_pv_max);
		leaves_restrict(s, &lim);
		return 0;
	case XEN_SYSCTL_cpu_policy_hvm_max:
	case XEN_SYSCTL_cpu_policy_hvm_default:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}

static int copy_leaves(const struct leaves *s, struct policy_leaf *l, u32 *n)
{
	if (*n < s->n)
		return -ENOBUFS;
	memcpy(l, s->leaf, s->n * sizeof(*l));
	*n = s->n;
	return 0;
}

int policy_system_leaves(u32 kind, struct policy_leaf *l, u32 *n)
{
	struct leaves *s = heap_alloc(sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	rc = system_policy(kind, s);
	if (!rc)
		rc = copy_leaves(s, l, n);
	heap_free(s);
	return rc;
}

int policy_system_features(u32 kind, u32 words[CPU_WORDS])
{
	struct leaves *s = heap_alloc(sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	rc = system_policy(kind, s);
	for (unsigned int i = 0; !rc && i < CPU_WORDS; i++)
		words[i] = leaves_word(s, i);
	heap_free(s);
	return rc;
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

static u32 write_msrs(struct xen_msr_entry m[POLICY_MAX_MSRS], u64 info,
		      u64 caps)
{
	m[0] = (struct xen_msr_entry){ MSR_PLATFORM_INFO, 0, info };
	m[1] = (struct xen_msr_entry){ MSR_ARCH_CAPS, 0, caps };
	return POLICY_MAX_MSRS;
}

u32 policy_system_msrs(u32 kind, struct xen_msr_entry m[POLICY_MAX_MSRS])
{
	(void)kind; // they are the same for all
	return write_msrs(m, cpu_host.cpuid_faulting ? INFO_FAULTING : 0,
			  host_arch_caps());
}

u32 policy_get_msrs(const struct domain *d,
		    struct xen_msr_entry m[POLICY_MAX_MSRS])
{
	return write_msrs(m, d->policy->platform_info, d->policy->arch_caps);
}

static int check_msr(const struct xen_msr_entry *m)
{
	if (m->flags)
		return -EINVAL;
	if (m->idx == MSR_ARCH_CAPS)
		return 0;
	if (m->idx != MSR_PLATFORM_INFO)
		return -ERANGE;
	return m->val & ~INFO_FAULTING ? -EOVERFLOW : 0;
}

int policy_set_msrs(struct domain *d, const struct xen_msr_entry *m, u32 n,
		    u32 *bad)
{
	struct policy_domain *p = d->policy;
	int rc;

	for (u32 i = 0; i < n; i++) {
		rc = check_msr(&m[i]);
		if (!rc && m[i].idx == MSR_PLATFORM_INFO && m[i].val &&
		    !cpu_host.cpuid_faulting)
			rc = -EINVAL;
		if (rc) {
			*bad = m[i].idx;
			return rc;
		}
	}
	for (u32 i = 0; i < n; i++) {
		if (m[i].idx == MSR_PLATFORM_INFO)
			p->platform_info = m[i].val;
		else
			p->arch_caps = m[i].val & host_arch_caps();
	}
	return 0;
}

static void note_features(struct policy_domain *p)
{
	for (unsigned int i = 0; i < CPU_WORDS; i++)
		p->features[i] = leaves_word(&p->leaves, i);
}

// Not more leaves than the machine has.
static int check_ranges(struct leaves *s, u32 *bad_leaf)
{
	static const u32 heads[] = { 0, 0x80000000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(heads); i++) {
		struct policy_leaf *l = leaves_find(s, heads[i], NO_SUB);
		struct policy_leaf *most = leaves_find(&host, heads[i], NO_SUB);

		*bad_leaf = heads[i];
		if (l && most && l->a > most->a)
			return -EINVAL;
	}
	return 0;
}

int policy_get_leaves(const struct domain *d, struct policy_leaf *l, u32 *n)
{
	return copy_leaves(&d->policy->leaves, l, n);
}

int policy_set_leaves(struct domain *d, const struct policy_leaf *l, u32 n,
		      u32 *bad_leaf, u32 *bad_sub)
{
	struct leaves *s = heap_alloc(sizeof(*s));
	struct leaves_limits lim;
	int rc = 0;

	if (!s)
		return -ENOMEM;
	*s = d->policy->leaves;
	for (u32 i = 0; i < n && !rc; i++) {
		*bad_leaf = l[i].leaf;
		*bad_sub = l[i].sub;
		if (!leaves_valid(l[i].leaf, l[i].sub))
			rc = -ERANGE;
		// What is zero anyway needs no room.
		else if (!(l[i].a | l[i].b | l[i].c | l[i].d) &&
			 !leaves_find(s, l[i].leaf, l[i].sub))
			continue;
		else if (!leaves_put(s, &l[i]))
			rc = -ENOBUFS;
	}
	if (!rc) {
		*bad_sub = NO_SUB;
		rc = check_ranges(s, bad_leaf);
	}
	if (!rc) {
		pv_limits(&lim, true);
		leaves_restrict(s, &lim);
		d->policy->leaves = *s;
		note_features(d->policy);
	}
	heap_free(s);
	return rc;
}

bool policy_has(const struct domain *d, unsigned int feature)
{
	return d->policy->features[feature / 32] >> feature % 32 & 1;
}

u64 policy_platform_info(const struct domain *d)
{
	return d->policy->platform_info;
}

u64 policy_arch_caps(const struct domain *d)
{
	return d->policy->arch_caps;
}

u64 policy_xcr0_mask(const struct domain *d)
{
	const struct policy_leaf *l = leaves_find(&d->policy->leaves, 0xd, 0);

	return l ? (u64)l->d << 32 | l->a : 0;
}

u32 policy_xsave_size(const struct domain *d, u64 xcr0)
{
	return leaves_xsave_size(&d->policy->leaves, xcr0);
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
	} else if (sub == 1) {
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
	struct leaves *s = &v->domain->policy->leaves;
	const struct policy_leaf *l, *head;

	memset(r, 0, 4 * sizeof(u32));
	if (leaf >> 16 == XEN_LEAVES >> 16) {
		hypervisor_leaf(v->domain, leaf, sub, r);
		return;
	}
	head = leaves_find(s, leaf & 0x80000000, NO_SUB);
	l = leaves_find(s, leaf, sub);
	if (!l || !head || leaf > head->a)
		return;
	r[0] = l->a;
	r[1] = l->b;
	r[2] = l->c;
	r[3] = l->d;
	if (leaf == 1)
		r[1] |= (v->id * 2) << 24; // APIC id
}

static int policy_domain_init(struct domain *d, const struct domain_config *cfg)
{
	struct policy_domain *p = heap_alloc(sizeof(*p));
	struct leaves_limits lim;

	if (!p)
		return -ENOMEM;
	p->leaves = host;
	pv_limits(&lim, false);
	// A domain that stays on this machine may know that its TSC is good.
	if (d->is_hardware && cpu_has(ITSC))
		lim.features[XEN_X86_FEATURE_ITSC / 32] |=
			1u << XEN_X86_FEATURE_ITSC % 32;
	leaves_restrict(&p->leaves, &lim);
	note_features(p);
	p->platform_info = cpu_host.cpuid_faulting ? INFO_FAULTING : 0;
	p->arch_caps = host_arch_caps();
	d->policy = p;
	return 0;
}

static void policy_domain_exit(struct domain *d)
{
	heap_free(d->policy);
	d->policy = NULL;
}

const struct domain_unit policy_unit = {
	.name = "policy",
	.init = policy_domain_init,
	.exit = policy_domain_exit,
};
