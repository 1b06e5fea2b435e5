// SPDX-License-Identifier: MIT
// What a domain costs: memory of the hypervisor's own for a paused guest of
// 8 MiB as xl creates it, its two rings mapped by the control domain.
#include "lib/domu.h"
#include <xen/sysctl.h>

#define DOMAINS	    7u
#define GUEST_PAGES 2048u
#define RINGS	    2u
#define LIMIT	    (40ul << 10) // bytes a domain
#define MS	    1000000ul

struct guest {
	domid_t id;
	void *ring[RINGS];
	u32 handle[RINGS];
};

static u64 free_pages(void)
{
	static struct xen_sysctl op;

	memset(&op, 0, sizeof(op));
	op.cmd = XEN_SYSCTL_physinfo;
	op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &op), 0);
	return op.u.physinfo.free_pages;
}

// With the limits that xl 4.17 gives a domain.
static domid_t create(void)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain };
	domid_t id;

	op.u.createdomain.max_vcpus = 1;
	op.u.createdomain.max_evtchn_port = 1023;
	op.u.createdomain.max_grant_frames = 64;
	op.u.createdomain.max_maptrack_frames = 1024;
	op.u.createdomain.grant_opts = 2;
	op.u.createdomain.handle[0] = 2;
	if (!CHECK_EQ(domctl(&op), 0))
		return DOMID_INVALID;
	id = op.domain;
	op.cmd = XEN_DOMCTL_max_vcpus;
	op.u.max_vcpus.max = 1;
	CHECK_EQ(domctl(&op), 0);
	op.cmd = XEN_DOMCTL_max_mem;
	op.u.max_mem.max_memkb = GUEST_PAGES * 4;
	CHECK_EQ(domctl(&op), 0);
	return id;
}

// All but the rings' pages.
static void populate(domid_t id)
{
	static xen_pfn_t pfn[(GUEST_PAGES - RINGS) / 2];
	struct xen_memory_reservation r = { .nr_extents = ARRAY_SIZE(pfn),
					    .extent_order = 1,
					    .domid = id };

	for (u64 i = 0; i < ARRAY_SIZE(pfn); i++)
		pfn[i] = i * 2;
	set_xen_guest_handle(r.extent_start, pfn);
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), ARRAY_SIZE(pfn));
}

static struct grant_entry_v1 *grants_of(domid_t id)
{
	struct gnttab_setup_table op = { .dom = id, .nr_frames = 1 };
	xen_pfn_t frame = 0;
	void *w = window(0);

	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(foreign_map(0, id, frame, PTE_RW | PTE_U), 0);
	return w;
}

// Console and store: a port each, and a page that we have mapped.
static void build(struct guest *g, unsigned int number)
{
	struct evtchn_alloc_unbound port;
	struct gnttab_map_grant_ref map;
	struct grant_entry_v1 *e;

	g->id = create();
	populate(g->id);
	e = grants_of(g->id);
	for (u32 ring = 0; ring < RINGS; ring++) {
		e[ring].frame =
			(u32)domain_page(g->id, GUEST_PAGES - RINGS + ring);
		barrier();
		e[ring].flags = GTF_permit_access;
		g->ring[ring] = window(1 + number * RINGS + ring);
		map = (struct gnttab_map_grant_ref){
			.host_addr = (u64)g->ring[ring],
			.flags = GNTMAP_host_map,
			.ref = ring,
			.dom = g->id,
		};
		CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &map, 1), 0);
		CHECK_EQ(map.status, GNTST_okay);
		g->handle[ring] = map.handle;
		port = (struct evtchn_alloc_unbound){ .dom = g->id };
		CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &port), 0);
	}
	window(0);
}

static void end(const struct guest *g)
{
	for (u32 ring = 0; ring < RINGS; ring++) {
		struct gnttab_unmap_grant_ref op = {
			.host_addr = (u64)g->ring[ring],
			.handle = g->handle[ring],
		};

		CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
		CHECK_EQ(op.status, GNTST_okay);
	}
	domain_destroy(g->id);
}

// What ends comes back by and by.
static bool free_again(u64 want)
{
	for (int i = 0; i < 500 && free_pages() != want; i++) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
	}
	return CHECK_EQ(free_pages(), want);
}

TEST(memory_of_a_domain)
{
	static struct guest first, guests[DOMAINS];
	u64 before, bytes;

	// What the first one needs of our own tables stays.
	build(&first, 0);
	end(&first);
	for (int i = 0; i < 20; i++) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
	}
	before = free_pages();
	for (unsigned int i = 0; i < DOMAINS; i++)
		build(&guests[i], i);
	bytes = (before - free_pages() - DOMAINS * GUEST_PAGES) * PAGE_SIZE /
		DOMAINS;
	printf("%lu bytes of the hypervisor's a domain\n", bytes);
	for (unsigned int i = 0; i < DOMAINS; i++)
		end(&guests[i]);
	free_again(before);
	if (!on_ringlet())
		test_skip("the limit is Ringlet's own");
	CHECK(bytes <= LIMIT);
}
