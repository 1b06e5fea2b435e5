// SPDX-License-Identifier: MIT
// Operations on a grant's contents and entries: copy, transfer, swap.
#include "grant/private.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/tlb.h"

// Frame of the current domain itself.
static int hold_own(struct grant_hold *h, u64 gmfn)
{
	if (!mfn_valid(mfn(gmfn)))
		return GNTST_bad_page;
	h->page = mfn_to_page(mfn(gmfn));
	if (!grant_page_get(h->page, currd, h->write))
		return grant_page_error(h->page, currd);
	h->start = 0;
	h->length = PAGE_SIZE;
	return GNTST_okay;
}

// One end of a copy. On success h->owner is set and a reference held, for a
// grant; without one it is NULL.
static int end_open(struct grant_hold *h, const struct gnttab_copy_ptr *p,
		    bool is_grant, u16 len)
{
	int rc;

	h->refs = 1;
	h->owner = NULL;
	if (!is_grant) {
		rc = p->domid == DOMID_SELF ? hold_own(h, p->u.gmfn)
					    : GNTST_permission_denied;
		return rc;
	}
	h->owner = domain_get_self_or(p->domid);
	if (!h->owner)
		return GNTST_bad_domain;
	h->ref = p->u.ref;
	rc = grant_acquire(h, currd->id, false);
	if (!rc &&
	    (p->offset < h->start || p->offset + len > h->start + h->length)) {
		grant_release(h);
		rc = GNTST_general_error;
	}
	if (rc)
		domain_put(h->owner);
	return rc;
}

static void end_close(const struct grant_hold *h)
{
	if (h->owner) {
		grant_release(h);
		domain_put(h->owner);
	} else {
		grant_page_put(h->page, h->write);
	}
}

static void copy_bytes(const struct grant_hold *from, u16 from_off,
		       const struct grant_hold *to, u16 to_off, u16 len)
{
	const u8 *src = map_frame(page_to_mfn(from->page));
	u8 *dst = map_frame(page_to_mfn(to->page));

	memmove(dst + to_off, src + from_off, len);
	unmap_frame(dst);
	unmap_frame(src);
}

static int do_copy(const struct gnttab_copy *op)
{
	struct grant_hold src = { .write = false }, dst = { .write = true };
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
		copy_bytes(&src, op->source.offset, &dst, op->dest.offset,
			   op->len);
		end_close(&dst);
	}
	end_close(&src);
	return rc;
}

void grant_copy(struct gnttab_copy *op)
{
	op->status = (s16)do_copy(op);
}

// The entry is committed: says which frame it is now.
static void complete_transfer(struct grant_table *t, u32 ref, mfn_t m)
{
	if (t->version == 1)
		WRITE_ONCE(grant_v1(t, ref)->frame, (u32)mfn_val(m));
	else
		WRITE_ONCE(grant_v2(t, ref)->full_page.frame, mfn_val(m));
	__atomic_fetch_or(grant_head(t, ref), GTF_transfer_completed,
			  __ATOMIC_SEQ_CST);
}

static int accept_transfer(struct domain *to, u32 ref, mfn_t m)
{
	struct grant_table *t = to->grant;
	int rc = GNTST_bad_gntref;

	spin_lock(&t->lock);
	if (ref < grant_entries(t)) {
		ref = (u32)index_nospec(ref, grant_entries(t));
		rc = grant_entry_commit_transfer(grant_head(t, ref), currd->id);
		if (!rc)
			complete_transfer(t, ref, m);
	}
	spin_unlock(&t->lock);
	return rc;
}

// With a frame that is nobody's.
static int transfer_to(struct domain *to, u32 ref, struct page_info *pg)
{
	int rc;

	if (page_assign(&to->account, pg, 0)) {
		frames_free(pg, 0);
		return GNTST_general_error;
	}
	rc = accept_transfer(to, ref, page_to_mfn(pg));
	// Not wanted after all; nobody was told that the frame is there.
	if (rc && page_take_allocated(pg))
		page_put(pg);
	return rc;
}

static int do_transfer(const struct gnttab_transfer *op)
{
	struct page_info *pg;
	struct domain *to;
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
	if (!to) {
		frames_free(pg, 0);
		return GNTST_bad_domain;
	}
	rc = transfer_to(to, op->ref, pg);
	domain_put(to);
	return rc;
}

void grant_transfer(struct gnttab_transfer *op)
{
	op->status = (s16)do_transfer(op);
}

static void swap_entries(struct grant_table *t, u32 a, u32 b)
{
	union grant_entry_v2 v2;
	struct grant_entry_v1 v1;

	if (t->version == 1) {
		v1 = *grant_v1(t, a);
		*grant_v1(t, a) = *grant_v1(t, b);
		*grant_v1(t, b) = v1;
	} else {
		v2 = *grant_v2(t, a);
		*grant_v2(t, a) = *grant_v2(t, b);
		*grant_v2(t, b) = v2;
	}
}

void grant_swap(struct gnttab_swap_grant_ref *op)
{
	struct grant_table *t = currd->grant;
	u32 n;

	op->status = GNTST_okay;
	spin_lock(&t->lock);
	n = grant_entries(t);
	if (op->ref_a >= n || op->ref_b >= n)
		op->status = GNTST_bad_gntref;
	else if (grant_in_use(t, op->ref_a) || grant_in_use(t, op->ref_b))
		op->status = GNTST_eagain;
	else
		swap_entries(t, (u32)index_nospec(op->ref_a, n),
			     (u32)index_nospec(op->ref_b, n));
	spin_unlock(&t->lock);
}
