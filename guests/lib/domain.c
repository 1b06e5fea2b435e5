// SPDX-License-Identifier: MIT
// Another domain, never run: for frames, ports and grants that are not ours.
#include "lib/guest.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define MS	 1000000ul
#define PATIENCE (5000 * MS)

static unsigned int made;
unsigned int domains_kept;

long domctl(struct xen_domctl *op)
{
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	return HC1(__HYPERVISOR_domctl, op);
}

static domid_t create(domid_t wanted, unsigned int bits)
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
	long rc;

	made++;
	op.cmd = XEN_DOMCTL_set_address_size;
	op.u.address_size.size = bits;
	do {
		rc = domctl(&op);
	} while (rc == -ERESTART);
	CHECK_EQ(rc, 0);
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
	return create(0, WIDTH);
}

domid_t domain_create_of(unsigned int bits)
{
	return create(0, bits);
}

domid_t domain_create_as(domid_t wanted)
{
	return create(wanted, WIDTH);
}

u64 domain_page(domid_t id, u64 pfn)
{
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = id };
	xen_pfn_t frame = (xen_pfn_t)pfn;

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
	} while (rc == -ERESTART);
	CHECK_EQ(rc, 0);
}

// How many there are, dying ones too, and the last one of them.
static unsigned int domains_count(struct xen_domctl_getdomaininfo *last)
{
	static struct xen_domctl_getdomaininfo info[8];
	static struct xen_sysctl op;

	memset(&op, 0, sizeof(op));
	op.cmd = XEN_SYSCTL_getdomaininfolist;
	op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	op.u.getdomaininfolist.max_domains = ARRAY_SIZE(info);
	set_xen_guest_handle(op.u.getdomaininfolist.buffer, info);
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &op), 0);
	*last = info[op.u.getdomaininfolist.num_domains - 1];
	return op.u.getdomaininfolist.num_domains;
}

// Of the domains that the test made nothing is left, but for as many as it says:
// one that still has a frame stays in the list.
void test_after(void)
{
	u64 until = system_time() + PATIENCE;
	struct xen_domctl_getdomaininfo last;

	if (!made)
		return;
	made = 0;
	while (domains_count(&last) > 1 + domains_kept &&
	       system_time() < until) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
	}
	if (domains_count(&last) > 1 + domains_kept)
		check_failed("domain", last.domain, "is left, %lu pages",
			     (uptr)last.tot_pages);
}
