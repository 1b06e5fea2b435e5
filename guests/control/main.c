// SPDX-License-Identifier: MIT
// What tools do with a domain: domctl, on one that does not run.
#include "control/control.h"

struct domu guest;
struct xen_domctl ctl;

// Never executed: the domain stays paused.
static const u8 code[2] = { 0x0f, 0x0b };

void domctl_begin(void)
{
	memset(&ctl, 0, sizeof(ctl));
}

long domctl_on(domid_t id, u32 cmd)
{
	ctl.cmd = cmd;
	ctl.domain = id;
	return domctl(&ctl);
}

TEST(create)
{
	CHECK(domu_make(&guest, code, NULL, 0));
	domains_kept = 1; // for the tests below, to "destroy"
}

static long create_with(u32 flags, u32 grant_opts, u32 emulation)
{
	domctl_begin();
	ctl.u.createdomain.max_vcpus = 1;
	ctl.u.createdomain.max_evtchn_port = 1023;
	ctl.u.createdomain.max_grant_frames = 4;
	ctl.u.createdomain.max_maptrack_frames = 4;
	ctl.u.createdomain.flags = flags;
	ctl.u.createdomain.grant_opts = grant_opts;
	ctl.u.createdomain.arch.emulation_flags = emulation;
	return domctl_on(0, XEN_DOMCTL_createdomain);
}

TEST(create_refused)
{
	CHECK_EQ(create_with(1u << 31, 2, 0), -EINVAL);
	CHECK_EQ(create_with(0, 0, 0), -EINVAL);
	CHECK_EQ(create_with(0, 3, 0), -EINVAL);
	CHECK_EQ(create_with(0, 2, 1u << 31), -EINVAL);
	domctl_begin();
	ctl.u.createdomain.max_vcpus = 1;
	ctl.u.createdomain.grant_opts = 2;
	ctl.u.createdomain.max_grant_frames = 4;
	CHECK_EQ(domctl_on(guest.id, XEN_DOMCTL_createdomain), -EEXIST);
	domctl_begin();
	ctl.u.createdomain.grant_opts = 2;
	ctl.u.createdomain.max_grant_frames = 4;
	ctl.u.createdomain.max_vcpus = 0;
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_createdomain), -EINVAL);
	ctl.u.createdomain.max_vcpus = 100000;
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_createdomain), -EINVAL);
}

TEST(information)
{
	domctl_begin();
	CHECK_EQ(CTL(getdomaininfo), 0);
	CHECK_EQ(ctl.u.getdomaininfo.domain, guest.id);
	CHECK_EQ(ctl.u.getdomaininfo.tot_pages, 3 + guest.levels);
	CHECK_EQ(ctl.u.getdomaininfo.max_pages, 256);
	CHECK_EQ(ctl.u.getdomaininfo.nr_online_vcpus, 1);
	CHECK_EQ(ctl.u.getdomaininfo.max_vcpu_id, 0);
	CHECK(ctl.u.getdomaininfo.flags & XEN_DOMINF_paused);
	CHECK(!(ctl.u.getdomaininfo.flags &
		(XEN_DOMINF_dying | XEN_DOMINF_running)));
	// The first one from that number on.
	CHECK_EQ(domctl_on(1, XEN_DOMCTL_getdomaininfo), 0);
	CHECK_EQ(ctl.domain, guest.id);
	CHECK_EQ(domctl_on(guest.id + 1, XEN_DOMCTL_getdomaininfo), -ESRCH);
	CHECK_EQ(domctl_on(DOMID_FIRST_RESERVED, XEN_DOMCTL_getdomaininfo),
		 -EINVAL);
}

TEST(pauses)
{
	domctl_begin();
	CHECK_EQ(CTL(pausedomain), 0);
	CHECK_EQ(CTL(pausedomain), 0);
	CHECK_EQ(CTL(unpausedomain), 0);
	CHECK_EQ(CTL(unpausedomain), 0);
	CHECK_EQ(CTL(getdomaininfo), 0);
	CHECK(ctl.u.getdomaininfo.flags & XEN_DOMINF_paused);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_pausedomain), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_pausedomain), -ESRCH);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_unpausedomain), -ESRCH);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_resumedomain), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_resumedomain), -ESRCH);
	CHECK_EQ(CTL(resumedomain), 0); // it never ended
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_destroydomain), -ESRCH);
}

TEST(names_and_flags)
{
	domctl_begin();
	for (u8 i = 0; i < 16; i++)
		ctl.u.setdomainhandle.handle[i] = i * 7;
	CHECK_EQ(CTL(setdomainhandle), 0);
	domctl_begin();
	CHECK_EQ(CTL(getdomaininfo), 0);
	for (u8 i = 0; i < 16; i++)
		CHECK_EQ(ctl.u.getdomaininfo.handle[i], i * 7);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_setdomainhandle), -ESRCH);
	domctl_begin();
	ctl.u.setdebugging.enable = 1;
	CHECK_EQ(CTL(setdebugging), 0);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_setdebugging), -EINVAL);
	CHECK_EQ(CTL(getdomaininfo), 0);
	CHECK(ctl.u.getdomaininfo.flags & XEN_DOMINF_debugged);
	domctl_begin();
	CHECK_EQ(CTL(setdebugging), 0);
	CHECK_EQ(CTL(getdomaininfo), 0);
	CHECK(!(ctl.u.getdomaininfo.flags & XEN_DOMINF_debugged));
}

TEST(limits)
{
	domctl_begin();
	ctl.u.max_mem.max_memkb = 4096;
	CHECK_EQ(CTL(max_mem), 0);
	CHECK_EQ(CTL(getdomaininfo), 0);
	CHECK_EQ(ctl.u.getdomaininfo.max_pages, 1024);
	ctl.u.max_mem.max_memkb = 1024;
	CHECK_EQ(CTL(max_mem), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_max_mem), -ESRCH);
	ctl.u.max_vcpus.max = 2;
	CHECK_EQ(CTL(max_vcpus), -EINVAL);
	ctl.u.max_vcpus.max = 1;
	CHECK_EQ(CTL(max_vcpus), 0);
	CHECK_EQ(domctl_on(0, XEN_DOMCTL_max_vcpus), -EINVAL);
}

// Frames are of five kinds; each number becomes what its frame is.
TEST(frames)
{
	xen_pfn_t list[8] = {
		(xen_pfn_t)guest.code,	      (xen_pfn_t)guest.tables[0],
		(xen_pfn_t)domu_base(&guest), (xen_pfn_t)virt_to_mfn(&ctl),
		(xen_pfn_t)NO_FRAME,	      (xen_pfn_t)guest.stack
	};
	const uptr base =
		WIDTH == 64 ? XEN_DOMCTL_PFINFO_L4TAB : XEN_DOMCTL_PFINFO_L3TAB;

	domctl_begin();
	set_xen_guest_handle(ctl.u.getpageframeinfo3.array, list);
	ctl.u.getpageframeinfo3.num = 6;
	CHECK_EQ(CTL(getpageframeinfo3), 0);
	CHECK_EQ(list[0] >> 28, XEN_DOMCTL_PFINFO_NOTAB >> 28);
	CHECK_EQ(list[1] >> 28, XEN_DOMCTL_PFINFO_L1TAB >> 28);
	CHECK_EQ(list[2] >> 28, (base | XEN_DOMCTL_PFINFO_LPINTAB) >> 28);
	CHECK_EQ(list[3] >> 28, XEN_DOMCTL_PFINFO_XTAB >> 28);
	CHECK_EQ(list[4] >> 28, XEN_DOMCTL_PFINFO_XTAB >> 28);
	CHECK_EQ(list[5] >> 28, XEN_DOMCTL_PFINFO_NOTAB >> 28);
	ctl.u.getpageframeinfo3.num = 0;
	CHECK_EQ(CTL(getpageframeinfo3), 0);
	ctl.u.getpageframeinfo3.num = 1025;
	CHECK_EQ(CTL(getpageframeinfo3), -E2BIG);
	ctl.u.getpageframeinfo3.num = 1;
	set_xen_guest_handle(ctl.u.getpageframeinfo3.array,
			     (xen_pfn_t *)window(0));
	CHECK_EQ(CTL(getpageframeinfo3), -EFAULT);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_getpageframeinfo3), -ESRCH);
}

// The most that one call takes, which does not fit a page.
TEST(most_frames)
{
	static xen_pfn_t list[1024];

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = (xen_pfn_t)(i % 2 ? guest.code : guest.tables[0]);
	domctl_begin();
	set_xen_guest_handle(ctl.u.getpageframeinfo3.array, list);
	ctl.u.getpageframeinfo3.num = ARRAY_SIZE(list);
	CHECK_EQ(CTL(getpageframeinfo3), 0);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		u64 want = i % 2 ? XEN_DOMCTL_PFINFO_NOTAB
				 : XEN_DOMCTL_PFINFO_L1TAB;

		if (list[i] >> 28 != want >> 28)
			check_failed("frame", (int)i, "%lx", (uptr)list[i]);
	}
}

TEST(hypercall_page)
{
	domctl_begin();
	ctl.u.hypercall_init.gmfn = guest.data;
	CHECK_EQ(CTL(hypercall_init), 0);
	u8 *w = window(0);

	CHECK_EQ(foreign_map(0, guest.id, guest.data, PTE_RO), 0);
	// mov $number, %eax in each of the 32 bytes, behind what saves RCX and R11
	// of a 64-bit kernel.
	w += 32 * __HYPERVISOR_domctl + (WIDTH == 64 ? 3 : 0);
	CHECK_EQ(w[0], 0xb8);
	CHECK_EQ(*(u32 *)(w + 1), __HYPERVISOR_domctl);
	window(0);
	ctl.u.hypercall_init.gmfn = guest.tables[0];
	CHECK_EQ(CTL(hypercall_init), -EPERM);
	ctl.u.hypercall_init.gmfn = (u64)1 << 40;
	CHECK_EQ(CTL(hypercall_init), -EINVAL);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_hypercall_init), -ESRCH);
}

TEST(width)
{
	domctl_begin();
	CHECK_EQ(CTL(get_address_size), 0);
	CHECK_EQ(ctl.u.address_size.size, WIDTH);
	ctl.u.address_size.size = 16;
	CHECK_EQ(CTL(set_address_size), -EINVAL);
	ctl.u.address_size.size = WIDTH;
	CHECK_EQ(CTL(set_address_size), 0);
	CHECK_EQ(domctl_on(NOBODY, XEN_DOMCTL_get_address_size), -ESRCH);
}
