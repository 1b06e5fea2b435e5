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

static long account_read(u64 arg, long (*fn)(const struct domain *d))
{
	struct xen_memory_domain in;
	struct domain *d;
	long rc;

	if (copy_struct_from_guest(&in, arg))
		return -EFAULT;
	rc = memory_target(in.domid, &d);
	if (rc)
		return rc;
	rc = fn(d);
	domain_put(d);
	return rc;
}

static long total_of(const struct domain *d)
{
	return (long)READ_ONCE(d->account.total);
}

static long max_of(const struct domain *d)
{
	return (long)READ_ONCE(d->account.max);
}

// The guest says it itself, as a count.
static long last_gfn_of(const struct domain *d)
{
	u64 n = READ_ONCE(d->shared->arch.max_pfn);

	return (long)(n ? n - 1 : 0);
}

long memory_reservation_now(u64 arg, u64 start)
{
	return account_read(arg, total_of);
}

long memory_reservation_max(u64 arg, u64 start)
{
	return account_read(arg, max_of);
}

long memory_maximum_gpfn(u64 arg, u64 start)
{
	return account_read(arg, last_gfn_of);
}

// PV guests are never populated on demand; tools ask all the same.
static long pod(u64 arg, bool set)
{
	struct xen_pod_target x;
	struct domain *d;
	long rc = 0;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	d = domain_get_self_or(x.domid);
	if (!d)
		return -ESRCH;
	if (!currd->is_control)
		rc = -EPERM;
	else if (set && x.target_pages > READ_ONCE(d->account.max))
		rc = -EINVAL;
	x.tot_pages = READ_ONCE(d->account.total);
	x.pod_cache_pages = x.pod_entries = 0;
	domain_put(d);
	return rc ? rc : copy_struct_to_guest(arg, &x);
}

long memory_pod_get(u64 arg, u64 start)
{
	return pod(arg, false);
}

long memory_pod_set(u64 arg, u64 start)
{
	return pod(arg, true);
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

long memory_m2p_list(u64 arg, u64 start)
{
	struct xen_machphys_mfn_list x;
	u64 n = DIV_UP(max_mfn * sizeof(u64), M2P_EXTENT), last = 0;
	unsigned int i;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	n = MIN(n, x.max_extents);
	for (i = 0; i < n; i++) {
		u64 maddr = table_maddr(M2P_START + i * M2P_EXTENT);

		// A hole shows its neighbour, which can at least be mapped.
		last = maddr ? maddr >> PAGE_SHIFT : last;
		if (frame_list_write(handle_gva(x.extent_start), i, last))
			return -EFAULT;
	}
	x.nr_extents = i;
	return copy_struct_to_guest(arg, &x);
}

long memory_m2p_mapping(u64 arg, u64 start)
{
	struct xen_machphys_mapping x = {
		.v_start = M2P_START,
		.v_end = M2P_END,
		.max_mfn = max_mfn - 1,
	};

	return copy_struct_to_guest(arg, &x);
}

// Memory maps.

long memory_map_get(u64 arg, u64 start)
{
	struct domain *d = currd;
	struct xen_memory_map x;
	long rc = -ENOSYS;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	spin_lock(&d->lock);
	if (d->memory_map && d->memory_map->n) {
		x.nr_entries = MIN(x.nr_entries, d->memory_map->n);
		rc = copy_to_guest(handle_gva(x.buffer), d->memory_map->entry,
				   x.nr_entries * sizeof(struct e820_entry));
	}
	spin_unlock(&d->lock);
	return rc ? rc : copy_struct_to_guest(arg, &x);
}

long memory_map_machine(u64 arg, u64 start)
{
	struct xen_memory_map x;
	u64 buffer;

	if (!currd->is_control)
		return -EPERM;
	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	buffer = handle_gva(x.buffer);
	if (buffer && x.nr_entries < e820_host.n)
		return -EINVAL;
	x.nr_entries = e820_host.n;
	if (buffer && copy_to_guest(buffer, e820_host.entry,
				    e820_host.n * sizeof(struct e820_entry)))
		return -EFAULT;
	return copy_struct_to_guest(arg, &x);
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

long memory_map_set(u64 arg, u64 start)
{
	struct xen_foreign_memory_map x;
	struct memory_map *m, *old;
	struct domain *d;
	long rc;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	rc = memory_target(x.domid, &d);
	if (rc)
		return rc;
	rc = map_read(&x.map, &m);
	if (!rc) {
		spin_lock(&d->lock);
		old = d->memory_map;
		d->memory_map = m;
		spin_unlock(&d->lock);
		heap_free(old);
	}
	domain_put(d);
	return rc;
}

// No device's firmware has memory of its own here.
long memory_reserved_map(u64 arg, u64 start)
{
	struct xen_reserved_device_memory_map x;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	if (x.flags & ~XENMEM_RDM_ALL)
		return -EINVAL;
	x.nr_entries = 0;
	return copy_struct_to_guest(arg, &x);
}

// Another domain, under current's control.
static long remote_target(u16 domid, struct domain **out)
{
	struct domain *d = domain_get_by_id(domid);

	if (!d)
		return -ESRCH;
	if (d == currd || !currd->is_control) {
		domain_put(d);
		return -EPERM;
	}
	*out = d;
	return 0;
}

// Access rights that PV guests' frames do not have.
long memory_access(u64 arg, u64 start)
{
	struct xen_mem_access_op x;
	struct domain *d;
	long rc;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	rc = remote_target(x.domid, &d);
	if (rc)
		return rc;
	domain_put(d);
	return -EINVAL;
}

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

long memory_resource(u64 arg, u64 start)
{
	struct xen_mem_acquire_resource x;
	struct domain *d;
	long rc;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	if (x.pad || x.frame > UINT32_MAX ||
	    x.frame + x.nr_frames > UINT32_MAX ||
	    (start && start >= x.nr_frames))
		return -EINVAL;
	rc = remote_target(x.domid, &d);
	if (rc)
		return rc;
	rc = resource_of(d, &x, arg, &start);
	domain_put(d);
	return rc == -ERESTART
		       ? call_again(__HYPERVISOR_memory_op, 2,
				    XENMEM_acquire_resource | start << 6, arg,
				    0, 0, 0)
		       : rc;
}
