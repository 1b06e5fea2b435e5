// SPDX-License-Identifier: MIT
// Of grant/ only: the tables.
#ifndef GRANT_PRIVATE_H
#define GRANT_PRIVATE_H

#include "grant/entry.h"
#include "grant/grant.h"
#include "mm/page.h"

#define FRAMES_DEFAULT	      64
#define MAPTRACK_DEFAULT      1024 // frames

#define V1_PER_FRAME	      (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define V2_PER_FRAME	      (PAGE_SIZE / sizeof(union grant_entry_v2))
#define STATUS_PER_FRAME      (PAGE_SIZE / sizeof(u16))
#define STATUS_FRAMES(frames) DIV_UP((frames)*V2_PER_FRAME, STATUS_PER_FRAME)
#define MAPS_PER_FRAME	      (PAGE_SIZE / sizeof(struct grant_mapping))
#define NO_HANDLE	      (~0u)

// A grant that the domain has mapped, found by its handle. Free ones are
// linked through ref.
struct grant_mapping {
	struct domain *owner; // reference held; NULL: free
	u32 ref;
	u8 flags;   // GNTMAP_*; device_map and host_map as long as they exist
	u8 pending; // unmappings begun and not through
};

_Static_assert(sizeof(struct grant_mapping) == 16, "256 in a page");

// Frames that the guest sees; room for as many as there may be.
struct frame_list {
	void **frame;
	u32 n;
};

struct grant_table {
	struct spinlock lock;	  // RANK_GRANT_TABLE
	u32 version, max_version; // 1 or 2
	u32 max_frames;		  // shared ones
	bool dead; // grants nothing any more, the shared frames are gone
	// Entries follow from the shared frames. Status frames, of u16, are
	// kept once they are there: the guest may map them.
	struct frame_list shared, status;
	struct grant_active **active; // a page for each shared frame
	u32 active_pages;

	struct spinlock map_lock;    // RANK_MAPTRACK: what follows
	struct grant_mapping **maps; // max_map_frames pages; NULL before use
	u32 map_frames, max_map_frames;
	u32 map_free;	  // first free handle
	u32 map_teardown; // relinquish: next handle
};

// The right to use a grant, with references on its frame.
struct grant_hold {
	struct domain *owner;
	u32 ref;
	u16 user; // who uses it
	bool write;
	u8 refs; // references (and writable types) on page
	u8 kept; // those of them that release leaves alone
	struct page_info *page;
	u16 start, length; // bytes of the frame that may be used
	// A transitive grant has no page and stands for this one, as if its
	// owner used it.
	u16 next_domid;
	u32 next_ref;
};

static inline u32 grant_entries(const struct grant_table *t)
{
	return t->shared.n *
	       (u32)(t->version == 1 ? V1_PER_FRAME : V2_PER_FRAME);
}

_Static_assert(sizeof(struct grant_entry_v1) == 8, "shifts below");
_Static_assert(sizeof(union grant_entry_v2) == 16, "shifts below");
// All with the table's lock held, but for the active part of what the caller uses;
// ref checked against grant_entries().
// The entry, whose first word is flags and domid in either version.
static inline void *grant_entry(const struct grant_table *t, u32 ref)
{
	u32 at = ref << (t->version == 1 ? 3 : 4);

	return (char *)t->shared.frame[at / PAGE_SIZE] + at % PAGE_SIZE;
}

static inline u16 *grant_status_word(const struct grant_table *t, u32 ref)
{
	return (u16 *)t->status.frame[ref / STATUS_PER_FRAME] +
	       ref % STATUS_PER_FRAME;
}

static inline struct grant_words grant_words(const struct grant_table *t,
					     u32 ref)
{
	return (struct grant_words){
		.head = grant_entry(t, ref),
		.status = t->version == 1 ? NULL : grant_status_word(t, ref),
	};
}

// Its frame number, of which a version 1 has 32 bits.
static inline u64 grant_words_frame(const struct grant_words *w)
{
	const struct grant_entry_v1 *v1 = (struct grant_entry_v1 *)w->head;
	const union grant_entry_v2 *v2 = (union grant_entry_v2 *)w->head;

	return w->status ? READ_ONCE(v2->full_page.frame)
			 : READ_ONCE(v1->frame);
}

static inline u64 grant_frame(const struct grant_table *t, u32 ref)
{
	struct grant_words w = grant_words(t, ref);

	return grant_words_frame(&w);
}

void grant_frame_set(struct grant_table *t, u32 ref, u64 frame);
static inline struct grant_active *grant_active(const struct grant_table *t,
						u32 ref)
{
	return &t->active[ref / V1_PER_FRAME][ref % V1_PER_FRAME];
}

// NULL: nobody uses it.
const struct grant_active *grant_used(struct grant_table *t, u32 ref);
// At least n shared frames; -EINVAL (limit), -ENOMEM.
int grant_grow(struct domain *d, u32 n);

// What a grant may be: a page, a part of one, or another grant.
enum grant_kind { GRANT_PAGE, GRANT_PART, GRANT_ANY };
// Takes h->owner's grant h->ref, for h->write and h->refs uses of h->user's.
// GNTST_*; page or next_*, and the rest of h, are set on success. Takes the
// table's lock.
int grant_acquire(struct grant_hold *h, enum grant_kind most);
void grant_release(const struct grant_hold *h);
// References of a frame, outside of a hold.
static inline bool grant_page_get(struct page_info *pg,
				  const struct domain *owner, bool write)
{
	if (unlikely(!page_get(pg, &owner->account)))
		return false;
	return !write || likely(page_type_again(pg, PGT_WRITABLE)) ||
	       !page_write_first(pg);
}
// Why it could not be had: not the owner's, or in use as something else.
int grant_page_error(const struct page_info *pg, const struct domain *owner);
void grant_page_put(struct page_info *pg, bool write);
// Drops all that d has mapped, -ERESTART.
int grant_unmap_all(struct domain *d);

#endif
