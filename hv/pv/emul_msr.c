// SPDX-License-Identifier: MIT
// MSRs of PV guests: a table of those that a guest may read or write, with
// what it gets. What is not in the table does not exist (#GP), as on a
// processor without it; guests expect that and go on.
#include "pv/emul.h"
#include "dom/policy.h"
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

struct msr_rule {
	u32 first, last;
	enum vendor_rule vendor;
	bool (*read)(struct vcpu *v, u32 msr, u64 *value);
	bool (*write)(struct vcpu *v, u32 msr, u64 value);
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

static bool read_zero(struct vcpu *v, u32 msr, u64 *value)
{
	*value = 0;
	return true;
}

static bool ignore_write(struct vcpu *v, u32 msr, u64 value)
{
	return true;
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

static bool read_feature_control(struct vcpu *v, u32 msr, u64 *value)
{
	*value = 1; // locked
	return true;
}

static bool read_platform_info(struct vcpu *v, u32 msr, u64 *value)
{
	*value = policy_platform_info(v->domain);
	return true;
}

static bool read_arch_caps(struct vcpu *v, u32 msr, u64 *value)
{
	*value = policy_arch_caps(v->domain);
	return policy_has(v->domain, XEN_X86_FEATURE_ARCH_CAPS);
}

static bool read_misc_features(struct vcpu *v, u32 msr, u64 *value)
{
	*value = v->pv->misc_msr[KEEP_FEATURES];
	return true;
}

static bool write_misc_features(struct vcpu *v, u32 msr, u64 value)
{
	if (value & ~MISC_FEATURES_FAULTING ||
	    (value && !policy_platform_info(v->domain)))
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

static bool read_mcg_cap(struct vcpu *v, u32 msr, u64 *value)
{
	*value = MC_BANKS;
	return true;
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

static bool write_misc_enable(struct vcpu *v, u32 msr, u64 value)
{
	u64 now;

	return read_misc_enable(v, msr, &now) && now == value;
}

static bool read_pat(struct vcpu *v, u32 msr, u64 *value)
{
	*value = PAT_VALUE;
	return true;
}

static bool write_pat(struct vcpu *v, u32 msr, u64 value)
{
	return value == PAT_VALUE;
}

static bool read_efer(struct vcpu *v, u32 msr, u64 *value)
{
	*value = rdmsr(msr) & (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
	return true;
}

static bool write_efer(struct vcpu *v, u32 msr, u64 value)
{
	u64 now;

	return read_efer(v, msr, &now) && now == value;
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

static bool read_de_cfg(struct vcpu *v, u32 msr, u64 *value)
{
	*value = DE_CFG_LFENCE;
	return true;
}

static const struct msr_rule rules[] = {
	{ MSR_TSC, MSR_TSC, ANY, read_tsc, NULL },
	{ MSR_PLATFORM_ID, MSR_PLATFORM_ID, INTEL, read_host, NULL },
	{ MSR_APIC_BASE, MSR_APIC_BASE, ANY, read_apic_base, NULL },
	{ MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, INTEL, read_feature_control,
	  NULL },
	{ MSR_PRED_CMD, MSR_PRED_CMD, ANY, NULL, write_pred_cmd },
	{ MSR_PATCH_LEVEL, MSR_PATCH_LEVEL, INTEL, read_host, ignore_write },
	{ MSR_PATCH_LEVEL, MSR_PATCH_LEVEL, AMD, read_host, NULL },
	{ MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, ANY, read_platform_info, NULL },
	{ MSR_MPERF, MSR_APERF, ANY, NULL, ignore_write },
	{ MSR_ARCH_CAPS, MSR_ARCH_CAPS, ANY, read_arch_caps, NULL },
	{ MSR_MISC_FEATURES, MSR_MISC_FEATURES, ANY, read_misc_features,
	  write_misc_features },
	{ MSR_MCG_CAP, MSR_MCG_CAP, ANY, read_mcg_cap, ignore_write },
	{ MSR_MCG_STATUS, MSR_MCG_CTL, ANY, read_zero, ignore_write },
	{ MSR_THERM_CONTROL, MSR_THERM_CONTROL, INTEL, NULL, ignore_write },
	{ MSR_MISC_ENABLE, MSR_MISC_ENABLE, ANY, read_misc_enable,
	  write_misc_enable },
	{ MSR_ENERGY_BIAS, MSR_ENERGY_BIAS, INTEL, NULL, ignore_write },
	{ MSR_PAT, MSR_PAT, ANY, read_pat, write_pat },
	{ MSR_PERF_CAPS, MSR_PERF_CAPS, ANY, read_zero, NULL },
	{ MSR_MC0_CTL, MSR_MC0_CTL + 4 * MC_BANKS - 1, ANY, read_mc_bank,
	  ignore_write },
	{ MSR_EFER, MSR_EFER, ANY, read_efer, write_efer },
	{ MSR_FS_BASE, MSR_KERNEL_GS_BASE, ANY, read_base, write_base },
	{ MSR_TSC_AUX, MSR_TSC_AUX, ANY, read_tsc_aux, write_tsc_aux },
	{ MSR_SYSCFG, MSR_SYSCFG, AMD, read_amd_memory, NULL },
	{ MSR_HWCR, MSR_HWCR, AMD, read_hwcr, NULL },
	{ MSR_IORR_BASE0, MSR_TOP_MEM2, AMD, read_amd_memory, NULL },
	{ MSR_FIDVID_CONTROL, MSR_FIDVID_STATUS, AMD, read_zero, ignore_write },
	{ MSR_PSTATE_LIMIT, MSR_PSTATE7, AMD, read_zero, ignore_write },
	{ MSR_TSEG_BASE, MSR_TSEG_MASK, AMD, read_amd_memory, NULL },
	{ MSR_DE_CFG, MSR_DE_CFG, AMD, read_de_cfg, ignore_write },
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

	return r && r->read && r->read(v, msr, value);
}

bool emul_wrmsr(struct vcpu *v, u32 msr, u64 value)
{
	const struct msr_rule *r = find_rule(msr);

	return r && r->write && r->write(v, msr, value);
}
