// SPDX-License-Identifier: MIT
// Another domain, never run: for frames, ports and grants that are not ours.
#include "lib/guest.h"
#include <xen/domctl.h>

long domctl(struct xen_domctl *op)
{
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	return HC1(__HYPERVISOR_domctl, op);
}

domid_t domain_create_as(domid_t wanted)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain,
				 .domain = wanted };

	op.u.createdomain.max_vcpus = 1;
	op.u.createdomain.max_evtchn_port = 1023;
	op.u.createdomain.max_grant_frames = 4;
	op.u.createdomain.max_maptrack_frames = 4;
	op.u.createdomain.grant_opts = 2;
	op.u.createdomain.arch.emulation_flags = 0;
	op.u.createdomain.handle[0] = 1;
	if (!CHECK_EQ(domctl(&op), 0))
		return DOMID_INVALID;
	domid_t id = op.domain;

	op.cmd = XEN_DOMCTL_max_vcpus;
	op.u.max_vcpus.max = 1;
	CHECK_EQ(domctl(&op), 0);
	op.cmd = XEN_DOMCTL_max_mem;
	op.u.max_mem.max_memkb = 1024;
	CHECK_EQ(domctl(&op), 0);
	return id;
}

domid_t domain_create(void)
{
	return domain_create_as(0);
}

u64 domain_page(domid_t id, u64 pfn)
{
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = id };
	xen_pfn_t frame = pfn;

	set_xen_guest_handle(r.extent_start, &frame);
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
	return frame;
}

void domain_destroy(domid_t id)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_destroydomain,
				 .domain = id };
	long rc;

	do {
		rc = domctl(&op);
	} while (rc == -85); // restart
	CHECK_EQ(rc, 0);
}
