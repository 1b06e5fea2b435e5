// SPDX-License-Identifier: MIT
// What tools do with a vcpu: context, state, where it may run.
#include "control/control.h"
#include "lib/cpu.h"

TEST(vcpu_information)
{
	domctl_begin();
	CHECK_EQ(CTL(getvcpuinfo), 0);
	CHECK_EQ(ctl.u.getvcpuinfo.online, 1);
	CHECK_EQ(ctl.u.getvcpuinfo.running, 0);
	CHECK_EQ(ctl.u.getvcpuinfo.cpu_time, 0);
	ctl.u.getvcpuinfo.vcpu = 1;
	CHECK_EQ(CTL(getvcpuinfo), -EINVAL);
	ctl.u.getvcpuinfo.vcpu = 0xffffffff;
	CHECK_EQ(CTL(getvcpuinfo), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_getvcpuinfo), -ESRCH);
}

TEST(context)
{
	static struct vcpu_guest_context c;

	domctl_begin();
	set_xen_guest_handle(ctl.u.vcpucontext.ctxt, &c);
	CHECK_EQ(CTL(getvcpucontext), 0);
	CHECK_EQ(c.user_regs.REGISTER(ip), DOMU_CODE);
	CHECK_EQ(c.ctrlreg[3], xen_pfn_to_cr3((uptr)domu_base(&guest)));
	c.user_regs.REGISTER(ax) = (uptr)0x1234567890abcdef;
	CHECK_EQ(CTL(setvcpucontext), 0);
	c.user_regs.REGISTER(ax) = 0;
	CHECK_EQ(CTL(getvcpucontext), 0);
	CHECK_EQ(c.user_regs.REGISTER(ax), (uptr)0x1234567890abcdef);
	ctl.u.vcpucontext.vcpu = 1;
	CHECK_EQ(CTL(setvcpucontext), -EINVAL);
	CHECK_EQ(CTL(getvcpucontext), -EINVAL);
	ctl.u.vcpucontext.vcpu = 0;
	set_xen_guest_handle(ctl.u.vcpucontext.ctxt,
			     (struct vcpu_guest_context *)window(0));
	CHECK_EQ(CTL(setvcpucontext), -EFAULT);
	CHECK_EQ(CTL(getvcpucontext), -EFAULT);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_setvcpucontext), -EINVAL);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_getvcpucontext), -EINVAL);
}

TEST(extended_context)
{
	domctl_begin();
	CHECK_EQ(CTL(get_ext_vcpucontext), 0);
	CHECK(ctl.u.ext_vcpucontext.size >= 32);
	CHECK_EQ(ctl.u.ext_vcpucontext.syscall32_callback_eip, 0);
	ctl.u.ext_vcpucontext.syscall32_callback_eip = 0x5000;
	ctl.u.ext_vcpucontext.syscall32_disables_events = 1;
	ctl.u.ext_vcpucontext.sysenter_callback_eip = 0x6000;
	CHECK_EQ(CTL(set_ext_vcpucontext), 0);
	domctl_begin();
	CHECK_EQ(CTL(get_ext_vcpucontext), 0);
	CHECK_EQ(ctl.u.ext_vcpucontext.syscall32_callback_eip, 0x5000);
	CHECK_EQ(ctl.u.ext_vcpucontext.syscall32_disables_events, 1);
	CHECK_EQ(ctl.u.ext_vcpucontext.sysenter_callback_eip, 0x6000);
	CHECK_EQ(ctl.u.ext_vcpucontext.sysenter_disables_events, 0);
	ctl.u.ext_vcpucontext.sysenter_callback_eip = 0x8000000000000000;
	CHECK_EQ(CTL(set_ext_vcpucontext), -EINVAL);
	ctl.u.ext_vcpucontext.sysenter_callback_eip = 0;
	ctl.u.ext_vcpucontext.size = 8;
	CHECK_EQ(CTL(set_ext_vcpucontext), -EINVAL);
	ctl.u.ext_vcpucontext.vcpu = 1;
	CHECK_EQ(CTL(set_ext_vcpucontext), -ESRCH);
	CHECK_EQ(CTL(get_ext_vcpucontext), -ESRCH);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_get_ext_vcpucontext), -ESRCH);
}

TEST(extended_state)
{
	static u64 area[1024];

	domctl_begin();
	CHECK_EQ(CTL(getvcpuextstate), 0);
	CHECK(ctl.u.vcpuextstate.xfeature_mask & 3);
	CHECK(ctl.u.vcpuextstate.size >= 16 + 576);
	CHECK(ctl.u.vcpuextstate.size <= sizeof(area));
	u64 size = ctl.u.vcpuextstate.size;

	set_xen_guest_handle(ctl.u.vcpuextstate.buffer, area);
	CHECK_EQ(CTL(getvcpuextstate), 0);
	CHECK_EQ(CTL(setvcpuextstate), 0);
	ctl.u.vcpuextstate.size = 8;
	CHECK_EQ(CTL(setvcpuextstate), -EINVAL);
	ctl.u.vcpuextstate.size = size;
	area[0] |= (u64)1 << 62;
	CHECK_EQ(CTL(setvcpuextstate), -EINVAL);
	set_xen_guest_handle(ctl.u.vcpuextstate.buffer, (u64 *)window(0));
	CHECK_EQ(CTL(setvcpuextstate), -EFAULT);
	ctl.u.vcpuextstate.vcpu = 1;
	CHECK_EQ(CTL(setvcpuextstate), -ESRCH);
	CHECK_EQ(CTL(getvcpuextstate), -ESRCH);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_getvcpuextstate), -ESRCH);
}

TEST(vcpu_msrs)
{
	struct xen_domctl_vcpu_msr list[4] = { { .index = 0xc0000103,
						 .value = 5 } };

	domctl_begin();
	CHECK_EQ(CTL(get_vcpu_msrs), 0);
	CHECK(ctl.u.vcpu_msrs.msr_count >= 1);
	set_xen_guest_handle(ctl.u.vcpu_msrs.msrs, list);
	ctl.u.vcpu_msrs.msr_count = 1;
	list[0].reserved = 1;
	CHECK_EQ(CTL(set_vcpu_msrs), -EINVAL);
	ctl.u.vcpu_msrs.msr_count = 1;
	list[0].reserved = 0;
	list[0].index = 0x12345678;
	CHECK_EQ(CTL(set_vcpu_msrs), -EINVAL);
	CHECK_EQ(ctl.u.vcpu_msrs.msr_count, 0);
	ctl.u.vcpu_msrs.msr_count = 1000;
	CHECK_EQ(CTL(set_vcpu_msrs), -EINVAL);
	ctl.u.vcpu_msrs.msr_count = 0;
	CHECK_EQ(CTL(set_vcpu_msrs), 0);
	ctl.u.vcpu_msrs.msr_count = ARRAY_SIZE(list);
	CHECK_EQ(CTL(get_vcpu_msrs), 0);
	CHECK_EQ(ctl.u.vcpu_msrs.msr_count, 0); // all are 0
	ctl.u.vcpu_msrs.vcpu = 1;
	CHECK_EQ(CTL(set_vcpu_msrs), -ESRCH);
	CHECK_EQ(CTL(get_vcpu_msrs), -ESRCH);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_set_vcpu_msrs), -ESRCH);
}

TEST(affinity)
{
	static u8 hard[8], soft[8];
	struct xen_domctl_vcpuaffinity *a = &ctl.u.vcpuaffinity;

	domctl_begin();
	a->flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT;
	a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = 64;
	CHECK_EQ(CTL(getvcpuaffinity), -EINVAL); // no maps
	CHECK_EQ(CTL(setvcpuaffinity), -EINVAL);
	set_xen_guest_handle(a->cpumap_hard.bitmap, hard);
	set_xen_guest_handle(a->cpumap_soft.bitmap, soft);
	CHECK_EQ(CTL(getvcpuaffinity), 0);
	CHECK_EQ(hard[0] & 1, 1);
	CHECK_EQ(soft[0] & 1, 1);
	hard[0] = soft[0] = 0xff;
	CHECK_EQ(CTL(setvcpuaffinity), 0);
	CHECK_EQ(hard[0], 1); // what there is
	memset(hard, 0, sizeof(hard));
	hard[1] = 1; // no such CPU
	CHECK_EQ(CTL(setvcpuaffinity), -EINVAL);
	a->flags = 0;
	CHECK_EQ(CTL(setvcpuaffinity), -EINVAL);
	a->flags = XEN_VCPUAFFINITY_HARD;
	set_xen_guest_handle(a->cpumap_hard.bitmap, (u8 *)window(0));
	CHECK_EQ(CTL(setvcpuaffinity), -EFAULT);
	CHECK_EQ(CTL(getvcpuaffinity), -EFAULT);
	a->vcpu = 1;
	CHECK_EQ(CTL(setvcpuaffinity), -EINVAL);
	CHECK_EQ(CTL(getvcpuaffinity), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_setvcpuaffinity), -ESRCH);
}

TEST(triggers)
{
	domctl_begin();
	ctl.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_NMI;
	CHECK_EQ(CTL(sendtrigger), 0);
	ctl.u.sendtrigger.vcpu = 1;
	CHECK_EQ(CTL(sendtrigger), -ESRCH);
	ctl.u.sendtrigger.vcpu = 0xffffffff;
	CHECK_EQ(CTL(sendtrigger), -ESRCH);
	ctl.u.sendtrigger.vcpu = 0;
	ctl.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
	CHECK_EQ(CTL(sendtrigger), -EINVAL);
	ctl.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_RESET;
	CHECK_EQ(CTL(sendtrigger), -ENOSYS);
	ctl.u.sendtrigger.trigger = 99;
	CHECK_EQ(CTL(sendtrigger), -ENOSYS);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_sendtrigger), -ESRCH);
}

// The last test of all (files run in the order of their names): the domain
// ends here.
TEST(destroy)
{
	domctl_begin();
	domains_kept = 0;
	domain_destroy(guest.id);
	CHECK_EQ(CTL(getdomaininfo), -ESRCH);
	CHECK_EQ(CTL(pausedomain), -ESRCH);
}
