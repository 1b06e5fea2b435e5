// SPDX-License-Identifier: MIT
// MSRs of PV guests: a table of those that a guest may read or write, with
// what it gets. What is not in the table does not exist (#GP), as on a
// processor without it; guests expect that and go on.
#include "pv/emul.h"
#include "pv/hypercall_page.h"
#include "dom/policy.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "x86/cpuid.h"
#include "x86/faultable.h"
#include "x86/insn.h"
#include "x86/pte.h"

#define MSR_PLATFORM_ID	    0x00000017
#define MSR_PRED_CMD	    0x00000049
#define MSR_PATCH_LEVEL	    0x0000008b
#define MSR_PLATFORM_INFO   0x000000ce
#define MSR_MPERF	    0x000000e7
#define MSR_APERF	    0x000000e8
#define MSR_ARCH_CAPS	    0x0000010a
#define MSR_MISC_FEATURES   0x00000140
#define MSR_MCG_CAP	    0x00000179
#define MSR_MCG_STATUS	    0x0000017a
#define MSR_MCG_CTL	    0x0000017b
#define MSR_THERM_CONTROL   0x0000019a
#define MSR_ENERGY_BIAS	    0x000001b0
#define MSR_FEATURE_CONTROL 0x0000003a
#define MSR_PERF_CAPS	    0x00000345
#define MSR_MC0_CTL	    0x00000400
#define MSR_HYPERCALL_PAGE  0x40000000
#define MSR_SYSCFG	    0xc0010010
#define MSR_HWCR	    0xc0010015
#define MSR_IORR_BASE0	    0xc0010016
#define MSR_TOP_MEM2	    0xc001001d
#define MSR_FIDVID_CONTROL  0xc0010041
#define MSR_FIDVID_STATUS   0xc0010042
#define MSR_PSTATE_LIMIT    0xc0010061
#define MSR_PSTATE7	    0xc001006b
#define MSR_TSEG_BASE	    0xc0010112
#define MSR_TSEG_MASK	    0xc0010113
#define MSR_DE_CFG	    0xc0011029

// Slots of pv_vcpu.misc_msr.
#define KEEP_FEATURES	       0
#define KEEP_TSC_AUX	       1

#define MISC_FEATURES_FAULTING 1UL
#define APIC_BASE_VALUE	       0xfee00800UL // enabled
#define APIC_BASE_BSP	       0x100UL
#define MISC_HIDDEN	       (BIT(7) | BIT(18)) // performance, monitor
#define MISC_SHOWN	       (BIT(11) | BIT(12) | BIT(23)) // no BTS, PEBS
#define SYSCFG_SHOWN	       (BIT(18) | BIT(20) | BIT(21) | BIT(22))
#define HWCR_TSC_FREQ_SEL      BIT(24)
#define DE_CFG_LFENCE	       BIT(1)
#define PAT_VALUE	       0x0000050100070406UL
#define PRED_CMD_IBPB	       1UL
#define MC_BANKS	       2u

enum vendor_rule { ANY, INTEL, AMD };

// read finds `fixed` in *value.
struct msr_rule {
	u32 first, last;
	enum vendor_rule vendor;
	bool (*read)(struct vcpu *v, u32 msr, u64 *value);
	bool (*write)(struct vcpu *v, u32 msr, u64 value);
	u64 fixed;
};

static DEFINE_PERCPU(u64, loaded_aux);
static DEFINE_PERCPU(u64, loaded_faulting);

u64 emul_tsc(const struct domain *d)
{
	u64 ns, khz = d->tsc_khz;

	if (!d->vtsc)
		return rdtsc();
	ns = time_now() - d->vtsc_offset_ns;
	return ns / NS_PER_MS * khz + ns % NS_PER_MS * khz / NS_PER_MS;
}

u64 emul_tsc_aux(const struct vcpu *v)
{
	return v->pv->misc_msr[KEEP_TSC_AUX];
}

bool emul_cpuid_faults(const struct vcpu *v)
{
	return v->pv->misc_msr[KEEP_FEATURES] & MISC_FEATURES_FAULTING;
}

void emul_switch_to(const struct vcpu *v)
{
	u64 aux = v->pv->misc_msr[KEEP_TSC_AUX];
	u64 faulting = !v->domain->is_hardware || emul_cpuid_faults(v);

	if (cpu_has(RDTSCP) && this_cpu(loaded_aux) != aux) {
		wrmsr(MSR_TSC_AUX, aux);
		this_cpu(loaded_aux) = aux;
	}
	if (cpu_host.cpuid_faulting && this_cpu(loaded_faulting) != faulting) {
		wrmsr(MSR_MISC_FEATURES, faulting);
		this_cpu(loaded_faulting) = faulting;
	}
}

static bool read_fixed(struct vcpu *v, u32 msr, u64 *value)
{
	return true;
}

static bool write_nothing(struct vcpu *v, u32 msr, u64 value)
{
	return true;
}

// Writing is allowed, as long as nothing changes.
static bool write_same(struct vcpu *v, u32 msr, u64 value)
{
	u64 now;

	return emul_rdmsr(v, msr, &now) && now == value;
}

static bool read_host(struct vcpu *v, u32 msr, u64 *value)
{
	return rdmsr_safe(msr, value);
}

static bool read_tsc(struct vcpu *v, u32 msr, u64 *value)
{
	*value = emul_tsc(v->domain);
	return true;
}

static bool read_apic_base(struct vcpu *v, u32 msr, u64 *value)
{
	*value = APIC_BASE_VALUE | (v->id ? 0 : APIC_BASE_BSP);
	return true;
}

static bool read_arch_caps(struct vcpu *v, u32 msr, u64 *value)
{
	*value = v->domain->policy.arch_caps;
	return policy_has(v->domain, XEN_X86_FEATURE_ARCH_CAPS);
}

static bool read_features(struct vcpu *v, u32 msr, u64 *value)
{
	*value = msr == MSR_PLATFORM_INFO ? v->domain->policy.platform_info
					  : v->pv->misc_msr[KEEP_FEATURES];
	return true;
}

static bool write_misc_features(struct vcpu *v, u32 msr, u64 value)
{
	if (value & ~MISC_FEATURES_FAULTING ||
	    (value && !v->domain->policy.platform_info))
		return false;
	v->pv->misc_msr[KEEP_FEATURES] = value;
	emul_switch_to(v);
	return true;
}

static bool write_pred_cmd(struct vcpu *v, u32 msr, u64 value)
{
	if (!policy_has(v->domain, XEN_X86_FEATURE_IBPB) ||
	    value & ~PRED_CMD_IBPB)
		return false;
	return !value || wrmsr_safe(msr, value);
}

// Of a bank's four registers the first is its control: everything enabled.
static bool read_mc_bank(struct vcpu *v, u32 msr, u64 *value)
{
	*value = msr % 4 ? 0 : ~0UL;
	return true;
}

static bool read_misc_enable(struct vcpu *v, u32 msr, u64 *value)
{
	if (!rdmsr_safe(msr, value))
		return false;
	*value = (*value & ~MISC_HIDDEN) | MISC_SHOWN;
	return true;
}

int pv_hypercall_page_set(struct domain *d, u64 gmfn)
{
	mfn_t m = mfn(gmfn);
	void *page;

	if (!mfn_valid(m) || page_get_writable(mfn_to_page(m), &d->account))
		return -EACCES;
	page = map_frame(m);
	hypercall_page_fill(page);
	unmap_frame(page);
	page_put_writable(mfn_to_page(m));
	return 0;
}

// Bits 0 to 11 number the page: there is one.
static bool write_hypercall_page(struct vcpu *v, u32 msr, u64 value)
{
	return !(value & (PAGE_SIZE - 1)) &&
	       !pv_hypercall_page_set(v->domain, value >> PAGE_SHIFT);
}

static bool read_efer(struct vcpu *v, u32 msr, u64 *value)
{
	*value = rdmsr(msr) & (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	return true;
}

static bool read_base(struct vcpu *v, u32 msr, u64 *value)
{
	*value = msr == MSR_FS_BASE   ? pv_fs_base()
		 : msr == MSR_GS_BASE ? pv_gs_base()
				      : v->pv->gs_base_user;
	return true;
}

static bool write_base(struct vcpu *v, u32 msr, u64 value)
{
	if (!va_canonical(value))
		return false;
	if (msr == MSR_FS_BASE)
		pv_set_fs_base(value);
	else if (msr == MSR_GS_BASE)
		pv_set_gs_base(value);
	else
		pv_set_gs_base_other(v, value);
	return true;
}

static bool has_tsc_aux(const struct vcpu *v)
{
	return policy_has(v->domain, XEN_X86_FEATURE_RDTSCP) ||
	       policy_has(v->domain, XEN_X86_FEATURE_RDPID);
}

static bool read_tsc_aux(struct vcpu *v, u32 msr, u64 *value)
{
	*value = emul_tsc_aux(v);
	return has_tsc_aux(v);
}

static bool write_tsc_aux(struct vcpu *v, u32 msr, u64 value)
{
	if (!has_tsc_aux(v))
		return false;
	v->pv->misc_msr[KEEP_TSC_AUX] = (u32)value;
	emul_switch_to(v);
	return true;
}

// Memory layout of the machine, for those who own its devices.
static bool read_amd_memory(struct vcpu *v, u32 msr, u64 *value)
{
	if (!v->domain->is_hardware || !rdmsr_safe(msr, value))
		return false;
	if (msr == MSR_SYSCFG)
		*value &= SYSCFG_SHOWN;
	return true;
}

static bool read_hwcr(struct vcpu *v, u32 msr, u64 *value)
{
	*value = cpu_host.family >= 0x10 ? HWCR_TSC_FREQ_SEL : 0;
	return true;
}

#define ONE(msr)	msr, msr
#define CONSTANT(value) .read = read_fixed, .fixed = (value)
#define READS(name)	.read = read_##name
#define WRITES(name)	.write = write_##name
static const struct msr_rule rules[] = {
	{ ONE(MSR_TSC), ANY, READS(tsc) },
	{ ONE(MSR_PLATFORM_ID), INTEL, READS(host) },
	{ ONE(MSR_APIC_BASE), ANY, READS(apic_base) },
	{ ONE(MSR_FEATURE_CONTROL), INTEL, CONSTANT(1) }, // locked
	{ ONE(MSR_PRED_CMD), ANY, WRITES(pred_cmd) },
	{ ONE(MSR_PATCH_LEVEL), INTEL, READS(host), WRITES(nothing) },
	{ ONE(MSR_PATCH_LEVEL), AMD, READS(host) },
	{ ONE(MSR_PLATFORM_INFO), ANY, READS(features) },
	{ MSR_MPERF, MSR_APERF, ANY, WRITES(nothing) },
	{ ONE(MSR_ARCH_CAPS), ANY, READS(arch_caps) },
	{ ONE(MSR_MISC_FEATURES), ANY, READS(features), WRITES(misc_features) },
	{ ONE(MSR_MCG_CAP), ANY, CONSTANT(MC_BANKS), WRITES(nothing) },
	{ MSR_MCG_STATUS, MSR_MCG_CTL, ANY, CONSTANT(0), WRITES(nothing) },
	{ ONE(MSR_THERM_CONTROL), INTEL, WRITES(nothing) },
	{ ONE(MSR_MISC_ENABLE), ANY, READS(misc_enable), WRITES(same) },
	{ ONE(MSR_ENERGY_BIAS), INTEL, WRITES(nothing) },
	{ ONE(MSR_PAT), ANY, CONSTANT(PAT_VALUE) },
	{ ONE(MSR_PERF_CAPS), ANY, CONSTANT(0) },
	{ MSR_MC0_CTL, MSR_MC0_CTL + 4 * MC_BANKS - 1, ANY, READS(mc_bank),
	  WRITES(nothing) },
	{ ONE(MSR_HYPERCALL_PAGE), ANY, CONSTANT(0), WRITES(hypercall_page) },
	{ ONE(MSR_EFER), ANY, READS(efer), WRITES(same) },
	{ MSR_FS_BASE, MSR_KERNEL_GS_BASE, ANY, READS(base), WRITES(base) },
	{ ONE(MSR_TSC_AUX), ANY, READS(tsc_aux), WRITES(tsc_aux) },
	{ ONE(MSR_SYSCFG), AMD, READS(amd_memory) },
	{ ONE(MSR_HWCR), AMD, READS(hwcr), WRITES(nothing) },
	{ MSR_IORR_BASE0, MSR_TOP_MEM2, AMD, READS(amd_memory) },
	{ MSR_FIDVID_CONTROL, MSR_FIDVID_STATUS, AMD, CONSTANT(0),
	  WRITES(nothing) },
	{ MSR_PSTATE_LIMIT, MSR_PSTATE7, AMD, CONSTANT(0), WRITES(nothing) },
	{ MSR_TSEG_BASE, MSR_TSEG_MASK, AMD, READS(amd_memory) },
	{ ONE(MSR_DE_CFG), AMD, CONSTANT(DE_CFG_LFENCE), WRITES(nothing) },
};

static const struct msr_rule *find_rule(u32 msr)
{
	const struct msr_rule *r;

	for (r = rules; r < rules + ARRAY_SIZE(rules); r++) {
		if (msr < r->first || msr > r->last)
			continue;
		if (r->vendor == ANY ||
		    (r->vendor == INTEL) == (cpu_host.vendor == CPU_INTEL))
			return r;
	}
	return NULL;
}

bool emul_rdmsr(struct vcpu *v, u32 msr, u64 *value)
{
	const struct msr_rule *r = find_rule(msr);

	*value = r ? r->fixed : 0;
	return r && r->read && r->read(v, msr, value);
}

bool emul_wrmsr(struct vcpu *v, u32 msr, u64 value)
{
	const struct msr_rule *r = find_rule(msr);

	return r && r->write && r->write(v, msr, value);
}
