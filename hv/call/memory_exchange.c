// SPDX-License-Identifier: MIT
// XENMEM_exchange: frames of a PV guest for others of another size or place.
//
// The work goes by chunks, one extent of the larger of both sizes: its frames
// are taken from the guest, new ones are allocated, and only then the old
// ones are freed. A chunk that fails leaves the guest what it had.
#include "access/access.h"
#include "call/memory.h"
#include "mm/alloc.h"

struct exchange {
	struct domain *d;
	struct xen_memory_exchange *x;	  // the one copy of the arguments
	unsigned int in_shift, out_shift; // extents in a chunk, as powers of 2
	// Frames taken and blocks allocated for this chunk, linked by `next`.
	u32 in, out;
};

static void push(u32 *list, struct page_info *pg)
{
	pg->next = *list;
	*list = (u32)mfn_val(page_to_mfn(pg)) + 1;
}

static struct page_info *pop(u32 *list)
{
	struct page_info *pg = *list ? &frame_table[*list - 1] : NULL;

	if (pg)
		*list = pg->next;
	return pg;
}

static bool list_ok(const struct xen_memory_reservation *r)
{
	u64 bytes;

	return !__builtin_mul_overflow(r->nr_extents, 8, &bytes) &&
	       access_ok(handle_gva(r->extent_start), bytes);
}

static int check(const struct xen_memory_exchange *x)
{
	const struct xen_memory_reservation *in = &x->in, *out = &x->out;

	if (in->extent_order > memory_max_order() ||
	    out->extent_order > memory_max_order())
		return -EPERM;
	if (x->nr_exchanged > in->nr_extents || in->domid != out->domid ||
	    in->nr_extents > ~0UL >> in->extent_order ||
	    out->nr_extents > ~0UL >> out->extent_order ||
	    in->nr_extents << in->extent_order != out->nr_extents
							  << out->extent_order)
		return -EINVAL;
	return list_ok(in) && list_ok(out) ? 0 : -EFAULT;
}

static int chunk_take(struct exchange *e, u64 chunk)
{
	u64 first = chunk << e->in_shift, frame;

	for (u64 i = 0; i < 1UL << e->in_shift; i++) {
		if (pfn_from_guest(&frame, handle_gva(e->x->in.extent_start),
				   first + i))
			return -EFAULT;
		for (u64 j = 0; j < 1UL << e->x->in.extent_order; j++) {
			mfn_t m = mfn(frame + j);

			if (!mfn_valid(m) ||
			    page_steal(mfn_to_page(m), &e->d->account, 0))
				return -EINVAL;
			push(&e->in, mfn_to_page(m));
		}
	}
	return 0;
}

static int chunk_alloc(struct exchange *e)
{
	unsigned int width = memory_width(
		e->d, XENMEMF_get_address_bits(e->x->out.mem_flags));

	for (u64 i = 0; i < 1UL << e->out_shift; i++) {
		struct page_info *pg =
			frames_alloc(e->x->out.extent_order, width, 0);

		if (!pg)
			return -ENOMEM;
		push(&e->out, pg);
	}
	return 0;
}

static void chunk_undo(struct exchange *e)
{
	struct page_info *pg;

	while ((pg = pop(&e->out)))
		frames_free(pg, e->x->out.extent_order);
	while ((pg = pop(&e->in))) {
		// Refused when the domain dies, or got others meanwhile.
		if (page_assign(&e->d->account, pg, 0)) {
			m2p_set(page_to_mfn(pg), M2P_INVALID);
			frames_free(pg, 0);
		}
	}
}

// Error: the first of what went wrong with a single extent.
static int chunk_give(struct exchange *e, u64 chunk)
{
	unsigned int order = e->x->out.extent_order;
	u64 list = handle_gva(e->x->out.extent_start);
	u64 i = chunk << e->out_shift, number, frame;
	struct page_info *pg;
	int rc = 0, err;

	while ((pg = pop(&e->in))) {
		m2p_set(page_to_mfn(pg), M2P_INVALID);
		frames_free(pg, 0);
	}
	for (; (pg = pop(&e->out)); i++) {
		frame = mfn_val(page_to_mfn(pg));
		err = pfn_from_guest(&number, list, i);
		if (err)
			number = M2P_INVALID;
		if (extent_assign(e->d, pg, order, number)) {
			frames_free(pg, order);
			err = -ENOMEM;
		} else if (!err) {
			err = pfn_to_guest(list, i, frame);
		}
		rc = rc ? rc : err;
	}
	return rc;
}

// All chunks from nr_exchanged on; -ERESTART: go on there later.
static int exchange_run(struct exchange *e)
{
	u64 first = e->x->nr_exchanged >> e->in_shift;
	u64 end = e->x->in.nr_extents >> e->in_shift;
	int rc;

	for (u64 i = first; i < end; i++) {
		if (i != first && preempt_check())
			return -ERESTART;
		rc = chunk_take(e, i);
		if (!rc)
			rc = chunk_alloc(e);
		if (rc)
			chunk_undo(e);
		else
			rc = chunk_give(e, i);
		if (rc)
			return rc;
		e->x->nr_exchanged = (i + 1) << e->in_shift;
	}
	return 0;
}

long memory_exchange(struct sub *s, struct xen_memory_exchange *x)
{
	struct domain *d __domain_ref = NULL;
	struct exchange e = { .x = x };
	unsigned int in = e.x->in.extent_order, out = e.x->out.extent_order;
	int rc = check(e.x);

	if (!rc)
		rc = memory_target(e.x->in.domid, &d);
	if (rc)
		return rc;
	s->copy_back = x->nr_exchanged < x->in.nr_extents;
	e.d = d;
	e.in_shift = out > in ? out - in : 0;
	e.out_shift = in > out ? in - out : 0;
	return exchange_run(&e);
}
