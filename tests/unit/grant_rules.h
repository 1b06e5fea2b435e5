// SPDX-License-Identifier: MIT
// The world of model_grant.c: domain 0 grants, by one entry, what domain 1
// uses by two handles; and what holds whenever no operation is at work
// (docs/models.md has the list).
#ifndef UNIT_GRANT_RULES_H
#define UNIT_GRANT_RULES_H

#define OWN 2
#include "grant_world.h"
#include "enumerate.h"

#define REF	8 // the first that is not the tools'
#define HANDLES 2
#define CALLS	2 // unmappings under way at a time
#define PLACES	2 // addresses in the user's page tables, from 1 on
#define MARKS	((u16)(GTF_reading | GTF_writing))

enum { GRANTER, USER, OTHER };

// Part of the state, beside what the hypervisor has.
static struct grant_unmap calls[CALLS];
static u8 call_busy[CALLS];
#define CALL_RUNS  1 // a half of it: nobody else touches it
#define CALL_BEGUN 2 // between its halves
static bool honest;  // the granter left the marks alone while it is in use
static bool dead[DOMAINS];

static struct grant_table *granter(void)
{
	return dom[GRANTER]->grant;
}

static struct grant_active *active(void)
{
	return grant_active(granter(), REF);
}

static u32 *entry_head(void)
{
	return grant_entry(granter(), REF);
}

static u16 marks(void)
{
	struct grant_words w = grant_words(granter(), REF);

	return (w.status ? *w.status : (u16)*w.head) & MARKS;
}

// What the user has of the entry, counted from its handles and calls.
struct use {
	u32 readers, writers, handles;
	u32 places, writable_places; // entries of page tables
};

static void use_handle(struct use *use, const struct grant_mapping *m)
{
	u32 parts = count_parts(m->flags);
	bool ro = m->flags & GNTMAP_readonly, host = m->flags & GNTMAP_host_map;

	CHECK(m->owner == dom[GRANTER] && m->ref == REF);
	CHECK(parts || m->pending);
	CHECK(m->pending <= CALLS);
	use->handles++;
	*(ro ? &use->readers : &use->writers) += parts;
	use->places += host;
	use->writable_places += host && !ro;
}

static void use_calls(struct use *use)
{
	u32 pending[HANDLES] = { 0 };

	for (u32 i = 0; i < CALLS; i++) {
		const struct grant_unmap *u = &calls[i];

		if (!call_busy[i] || !u->owner)
			continue;
		CHECK(u->owner == dom[GRANTER] && u->handle < HANDLES);
		CHECK(u->page == &frame_table[active()->frame]);
		pending[u->handle]++;
		*(u->write ? &use->writers : &use->readers) +=
			count_parts(u->parts);
	}
	for (u32 i = 0; i < HANDLES; i++)
		CHECK(dom[USER]->grant->maps[0][i].pending == pending[i]);
}

static struct use use_count(void)
{
	struct grant_table *t = dom[USER]->grant;
	struct use use = { 0 };
	u32 unused = 0;

	for (u32 i = 0; i < HANDLES; i++)
		if (t->maps[0][i].owner)
			use_handle(&use, &t->maps[0][i]);
	for (u32 i = t->map_free; i != NO_HANDLE; i = t->maps[0][i].ref) {
		CHECK(i < HANDLES && ++unused <= HANDLES);
		if (i >= HANDLES || unused > HANDLES)
			break;
		CHECK(!t->maps[0][i].owner);
	}
	CHECK(unused + use.handles == HANDLES || dead[USER]);
	use_calls(&use);
	return use;
}

static void check_places(const struct use *use)
{
	u32 there = 0, writable = 0;

	for (u32 i = 1; i <= PLACES; i++) {
		u64 e = mapped[USER][i];

		CHECK(!e || e / 2 == active()->frame);
		there += !!e;
		writable += e & 1;
	}
	CHECK(there == use->places && writable == use->writable_places);
}

// References and types of a frame are the uses, its owner's, and no more.
static void check_frame(u64 frame, const struct use *use)
{
	const struct page_info *pg = &frame_table[frame];
	bool used = active()->frame == frame && !active()->transitive;
	u32 writers = used ? use->writers : 0;
	u32 users = used ? use->readers + writers : 0;
	bool allocated = pg->count & PGC_ALLOCATED;

	CHECK((pg->count & PGC_COUNT) == users + allocated);
	CHECK((pg->type & PGT_COUNT) == writers);
	CHECK(!writers || (pg->type & PGT_TYPE) == PGT_WRITABLE);
	CHECK(!page_owner(pg) == !(pg->count & PGC_COUNT));
}

static void check_rules(void)
{
	struct use use = use_count();
	u16 want = (use.readers || use.writers ? GTF_reading : 0) |
		   (use.writers ? GTF_writing : 0);

	CHECK(active()->readers == use.readers);
	CHECK(active()->writers == use.writers);
	CHECK(!want || active()->domid == USER);
	if (!want && !marks())
		honest = true;
	if (honest && !dead[GRANTER] &&
	    (*entry_head() & GTF_type_mask) != GTF_accept_transfer)
		CHECK(marks() == want);
	check_places(&use);
	for (u32 d = 0; d < DOMAINS; d++)
		for (u32 i = 0; i < OWN; i++)
			check_frame(own[d][i], &use);
	CHECK(dom[GRANTER]->ref == 1 + use.handles);
	CHECK(dom[USER]->ref == 1 && dom[OTHER]->ref == 1);
	CHECK(!grant_used(dom[USER]->grant, REF) || dead[USER]);
	CHECK(!locks_held);
}

#endif
