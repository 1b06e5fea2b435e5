// SPDX-License-Identifier: MIT
// memory_op: what domains have and may have, memory maps, the M2P, resources
// that tools map.
#include "access/access.h"
#include "call/memory.h"
#include "grant/grant.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "x86/panic.h"

#define M2P_END	    0xffff804000000000 // as the ABI has it
#define M2P_EXTENT  0x200000UL
#define STATUS_RATE 8 // shared frames that one status frame serves

struct e820_host e820_host;

// Amounts.

static long op_maximum_ram_page(void *arg)
{
	return (long)max_mfn;
}

// Nothing is ever shared.
static long op_zero(void *arg)
{
	return 0;
}

static long account_read(u16 domid, unsigned int op)
{
	struct domain *d __domain_ref = NULL;
	long rc = memory_target(domid, &d);

	if (rc)
		return rc;
	if (op == XENMEM_current_reservation)
		return (long)READ_ONCE(d->account.total);
	if (op == XENMEM_maximum_reservation)
		return (long)READ_ONCE(d->account.max);
	// The guest says it itself, as a count.
	return (long)MAX(READ_ONCE(d->shared->arch.max_pfn), 1UL) - 1;
}

SUB_FN(current_reservation, xen_memory_domain,
       account_read(a->domid, XENMEM_current_reservation))
SUB_FN(maximum_reservation, xen_memory_domain,
       account_read(a->domid, XENMEM_maximum_reservation))
SUB_FN(maximum_gpfn, xen_memory_domain,
       account_read(a->domid, XENMEM_maximum_gpfn))

// PV guests are never populated on demand; tools ask all the same.
static long pod(struct xen_pod_target *x, u64 target)
{
	struct domain *d __domain_ref = domain_get_self_or(x->domid);

	if (!d)
		return -ESRCH;
	if (!currd->is_control)
		return -EPERM;
	x->tot_pages = READ_ONCE(d->account.total);
	x->pod_cache_pages = x->pod_entries = 0;
	return target > READ_ONCE(d->account.max) ? -EINVAL : 0;
}

SUB_FN(get_pod_target, xen_pod_target, pod(a, 0))
SUB_FN(set_pod_target, xen_pod_target, pod(a, a->target_pages))

static long op_claim_pages(void *arg)
{
	const struct xen_memory_reservation *r = arg;
	struct domain *d __domain_ref = NULL;

	if (handle_gva(r->extent_start) || r->extent_order || r->mem_flags)
		return -EINVAL;
	d = domain_get_by_id(r->domid);
	if (!d)
		return -EINVAL;
	return currd->is_control ? frames_claim(&d->account, r->nr_extents)
				 : -EPERM;
}

// The M2P.

// Where the hypervisor's tables map va; 0: nowhere.
static u64 table_maddr(u64 va)
{
	const u64 *table = hv_l4;

	for (unsigned int level = 4;; level--) {
		u64 pte = table[pte_index(va, level)];
		u64 mask = (1UL << (PAGE_SHIFT + 9 * (level - 1))) - 1;

		if (!(pte & PTE_P))
			return 0;
		if (level == 1 || (level < 4 && (pte & PTE_PS)))
			return (pte & PTE_ADDR & ~mask) | (va & mask);
		table = maddr_to_virt(pte & PTE_ADDR);
	}
}

// Whole extents: tools map what memory_m2p_list() tells in one piece.
void m2p_share(void)
{
	u64 end = M2P_START + ROUND_UP(max_mfn * sizeof(u64), M2P_EXTENT);

	for (u64 va = M2P_START; va < end; va += PAGE_SIZE) {
		u64 maddr = table_maddr(va);
		mfn_t frame = maddr_to_mfn(maddr);

		if (maddr && mfn_valid(frame))
			page_share(&dom_xen->account, mfn_to_page(frame),
				   false);
	}
}

static long op_m2p_list(void *arg)
{
	struct xen_machphys_mfn_list *x = arg;
	u64 n = DIV_UP(max_mfn * sizeof(u64), M2P_EXTENT), last = 0;

	x->nr_extents = (u32)MIN(n, x->max_extents);
	for (u32 i = 0; i < x->nr_extents; i++) {
		u64 maddr = table_maddr(M2P_START + i * M2P_EXTENT);

		// A hole shows its neighbour, which can at least be mapped.
		last = maddr ? maddr >> PAGE_SHIFT : last;
		if (frame_list_write(handle_gva(x->extent_start), i, last))
			return -EFAULT;
	}
	return 0;
}

static long op_m2p_mapping(void *arg)
{
	*(struct xen_machphys_mapping *)arg = (struct xen_machphys_mapping){
		.v_start = M2P_START,
		.v_end = M2P_END,
		.max_mfn = max_mfn - 1,
	};
	return 0;
}

// Memory maps.

static long op_map_get(void *arg)
{
	struct xen_memory_map *x = arg;
	struct domain *d = currd;
	long rc = -ENOSYS;

	spin_lock(&d->lock);
	if (d->memory_map && d->memory_map->n) {
		x->nr_entries = MIN(x->nr_entries, d->memory_map->n);
		rc = copy_to_guest(handle_gva(x->buffer), d->memory_map->entry,
				   x->nr_entries * sizeof(struct e820_entry));
	}
	spin_unlock(&d->lock);
	return rc;
}

static long op_map_machine(void *arg)
{
	struct xen_memory_map *x = arg;
	u64 buffer = handle_gva(x->buffer);

	if (buffer && x->nr_entries < e820_host.n)
		return -EINVAL;
	x->nr_entries = e820_host.n;
	return buffer ? copy_to_guest(buffer, e820_host.entry,
				      x->nr_entries * sizeof(struct e820_entry))
		      : 0;
}

static int map_read(const struct xen_memory_map *x, struct memory_map **out)
{
	u64 bytes = x->nr_entries * sizeof(struct e820_entry);
	struct memory_map *m;

	if (x->nr_entries > E820_ENTRIES)
		return -E2BIG;
	m = heap_alloc(sizeof(*m) + bytes);
	if (!m)
		return -ENOMEM;
	m->n = x->nr_entries;
	if (copy_from_guest(m->entry, handle_gva(x->buffer), bytes)) {
		heap_free(m);
		return -EFAULT;
	}
	*out = m;
	return 0;
}

static long op_map_set(void *arg)
{
	const struct xen_foreign_memory_map *x = arg;
	struct memory_map *m, *old;
	struct domain *d __domain_ref = NULL;
	long rc = memory_target(x->domid, &d);

	if (!rc)
		rc = map_read(&x->map, &m);
	if (!rc) {
		spin_lock(&d->lock);
		old = d->memory_map;
		d->memory_map = m;
		spin_unlock(&d->lock);
		heap_free(old);
	}
	return rc;
}

// No device's firmware has memory of its own here.
static long op_reserved_map(void *arg)
{
	struct xen_reserved_device_memory_map *x = arg;

	x->nr_entries = 0;
	return x->flags & ~XENMEM_RDM_ALL ? -EINVAL : 0;
}

// Another domain, under current's control.
static long remote_target(u16 domid, struct domain **out)
{
	*out = domain_get_by_id(domid);
	if (!*out)
		return -ESRCH;
	return *out == currd || !currd->is_control ? -EPERM : 0;
}

// What only guests of another kind have: their callers are told so.

static long refuse(u16 domid, bool remote, long error)
{
	struct domain *d __domain_ref = NULL;
	long rc = remote ? remote_target(domid, &d) : memory_target(domid, &d);

	return rc ? rc : error;
}

SUB_FN(access, xen_mem_access_op, refuse(a->domid, true, -EINVAL))

SUB_FN(add_to_physmap, xen_add_to_physmap,
       a->space == XENMAPSPACE_gmfn_foreign ? -ENOSYS
					    : refuse(a->domid, false, -EACCES))
SUB_FN(add_to_physmap_batch, xen_add_to_physmap_batch,
       a->space == XENMAPSPACE_gmfn_range ? -EOPNOTSUPP
					  : refuse(a->domid, false, -EACCES))
SUB_FN(remove_from_physmap, xen_remove_from_physmap,
       refuse(a->domid, false, -EACCES))
SUB_FN(get_vnumainfo, xen_vnuma_topology_info,
       a->pad ? -EINVAL : refuse(a->domid, false, -EOPNOTSUPP))

// Resources.

static u32 resource_size(const struct domain *d,
			 const struct xen_mem_acquire_resource *x)
{
	u32 n = grant_max_frames(d);

	if (x->type != XENMEM_resource_grant_table)
		return 0;
	switch (x->id) {
	case XENMEM_resource_grant_table_id_shared:
		return n;
	case XENMEM_resource_grant_table_id_status:
		return DIV_UP(n, STATUS_RATE);
	default:
		return 0;
	}
}

// Frames from *done on; -ERESTART with progress in *done.
static long resource_list(struct domain *d,
			  const struct xen_mem_acquire_resource *x, u64 *done)
{
	bool status = x->id == XENMEM_resource_grant_table_id_status;
	u64 first = *done;
	mfn_t m;
	int rc;

	for (; *done < x->nr_frames; ++*done) {
		if (*done != first && preempt_check())
			return -ERESTART;
		rc = grant_frame_get(d, (u32)(x->frame + *done), status, &m);
		if (!rc)
			rc = frame_list_write(handle_gva(x->frame_list), *done,
					      mfn_val(m));
		if (rc)
			return rc;
	}
	return 0;
}

static long resource_of(struct domain *d, struct xen_mem_acquire_resource *x,
			u64 arg, u64 *done)
{
	u32 size = resource_size(d, x);

	if (!size)
		return -EINVAL;
	if (handle_gva(x->frame_list))
		return resource_list(d, x, done);
	if (x->nr_frames || x->frame)
		return -EINVAL;
	return copy_to_guest(
		arg + offsetof(struct xen_mem_acquire_resource, nr_frames),
		&size, sizeof(size));
}

static long memory_resource(u64 arg, u64 start)
{
	struct xen_mem_acquire_resource x;
	struct domain *d __domain_ref = NULL;
	long rc;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	if (x.pad || x.frame > UINT32_MAX ||
	    x.frame + x.nr_frames > UINT32_MAX ||
	    (start && start >= x.nr_frames))
		return -EINVAL;
	rc = remote_target(x.domid, &d);
	if (!rc)
		rc = resource_of(d, &x, arg, &start);
	return rc == -ERESTART
		       ? call_again(__HYPERVISOR_memory_op,
				    XENMEM_acquire_resource | start << OP_SHIFT,
				    arg)
		       : rc;
}

static const struct sub_op ops[] = {
	[XENMEM_maximum_ram_page] = { op_maximum_ram_page, 0, 0 },
	[XENMEM_get_sharing_freed_pages] = { op_zero, 0, 0 },
	[XENMEM_get_sharing_shared_pages] = { op_zero, 0, 0 },
#define OP(nr, name, type, flags) SUB_OP(nr, name, xen_##type, flags)
	OP(XENMEM_current_reservation, current_reservation, memory_domain, 0),
	OP(XENMEM_maximum_reservation, maximum_reservation, memory_domain, 0),
	OP(XENMEM_maximum_gpfn, maximum_gpfn, memory_domain, 0),
	OP(XENMEM_set_pod_target, set_pod_target, pod_target, SUB_OUT),
	OP(XENMEM_get_pod_target, get_pod_target, pod_target, SUB_OUT),
	OP(XENMEM_claim_pages, claim_pages, memory_reservation, 0),
	OP(XENMEM_machphys_mfn_list, m2p_list, machphys_mfn_list, SUB_OUT),
	OP(XENMEM_machphys_mapping, m2p_mapping, machphys_mapping, SUB_OUT),
	OP(XENMEM_memory_map, map_get, memory_map, SUB_OUT),
	OP(XENMEM_machine_memory_map, map_machine, memory_map,
	   SUB_OUT | SUB_CONTROL),
	OP(XENMEM_set_memory_map, map_set, foreign_memory_map, 0),
	OP(XENMEM_reserved_device_memory_map, reserved_map,
	   reserved_device_memory_map, SUB_OUT),
	OP(XENMEM_add_to_physmap, add_to_physmap, add_to_physmap, 0),
	OP(XENMEM_add_to_physmap_batch, add_to_physmap_batch,
	   add_to_physmap_batch, 0),
	OP(XENMEM_remove_from_physmap, remove_from_physmap, remove_from_physmap,
	   0),
	OP(XENMEM_get_vnumainfo, get_vnumainfo, vnuma_topology_info, 0),
	OP(XENMEM_access_op, access, mem_access_op, 0),
	[XENMEM_exchange] = { memory_exchange,
			      sizeof(struct xen_memory_exchange), SUB_OUT_ANY },
};

long memory_other(unsigned int op, u64 start, u64 arg)
{
	long rc;

	if (op == XENMEM_acquire_resource)
		return memory_resource(arg, start);
	if (op < ARRAY_SIZE(ops) && ops[op].fn && start)
		return -EINVAL;
	rc = sub_op_call(ops, ARRAY_SIZE(ops), op, arg);
	return rc == -ERESTART ? call_again(__HYPERVISOR_memory_op, op, arg)
			       : rc;
}
