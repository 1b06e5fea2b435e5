// SPDX-License-Identifier: MIT
// What tools ask of the machine: sysctl.
#include "control/control.h"

static struct xen_sysctl sys;

static long sysctl(u32 cmd)
{
	sys.cmd = cmd;
	sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return HC1(__HYPERVISOR_sysctl, &sys);
}

static void begin(void)
{
	memset(&sys, 0, sizeof(sys));
}

TEST(machine)
{
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_physinfo), 0);
	CHECK_EQ(sys.u.physinfo.nr_cpus, 1);
	CHECK_EQ(sys.u.physinfo.max_cpu_id, 0);
	CHECK_EQ(sys.u.physinfo.nr_nodes, 1);
	CHECK_EQ(sys.u.physinfo.threads_per_core, 1);
	CHECK(sys.u.physinfo.total_pages > 120000);
	CHECK(sys.u.physinfo.free_pages < sys.u.physinfo.total_pages);
	CHECK(sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_sched_id), 0);
	CHECK_EQ(sys.u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
	begin();
	sys.u.availheap.node = ~0u;
	CHECK_EQ(sysctl(XEN_SYSCTL_availheap), 0);
	CHECK(sys.u.availheap.avail_bytes > 0);
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_levelling_caps), 0);
	CHECK_EQ(sysctl(9999), -ENOSYS);
}

TEST(log)
{
	static char text[256];

	begin();
	set_xen_guest_handle(sys.u.readconsole.buffer, text);
	sys.u.readconsole.count = sizeof(text);
	CHECK_EQ(sysctl(XEN_SYSCTL_readconsole), 0);
	CHECK_EQ(sys.u.readconsole.count, sizeof(text));
	sys.u.readconsole.count = 0;
	CHECK_EQ(sysctl(XEN_SYSCTL_readconsole), 0);
	CHECK_EQ(sys.u.readconsole.count, 0);
	sys.u.readconsole.count = 16;
	set_xen_guest_handle(sys.u.readconsole.buffer, (char *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_readconsole), -EFAULT);
}

TEST(keys)
{
	static const char none[] = { 1, 2 }; // nobody's

	begin();
	set_xen_guest_handle(sys.u.debug_keys.keys, none);
	CHECK_EQ(sysctl(XEN_SYSCTL_debug_keys), 0);
	sys.u.debug_keys.nr_keys = 2;
	CHECK_EQ(sysctl(XEN_SYSCTL_debug_keys), 0);
	sys.u.debug_keys.nr_keys = 1;
	set_xen_guest_handle(sys.u.debug_keys.keys, (char *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_debug_keys), -EFAULT);
}

TEST(domains)
{
	static struct xen_domctl_getdomaininfo list[4];

	begin();
	set_xen_guest_handle(sys.u.getdomaininfolist.buffer, list);
	sys.u.getdomaininfolist.max_domains = ARRAY_SIZE(list);
	CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	CHECK_EQ(sys.u.getdomaininfolist.num_domains, 2);
	CHECK_EQ(list[0].domain, 0);
	CHECK_EQ(list[1].domain, guest.id);
	CHECK(list[0].flags & XEN_DOMINF_running);
	sys.u.getdomaininfolist.first_domain = guest.id;
	CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	CHECK_EQ(sys.u.getdomaininfolist.num_domains, 1);
	sys.u.getdomaininfolist.first_domain = guest.id + 1;
	CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	CHECK_EQ(sys.u.getdomaininfolist.num_domains, 0);
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	sys.u.getdomaininfolist.max_domains = 1;
	set_xen_guest_handle(sys.u.getdomaininfolist.buffer,
			     (struct xen_domctl_getdomaininfo *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_getdomaininfolist), -EFAULT);
}

TEST(processors)
{
	static struct xen_sysctl_cpuinfo info[2];
	static struct xen_sysctl_cputopo places[2];

	begin();
	set_xen_guest_handle(sys.u.getcpuinfo.info, info);
	sys.u.getcpuinfo.max_cpus = 2;
	CHECK_EQ(sysctl(XEN_SYSCTL_getcpuinfo), 0);
	CHECK_EQ(sys.u.getcpuinfo.nr_cpus, 1);
	set_xen_guest_handle(sys.u.getcpuinfo.info,
			     (struct xen_sysctl_cpuinfo *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_getcpuinfo), -EFAULT);
	sys.u.getcpuinfo.max_cpus = 0;
	CHECK_EQ(sysctl(XEN_SYSCTL_getcpuinfo), 0);
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_cputopoinfo), 0);
	CHECK_EQ(sys.u.cputopoinfo.num_cpus, 1);
	set_xen_guest_handle(sys.u.cputopoinfo.cputopo, places);
	sys.u.cputopoinfo.num_cpus = 2;
	CHECK_EQ(sysctl(XEN_SYSCTL_cputopoinfo), 0);
	CHECK_EQ(sys.u.cputopoinfo.num_cpus, 1);
	CHECK_EQ(places[0].socket, 0);
	set_xen_guest_handle(sys.u.cputopoinfo.cputopo,
			     (struct xen_sysctl_cputopo *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_cputopoinfo), -EFAULT);
}

TEST(memory_nodes)
{
	static struct xen_sysctl_meminfo memory[2];
	static u32 distances[4];

	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_numainfo), 0);
	CHECK_EQ(sys.u.numainfo.num_nodes, 1);
	set_xen_guest_handle(sys.u.numainfo.meminfo, memory);
	set_xen_guest_handle(sys.u.numainfo.distance, distances);
	CHECK_EQ(sysctl(XEN_SYSCTL_numainfo), 0);
	CHECK(memory[0].memsize > memory[0].memfree);
	CHECK_EQ(distances[0], 10);
	set_xen_guest_handle(sys.u.numainfo.meminfo,
			     (struct xen_sysctl_meminfo *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_numainfo), -EFAULT);
}

TEST(devices)
{
	static struct physdev_pci_device list[2] = { { 0 }, { .bus = 77 } };
	static u32 nodes[2];

	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_pcitopoinfo), -EINVAL);
	set_xen_guest_handle(sys.u.pcitopoinfo.devs, list);
	set_xen_guest_handle(sys.u.pcitopoinfo.nodes, nodes);
	sys.u.pcitopoinfo.num_devs = 2;
	CHECK_EQ(sysctl(XEN_SYSCTL_pcitopoinfo), 0);
	CHECK_EQ(sys.u.pcitopoinfo.num_devs, 2);
	CHECK_EQ(nodes[1], XEN_INVALID_DEV);
	set_xen_guest_handle(sys.u.pcitopoinfo.nodes, (u32 *)window(0));
	CHECK_EQ(sysctl(XEN_SYSCTL_pcitopoinfo), -EFAULT);
}

static long pool(u32 op, u32 id)
{
	sys.u.cpupool_op.op = op;
	sys.u.cpupool_op.cpupool_id = id;
	return sysctl(XEN_SYSCTL_cpupool_op);
}

TEST(pools)
{
	static u8 map[8];

	begin();
	set_xen_guest_handle(sys.u.cpupool_op.cpumap.bitmap, map);
	sys.u.cpupool_op.cpumap.nr_bits = 64;
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 0), 0);
	CHECK_EQ(map[0], 1);
	CHECK_EQ(sys.u.cpupool_op.sched_id, XEN_SCHEDULER_CREDIT2);
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 0), 0);
	CHECK_EQ(map[0], 0);
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_INFO, 1), -ENOENT);
	sys.u.cpupool_op.sched_id = XEN_SCHEDULER_CREDIT2;
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 5), 0);
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_CREATE, 5), -ENOSPC);
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 5), 0);
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 5), -ENOENT);
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_DESTROY, 0), -EBUSY);
	sys.u.cpupool_op.domid = 0;
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0), -EPERM);
	sys.u.cpupool_op.domid = NOBODY;
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0), -ESRCH);
	sys.u.cpupool_op.domid = guest.id;
	CHECK_EQ(pool(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0), 0);
	CHECK_EQ(pool(99, 0), -ENOSYS);
}

TEST(scheduler)
{
	struct xen_sysctl_scheduler_op *op = &sys.u.scheduler_op;

	begin();
	op->sched_id = XEN_SCHEDULER_CREDIT2;
	op->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), 0);
	CHECK_EQ(op->u.sched_credit2.ratelimit_us, 1000);
	op->cmd = XEN_SYSCTL_SCHEDOP_putinfo;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), 0);
	op->u.sched_credit2.ratelimit_us = XEN_SYSCTL_SCHED_RATELIMIT_MAX + 1;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), -EINVAL);
	op->u.sched_credit2.ratelimit_us = XEN_SYSCTL_SCHED_RATELIMIT_MIN - 1;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), -EINVAL);
	op->cmd = 99;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), -EINVAL);
	op->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
	op->sched_id = XEN_SCHEDULER_RTDS;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), -EINVAL);
	op->cpupool_id = 99;
	CHECK_EQ(sysctl(XEN_SYSCTL_scheduler_op), -ESRCH);
}

TEST(cpu_hotplug)
{
	begin();
	sys.u.cpu_hotplug.op = XEN_SYSCTL_CPU_HOTPLUG_OFFLINE;
	CHECK_EQ(sysctl(XEN_SYSCTL_cpu_hotplug), -EINVAL); // the first CPU
	sys.u.cpu_hotplug.cpu = 77;
	CHECK_EQ(sysctl(XEN_SYSCTL_cpu_hotplug), -EINVAL);
	sys.u.cpu_hotplug.op = XEN_SYSCTL_CPU_HOTPLUG_ONLINE;
	CHECK_EQ(sysctl(XEN_SYSCTL_cpu_hotplug), -EINVAL);
	sys.u.cpu_hotplug.op = 99;
	CHECK_EQ(sysctl(XEN_SYSCTL_cpu_hotplug), -EOPNOTSUPP);
}

TEST(trace)
{
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_tbuf_op), 0); // get_info
	sys.u.tbuf_op.cmd = 99;
	CHECK_EQ(sysctl(XEN_SYSCTL_tbuf_op), -EINVAL);
	sys.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_enable; // no rings yet
	CHECK_EQ(sysctl(XEN_SYSCTL_tbuf_op), -EINVAL);
	sys.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_set_evt_mask;
	sys.u.tbuf_op.evt_mask = 0x0ffff000;
	CHECK_EQ(sysctl(XEN_SYSCTL_tbuf_op), 0);
	sys.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_disable;
	CHECK_EQ(sysctl(XEN_SYSCTL_tbuf_op), 0);
}

TEST(features)
{
	static u32 words[64];
	static xen_cpuid_leaf_t leaves[256];
	static xen_msr_entry_t msrs[64];
	struct xen_sysctl_cpu_featureset *f = &sys.u.cpu_featureset;
	struct xen_sysctl_cpu_policy *p = &sys.u.cpu_policy;

	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_featureset), 0);
	CHECK(f->nr_features > 5);
	set_xen_guest_handle(f->features, words);
	for (u32 i = 0; i <= XEN_SYSCTL_cpu_featureset_host; i++) {
		f->index = i;
		CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_featureset), 0);
		CHECK_EQ(words[0] & 1, 1); // an FPU
	}
	f->nr_features = 1;
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_featureset), -ENOBUFS);
	f->index = 99;
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_featureset), -EINVAL);
	begin();
	p->index = XEN_SYSCTL_cpu_policy_host;
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_policy), 0);
	CHECK(p->nr_leaves <= ARRAY_SIZE(leaves));
	CHECK(p->nr_msrs <= ARRAY_SIZE(msrs));
	set_xen_guest_handle(p->leaves, leaves);
	set_xen_guest_handle(p->msrs, msrs);
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_policy), 0);
	p->nr_leaves = 0;
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_policy), -ENOBUFS);
	p->_rsvd = 1;
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_policy), -EINVAL);
	p->_rsvd = 0;
	p->index = 99;
	CHECK_EQ(sysctl(XEN_SYSCTL_get_cpu_policy), -EINVAL);
}

TEST(power)
{
	begin();
	sys.u.pm_op.cmd = XEN_SYSCTL_pm_op_get_max_cstate;
	CHECK_EQ(sysctl(XEN_SYSCTL_pm_op), 0);
	sys.u.pm_op.cmd = GET_CPUFREQ_PARA;
	CHECK_EQ(sysctl(XEN_SYSCTL_pm_op), -EINVAL);
	begin();
	CHECK_EQ(sysctl(XEN_SYSCTL_get_pmstat), -ENODEV);
}
