// SPDX-License-Identifier: MIT
// Operations that there are for domains, machines or hypervisors of another
// kind: they are known, and refused.
#include "control/control.h"

#define REFUSED(name, rc)                    \
	{                                    \
		XEN_DOMCTL_##name, #name, rc \
	}
#define SYSTEM(name, rc)                     \
	{                                    \
		XEN_SYSCTL_##name, #name, rc \
	}

struct refused {
	u32 cmd;
	const char *name;
	int rc;
};

// With an argument of zeros.
static const struct refused of_domains[] = {
	REFUSED(gethvmcontext, -EINVAL),
	REFUSED(sethvmcontext, -EINVAL),
	REFUSED(gethvmcontext_partial, -EINVAL),
	REFUSED(unbind_pt_irq, -EINVAL),
	REFUSED(set_broken_page_p2m, -EINVAL),
	REFUSED(get_paging_mempool_size, -EOPNOTSUPP),
	REFUSED(set_paging_mempool_size, -EOPNOTSUPP),
	REFUSED(vmtrace_op, -EINVAL),
	REFUSED(psr_cmt_op, -ENODEV),
	REFUSED(psr_alloc, -ENODEV),
};

static void check_domctls(const struct refused *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		domctl_begin();
		long rc = domctl_on(guest.id, list[i].cmd);

		if (rc != list[i].rc)
			check_failed(list[i].name, 0, "%ld, not %d", rc,
				     list[i].rc);
	}
}

TEST(other_kinds_of_domains)
{
	check_domctls(of_domains, ARRAY_SIZE(of_domains));
}

// What Xen does and Ringlet does not.
static const struct refused not_done[] = {
	REFUSED(bind_pt_irq, -EINVAL),
	REFUSED(ioport_mapping, -EOPNOTSUPP),
	REFUSED(set_access_required, -EOPNOTSUPP),
	REFUSED(vm_event_op, -EOPNOTSUPP),
	REFUSED(monitor_op, -EOPNOTSUPP),
	REFUSED(set_target, -EOPNOTSUPP),
	REFUSED(shadow_op, -EOPNOTSUPP),
	REFUSED(assign_device, -EOPNOTSUPP),
	REFUSED(test_assign_device, -EOPNOTSUPP),
	REFUSED(deassign_device, -EOPNOTSUPP),
	REFUSED(get_device_group, -EOPNOTSUPP),
	REFUSED(setvnumainfo, -EOPNOTSUPP),
	REFUSED(subscribe, -EOPNOTSUPP),
	REFUSED(debug_op, -EOPNOTSUPP),
	REFUSED(soft_reset, -EOPNOTSUPP),
};

TEST(domctls_not_done)
{
	check_domctls(not_done, ARRAY_SIZE(not_done));
}

static const struct refused of_machines[] = {
	SYSTEM(psr_cmt_op, -ENODEV),
	SYSTEM(psr_alloc, -ENODEV),
	SYSTEM(coverage_op, -EOPNOTSUPP),
};

static const struct refused machine_not_done[] = {
	SYSTEM(page_offline_op, -EOPNOTSUPP),
	SYSTEM(livepatch_op, -EOPNOTSUPP),
};

static void check_sysctls(const struct refused *list, size_t count)
{
	static struct xen_sysctl sys;

	for (size_t i = 0; i < count; i++) {
		memset(&sys, 0, sizeof(sys));
		sys.cmd = list[i].cmd;
		sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
		long rc = HC1(__HYPERVISOR_sysctl, &sys);

		if (rc != list[i].rc)
			check_failed(list[i].name, 0, "%ld, not %d", rc,
				     list[i].rc);
	}
}

TEST(other_machines)
{
	check_sysctls(of_machines, ARRAY_SIZE(of_machines));
}

TEST(sysctls_not_done)
{
	check_sysctls(machine_not_done, ARRAY_SIZE(machine_not_done));
}
