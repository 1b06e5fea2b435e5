// SPDX-License-Identifier: MIT
// Domains with grant tables, and page tables of cardboard.
#ifndef UNIT_GRANT_WORLD_H
#define UNIT_GRANT_WORLD_H

#include "grant_machine.h"

#ifndef OWN
#define OWN 16 // frames of a domain
#endif
#define SLOTS 64

struct domain *domain_get_by_id(u16 id)
{
	if (id >= DOMAINS || !dom[id])
		return NULL;
	dom[id]->ref++;
	return dom[id];
}

void domain_get(struct domain *d)
{
	d->ref++;
}

void domain_put(struct domain *d)
{
	CHECK(d->ref);
	d->ref--;
}

struct domain *domain_get_self_or(u16 id)
{
	if (id != DOMID_SELF)
		return domain_get_by_id(id);
	domain_get(currd);
	return currd;
}

/* The guest's page tables: what stands at an "address", by number; twice the
   frame, and 1 for writable. */
static u64 mapped[DOMAINS][SLOTS];

// The lock of an L1 table ends here.
static void others_now(void)
{
	if (lock_hook && !locks_held)
		lock_hook();
}

int grant_pv_map(u64 addr, mfn_t frame, u32 flags)
{
	CHECK(!locks_held);
	CHECK(frame_table[mfn_val(frame)].count & PGC_COUNT);
	if (addr >= SLOTS || mapped[currd->id][addr])
		return GNTST_general_error;
	mapped[currd->id][addr] =
		mfn_val(frame) * 2 + !(flags & GNTMAP_readonly);
	others_now();
	return GNTST_okay;
}

int grant_pv_unmap(u64 addr, mfn_t frame, u32 flags, u64 new_addr)
{
	(void)new_addr;
	CHECK(!locks_held);
	if (addr >= SLOTS ||
	    mapped[currd->id][addr] !=
		    mfn_val(frame) * 2 + !(flags & GNTMAP_readonly))
		return GNTST_general_error;
	mapped[currd->id][addr] = 0;
	others_now();
	return GNTST_okay;
}

static u64 own[DOMAINS][OWN];

static void make(u16 id)
{
	struct domain_config cfg = { .max_grant_frames = 4,
				     .max_maptrack_frames = 2 };
	struct domain *d = hvpages_alloc(0);

	d->id = id;
	d->ref = 1;
	d->account.max = 10000;
	dom[id] = d;
	vcpus[id].domain = d;
	CHECK(!table_init(d, &cfg));
	for (u32 i = 0; i < OWN; i++) {
		struct page_info *pg = frames_alloc(0, 0, 0);

		CHECK(!page_assign(&d->account, pg, 0));
		own[id][i] = mfn_val(page_to_mfn(pg));
	}
	CHECK(grant_setup(d, 1 + chance(3)) == GNTST_okay);
}

/* Everything that a domain has and that others have of it. */
static void destroy_all(void)
{
	struct page_info *pg;

	for (u16 i = 0; i < DOMAINS; i++)
		while (table_relinquish(dom[i]))
			;
	/* Then the page tables are undone: each entry had a reference. */
	for (u16 i = 0; i < DOMAINS; i++)
		for (u32 k = 0; k < SLOTS; k++) {
			u64 e = mapped[i][k];

			if (e)
				grant_page_put(&frame_table[e / 2], e & 1);
			mapped[i][k] = 0;
		}
	for (u16 i = 0; i < DOMAINS; i++) {
		while (dom[i]->account.first) {
			pg = &frame_table[dom[i]->account.first - 1];
			CHECK((pg->count & PGC_COUNT) == 1);
			CHECK(!(pg->type & PGT_COUNT));
			CHECK(page_take_allocated(pg));
			page_put(pg);
		}
		CHECK(!dom[i]->account.total && !dom[i]->account.special);
		CHECK(dom[i]->ref == 1);
		table_exit(dom[i]);
		hvpages_free(dom[i], 0);
		dom[i] = NULL;
	}
	CHECK(!used_frames);
}

#endif
