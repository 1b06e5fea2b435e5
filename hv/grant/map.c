// SPDX-License-Identifier: MIT
// Using grants: taking and giving back the right, mapping and unmapping.
//
// No two tables are locked at once. A mapping holds a reference on the
// granting domain, whose table therefore exists until it is gone, and, for
// each of its parts (host, device), one use of the active entry and one
// reference (and writable type) of the frame.
#include "dom/trace.h"
#include "grant/private.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "x86/softirq.h"
#include "x86/tlb.h"

#define PARTS	      ((u8)(GNTMAP_device_map | GNTMAP_host_map))
#define KEPT_FLAGS    ((u8)(PARTS | GNTMAP_readonly | GNTMAP_contains_pte))
#define TEARDOWN_STEP 32

int grant_page_error(const struct page_info *pg, const struct domain *owner)
{
	return page_owner(pg) == &owner->account ? GNTST_general_error
						 : GNTST_bad_page;
}

void grant_page_put(struct page_info *pg, bool write)
{
	if (write)
		page_put_writable(pg);
	else
		page_put(pg);
}

// The first user's frame is that of all others until the last one is through.
static __forced_inline int read_frame(const struct grant_hold *h,
				      const struct grant_words *words,
				      u16 flags, struct grant_active *a)
{
	u64 frame;

	if (grant_in_use(a))
		return GNTST_okay;
	frame = grant_words_frame(words);
	a->domid = h->user & 0x7fff; // there is no domain above
	a->transitive = (flags & GTF_type_mask) == GTF_transitive;
	// Records below that have no reference where there is no RAM.
	if (!a->transitive && unlikely(frame >= max_mfn))
		return GNTST_bad_page;
	a->frame = a->transitive ? 0 : (u32)frame;
	return GNTST_okay;
}

// The bytes that may be used, from the guest's part of the entry.
static __forced_inline int read_range(struct grant_hold *h,
				      const struct grant_words *words,
				      u16 flags)
{
	const union grant_entry_v2 *e = (union grant_entry_v2 *)words->head;

	h->start = 0;
	h->length = PAGE_SIZE;
	if (likely(!words->status || !(flags & GTF_sub_page)))
		return GNTST_okay;
	h->start = READ_ONCE(e->sub_page.page_off);
	h->length = READ_ONCE(e->sub_page.length);
	return (u32)h->start + h->length > PAGE_SIZE ? GNTST_general_error
						     : GNTST_okay;
}

// What the entry says at the time; the user finds out what it is worth.
static void take_next(struct grant_hold *h, const struct grant_words *words)
{
	const union grant_entry_v2 *e = (union grant_entry_v2 *)words->head;

	h->next_domid = READ_ONCE(e->transitive.trans_domid);
	h->next_ref = READ_ONCE(e->transitive.gref);
	h->page = NULL;
	h->kept = h->refs;
}

static __forced_inline int take_pages(struct grant_hold *h, u32 frame)
{
	struct page_info *pg = mfn_to_page(mfn(frame));

	if (unlikely(!grant_page_get(pg, h->owner, h->write)))
		return grant_page_error(pg, h->owner);
	if (unlikely(h->refs == 2) && !grant_page_get(pg, h->owner, h->write)) {
		grant_page_put(pg, h->write);
		return grant_page_error(pg, h->owner);
	}
	h->page = pg;
	return GNTST_okay;
}

// What a's users are counted by.
static u8 *users(struct grant_active *a, bool write)
{
	return write ? &a->writers : &a->readers;
}

static __forced_inline int acquire(struct grant_hold *h, enum grant_kind most)
{
	struct grant_want want = { h->user, h->write, most == GRANT_PAGE,
				   most != GRANT_ANY };
	struct grant_table *t = h->owner->grant;
	struct grant_words words;
	struct grant_active *a;
	u32 n, ref;
	u16 flags;
	int rc;

	SPIN_GUARD(&t->lock);
	n = grant_entries(t);
	// A first frame of empty entries is there before it is asked for.
	if (h->ref >= n)
		return h->ref < PAGE_SIZE / sizeof(grant_entry_v1_t)
			       ? GNTST_general_error
			       : GNTST_bad_gntref;
	h->ref = ref = (u32)index_nospec(h->ref, n);
	a = grant_active(t, ref);
	words = grant_words(t, ref);
	want.direct |= !words.status;
	rc = grant_entry_claim(&words, a, &want, &flags);
	if (rc)
		return rc;
	rc = read_frame(h, &words, flags, a);
	if (!rc && unlikely(a->transitive)) {
		take_next(h, &words);
	} else if (!rc) {
		rc = read_range(h, &words, flags);
		rc = rc ? rc : take_pages(h, a->frame);
	}
	if (unlikely(rc)) {
		const struct grant_words w =
			words; // so `words` needs no memory

		grant_entry_settle(&w, a);
		return rc;
	}
	*users(a, h->write) += h->refs;
	return GNTST_okay;
}

int grant_acquire(struct grant_hold *h, enum grant_kind most)
{
	return acquire(h, most);
}

// The references go first: a granter that sees the marks gone may rely on the
// frame being its own again.
void grant_release(const struct grant_hold *h)
{
	struct grant_table *t = h->owner->grant;
	struct grant_words words;
	struct grant_active *a;

	SPIN_GUARD(&t->lock);
	if (likely(h->kept < h->refs))
		grant_page_put(h->page, h->write);
	if (unlikely(h->kept + 1 < h->refs))
		grant_page_put(h->page, h->write);
	a = grant_active(t, h->ref);
	*users(a, h->write) -= h->refs;
	if (!t->dead) {
		words = grant_words(t, h->ref);
		grant_entry_settle(&words, a);
	}
}

// Handles. NULL: there is none of that number.
static struct grant_mapping *mapping(struct grant_table *t, u32 handle)
{
	u64 n = (u64)t->map_frames * MAPS_PER_FRAME;

	if (handle >= n)
		return NULL;
	handle = (u32)index_nospec(handle, n);
	return &t->maps[handle / MAPS_PER_FRAME][handle % MAPS_PER_FRAME];
}

// The maptrack lock held; m is the handle's.
static void handle_free(struct grant_table *t, struct grant_mapping *m,
			u32 handle)
{
	*m = (struct grant_mapping){ .ref = t->map_free };
	t->map_free = handle;
}

static bool handles_grow(struct grant_table *t)
{
	struct grant_mapping *page = NULL;

	if (!t->maps)
		t->maps = heap_alloc_array(t->max_map_frames, sizeof(*t->maps));
	if (t->maps && t->map_frames < t->max_map_frames)
		page = hvpages_alloc(0);
	if (!page)
		return false;
	t->maps[t->map_frames++] = page;
	for (u32 i = 1; i <= MAPS_PER_FRAME; i++)
		handle_free(t, &page[MAPS_PER_FRAME - i],
			    t->map_frames * (u32)MAPS_PER_FRAME - i);
	return true;
}

// One without an owner, which nobody else uses; NULL: there is no room.
static struct grant_mapping *handle_alloc(struct grant_table *t, u32 *handle)
{
	struct grant_mapping *m = NULL;

	spin_lock(&t->map_lock);
	if (likely(t->map_free != NO_HANDLE) || handles_grow(t)) {
		*handle = t->map_free;
		m = &t->maps[*handle / MAPS_PER_FRAME]
			    [*handle % MAPS_PER_FRAME];
		t->map_free = m->ref;
	}
	spin_unlock(&t->map_lock);
	return m;
}

static __forced_inline u8 count_parts(u32 flags)
{
	return (flags & GNTMAP_host_map ? 1 : 0) +
	       (flags & GNTMAP_device_map ? 1 : 0);
}

static __forced_inline int map_frame_of(struct grant_hold *h,
					struct gnttab_map_grant_ref *op)
{
	int rc = acquire(h, GRANT_PAGE);

	if (!rc && op->flags & GNTMAP_host_map) {
		rc = grant_pv_map(op->host_addr, page_to_mfn(h->page),
				  op->flags);
		if (unlikely(rc)) {
			h->kept = 0;
			grant_release(h);
		}
	}
	return rc;
}

int grant_map(struct gnttab_map_grant_ref *op)
{
	struct grant_table *t = currd->grant;
	struct grant_mapping *m;
	int rc = GNTST_no_space;
	struct grant_hold h;
	u32 handle = 0;

	if (!(op->flags & PARTS))
		return GNTST_bad_gntref;
	h.ref = op->ref;
	h.user = currd->id;
	h.write = !(op->flags & GNTMAP_readonly);
	h.refs = count_parts(op->flags);
	h.owner = domain_get_by_id(op->dom);
	if (!h.owner)
		return GNTST_bad_domain;
	m = handle_alloc(t, &handle);
	if (m) {
		rc = map_frame_of(&h, op);
		if (likely(!rc)) {
			op->dev_bus_addr = mfn_to_maddr(page_to_mfn(h.page));
			op->handle = handle;
			m->ref = h.ref;
			m->flags = op->flags & KEPT_FLAGS;
			// With it the reference; others see the mapping now.
			__atomic_store_n(&m->owner, h.owner, __ATOMIC_RELEASE);
			TRACE(TRC_MEM_PAGE_GRANT_MAP, op->dom);
			return GNTST_okay;
		}
		spin_lock(&t->map_lock);
		handle_free(t, m, handle);
		spin_unlock(&t->map_lock);
	}
	domain_put(h.owner);
	return rc;
}

// Takes the parts asked for out of the mapping; nobody else can unmap them
// then. flags: what they were mapped with.
static __forced_inline int claim_parts(struct grant_unmap *u, u8 asked,
				       u8 *flags)
{
	struct grant_table *t = currd->grant;
	struct grant_mapping *m;

	u->owner = NULL;
	SPIN_GUARD(&t->map_lock);
	m = mapping(t, u->handle);
	// Behind the owner the rest is there (grant_map()).
	if (!m || !__atomic_load_n(&m->owner, __ATOMIC_ACQUIRE) ||
	    !(m->flags & PARTS))
		return GNTST_bad_handle;
	*flags = m->flags;
	u->parts = m->flags & asked;
	u->ref = m->ref;
	u->write = !(m->flags & GNTMAP_readonly);
	if (u->parts) {
		u->mapping = m;
		u->owner = m->owner;
		m->flags &= ~u->parts;
		m->pending++;
	}
	return GNTST_okay;
}

// Ends what claim_parts() began: `back` are parts that stay mapped after all.
static void settle_parts(struct grant_unmap *u, u8 back)
{
	struct grant_table *t = currd->grant;
	__domain_ref struct domain *gone = NULL; // goes after the lock
	struct grant_mapping *m = u->mapping;

	SPIN_GUARD(&t->map_lock);
	m->flags |= back;
	if (!--m->pending && !(m->flags & PARTS)) {
		gone = u->owner;
		handle_free(t, m, u->handle);
	}
	u->owner = NULL;
}

// An entry in use stays what it is: no lock.
static struct page_info *held_page(struct domain *owner, u32 ref)
{
	return mfn_to_page(mfn(grant_active(owner->grant, ref)->frame));
}

int grant_unmap_begin(struct grant_unmap *u, u32 handle, u64 host_addr,
		      u64 dev_addr, u64 new_addr)
{
	u8 flags = 0;
	int rc;

	u->handle = handle;
	rc = claim_parts(u,
			 (host_addr ? GNTMAP_host_map : 0) |
				 (dev_addr ? GNTMAP_device_map : 0),
			 &flags);
	if (rc || !u->owner)
		return rc;
	u->page = held_page(u->owner, u->ref);
	if (u->parts & GNTMAP_device_map &&
	    dev_addr != mfn_to_maddr(page_to_mfn(u->page)))
		rc = GNTST_bad_dev_addr;
	else if (u->parts & GNTMAP_host_map)
		rc = grant_pv_unmap(host_addr, page_to_mfn(u->page), flags,
				    new_addr);
	if (rc)
		settle_parts(u, u->parts);
	return rc;
}

void grant_unmap_flush(void)
{
	tlb_flush_mask(READ_ONCE(currd->account.tlb_cpus));
}

void grant_unmap_end(struct grant_unmap *u)
{
	struct grant_hold h;

	if (!u->owner)
		return;
	h.owner = u->owner;
	h.ref = u->ref;
	h.write = u->write;
	h.refs = count_parts(u->parts);
	h.kept = 0;
	h.page = u->page;
	TRACE(TRC_MEM_PAGE_GRANT_UNMAP, u->owner->id);
	grant_release(&h);
	settle_parts(u, 0);
}

// The domain does not run any more: no lock on its mappings. Each present entry
// of its page tables has a reference, which goes when the table is undone.
static void drop_mapping(struct grant_table *t, u32 handle)
{
	struct grant_mapping *m = mapping(t, handle);
	struct grant_hold h = { .owner = m->owner,
				.ref = m->ref,
				.write = !(m->flags & GNTMAP_readonly),
				.refs = count_parts(m->flags),
				.kept = !!(m->flags & GNTMAP_host_map) };

	if (!h.owner)
		return;
	h.page = held_page(h.owner, h.ref);
	grant_release(&h);
	handle_free(t, m, handle);
	domain_put(h.owner);
}

int grant_unmap_all(struct domain *d)
{
	struct grant_table *t = d->grant;

	while (t->map_teardown < t->map_frames * MAPS_PER_FRAME) {
		drop_mapping(t, t->map_teardown);
		if (!(++t->map_teardown % TEARDOWN_STEP) && softirq_pending())
			return -ERESTART;
	}
	return 0;
}
