// SPDX-License-Identifier: MIT
// The calls that have a pointer. Left out are those that end the guest or the
// machine: SCHEDOP_shutdown, iret, sleep states, and a watchdog that fires. What
// is refused before anyone looks at its argument is here once per hypercall.
#include "edges/edges.h"
#include <xen/nmi.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define W(...)              \
	{                   \
		__VA_ARGS__ \
	}
#define FAULTS -EFAULT, -EFAULT
#define ROW(name, call, a, b, c, d, words, ...)                               \
	{                                                                     \
		name, __HYPERVISOR_##call, { a, b, c, d }, words, __VA_ARGS__ \
	}
#define CALL(name, a, b, c, d, good, read_only, ...) \
	ROW(#name, name, a, b, c, d, W(__VA_ARGS__), good, read_only, FAULTS)
#define VCPU_ELSE(op, good, read_only, unmapped, forbidden, ...)       \
	ROW(#op, vcpu_op, VCPUOP_##op, 0, AT, 0, W(__VA_ARGS__), good, \
	    read_only, unmapped, forbidden)
#define VCPU(op, good, read_only, ...)                                 \
	ROW(#op, vcpu_op, VCPUOP_##op, 0, AT, 0, W(__VA_ARGS__), good, \
	    read_only, FAULTS)
#define CONTROL(name, call, version, op, good, read_only, ...)             \
	ROW(name, call, AT, 0, 0, 0, W(HIGH(version) | (op), __VA_ARGS__), \
	    good, read_only, FAULTS)
#define EVENT(op, good, read_only, ...)                                     \
	ROW(#op, event_channel_op, EVTCHNOP_##op, AT, 1, 0, W(__VA_ARGS__), \
	    good, read_only, FAULTS)
#define GRANT(op, good, read_only, ...)                                   \
	ROW(#op, grant_table_op, GNTTABOP_##op, AT, 1, 0, W(__VA_ARGS__), \
	    good, read_only, FAULTS)
#define MEMORY(op, good, read_only, ...)                                 \
	ROW(#op, memory_op, XENMEM_##op, AT, 1, 0, W(__VA_ARGS__), good, \
	    read_only, FAULTS)
#define VERSION(op, good, read_only, ...)                                  \
	ROW(#op, xen_version, XENVER_##op, AT, 1, 0, W(__VA_ARGS__), good, \
	    read_only, FAULTS)
#define PHYSDEV(op, good, read_only, ...)                                    \
	ROW(#op, physdev_op, PHYSDEVOP_##op, AT, 1, 0, W(__VA_ARGS__), good, \
	    read_only, FAULTS)
#define SCHED(op, good, read_only, ...)                                  \
	ROW(#op, sched_op, SCHEDOP_##op, AT, 1, 0, W(__VA_ARGS__), good, \
	    read_only, FAULTS)
#define SYSCTL(op, good, read_only, ...)                                    \
	CONTROL(#op, sysctl, XEN_SYSCTL_INTERFACE_VERSION, XEN_SYSCTL_##op, \
		good, read_only, __VA_ARGS__)
#define DOMCTL(op, good, read_only, ...)                                    \
	CONTROL(#op, domctl, XEN_DOMCTL_INTERFACE_VERSION, XEN_DOMCTL_##op, \
		good, read_only, __VA_ARGS__)
#define PLATFORM(op, good, read_only, ...)                                   \
	CONTROL(#op, platform_op, XENPF_INTERFACE_VERSION, XENPF_##op, good, \
		read_only, __VA_ARGS__)
#define HIGH(value) ((u64)(value) << 32)
#define NO_PORT	    4000 // that is bound, or anything else

const struct row rows[] = {
	CALL(set_trap_table, AT, 0, 0, 0, 0, 0),
	CALL(mmu_update, AT, 1, 0, DOMID_SELF, 0, 0, M2P, PFN),
	CALL(set_gdt, AT, 1, 0, 0, 0, 0, READ_MFN),
	CALL(mmuext_op, AT, 1, 0, DOMID_SELF, 0, 0, MMUEXT_TLB_FLUSH_LOCAL),
	ROW("mmuext_op", mmuext_op, AT, 1, 0, DOMID_SELF,
	    W(MMUEXT_TLB_FLUSH_MULTI, 0, AT), 0, 0, -EINVAL, -EINVAL),
	CALL(multicall, AT, 1, 0, 0, 0, -EFAULT, __HYPERVISOR_xen_version),
	CALL(console_io, CONSOLEIO_write, 8, AT, 0, 0, 0, 0x2020202020202020),
	CALL(callback_op, CALLBACKOP_register, AT, 0, 0, 0, 0,
	     CALLBACKTYPE_event, EVENTS),
	CALL(callback_op, CALLBACKOP_unregister, AT, 0, 0, 0, 0,
	     CALLBACKTYPE_nmi),
	CALL(nmi_op, XENNMI_register_callback, AT, 0, 0, 0, 0),
	CALL(event_channel_op_compat, AT, 0, 0, 0, 0, -EFAULT,
	     EVTCHNOP_bind_ipi),
	CALL(physdev_op_compat, AT, 0, 0, 0, 0, -EFAULT,
	     PHYSDEVOP_irq_status_query),

	EVENT(bind_interdomain, -ESRCH, -ESRCH, NO_DOMAIN),
	EVENT(bind_virq, 0, -EFAULT, VIRQ_DEBUG),
	EVENT(bind_pirq, -EINVAL, -EINVAL, NO_PORT),
	EVENT(close, -EINVAL, -EINVAL, NO_PORT),
	EVENT(send, -EINVAL, -EINVAL, NO_PORT),
	EVENT(status, 0, -EFAULT, DOMID_SELF),
	EVENT(alloc_unbound, 0, -EFAULT, DOMID_SELF | DOMID_SELF << 16),
	EVENT(bind_ipi, 0, -EFAULT),
	EVENT(bind_vcpu, -EINVAL, -EINVAL, NO_PORT),
	EVENT(unmask, 0, 0, 1),
	EVENT(reset, 0, 0, DOMID_SELF),
	EVENT(init_control, -EINVAL, -EINVAL, NO_FRAME),
	EVENT(expand_array, -EOPNOTSUPP, -EOPNOTSUPP, NO_FRAME),
	EVENT(set_priority, -EINVAL, -EINVAL, NO_PORT),

	GRANT(map_grant_ref, 0, -EFAULT),
	GRANT(unmap_grant_ref, 0, -EFAULT),
	GRANT(setup_table, 0, -EFAULT, DOMID_SELF),
	ROW("setup_table", grant_table_op, GNTTABOP_setup_table, AT, 1, 0,
	    W(DOMID_SELF | HIGH(1), 0, AT), 0, GNTST_bad_virt_addr,
	    GNTST_bad_virt_addr, -EFAULT, 8),
	GRANT(transfer, 0, -EFAULT, NO_FRAME),
	GRANT(copy, 0, -EFAULT, 0, DOMID_SELF, 0, DOMID_SELF),
	GRANT(query_size, 0, -EFAULT, DOMID_SELF),
	GRANT(unmap_and_replace, 0, -EFAULT),
	GRANT(set_version, 0, -EFAULT, 1),
	GRANT(get_status_frames, 0, -EFAULT, HIGH(DOMID_SELF)),
	GRANT(get_version, 0, -EFAULT, DOMID_SELF),
	GRANT(swap_grant_ref, 0, -EFAULT, HIGH(1)),

	ROW("increase_reservation", memory_op, XENMEM_increase_reservation, AT,
	    0, 0, W(0), 0, 0, 0, 0),
	ROW("decrease_reservation", memory_op, XENMEM_decrease_reservation, AT,
	    0, 0, W(0), 0, 0, 0, 0),
	ROW("populate_physmap", memory_op, XENMEM_populate_physmap, AT, 0, 0,
	    W(0), 0, 0, 0, 0),
	MEMORY(exchange, 0, 0),
	MEMORY(exchange, -EINVAL, -EFAULT, 0, 1),
	MEMORY(exchange, -EINVAL, -EFAULT, LIST, 1, 0, DOMID_SELF, LIST, 1, 0,
	       DOMID_SELF),
	MEMORY(exchange, 0, 0, LIST, 1, 0, DOMID_SELF, LIST, 1, 0, DOMID_SELF,
	       1),
	MEMORY(exchange, -EINVAL, -EINVAL, AT, 1, 0, DOMID_SELF, 0, 1, 0,
	       DOMID_SELF),
	MEMORY(maximum_gpfn, 0, 0, DOMID_SELF),
	MEMORY(machphys_mfn_list, 0, -EFAULT),
	MEMORY(machphys_mfn_list, 0, -EFAULT, 1, AT),
	MEMORY(machphys_mapping, 0, -EFAULT),
	MEMORY(memory_map, -ENOSYS, -ENOSYS),
	MEMORY(machine_memory_map, 0, -EFAULT),
	MEMORY(machine_memory_map, 0, -EFAULT, 64, AT),
	MEMORY(set_memory_map, 0, 0, OTHER, 0),
	MEMORY(set_memory_map, 0, 0, OTHER, 1, AT),
	MEMORY(set_pod_target, -EINVAL, -EINVAL, 0, 0, 0, 0, DOMID_SELF),
	MEMORY(get_pod_target, -EINVAL, -EINVAL, 0, 0, 0, 0, DOMID_SELF),
	MEMORY(claim_pages, 0, 0, 0, 0, 0, OTHER),
	MEMORY(reserved_device_memory_map, 0, -EFAULT, 1),
	MEMORY(acquire_resource, -EINVAL, -EINVAL, OTHER),
	MEMORY(acquire_resource, 0, -EFAULT, OTHERS_GRANTS, 1, 0, AT),
	MEMORY(add_to_physmap, -EACCES, -EACCES, DOMID_SELF),
	MEMORY(add_to_physmap_batch, -EACCES, -EACCES, DOMID_SELF),
	MEMORY(remove_from_physmap, -EACCES, -EACCES, DOMID_SELF),
	MEMORY(get_vnumainfo, -EOPNOTSUPP, -EOPNOTSUPP, DOMID_SELF),
	MEMORY(access_op, -ESRCH, -ESRCH, DOMID_SELF << 16),

	VERSION(extraversion, 0, -EFAULT),
	VERSION(compile_info, 0, -EFAULT),
	VERSION(capabilities, 0, -EFAULT),
	VERSION(changeset, 0, -EFAULT),
	VERSION(platform_parameters, 0, -EFAULT),
	VERSION(get_features, 0, -EFAULT),
	VERSION(guest_handle, 0, -EFAULT),
	VERSION(commandline, 0, -EFAULT),
	VERSION(build_id, -EINVAL, -EINVAL),

	VCPU(initialise, -EEXIST, -EEXIST),
	VCPU(get_runstate_info, 0, -EFAULT),
	VCPU(register_runstate_memory_area, 0, 0),
	VCPU_ELSE(register_runstate_memory_area, 0, 0, 0, -EFAULT, AT),
	VCPU(set_periodic_timer, -EINVAL, -EINVAL),
	VCPU(set_singleshot_timer, 0, 0),
	VCPU(register_vcpu_info, -EINVAL, -EINVAL, NO_FRAME),
	VCPU(get_physid, 0, -EFAULT),
	VCPU(register_vcpu_time_memory_area, 0, 0),
	VCPU_ELSE(register_vcpu_time_memory_area, 0, 0, 0, -EFAULT, AT),

	SCHED(poll, 0, 0, 0, 0, 1),
	SCHED(poll, -EINVAL, -EINVAL, AT, 1, 1),
	SCHED(remote_shutdown, -ESRCH, -ESRCH, NO_DOMAIN),
	SCHED(shutdown_code, 0, 0),
	SCHED(watchdog, -EINVAL, -EINVAL, 2),
	SCHED(pin_override, -EINVAL, -EINVAL, 0xffffffff),

	PHYSDEV(irq_status_query, 0, -EFAULT),
	PHYSDEV(set_iopl, 0, 0),
	PHYSDEV(set_iobitmap, 0, 0),
	ROW("set_iobitmap", physdev_op, PHYSDEVOP_set_iobitmap, AT, 0, 0,
	    W(AT, 8), 0, 0, 0, -EINVAL),
	PHYSDEV(apic_read, -EINVAL, -EFAULT),
	PHYSDEV(apic_write, -EINVAL, -EINVAL),
	PHYSDEV(alloc_irq_vector, 0, -EFAULT, 1),
	PHYSDEV(eoi, -EINVAL, -EINVAL, NO_PORT),
	PHYSDEV(map_pirq, -EINVAL, -EFAULT, DOMID_SELF | HIGH(9)),
	PHYSDEV(unmap_pirq, -EINVAL, -EINVAL, DOMID_SELF | HIGH(NO_PORT)),
	PHYSDEV(manage_pci_add, 0, 0),
	PHYSDEV(manage_pci_remove, -ENODEV, -ENODEV, 0xffff),
	PHYSDEV(manage_pci_add_ext, -EINVAL, -EINVAL, HIGH(2)),
	PHYSDEV(pirq_eoi_gmfn_v1, -EINVAL, -EINVAL, NO_FRAME),
	PHYSDEV(pirq_eoi_gmfn_v2, -EINVAL, -EINVAL, NO_FRAME),
	PHYSDEV(restore_msi, -ENODEV, -ENODEV, 0xffff),
	PHYSDEV(setup_gsi, -EINVAL, -EINVAL, 0xffffffff),
	PHYSDEV(get_free_pirq, 0, -EFAULT),
	PHYSDEV(pci_mmcfg_reserved, -ENODEV, -ENODEV, NO_FRAME, 0xffff),
	PHYSDEV(pci_mmcfg_reserved, -EINVAL, -EINVAL, NO_FRAME, HIGH(2)),
	PHYSDEV(pci_device_add, 0, 0),
	PHYSDEV(pci_device_remove, -ENODEV, -ENODEV, 0xffff0000),
	PHYSDEV(restore_msi_ext, -ENODEV, -ENODEV, 0xffff0000),
	PHYSDEV(dbgp_op, 0, 0, 0xffffffff),
	PHYSDEV(release_msix, -ENODEV, -ENODEV, 0xffff0000),

	SYSCTL(readconsole, 0, -EFAULT, 0, AT, 8),
	SYSCTL(tbuf_op, 0, -EFAULT),
	SYSCTL(physinfo, 0, -EFAULT),
	SYSCTL(sched_id, 0, -EFAULT),
	SYSCTL(getdomaininfolist, 0, -EFAULT, HIGH(1), AT),
	SYSCTL(debug_keys, 0, 0),
	SYSCTL(debug_keys, 0, 0, AT, 8),
	SYSCTL(getcpuinfo, 0, -EFAULT, 1, AT),
	SYSCTL(availheap, 0, -EFAULT),
	SYSCTL(pm_op, -ENOSYS, -ENOSYS),
	SYSCTL(pm_op, 0, -EFAULT, 0x22),
	SYSCTL(pm_op, -ENOSYS, -ENOSYS, 0x2f),
	SYSCTL(pm_op, -ENOSYS, -ENOSYS, 0x30),
	SYSCTL(cpu_hotplug, -EOPNOTSUPP, -EOPNOTSUPP, HIGH(9)),
	SYSCTL(get_pmstat, -ENODEV, -ENODEV),
	SYSCTL(cputopoinfo, 0, -EFAULT, 1, AT),
	SYSCTL(numainfo, 0, -EFAULT, 1, AT),
	SYSCTL(numainfo, 0, -EFAULT, 1, 0, AT),
	SYSCTL(cpupool_op, -ENOSYS, -ENOSYS),
	SYSCTL(scheduler_op, -EINVAL, -EINVAL),
	SYSCTL(pcitopoinfo, 0, -EFAULT, 1, AT, AT),
	SYSCTL(get_cpu_levelling_caps, 0, -EFAULT),
	SYSCTL(get_cpu_featureset, -ENOBUFS, -EFAULT, HIGH(1), AT),
	SYSCTL(get_cpu_policy, 0, -EFAULT),

	DOMCTL(createdomain, -EINVAL, -EINVAL, NO_DOMAIN),
	DOMCTL(pausedomain, -ESRCH, -ESRCH, NO_DOMAIN),
	DOMCTL(getdomaininfo, 0, -EFAULT, OTHER),
	DOMCTL(getnodeaffinity, 0, -EFAULT, OTHER, AT, 64),
	DOMCTL(setnodeaffinity, -EINVAL, -EINVAL, OTHER, AT, 64),
	DOMCTL(gettscinfo, 0, -EFAULT, OTHER),
	DOMCTL(setvcpuaffinity, -EINVAL, -EINVAL, OTHER, HIGH(1)),
	DOMCTL(getvcpuaffinity, 0, -EFAULT, OTHER, HIGH(1), AT, 64),
	DOMCTL(getvcpuinfo, 0, -EFAULT, OTHER),
	DOMCTL(get_ext_vcpucontext, 0, -EFAULT, OTHER),
	DOMCTL(set_ext_vcpucontext, -EINVAL, -EINVAL, OTHER),
	DOMCTL(getvcpuextstate, 0, -EFAULT, OTHER),
	DOMCTL(getvcpuextstate, 0, -EFAULT, OTHER, 0, STATE_MASK, STATE_SIZE,
	       AT),
	DOMCTL(setvcpuextstate, 0, 0, OTHER, 0, STATE_MASK, 16, AT),
	DOMCTL(setvcpuextstate, -EINVAL, -EINVAL, OTHER, 0, STATE_MASK,
	       STATE_SIZE, AT),
	DOMCTL(get_vcpu_msrs, 0, -EFAULT, OTHER),
	DOMCTL(set_vcpu_msrs, -EINVAL, -EINVAL, OTHER, HIGH(1), AT),
	DOMCTL(getpageframeinfo3, 0, -EFAULT, OTHER, 1, AT),
	DOMCTL(get_address_size, 0, -EFAULT, OTHER),
	DOMCTL(get_cpu_policy, -ENOBUFS, -EFAULT, OTHER, 1, AT),
	DOMCTL(set_cpu_policy, -ERANGE, -ERANGE, OTHER, 1, AT),
	DOMCTL(scheduler_op, -EINVAL, -EFAULT, OTHER),
	DOMCTL(scheduler_op, 0, -EFAULT, OTHER,
	       XEN_SCHEDULER_CREDIT2 | HIGH(1)),
	DOMCTL(scheduler_op, 0, -EFAULT, OTHER, XEN_SCHEDULER_CREDIT2, 256),
	DOMCTL(iomem_permission, 0, 0, OTHER, 0xfd000, 1, 1),
	DOMCTL(ioport_permission, 0, 0, OTHER, 0x80 | HIGH(1), 1),
	DOMCTL(memory_mapping, 0, 0, OTHER, 0xfd000, 0xfd000, 1, 1),
	DOMCTL(hypercall_init, 0, 0, OTHER, THEIRS),
	DOMCTL(max_mem, 0, 0, OTHER, 1024),
	DOMCTL(max_vcpus, 0, 0, OTHER, 1),
	DOMCTL(setdomainhandle, 0, 0, OTHER, 1),
	DOMCTL(setdebugging, 0, 0, OTHER),
	DOMCTL(settimeoffset, 0, 0, OTHER),
	DOMCTL(settscinfo, 0, 0, OTHER),
	DOMCTL(set_virq_handler, -EINVAL, -EINVAL, OTHER, 99),
	DOMCTL(resumedomain, 0, 0, OTHER),
	DOMCTL(set_address_size, 0, 0, OTHER, 64),
	DOMCTL(sendtrigger, -ENOSYS, -ENOSYS, OTHER, 99),
	DOMCTL(assign_device, -EOPNOTSUPP, -EOPNOTSUPP, OTHER),
	DOMCTL(soft_reset, -ESRCH, -ESRCH, NO_DOMAIN),

	PLATFORM(settime64, -EINVAL, -EINVAL, 0, HIGH(1)),
	PLATFORM(settime64, 0, 0, 1),
	PLATFORM(settime32, 0, 0, 1),
	PLATFORM(read_memtype, -EINVAL, -EINVAL, NO_PORT),
	PLATFORM(read_memtype, 0, -EFAULT, 0),
	PLATFORM(platform_quirk, -EINVAL, -EINVAL, NO_PORT),
	PLATFORM(platform_quirk, 0, 0, QUIRK_NOIRQBALANCING),
	PLATFORM(firmware_info, -EINVAL, -EINVAL, NO_PORT),
	PLATFORM(set_processor_pminfo, -EINVAL, -EINVAL, HIGH(NO_PORT)),
	PLATFORM(set_processor_pminfo, -EINVAL, -EINVAL, HIGH(NO_PORT),
		 HIGH(9)),
	PLATFORM(get_cpuinfo, 0, -EFAULT),
	PLATFORM(get_cpu_version, 0, -EFAULT),
	PLATFORM(cpu_offline, -EINVAL, -EINVAL, NO_PORT),
	PLATFORM(cpu_online, 0, 0),
	PLATFORM(core_parking, -EINVAL, -EINVAL, NO_PORT),
	PLATFORM(core_parking, 0, -EFAULT, 2),
};
const unsigned int row_count = ARRAY_SIZE(rows);
