// SPDX-License-Identifier: MIT
// Guests that use grants in any way that comes to their mind.
#ifndef UNIT_GRANT_GUESTS_H
#define UNIT_GRANT_GUESTS_H

#include "grant_world.h"

/* The guest writes an entry; a real one would respect the marks. */
static void guest_writes(struct domain *d)
{
	struct grant_table *t = d->grant;
	u32 ref = chance(24), flags = chance(4) ? 1 : chance(512);
	bool accept = !chance(6);
	u64 frame = chance(9) ? own[d->id][chance(OWN)] : chance(3 * FRAMES);
	struct grant_entry_v1 *v1 = grant_entry(t, ref);
	union grant_entry_v2 *v2 = grant_entry(t, ref);
	u32 head =
		flags | chance(DOMAINS) << 16 | (chance(3) ? 0 : GTF_readonly);

	if (t->dead || (grant_used(t, ref) && chance(10)))
		return;
	head &= ~(u32)(GTF_reading | GTF_writing);
	if (accept)
		head = GTF_accept_transfer | chance(DOMAINS) << 16;
	if (t->version == 1) {
		v1->frame = (u32)frame;
	} else {
		v2->full_page.frame = frame;
		v2->sub_page.page_off = (u16)chance(5000);
		v2->sub_page.length = (u16)chance(5000);
	}
	*(u32 *)grant_entry(t, ref) = head;
}

static void guest_maps(void)
{
	struct gnttab_map_grant_ref op = {
		.host_addr = 1 + chance(SLOTS),
		.flags = chance(8),
		.ref = chance(40) ? chance(24) : chance(100000),
		.dom = (u16)chance(DOMAINS + 1),
	};

	op.status = (s16)grant_map(&op);
	CHECK(op.status <= 0);
}

static void guest_unmaps(void)
{
	struct grant_unmap u[4];
	u32 n = 1 + chance(4);

	for (u32 i = 0; i < n; i++) {
		u32 addr = 1 + chance(SLOTS - 1);

		u64 frame = mapped[currd->id][addr] / 2;

		grant_unmap_begin(&u[i],
				  chance(40) ? chance(64) : chance(100000),
				  chance(4) ? addr : 0,
				  chance(2) ? 0 : frame << PAGE_SHIFT, 0);
	}
	grant_unmap_flush();
	for (u32 i = 0; i < n; i++)
		grant_unmap_end(&u[i]);
}

static void copy_end(struct gnttab_copy_ptr *p, bool is_grant)
{
	p->domid = chance(6) ? chance(DOMAINS) : DOMID_SELF;
	p->offset = (u16)chance(5000);
	if (is_grant) {
		p->u.ref = chance(25);
		return;
	}
	p->domid = chance(8) ? DOMID_SELF : p->domid;
	p->u.gmfn = chance(8) ? own[currd->id][chance(OWN)] : chance(FRAMES);
}

static void guest_copies(void)
{
	struct gnttab_copy op = { .len = (u16)chance(3000),
				  .flags = (u16)chance(4) };

	copy_end(&op.source, op.flags & GNTCOPY_source_gref);
	copy_end(&op.dest, op.flags & GNTCOPY_dest_gref);
	op.status = (s16)grant_copy(&op);
}

static void guest_transfers(void)
{
	u64 *mine = &own[currd->id][chance(OWN)];
	struct gnttab_transfer op = { .mfn = *mine,
				      .domid = (u16)chance(DOMAINS + 1),
				      .ref = chance(24) };
	struct page_info *pg;

	op.status = (s16)grant_transfer(&op);
	if (op.status == GNTST_bad_page)
		return;
	pg = frames_alloc(0, 0, 0);
	CHECK(!page_assign(&currd->account, pg, 0));
	*mine = mfn_val(page_to_mfn(pg));
}

static void tools_look(void)
{
	struct domain *d = dom[chance(DOMAINS)];
	bool status = chance(2);
	u32 idx = chance(5);
	mfn_t m = mfn(~0UL);

	if (!grant_frame_get(d, idx, status, &m))
		CHECK(mfn_val(m) == grant_frame_number(d, idx, status));
	else
		CHECK(status || idx >= 4);
	CHECK(grant_status_check(d, 4) <= 0);
}

static void guest_swaps(void)
{
	struct gnttab_swap_grant_ref op = { chance(25), chance(25), 0 };

	op.status = (s16)grant_swap(&op);
}

static void step_all(void)
{
	u32 what = chance(100);

	current = &vcpus[chance(DOMAINS)];
	if (what < 40)
		guest_writes(currd);
	else if (what < 65)
		guest_maps();
	else if (what < 85)
		guest_unmaps();
	else if (what < 96)
		guest_copies();
	else if (what < 97)
		guest_swaps();
	else if (what < 98)
		guest_transfers();
	else if (what < 99)
		tools_look();
	else
		grant_set_version(1 + chance(2));
	CHECK(!locks_held);
}

#endif
