// SPDX-License-Identifier: MIT
// memory_op: dispatch, and the operations that give memory to a domain or
// take it away (public header memory.h).
#include "access/access.h"
#include "call/memory.h"
#include "mm/alloc.h"

// Defaults of Xen's memop-max-order.
#define ORDER_DOMU    9
#define ORDER_CONTROL MAX_ORDER
#define PV32_WIDTH    37

struct reservation {
	struct domain *d;
	u64 list, n, done;
	unsigned int order, width;
};
typedef bool extent_t(const struct reservation *r, u64 i);

unsigned int memory_max_order(void)
{
	return currd->is_control ? ORDER_CONTROL : ORDER_DOMU;
}

int memory_target(u16 domid, struct domain **out)
{
	*out = domain_get_self_or(domid);
	if (!*out)
		return -ESRCH;
	return domain_may_control(currd, *out) ? 0 : -EPERM;
}

// Gives fresh frames to d; on error they are the caller's still.
int extent_assign(struct domain *d, struct page_info *pg, unsigned int order,
		  u64 pfn)
{
	// Before anybody can find the frames.
	for (u64 i = 0; i < 1UL << order; i++)
		m2p_set(page_to_mfn(pg + i),
			pfn == M2P_INVALID ? pfn : pfn + i);
	return page_assign(&d->account, pg, order);
}

unsigned int memory_width(const struct domain *d, unsigned int width)
{
	return d->pv32 && (!width || width > PV32_WIDTH) ? PV32_WIDTH : width;
}

struct page_info *extent_alloc(struct domain *d, unsigned int order,
			       unsigned int width, u64 pfn)
{
	struct page_account *who = &d->account;
	u64 n = 1UL << order;
	struct page_info *pg;

	width = memory_width(d, width);
	// Asked again under its lock; but spare the scrubbing.
	if (READ_ONCE(who->total) + n > READ_ONCE(who->max))
		return NULL;
	pg = frames_alloc(order, width,
			  READ_ONCE(who->claim) >= n ? ALLOC_NOCLAIM : 0);
	if (pg && extent_assign(d, pg, order, pfn)) {
		frames_free(pg, order);
		return NULL;
	}
	return pg;
}

// Number i of the list is where the extent goes, and what frame it got.
static bool extent_give(const struct reservation *r, u64 i, u64 pfn)
{
	struct page_info *pg = extent_alloc(r->d, r->order, r->width, pfn);
	u64 frame = pg ? mfn_val(page_to_mfn(pg)) : 0;

	return pg && (!r->list || !pfn_to_guest(r->list, i, frame));
}

static bool extent_increase(const struct reservation *r, u64 i)
{
	return extent_give(r, i, M2P_INVALID);
}

static bool extent_populate(const struct reservation *r, u64 i)
{
	u64 pfn_;

	return !pfn_from_guest(&pfn_, r->list, i) && extent_give(r, i, pfn_);
}

// The frame goes when its last reference does: a table that is pinned stays
// until its owner unpins it. The hypervisor's own shared pages stay anyway.
static bool frame_release(struct domain *d, u64 frame)
{
	struct page_info *pg = frame_get(mfn(frame), &d->account);
	bool own;

	if (!pg)
		return false;
	own = !(READ_ONCE(pg->count) & PGC_SPECIAL);
	if (own && page_take_allocated(pg)) {
		m2p_set(mfn(frame), M2P_INVALID);
		page_put(pg);
	}
	page_put(pg);
	return own;
}

static bool extent_decrease(const struct reservation *r, u64 i)
{
	u64 frame;

	if (pfn_from_guest(&frame, r->list, i))
		return false;
	for (u64 j = 0; j < 1UL << r->order; j++)
		if (!frame_release(r->d, frame + j))
			return false;
	return true;
}

static extent_t *const extent_op[] = {
	[XENMEM_increase_reservation] = extent_increase,
	[XENMEM_decrease_reservation] = extent_decrease,
	[XENMEM_populate_physmap] = extent_populate,
};

// True: made room for others before the end.
static bool reservation_run(struct reservation *r, extent_t *fn)
{
	for (u64 first = r->done; r->done < r->n; r->done++) {
		if (r->done != first && preempt_check())
			return true;
		if (!fn(r, r->done))
			break;
	}
	return false;
}

// These answer how many extents are done, whatever went wrong.
static long reservation_op(unsigned int op, u64 start, u64 arg)
{
	struct xen_memory_reservation in;
	struct domain *d __domain_ref = NULL;
	struct reservation r;

	if (compat_from_guest(LAYOUT32_reservation, &in, arg, sizeof(in)))
		return (long)start;
	r = (struct reservation){
		.list = handle_gva(in.extent_start),
		.n = in.nr_extents,
		.done = start,
		.order = in.extent_order,
		.width = XENMEMF_get_address_bits(in.mem_flags),
	};
	if (r.n > UINT32_MAX >> OP_SHIFT || start >= r.n ||
	    (r.width && r.width <= PAGE_SHIFT) ||
	    in.mem_flags & (XENMEMF_vnode | XENMEMF_populate_on_demand) ||
	    r.order > memory_max_order() || memory_target(in.domid, &d))
		return (long)start;
	r.d = d;
	if (reservation_run(&r, extent_op[op]))
		return call_again(__HYPERVISOR_memory_op,
				  op | r.done << OP_SHIFT, arg);
	return (long)r.done;
}

long call_memory_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	unsigned int op = cmd & OP_MASK;
	u64 start = cmd >> OP_SHIFT;

	return op < ARRAY_SIZE(extent_op) && extent_op[index_nospec(
						     op, ARRAY_SIZE(extent_op))]
		       ? reservation_op(op, start, arg)
		       : memory_other(op, start, arg);
}
