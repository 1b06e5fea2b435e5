// SPDX-License-Identifier: MIT
// What keeps the hypervisor busy for long: the end of a large domain, and all of
// its log. (The largest tree is in pins.c.)
#include "bench/bench.h"
#include "lib/domu.h"
#include <xen/sysctl.h>

#define ORDER	9u
#define EXTENTS 1024u // of 2 MiB
#define LOG	(64u << 10)

static void max_memory(domid_t id, u64 kib)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_max_mem, .domain = id };

	op.u.max_mem.max_memkb = kib;
	CHECK_EQ(domctl(&op), 0);
}

TEST(large_domain)
{
	static xen_pfn_t pfn[EXTENTS];
	struct xen_memory_reservation r = { .nr_extents = EXTENTS,
					    .extent_order = ORDER };

	only_in("longest");
	if (!((const char *)start_info->cmd_line)[0])
		test_skip("takes 3 GiB");
	r.domid = domain_create();
	max_memory(r.domid, (u64)EXTENTS << (ORDER + 2));
	for (u64 i = 0; i < EXTENTS; i++)
		pfn[i] = i << ORDER;
	set_xen_guest_handle(r.extent_start, pfn);
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), EXTENTS);
	MARK(LONG_DESTROY, 1);
	domain_destroy(r.domid);
	MARK(LONG_DESTROY, 2);
}

TEST(log)
{
	static char text[LOG];
	static struct xen_sysctl op;

	only_in("longest");
	op.cmd = XEN_SYSCTL_readconsole;
	op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	op.u.readconsole.count = sizeof(text);
	set_xen_guest_handle(op.u.readconsole.buffer, text);
	MARK(LONG_LOG, 1);
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &op), 0);
	MARK(LONG_LOG, 2);
	CHECK(op.u.readconsole.count > 0);
}
