// SPDX-License-Identifier: MIT
// memory_op: what is for tools, for guests of another kind, or about what this
// machine has not.
#include "lib/domu.h"

TEST(populate_on_demand)
{
	struct xen_pod_target pod = { .domid = 77 };
	domid_t other = domain_create();

	if (other == DOMID_INVALID)
		return;
	CHECK_EQ(memory_op(XENMEM_get_pod_target, &pod), -ESRCH);
	CHECK_EQ(memory_op(XENMEM_set_pod_target, &pod), -ESRCH);
	pod.domid = other;
	CHECK_EQ(memory_op(XENMEM_get_pod_target, &pod), -EINVAL);
	CHECK_EQ(memory_op(XENMEM_set_pod_target, &pod), -EINVAL);
	pod.target_pages = 1u << 30;
	CHECK_EQ(memory_op(XENMEM_set_pod_target, &pod), -EINVAL);
	domain_destroy(other);
}

static long claim(domid_t id, u64 pages, u32 order, u32 flags)
{
	struct xen_memory_reservation r = { .nr_extents = pages,
					    .extent_order = order,
					    .mem_flags = flags,
					    .domid = id };

	return memory_op(XENMEM_claim_pages, &r);
}

TEST(claims)
{
	domid_t other = domain_create();

	if (other == DOMID_INVALID)
		return;
	CHECK_EQ(claim(77, 1, 0, 0), -EINVAL);
	CHECK_EQ(claim(other, 1, 1, 0), -EINVAL);
	CHECK_EQ(claim(other, 1, 0, 1), -EINVAL);
	CHECK_EQ(claim(other, ~0ul >> 3, 0, 0), -EINVAL); // above its limit
	CHECK_EQ(claim(other, 64, 0, 0), 0);
	CHECK_EQ(claim(other, 64, 0, 0), -EINVAL); // there is one
	CHECK_EQ(claim(other, 0, 0, 0), 0);
	domain_destroy(other);
}

TEST(memory_map_of_a_domain)
{
	static struct {
		u64 address, size;
		u32 type;
	} __attribute__((packed)) entries[1025];
	struct xen_foreign_memory_map op = { .domid = 77 };
	domid_t other = domain_create();

	if (other == DOMID_INVALID)
		return;
	set_xen_guest_handle(op.map.buffer, entries);
	op.map.nr_entries = 1;
	CHECK_EQ(memory_op(XENMEM_set_memory_map, &op), -ESRCH);
	op.domid = other;
	CHECK_EQ(memory_op(XENMEM_set_memory_map, &op), 0);
	op.map.nr_entries = 128;
	CHECK_EQ(memory_op(XENMEM_set_memory_map, &op), 0);
	op.map.nr_entries = 1025;
	CHECK_EQ(memory_op(XENMEM_set_memory_map, &op), -EINVAL);
	op.map.nr_entries = 1;
	set_xen_guest_handle(op.map.buffer, window(0));
	CHECK_EQ(memory_op(XENMEM_set_memory_map, &op), -EFAULT);
	domain_destroy(other);
}

TEST(nothing_shared)
{
	CHECK_EQ(memory_op(XENMEM_get_sharing_freed_pages, NULL), 0);
	CHECK_EQ(memory_op(XENMEM_get_sharing_shared_pages, NULL), 0);
}

TEST(compat_m2p)
{
	struct xen_machphys_mfn_list list = { .max_extents = 0 };
	xen_pfn_t frame = 0;

	set_xen_guest_handle(list.extent_start, &frame);
	CHECK_EQ(memory_op(XENMEM_machphys_compat_mfn_list, &list), 0);
	CHECK_EQ(list.nr_extents, 0);
	CHECK_EQ(memory_op(XENMEM_machphys_compat_mfn_list, window(0)),
		 -EFAULT);
}

TEST(reserved_regions)
{
	struct xen_reserved_device_memory_map map = { .flags = XENMEM_RDM_ALL };

	CHECK_EQ(memory_op(XENMEM_reserved_device_memory_map, &map), 0);
	CHECK_EQ(map.nr_entries, 0);
	map.flags = 0x80;
	CHECK_EQ(memory_op(XENMEM_reserved_device_memory_map, &map), -EINVAL);
}

TEST(of_other_kinds)
{
	struct xen_add_to_physmap_batch add = { .domid = 77, .size = 1 };
	struct xen_vnuma_topology_info nodes = { .domid = 77 };
	struct xen_mem_access_op access = { .domid = 77 };
	domid_t other = domain_create();

	if (other == DOMID_INVALID)
		return;
	add.space = XENMAPSPACE_gmfn_range;
	CHECK_EQ(memory_op(XENMEM_add_to_physmap_batch, &add), -EOPNOTSUPP);
	add.space = XENMAPSPACE_shared_info;
	CHECK_EQ(memory_op(XENMEM_add_to_physmap_batch, &add), -ESRCH);
	add.domid = DOMID_SELF;
	CHECK_EQ(memory_op(XENMEM_add_to_physmap_batch, &add), -EACCES);
	CHECK_EQ(memory_op(XENMEM_get_vnumainfo, &nodes), -ESRCH);
	nodes.domid = DOMID_SELF;
	CHECK_EQ(memory_op(XENMEM_get_vnumainfo, &nodes), -EOPNOTSUPP);
	nodes.pad = 1;
	CHECK_EQ(memory_op(XENMEM_get_vnumainfo, &nodes), -EINVAL);
	CHECK_EQ(memory_op(XENMEM_access_op, &access), -ESRCH);
	access.domid = DOMID_SELF;
	CHECK_EQ(memory_op(XENMEM_access_op, &access), -ESRCH);
	access.domid = other;
	CHECK_EQ(memory_op(XENMEM_access_op, &access), -EINVAL);
	domain_destroy(other);
}

static long resource(domid_t id, u32 type, u32 which, u64 first, u32 count,
		     void *frames)
{
	struct xen_mem_acquire_resource r = { .domid = id,
					      .type = type,
					      .id = which,
					      .frame = first,
					      .nr_frames = count };

	set_xen_guest_handle(r.frame_list, (xen_pfn_t *)frames);
	return memory_op(XENMEM_acquire_resource, &r);
}

#define GRANTS(id, which, first, count, frames)   \
	resource(id, XENMEM_resource_grant_table, \
		 XENMEM_resource_grant_table_id_##which, first, count, frames)

TEST(resources)
{
	xen_pfn_t frames[5];
	domid_t other = domain_create();

	if (other == DOMID_INVALID)
		return;
	CHECK_EQ(GRANTS(77, shared, 0, 1, frames), -ESRCH);
	CHECK_EQ(GRANTS(0, shared, 0, 1, frames), -EPERM); // its own
	CHECK_EQ(resource(other, 77, 0, 0, 1, frames), -EOPNOTSUPP);
	CHECK_EQ(resource(other, XENMEM_resource_grant_table, 7, 0, 1, frames),
		 -EINVAL);
	CHECK_EQ(GRANTS(other, shared, 0, 0, NULL), 0); // how many
	CHECK_EQ(GRANTS(other, shared, 0, 1, NULL), -EINVAL);
	CHECK_EQ(GRANTS(other, shared, 0, 0, frames), -EINVAL);
	CHECK_EQ(GRANTS(other, shared, 0, 4, frames), 0);
	CHECK(frames[0] != frames[3]);
	CHECK_EQ(GRANTS(other, shared, 0, 5, frames), -EINVAL);
	CHECK_EQ(GRANTS(other, shared, 4, 1, frames), -EINVAL);
	CHECK_EQ(GRANTS(other, shared, 0xffffffff, 1, frames), -EINVAL);
	CHECK_EQ(GRANTS(other, shared, 0, 1, window(0)), -EFAULT);
	domain_destroy(other);
}
