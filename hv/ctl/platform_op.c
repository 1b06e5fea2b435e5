// SPDX-License-Identifier: MIT
// platform_op: the control domain's kernel and the machine (public header
// platform.h).
#include "call/compat.h"
#include "ctl/private.h"
#include "lib/string.h"
#include "sched/sched.h"
#include "x86/cpuid.h"
#include "x86/faultable.h"
#include "x86/insn.h"
#include "x86/platform.h"
#include "x86/pte.h"
#include "x86/smp.h"

// Time.

long platform_set_time(u64 sec, u32 nsec, u64 system_time)
{
	struct domain *d;

	wallclock_set(sec, nsec, system_time);
	for (u32 id = 0; (d = domain_get_from(id)); id++) {
		id = d->id;
		domain_wallclock_update(d);
		domain_put(d);
	}
	return 0;
}

// Machine.

#define MSR_MTRR_CAP	 0xfe
#define MSR_MTRR_BASE(n) (0x200 + 2 * (n))
#define MTRR_VALID	 BIT(11)

long platform_read_memtype(struct sub *s, struct xenpf_read_memtype *a)
{
	struct xenpf_read_memtype type = { .reg = a->reg };
	u64 cap, base, mask;

	if (!cpu_has(MTRR) || !rdmsr_safe(MSR_MTRR_CAP, &cap) ||
	    a->reg >= (cap & 0xff) ||
	    !rdmsr_safe(MSR_MTRR_BASE(a->reg), &base) ||
	    !rdmsr_safe(MSR_MTRR_BASE(a->reg) + 1, &mask))
		return -EINVAL;
	if (mask & MTRR_VALID) {
		// The mask's lowest bit tells the size.
		type.mfn = (base & PTE_ADDR) >> PAGE_SHIFT;
		type.nr_mfns = (mask & -(mask & PTE_ADDR)) >> PAGE_SHIFT;
		type.type = base & 0xff;
	}
	// All other operations' structures are the same in both widths.
	if (currd->pv32)
		compat_narrow(LAYOUT32_memtype, &type, a);
	else
		*a = type;
	return 0;
}

// The BIOS was not asked, and EFI's services are not kept.
long platform_firmware_info(struct sub *s, struct xenpf_firmware_info *a)
{
	switch (a->type) {
	case XEN_FW_DISK_INFO:
	case XEN_FW_DISK_MBR_SIGNATURE:
	case XEN_FW_VBEDDC_INFO:
		return -ESRCH;
	case XEN_FW_EFI_INFO:
		return -ENOSYS;
	case XEN_FW_KBD_SHIFT_FLAGS:
		if (a->index)
			return -ESRCH;
		a->u.kbd_shift_flags = 0;
		return 0;
	}
	return -EINVAL;
}

// Kernels name a value for the second register block where there is none.
long platform_enter_acpi_sleep(struct sub *s, struct xenpf_enter_acpi_sleep *a)
{
	if (a->flags & XENPF_ACPI_SLEEP_EXTENDED)
		return -EPERM; // hardware-reduced ACPI's registers
	if (a->flags)
		return -EINVAL;
	return power_enter_sleep(a->sleep_state, a->val_a,
				 platform.pm1b_control ? a->val_b : 0);
}

// CPUs.

static bool is_online(u32 cpu)
{
	return cpu < MAX_CPUS && cpumask_test(cpu_online, cpu);
}

long platform_get_cpuinfo(struct sub *s, struct xenpf_pcpuinfo *a)
{
	a->flags = XEN_PCPU_FLAGS_INVALID;
	if (a->xen_cpuid < nr_cpus) {
		u64 cpu = index_nospec(a->xen_cpuid, nr_cpus);

		a->flags = is_online((u32)cpu) ? XEN_PCPU_FLAGS_ONLINE : 0;
		a->apic_id = cpu_apic_id[cpu];
		for (u32 i = 0; i < platform.nr_cpus; i++)
			if (platform.apic_id[i] == a->apic_id)
				a->acpi_id = platform.acpi_id[i];
	}
	a->max_present = nr_cpus - 1;
	return 0;
}

long platform_get_cpu_version(struct sub *s, struct xenpf_pcpu_version *a)
{
	const u32 cpu = a->xen_cpuid;
	u32 r[4];

	memset(a, 0, sizeof(*a));
	a->xen_cpuid = cpu;
	if (is_online(cpu)) {
		cpuid(0, 0, r);
		memcpy(a->vendor_id, &r[1], 4);
		memcpy(a->vendor_id + 4, &r[3], 4);
		memcpy(a->vendor_id + 8, &r[2], 4);
		a->family = cpu_host.family;
		a->model = cpu_host.model;
		a->stepping = cpu_host.stepping;
	}
	a->max_present = nr_cpus - 1;
	return 0;
}

long platform_cpu_switch(u32 cpu, bool on)
{
	long rc = cpu || on ? cpu_switch(cpu, on) : -EOPNOTSUPP;

	return rc == -EEXIST ? 0 : rc;
}

long platform_core_parking(struct sub *s, struct xenpf_core_parking *a)
{
	if (a->type == XEN_CORE_PARKING_SET)
		return -EOPNOTSUPP;
	if (a->type != XEN_CORE_PARKING_GET)
		return -EINVAL;
	a->idle_nums = 0;
	return 0;
}
