// SPDX-License-Identifier: MIT
// What tools let a domain use: devices, time, shares.
#include "control/control.h"

static long io_ports(u32 first, u32 count)
{
	domctl_begin();
	ctl.u.ioport_permission.first_port = first;
	ctl.u.ioport_permission.nr_ports = count;
	ctl.u.ioport_permission.allow_access = 1;
	return CTL(ioport_permission);
}

TEST(ports)
{
	CHECK_EQ(io_ports(0x300, 8), 0);
	CHECK_EQ(io_ports(0xffff, 1), 0);
	CHECK_EQ(io_ports(0xffff, 2), -EINVAL);
	CHECK_EQ(io_ports(0x10000, 1), -EINVAL);
	CHECK_EQ(io_ports(0, 0xffffffff), -EINVAL);
	CHECK_EQ(io_ports(0x20, 1), -EPERM); // the hypervisor's own
	domctl_begin();
	ctl.u.ioport_permission.first_port = 0x300;
	ctl.u.ioport_permission.nr_ports = 8;
	CHECK_EQ(CTL(ioport_permission), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_ioport_permission), -ESRCH);
}

static long io_memory(u32 cmd, u64 first, u64 count)
{
	domctl_begin();
	if (cmd == XEN_DOMCTL_iomem_permission) {
		ctl.u.iomem_permission.first_mfn = first;
		ctl.u.iomem_permission.nr_mfns = count;
		ctl.u.iomem_permission.allow_access = 1;
	} else {
		ctl.u.memory_mapping.first_gfn = first;
		ctl.u.memory_mapping.first_mfn = first;
		ctl.u.memory_mapping.nr_mfns = count;
		ctl.u.memory_mapping.add_mapping = 1;
	}
	return domctl_on(guest.id, cmd);
}

#define PERMIT(first, count) \
	io_memory(XEN_DOMCTL_iomem_permission, first, count)
#define MAPPING(first, count) io_memory(XEN_DOMCTL_memory_mapping, first, count)

TEST(memory)
{
	CHECK_EQ(PERMIT(0xb8, 1), 0);
	CHECK_EQ(MAPPING(0xb8, 1), 0);
	CHECK_EQ(MAPPING(0xb8, 0), -EINVAL);
	CHECK_EQ(MAPPING(0xb8, ~0ull), -EINVAL);
	CHECK_EQ(PERMIT(0xb8, 0), -EINVAL);
	CHECK_EQ(PERMIT(0xb8, ~0ull), -EINVAL);
	CHECK_EQ(PERMIT(0xfee00, 1), -EPERM);
	domctl_begin();
	ctl.u.iomem_permission.first_mfn = 0xb8;
	ctl.u.iomem_permission.nr_mfns = 1;
	CHECK_EQ(CTL(iomem_permission), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_iomem_permission), -ESRCH);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_memory_mapping), -ESRCH);
}

TEST(interrupts)
{
	struct physdev_map_pirq map = { .domid = DOMID_SELF,
					.type = MAP_PIRQ_TYPE_GSI,
					.index = 16,
					.pirq = 16 };

	domctl_begin();
	ctl.u.irq_permission.pirq = 100000;
	ctl.u.irq_permission.allow_access = 1;
	CHECK_EQ(CTL(irq_permission), -EINVAL);
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &map), 0);
	ctl.u.irq_permission.pirq = 16;
	CHECK_EQ(CTL(irq_permission), 0);
	ctl.u.irq_permission.allow_access = 0;
	CHECK_EQ(CTL(irq_permission), 0);
	struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 16 };

	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &unmap), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_irq_permission), -ESRCH);
}

TEST(virq_handler)
{
	domctl_begin();
	ctl.u.set_virq_handler.virq = NR_VIRQS;
	CHECK_EQ(CTL(set_virq_handler), -EINVAL);
	ctl.u.set_virq_handler.virq = VIRQ_TIMER; // of each vcpu
	CHECK_EQ(CTL(set_virq_handler), -EINVAL);
	ctl.u.set_virq_handler.virq = VIRQ_CON_RING;
	CHECK_EQ(CTL(set_virq_handler), 0);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_set_virq_handler), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_set_virq_handler), -ESRCH);
}

TEST(clock)
{
	domctl_begin();
	ctl.u.settimeoffset.time_offset_seconds = -3600;
	CHECK_EQ(CTL(settimeoffset), 0);
	ctl.u.settimeoffset.time_offset_seconds = 0;
	CHECK_EQ(CTL(settimeoffset), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_settimeoffset), -ESRCH);
}

TEST(tsc)
{
	domctl_begin();
	CHECK_EQ(CTL(gettscinfo), 0);
	CHECK_EQ(ctl.u.tsc_info.tsc_mode, 0);
	ctl.u.tsc_info.tsc_mode = 1; // emulated, at this rate
	ctl.u.tsc_info.gtsc_khz = 1000000;
	ctl.u.tsc_info.incarnation = 7;
	ctl.u.tsc_info.elapsed_nsec = 0;
	CHECK_EQ(CTL(settscinfo), 0);
	domctl_begin();
	CHECK_EQ(CTL(gettscinfo), 0);
	CHECK_EQ(ctl.u.tsc_info.tsc_mode, 1);
	CHECK_EQ(ctl.u.tsc_info.gtsc_khz, 1000000);
	CHECK_EQ(ctl.u.tsc_info.incarnation, 8);
	CHECK(ctl.u.tsc_info.elapsed_nsec < 10000000000ul);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_gettscinfo), -EINVAL);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_settscinfo), -EINVAL);
	domctl_begin();
	ctl.u.tsc_info.tsc_mode = 99;
	CHECK_EQ(CTL(settscinfo), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_settscinfo), -ESRCH);
}

static long shares(u32 cmd, u16 weight, u16 cap)
{
	domctl_begin();
	ctl.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
	ctl.u.scheduler_op.cmd = cmd;
	ctl.u.scheduler_op.u.credit2.weight = weight;
	ctl.u.scheduler_op.u.credit2.cap = cap;
	return CTL(scheduler_op);
}

TEST(weight)
{
	CHECK_EQ(shares(XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), 0);
	CHECK_EQ(ctl.u.scheduler_op.u.credit2.weight, 256);
	CHECK_EQ(ctl.u.scheduler_op.u.credit2.cap, 0);
	CHECK_EQ(shares(XEN_DOMCTL_SCHEDOP_putinfo, 512, 50), 0);
	CHECK_EQ(shares(XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), 0);
	CHECK_EQ(ctl.u.scheduler_op.u.credit2.weight, 512);
	CHECK_EQ(ctl.u.scheduler_op.u.credit2.cap, 50);
	// Weight 0: as it is.
	CHECK_EQ(shares(XEN_DOMCTL_SCHEDOP_putinfo, 0, 0), 0);
	CHECK_EQ(shares(XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), 0);
	CHECK_EQ(ctl.u.scheduler_op.u.credit2.weight, 512);
	CHECK_EQ(shares(99, 256, 0), -EINVAL);
	domctl_begin();
	ctl.u.scheduler_op.sched_id = XEN_SCHEDULER_RTDS;
	ctl.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
	CHECK_EQ(CTL(scheduler_op), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_scheduler_op), -ESRCH);
}

TEST(nodes)
{
	static u8 map[8] = { 1 };

	domctl_begin();
	set_xen_guest_handle(ctl.u.nodeaffinity.nodemap.bitmap, map);
	ctl.u.nodeaffinity.nodemap.nr_bits = 64;
	CHECK_EQ(CTL(setnodeaffinity), 0);
	map[0] = 0xfe;
	CHECK_EQ(CTL(getnodeaffinity), 0);
	CHECK_EQ(map[0], 1);
	map[0] = 0; // none of those that there are
	CHECK_EQ(CTL(setnodeaffinity), -EINVAL);
	set_xen_guest_handle(ctl.u.nodeaffinity.nodemap.bitmap,
			     (u8 *)window(0));
	CHECK_EQ(CTL(setnodeaffinity), -EFAULT);
	CHECK_EQ(CTL(getnodeaffinity), -EFAULT);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_getnodeaffinity), -ESRCH);
}

TEST(cpu_policy)
{
	static xen_cpuid_leaf_t leaves[256];
	static xen_msr_entry_t msrs[64];
	u32 count, others;

	domctl_begin();
	CHECK_EQ(CTL(get_cpu_policy), 0);
	count = ctl.u.cpu_policy.nr_leaves;
	others = ctl.u.cpu_policy.nr_msrs;
	CHECK(count > 10 && count <= ARRAY_SIZE(leaves));
	CHECK(others >= 1 && others <= ARRAY_SIZE(msrs));
	set_xen_guest_handle(ctl.u.cpu_policy.leaves, leaves);
	set_xen_guest_handle(ctl.u.cpu_policy.msrs, msrs);
	CHECK_EQ(CTL(get_cpu_policy), 0);
	CHECK_EQ(leaves[0].leaf, 0);
	CHECK_EQ(CTL(set_cpu_policy), 0);
	ctl.u.cpu_policy.nr_leaves = 1;
	CHECK_EQ(CTL(get_cpu_policy), -ENOBUFS);
	// More than the hardware has.
	leaves[0].a = 0xffff;
	ctl.u.cpu_policy.nr_leaves = 1;
	ctl.u.cpu_policy.nr_msrs = 0;
	CHECK_EQ(CTL(set_cpu_policy), -EINVAL);
	ctl.u.cpu_policy.nr_leaves = 100000;
	CHECK_EQ(CTL(set_cpu_policy), -E2BIG);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_set_cpu_policy), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_get_cpu_policy), -ESRCH);
}
