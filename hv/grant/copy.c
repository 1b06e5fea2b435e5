// SPDX-License-Identifier: MIT
// Operations on a grant's contents and entries: copy, transfer, swap.
#include "grant/private.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/tlb.h"

// One end of a copy: a frame of the current domain's own, for which hold.owner
// is NULL, or a grant, for which a reference on hold.owner is held; via is the
// transitive grant that led to it, or via.owner is NULL.
struct end {
	struct grant_hold hold, via;
};

static void grant_end(const struct grant_hold *h)
{
	grant_release(h);
	domain_put(h->owner);
}

// From a transitive grant to the one it stands for.
static int end_follow(struct end *e)
{
	struct grant_hold *h = &e->hold;
	int rc = GNTST_general_error;

	e->via = *h;
	*h = (struct grant_hold){
		.owner = domain_get_by_id(e->via.next_domid),
		.ref = e->via.next_ref,
		.user = e->via.owner->id,
		.write = e->via.write,
		.refs = 1,
	};
	if (h->owner && h->owner != e->via.owner)
		rc = grant_acquire(h, GRANT_PART);
	if (!rc)
		return GNTST_okay;
	if (h->owner)
		domain_put(h->owner);
	grant_end(&e->via);
	return rc;
}

static void end_close(const struct end *e)
{
	if (e->hold.owner)
		grant_end(&e->hold);
	else
		grant_page_put(e->hold.page, e->hold.write);
	if (e->via.owner)
		grant_end(&e->via);
}

static int end_open(struct end *e, const struct gnttab_copy_ptr *p,
		    bool is_grant, u16 len)
{
	struct grant_hold *h = &e->hold;
	int rc;

	h->refs = 1;
	if (!is_grant) {
		if (p->domid != DOMID_SELF)
			return GNTST_permission_denied;
		if (!mfn_valid(mfn(p->u.gmfn)))
			return GNTST_bad_page;
		h->page = mfn_to_page(mfn(p->u.gmfn));
		return grant_page_get(h->page, currd, h->write)
			       ? GNTST_okay
			       : grant_page_error(h->page, currd);
	}
	h->owner = domain_get_self_or(p->domid);
	if (!h->owner)
		return GNTST_bad_domain;
	h->ref = p->u.ref;
	h->user = currd->id;
	rc = grant_acquire(h, GRANT_ANY);
	if (rc)
		domain_put(h->owner);
	else if (!h->page)
		rc = end_follow(e);
	if (rc)
		return rc;
	if (p->offset >= h->start && p->offset + len <= h->start + h->length)
		return GNTST_okay;
	end_close(e);
	return GNTST_general_error;
}

int grant_copy(struct gnttab_copy *op)
{
	struct end src = {}, dst = { .hold.write = true };
	const u8 *from;
	u8 *to;
	int rc;

	if (op->source.offset + op->len > PAGE_SIZE ||
	    op->dest.offset + op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	rc = end_open(&src, &op->source, op->flags & GNTCOPY_source_gref,
		      op->len);
	if (rc)
		return rc;
	rc = end_open(&dst, &op->dest, op->flags & GNTCOPY_dest_gref, op->len);
	if (!rc) {
		from = map_frame(page_to_mfn(src.hold.page));
		to = map_frame(page_to_mfn(dst.hold.page));
		memmove(to + op->dest.offset, from + op->source.offset,
			op->len);
		unmap_frame(to);
		unmap_frame(from);
		end_close(&dst);
	}
	end_close(&src);
	return rc;
}

static int accept_transfer(struct domain *to, u32 ref, mfn_t m)
{
	struct grant_table *t = to->grant;
	u32 *head;

	SPIN_GUARD(&t->lock);
	if (ref >= grant_entries(t))
		return GNTST_general_error;
	ref = (u32)index_nospec(ref, grant_entries(t));
	head = grant_entry(t, ref);
	if (!grant_entry_commit_transfer(head, currd->id))
		return GNTST_general_error;
	// Committed: the entry says which frame it is now.
	grant_frame_set(t, ref, mfn_val(m));
	__atomic_fetch_or(head, GTF_transfer_completed, __ATOMIC_SEQ_CST);
	return GNTST_okay;
}

int grant_transfer(struct gnttab_transfer *op)
{
	__domain_ref struct domain *to = NULL;
	struct page_info *pg;
	int rc;

	if (!mfn_valid(mfn(op->mfn)))
		return GNTST_bad_page;
	pg = mfn_to_page(mfn(op->mfn));
	if (page_steal(pg, &currd->account, 0))
		return GNTST_bad_page;
	m2p_set(mfn(op->mfn), M2P_INVALID);
	// Whoever had it mapped, by a grant too.
	tlb_flush_mask(cpu_online);
	to = domain_get_by_id(op->domid);
	if (!to || page_assign(&to->account, pg, 0)) {
		frames_free(pg, 0);
		return to ? GNTST_general_error : GNTST_bad_domain;
	}
	rc = accept_transfer(to, op->ref, page_to_mfn(pg));
	// Not wanted after all; nobody was told that the frame is there.
	if (rc && page_take_allocated(pg))
		page_put(pg);
	return rc;
}

int grant_swap(struct gnttab_swap_grant_ref *op)
{
	struct grant_table *t = currd->grant;
	u8 save[sizeof(union grant_entry_v2)];
	void *a, *b;
	size_t size;
	u32 n, ref_a, ref_b;

	SPIN_GUARD(&t->lock);
	n = grant_entries(t);
	if (op->ref_a >= n || op->ref_b >= n)
		return GNTST_bad_gntref;
	ref_a = (u32)index_nospec(op->ref_a, n);
	ref_b = (u32)index_nospec(op->ref_b, n);
	if (grant_used(t, ref_a) || grant_used(t, ref_b))
		return GNTST_eagain;
	a = grant_entry(t, ref_a);
	b = grant_entry(t, ref_b);
	size = t->version == 1 ? sizeof(struct grant_entry_v1) : sizeof(save);
	memcpy(save, a, size);
	memmove(a, b, size);
	memcpy(b, save, size);
	return GNTST_okay;
}
