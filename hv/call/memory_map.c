// SPDX-License-Identifier: MIT
// memory_op: what domains have and may have, memory maps, the M2P, resources
// that tools map.
#include "access/access.h"
#include "call/memory.h"
#include "dom/shared.h"
#include "grant/grant.h"
#include "mm/alloc.h"
#include "mm/paging.h"

#define M2P_END	    0xffff804000000000 // as the ABI has it
#define M2P_EXTENT  0x200000UL
#define STATUS_RATE 8 // shared frames that one status frame serves

struct e820_host e820_host;

// "No limit" is no error to 32-bit callers.
static long pages_told(u64 n)
{
	return currd->pv32 ? (long)MIN(n, (u64)INT32_MAX) : (long)n;
}

// Another domain, under current's control.
static long remote_target(u16 domid, struct domain **out)
{
	*out = domain_get_by_id(domid);
	if (!*out)
		return -ESRCH;
	return *out == currd || !currd->is_control ? -EPERM : 0;
}

static long refuse(u16 domid, long error)
{
	struct domain *d __domain_ref = NULL;
	long rc = memory_target(domid, &d);

	return rc ? rc : error;
}

#define SUB_TABLE      "call/memory.def"
#define SUB_NR(name)   XENMEM_##name
#define SUB_TYPE(type) struct xen_##type
#include "call/sub_ops.inc"

static long op_access_op(struct sub *s, struct xen_mem_access_op *a)
{
	struct domain *d __domain_ref = NULL;
	long rc = remote_target(a->domid, &d);

	return rc ? rc : -EINVAL;
}

static long op_claim_pages(struct sub *s, struct xen_memory_reservation *r)
{
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

// Whole extents: tools map what memory_m2p_list() tells in one piece.
void m2p_share(void)
{
	u64 end = M2P_START + ROUND_UP(max_mfn * sizeof(u64), M2P_EXTENT);

	for (u64 va = M2P_START; va < end; va += PAGE_SIZE) {
		u64 maddr = hv_maddr(va);
		mfn_t frame = maddr_to_mfn(maddr);

		if (maddr && mfn_valid(frame))
			page_share(&dom_xen->account, mfn_to_page(frame),
				   false);
	}
}

static long op_machphys_mfn_list(struct sub *s, struct xen_machphys_mfn_list *x)
{
	u64 n = DIV_UP(max_mfn * sizeof(u64), M2P_EXTENT), last = 0;

	x->nr_extents = (u32)MIN(n, x->max_extents);
	for (u32 i = 0; i < x->nr_extents; i++) {
		u64 maddr = hv_maddr(M2P_START + i * M2P_EXTENT);

		// A hole shows its neighbour, which can at least be mapped.
		last = maddr ? maddr >> PAGE_SHIFT : last;
		if (copy_element_to_guest(handle_gva(x->extent_start), i,
					  &last))
			return -EFAULT;
	}
	return 0;
}

static long op_machphys_compat_mfn_list(struct sub *s,
					struct xen_machphys_mfn_list *x)
{
	x->nr_extents = m2p32[0] ? MIN(x->max_extents, 1u) : 0;
	return x->nr_extents ? pfn_to_guest(handle_gva(x->extent_start), 0,
					    mfn_val(virt_to_mfn(m2p32[0])))
			     : 0;
}

static long op_machphys_mapping(struct sub *s, struct xen_machphys_mapping *x)
{
	if (currd->pv32) {
		x->v_start = HOLE32_START;
		x->v_end = 1UL << 32;
		x->max_mfn =
			MIN(max_mfn, M2P32_PIECES * M2P32_PIECE_FRAMES) - 1;
		return 0;
	}
	x->v_start = M2P_START;
	x->v_end = M2P_END;
	x->max_mfn = max_mfn - 1;
	return 0;
}

// Memory maps.

static long op_memory_map(struct sub *s, struct xen_memory_map *x)
{
	struct domain *d = currd;

	SPIN_GUARD(&d->lock);
	if (!d->memory_map || !d->memory_map->n)
		return -ENOSYS;
	x->nr_entries = MIN(x->nr_entries, d->memory_map->n);
	return copy_to_guest(handle_gva(x->buffer), d->memory_map->entry,
			     x->nr_entries * sizeof(struct e820_entry));
}

static long op_machine_memory_map(struct sub *s, struct xen_memory_map *x)
{
	u64 buffer = handle_gva(x->buffer);

	if (buffer && x->nr_entries < e820_host.n)
		return -EINVAL;
	x->nr_entries = e820_host.n;
	return buffer ? copy_to_guest(buffer, e820_host.entry,
				      x->nr_entries * sizeof(struct e820_entry))
		      : 0;
}

static long op_set_memory_map(struct sub *s, struct xen_foreign_memory_map *x)
{
	u64 bytes = x->map.nr_entries * sizeof(struct e820_entry);
	struct memory_map *m __heap_ref = NULL, *old;

	if (x->map.nr_entries > 8 * E820_ENTRIES)
		return -EINVAL;
	m = heap_alloc(sizeof(*m) + bytes);
	if (!m)
		return -ENOMEM;
	m->n = x->map.nr_entries;
	if (copy_from_guest(m->entry, handle_gva(x->map.buffer), bytes))
		return -EFAULT;
	SPIN_GUARD(&s->d->lock);
	old = s->d->memory_map;
	s->d->memory_map = m;
	m = old; // freed
	return 0;
}

// No device's firmware has memory of its own here.
static long op_reserved_device_memory_map(
	struct sub *s, struct xen_reserved_device_memory_map *x)
{
	x->nr_entries = 0;
	return x->flags & ~XENMEM_RDM_ALL ? -EINVAL : 0;
}

// Resources.

static u32 resource_size(const struct domain *d,
			 const struct xen_mem_acquire_resource *x)
{
	u32 n = grant_size(d).max_frames;

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

// Frames from s->done on.
static long resource_list(struct sub *s,
			  const struct xen_mem_acquire_resource *x)
{
	bool status = x->id == XENMEM_resource_grant_table_id_status;
	u64 first = s->done, frame;
	mfn_t m;
	int rc;

	// All of them, or none: the last one first.
	rc = x->nr_frames > first
		     ? grant_frame_get(s->d, (u32)(x->frame + x->nr_frames - 1),
				       status, &m)
		     : 0;
	for (; !rc && s->done < x->nr_frames; s->done++) {
		if (s->done != first && preempt_check())
			return -ERESTART;
		rc = grant_frame_get(s->d, (u32)(x->frame + s->done), status,
				     &m);
		if (rc)
			break;
		frame = mfn_val(m);
		if (pfn_to_guest(handle_gva(x->frame_list), s->done, frame))
			return -EFAULT;
	}
	return rc;
}

static long op_acquire_resource(struct sub *s,
				struct xen_mem_acquire_resource *x)
{
	struct domain *d __domain_ref = NULL;
	u32 size;
	long rc;

	if (x->pad || x->frame > UINT32_MAX ||
	    x->frame + x->nr_frames > UINT32_MAX ||
	    (s->done && s->done >= x->nr_frames))
		return -EINVAL;
	rc = remote_target(x->domid, &d);
	if (rc)
		return rc;
	if (x->type > XENMEM_resource_vmtrace_buf)
		return -EOPNOTSUPP;
	s->d = d;
	size = resource_size(d, x);
	if (!size)
		return -EINVAL;
	if (handle_gva(x->frame_list))
		return x->nr_frames ? resource_list(s, x) : -EINVAL;
	if (x->nr_frames || x->frame)
		return -EINVAL;
	return copy_to_guest(s->gva + offsetof(typeof(*x), nr_frames), &size,
			     sizeof(size));
}

long memory_other(unsigned int op, u64 start, u64 arg)
{
	struct sub s = { .gva = arg, .done = start };
	long rc;

	if (start && op < ARRAY_SIZE(ops) && ops[op].fn &&
	    op != XENMEM_acquire_resource)
		return -EINVAL;
	rc = sub_op_call(ops, ARRAY_SIZE(ops), op, &s);
	return rc == -ERESTART ? call_again(__HYPERVISOR_memory_op,
					    op | s.done << OP_SHIFT, arg)
			       : rc;
}
