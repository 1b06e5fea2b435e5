// SPDX-License-Identifier: MIT
// MSRs of PV guests: a table of those that a guest may read or write, with
// what it gets. What is not in the table does not exist (#GP), as on a
// processor without it; guests expect that and go on.
#include "dom/policy.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"
#include "sched/sched.h"

#define MISC_FEATURES_FAULTING 1UL
#define APIC_BASE_VALUE	       0xfee00800UL // enabled
#define APIC_BASE_BSP	       0x100UL
#define MISC_HIDDEN	       (BIT(7) | BIT(18)) // performance, monitor
#define MISC_SHOWN	       (BIT(11) | BIT(12) | BIT(23)) // no BTS, PEBS
#define SYSCFG_SHOWN	       (BIT(18) | BIT(20) | BIT(21) | BIT(22))
#define HWCR_TSC_FREQ_SEL      BIT(24)
#define PRED_CMD_IBPB	       1UL
#define MC0_CTL		       0x400u
#define MC_BANKS	       2u

enum vendor_rule { ANY, INTEL, AMD };

// From the first number on so many. read finds `fixed` in *value.
struct msr_rule {
	u32 first, count;
	enum vendor_rule vendor;
	bool (*read)(struct vcpu *v, u32 msr, u64 *value);
	bool (*write)(struct vcpu *v, u32 msr, u64 value);
	u64 fixed;
};

static DEFINE_PERCPU(u64, loaded_aux);
static DEFINE_PERCPU(u64, loaded_faulting);

u64 emul_tsc(const struct domain *d)
{
	return d->vtsc ? domain_tsc_at(d, time_now()) : rdtsc();
}

void emul_switch_to(const struct vcpu *v)
{
	u64 aux = v->pv->tsc_aux;
	u64 faulting = !v->domain->is_hardware || v->pv->cpuid_faults;

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

static bool ignore(struct vcpu *v, u32 msr, u64 value)
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
					  : v->pv->cpuid_faults;
	return true;
}

static bool write_features(struct vcpu *v, u32 msr, u64 value)
{
	if (value & ~MISC_FEATURES_FAULTING ||
	    (value && !v->domain->policy.platform_info))
		return false;
	v->pv->cpuid_faults = value;
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

// Of a bank's four registers the first is its control: everything enabled. What
// is behind the last bank is not looked at.
static bool is_mc_control(u32 msr)
{
	return !(msr % 4) || msr >= MC0_CTL + 4 * MC_BANKS;
}

static bool read_mc_bank(struct vcpu *v, u32 msr, u64 *value)
{
	*value = msr < MC0_CTL + 4 * MC_BANKS && is_mc_control(msr) ? ~0UL : 0;
	return true;
}

// The others are cleared, no more.
static bool write_mc_bank(struct vcpu *v, u32 msr, u64 value)
{
	return !value || is_mc_control(msr);
}

static bool write_zero(struct vcpu *v, u32 msr, u64 value)
{
	return !value;
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
	struct page_info *pg = frame_get_writable(m, &d->account);
	void *page;

	if (!pg) {
		pg = frame_get(m, &d->account);
		if (!pg)
			return -EINVAL;
		page_put(pg);
		return -EPERM;
	}
	page = map_frame(m);
	hypercall_page_fill(page, d->pv32);
	unmap_frame(page);
	page_put_writable(pg);
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
	*value = rdmsr(msr) & (EFER_SCE | EFER_NXE |
			       (v->hot.pv32 ? 0 : EFER_LME | EFER_LMA));
	return true;
}

// In 32-bit code bases are those of descriptors: what these hold was another
// vcpu's.
static bool read_base(struct vcpu *v, u32 msr, u64 *value)
{
	if (v->hot.pv32)
		return false;
	*value = msr == MSR_FS_BASE   ? read_fs_base()
		 : msr == MSR_GS_BASE ? read_gs_base()
				      : *pv_gs_base_other(v);
	return true;
}

static bool write_base(struct vcpu *v, u32 msr, u64 value)
{
	if (v->hot.pv32 || !va_canonical(value))
		return false;
	if (msr == MSR_FS_BASE)
		write_fs_base(value);
	else if (msr == MSR_GS_BASE)
		write_gs_base(value);
	else
		*pv_gs_base_other(v) = value;
	return true;
}

static bool has_tsc_aux(const struct vcpu *v)
{
	return policy_has(v->domain, XEN_X86_FEATURE_RDTSCP) ||
	       policy_has(v->domain, XEN_X86_FEATURE_RDPID);
}

static bool read_tsc_aux(struct vcpu *v, u32 msr, u64 *value)
{
	*value = v->pv->tsc_aux;
	return has_tsc_aux(v);
}

static bool write_tsc_aux(struct vcpu *v, u32 msr, u64 value)
{
	if (!has_tsc_aux(v))
		return false;
	v->pv->tsc_aux = (u32)value;
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

static const struct msr_rule rules[] = {
	{ MSR_FS_BASE, 3, ANY, read_base, write_base, 0 }, // at each switch
	{ 0x00000000, 2, ANY, read_fixed, NULL, 0 },	   // P5_MC_*
	{ MSR_TSC, 1, ANY, read_tsc, NULL, 0 },
	{ 0x00000017, 1, INTEL, read_host, NULL, 0 }, // platform id
	{ MSR_APIC_BASE, 1, ANY, read_apic_base, NULL, 0 },
	{ 0x0000003a, 1, INTEL, read_fixed, NULL, 1 }, // feature lock
	{ 0x00000049, 1, ANY, NULL, write_pred_cmd, 0 },
	{ 0x0000008b, 1, INTEL, read_host, write_zero, 0 }, // patch level
	{ 0x0000008b, 1, AMD, read_host, NULL, 0 },
	{ 0x000000c1, 8, INTEL, read_fixed, ignore, 0 }, // performance counters
	{ MSR_PLATFORM_INFO, 1, ANY, read_features, NULL, 0 },
	{ 0x000000e7, 2, ANY, NULL, ignore, 0 }, // MPERF, APERF
	{ MSR_ARCH_CAPS, 1, ANY, read_arch_caps, NULL, 0 },
	{ MSR_MISC_FEATURES, 1, ANY, read_features, write_features, 0 },
	{ MSR_MCG_CAP, 1, ANY, read_fixed, ignore, MC_BANKS },
	{ 0x0000017a, 2, ANY, read_fixed, ignore, 0 },	 // MCG_STATUS
	{ 0x00000186, 4, INTEL, read_fixed, ignore, 0 }, // PERFEVTSEL0
	{ 0x00000198, 1, INTEL, read_fixed, NULL, 0 },	 // PERF_STATUS
	{ 0x00000199, 1, INTEL, read_fixed, ignore, 0 }, // PERF_CTL
	{ 0x0000019a, 1, INTEL, NULL, ignore, 0 },	 // thermal control
	{ 0x0000019c, 1, INTEL, read_fixed, NULL, 0 },	 // its status
	{ 0x000001a0, 1, ANY, read_misc_enable, ignore, 0 },
	{ 0x000001b0, 1, INTEL, NULL, ignore, 0 }, // energy bias
	{ MSR_PAT, 1, ANY, read_fixed, NULL, PAT_VALUE },
	{ 0x00000280, 32, ANY, read_fixed, ignore, 0 },	 // MC0_CTL2
	{ 0x00000309, 3, INTEL, read_fixed, ignore, 0 }, // fixed counters
	{ 0x00000345, 1, ANY, read_fixed, NULL, 0 }, // performance capabilities
	{ 0x0000038d, 4, INTEL, read_fixed, ignore, 0 }, // their control
	{ MC0_CTL, 128, ANY, read_mc_bank, write_mc_bank, 0 },
	{ 0x40000000, 1, ANY, read_fixed, write_hypercall_page, 0 },
	{ MSR_EFER, 1, ANY, read_efer, write_same, 0 },
	{ MSR_TSC_AUX, 1, ANY, read_tsc_aux, write_tsc_aux, 0 },
	{ 0xc0010000, 8, AMD, read_fixed, ignore, 0 }, // performance counters
	{ MSR_SYSCFG, 1, AMD, read_amd_memory, NULL, 0 },
	{ 0xc0010015, 1, AMD, read_hwcr, ignore, 0 },	  // HWCR
	{ 0xc0010016, 5, AMD, read_amd_memory, NULL, 0 }, // IORRs, TOP_MEM
	{ 0xc001001d, 1, AMD, read_amd_memory, NULL, 0 }, // TOP_MEM2
	{ 0xc001001f, 1, ANY, read_fixed, ignore, 0 },	  // NB_CFG
	{ 0xc0010041, 2, AMD, read_fixed, ignore, 0 },	  // FID and VID
	{ 0xc0010061, 11, AMD, read_fixed, ignore, 0 },	  // P-states
	{ 0xc0010112, 2, AMD, read_amd_memory, NULL, 0 }, // TSEG
	{ 0xc0010200, 12, AMD, read_fixed, ignore, 0 },	  // counters
	{ MSR_DE_CFG, 1, AMD, read_fixed, ignore, DE_CFG_LFENCE },
};

static const struct msr_rule *find_rule(u32 msr)
{
	const struct msr_rule *r;

	for (r = rules; r < rules + ARRAY_SIZE(rules); r++) {
		if (msr - r->first < r->count &&
		    (r->vendor == ANY ||
		     (r->vendor == INTEL) == (cpu_host.vendor == CPU_INTEL)))
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
