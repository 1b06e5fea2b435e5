// SPDX-License-Identifier: MIT
/*
 * The life of a grant entry, all of it: one domain grants, takes back, lies,
 * changes versions and dies, another maps, unmaps with two calls at a time,
 * copies, gives frames and dies: every operation from every state that they
 * can get into, against the rules of grant_rules.h (docs/models.md). Where an
 * operation lets go of a lock, another vcpu does something of its own.
 */
#include "grant_rules.h"

static bool alone; // nobody interferes: the answer is known

static u32 chance(u32 n)
{
	return 0;
}

// Does the entry grant it? By the public header, apart from entry.h.
static bool granted(bool write, bool map)
{
	u32 head = *entry_head();
	const struct grant_active *a = active();

	if (dead[GRANTER] || head >> 16 != USER ||
	    (write && head & GTF_readonly))
		return false;
	if ((a->readers || a->writers) &&
	    a->transitive != ((head & GTF_type_mask) == GTF_transitive))
		return false;
	if ((head & GTF_type_mask) == GTF_transitive)
		return !map && granter()->version == 2;
	return (head & GTF_type_mask) == GTF_permit_access &&
	       !(map && head & GTF_sub_page);
}

// The frame that a use of it now would get; the granter may not have it.
static bool has_frame(void)
{
	const struct grant_active *a = active();
	u64 frame = a->readers || a->writers ? a->frame
					     : grant_frame(granter(), REF);
	const struct page_info *pg = &frame_table[frame];

	return page_owner(pg) == &dom[GRANTER]->account &&
	       (pg->count & PGC_COUNT);
}

static bool is_transitive(void)
{
	return (*entry_head() & GTF_type_mask) == GTF_transitive;
}

// The transitive grant stands for the user's own.
static bool leads_back(void)
{
	const union grant_entry_v2 *e = grant_entry(granter(), REF);

	return e->transitive.trans_domid == USER && e->transitive.gref == REF;
}

// What version 2 has beside the head.
static void write_rest(u32 flags)
{
	union grant_entry_v2 *e = grant_entry(granter(), REF);
	u64 frame = e->full_page.frame;

	e->full_page.pad0 = 0;
	if ((flags & GTF_type_mask) == GTF_transitive) {
		e->transitive.trans_domid = USER;
		e->full_page.frame = REF;
	} else {
		e->full_page.frame = frame == REF ? own[GRANTER][0] : frame;
		if (flags & GTF_sub_page)
			e->sub_page.length = PAGE_SIZE / 2;
	}
}

// The granter writes: with the marks that it finds, or over them.
static void do_write(u32 flags, u32 domid)
{
	u32 *head = entry_head(), type = *head & GTF_type_mask;
	bool v1 = granter()->version == 1;

	if (dead[GRANTER])
		return;
	if (!v1)
		write_rest(flags);
	// An entry for transfers has other bits where the marks are.
	*head = flags | domid << 16 |
		(v1 && type != GTF_accept_transfer ? *head & MARKS : 0);
	if ((flags & GTF_type_mask) == GTF_accept_transfer)
		honest = false;
}

static void do_lie(u32 flags, u32 status)
{
	struct grant_words w = grant_words(granter(), REF);

	if (dead[GRANTER])
		return;
	honest = false;
	*w.head = flags | USER << 16;
	if (w.status)
		*w.status = (u16)status;
}

// Its own frame, or one that is not its to grant.
static void do_frame(u32 owner, u32 unused)
{
	if (!dead[GRANTER])
		grant_frame_set(granter(), REF, own[owner][0]);
}

static void do_version(u32 version, u32 unused)
{
	bool same = granter()->version == version;
	const struct grant_active *a = active();
	int rc = grant_set_version(version);

	if (same)
		CHECK(!alone || !rc);
	else if (a->readers || a->writers)
		CHECK(!alone || rc == (dead[GRANTER] ? -EINVAL : -EBUSY));
	else if (alone)
		CHECK(dead[GRANTER] ? rc == -EINVAL : !rc && !*entry_head());
}

static void give_up(struct page_info *pg, struct domain *d)
{
	if (page_owner(pg) == &d->account && page_take_allocated(pg))
		page_put(pg);
}

static void do_release(u32 n, u32 unused)
{
	give_up(&frame_table[own[GRANTER][n]], dom[GRANTER]);
}

// As dom/domain.c does it, when no vcpu of the domain runs any more.
static void do_die(u32 unused, u32 unused2)
{
	struct domain *d = currd;

	for (u32 i = 0; i < CALLS; i++)
		if (d == dom[USER] && call_busy[i])
			return;
	CHECK(!table_relinquish(d));
	for (u32 i = 1; i <= PLACES; i++) {
		u64 e = mapped[d->id][i];

		if (e)
			grant_page_put(&frame_table[e / 2], e & 1);
		mapped[d->id][i] = 0;
	}
	for (u32 k = 0; k < DOMAINS * OWN; k++)
		give_up(&frame_table[own[k / OWN][k % OWN]], d);
	dead[d->id] = true;
}

static void do_map(u32 flags, u32 place)
{
	struct gnttab_map_grant_ref op = {
		.host_addr = place, .flags = flags, .ref = REF, .dom = GRANTER
	};
	bool write = !(flags & GNTMAP_readonly);
	bool may = granted(write, true) && has_frame() &&
		   dom[USER]->grant->map_free != NO_HANDLE &&
		   !(flags & GNTMAP_host_map && mapped[USER][place]);
	int rc;

	if (dead[USER])
		return;
	rc = grant_map(&op);
	CHECK(!alone || may == !rc);
	CHECK(rc <= 0);
}

static void call_gone(u32 call)
{
	memset(&calls[call], 0, sizeof(calls[call]));
	call_busy[call] = 0;
}

static void do_unmap_begin(u32 handle, u32 how)
{
	struct grant_unmap *u = call_busy[0] ? &calls[1] : &calls[0];
	u64 device = mfn_to_maddr(mfn(active()->frame));

	if (call_busy[u - calls] || dead[USER])
		return;
	memset(u, 0, sizeof(*u));
	call_busy[u - calls] = CALL_RUNS;
	grant_unmap_begin(u, handle, how & 3, how & 4 ? device : 0, 0);
	call_busy[u - calls] = CALL_BEGUN;
	if (!u->owner)
		call_gone((u32)(u - calls));
}

static void do_unmap_end(u32 call, u32 unused)
{
	if (call_busy[call] != CALL_BEGUN)
		return;
	call_busy[call] = CALL_RUNS;
	grant_unmap_end(&calls[call]);
	call_gone(call);
}

static void do_copy(u32 write, u32 unused)
{
	struct gnttab_copy op = { .len = 16 };
	bool may = granted(write, false) &&
		   (is_transitive() ? leads_back() : has_frame());
	int rc;

	if (dead[USER])
		return;
	op.source.domid = write ? DOMID_SELF : GRANTER;
	op.dest.domid = write ? GRANTER : DOMID_SELF;
	op.source.u.ref = op.dest.u.ref = REF;
	if (write)
		op.source.u.gmfn = own[USER][1];
	else
		op.dest.u.gmfn = own[USER][1];
	op.flags = write ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
	rc = grant_copy(&op);
	CHECK(!alone || may == !rc);
	CHECK(rc <= 0);
}

static void do_transfer(u32 n, u32 unused)
{
	struct gnttab_transfer op = { .mfn = own[USER][n],
				      .domid = GRANTER,
				      .ref = REF };
	struct page_info *pg = &frame_table[own[USER][n]];
	bool mine = page_owner(pg) == &dom[USER]->account &&
		    pg->count == (PGC_ALLOCATED | 1);
	bool may = !dead[GRANTER] &&
		   *entry_head() == (GTF_accept_transfer | USER << 16);
	int rc;

	if (dead[USER])
		return;
	rc = grant_transfer(&op);
	if (!alone)
		return;
	CHECK(!rc == (mine && may));
	CHECK(rc || (page_owner(pg) == &dom[GRANTER]->account &&
		     grant_frame(granter(), REF) == own[USER][n]));
}

#define H  GNTMAP_host_map
#define D  GNTMAP_device_map
#define RO GNTMAP_readonly
// Two lives of it, as both at once are too many states.
#define M 1 // mapping
#define C 2 // copying, transfer, grants of grants

static const struct action {
	void (*run)(u32 a, u32 b);
	u32 a, b;
	u8 who, life;
} actions[] = {
	{ do_write, 0, 0, GRANTER, M | C },
	{ do_write, GTF_permit_access, USER, GRANTER, M | C },
	{ do_write, GTF_permit_access | GTF_readonly, USER, GRANTER, M | C },
	{ do_write, GTF_permit_access, OTHER, GRANTER, M },
	{ do_write, GTF_permit_access | GTF_sub_page, USER, GRANTER, C },
	{ do_write, GTF_accept_transfer, USER, GRANTER, C },
	{ do_write, GTF_transitive, USER, GRANTER, C },
	{ do_lie, GTF_permit_access, MARKS, GRANTER, M },
	{ do_frame, GRANTER, 0, GRANTER, M | C },
	{ do_frame, OTHER, 0, GRANTER, C },
	{ do_version, 1, 0, GRANTER, M | C },
	{ do_version, 2, 0, GRANTER, M | C },
	{ do_release, 0, 0, GRANTER, C },
	{ do_die, 0, 0, GRANTER, M | C },
	{ do_map, H, 1, USER, M | C },
	{ do_map, H | RO, 1, USER, M },
	{ do_map, H | D, 2, USER, M },
	{ do_map, D | RO, 2, USER, M },
	{ do_unmap_begin, 0, 1, USER, M | C },
	{ do_unmap_begin, 0, 2, USER, M },
	{ do_unmap_begin, 0, 4, USER, M },
	{ do_unmap_begin, 1, 1, USER, M },
	{ do_unmap_begin, 1, 2 | 4, USER, M },
	{ do_unmap_end, 0, 0, USER, M | C },
	{ do_unmap_end, 1, 0, USER, M },
	{ do_copy, 0, 0, USER, C },
	{ do_copy, 1, 0, USER, C },
	{ do_transfer, 0, 0, USER, C },
	{ do_die, 0, 0, USER, M | C },
};
static u8 this_life;

static void act(const struct action *a)
{
	struct vcpu *keep = current;

	current = &vcpus[a->who];
	a->run(a->a, a->b);
	current = keep;
}

// Another vcpu: comes in before a lock is taken or after it was let go, with
// one action. The first and the last chance are none: what comes then comes
// before or after it all.
static unsigned int chances, come_at;
static const struct action *other;

static void interfere(void)
{
	if (chances++ != come_at || !other)
		return;
	lock_hook = NULL;
	act(other);
}

// Whoever dies has no vcpu that runs.
static bool may_meet(const struct action *a, const struct action *b)
{
	return a->who != b->who || (a->run != do_die && b->run != do_die);
}

static void run(unsigned int state, const struct action *a)
{
	const struct grant_active nobody = { .frame = 0xdead };

	state_load(state);
	chances = 0;
	lock_hook = interfere;
	act(a);
	lock_hook = NULL;
	check_rules();
	// What is left in it when nobody uses it means nothing.
	if (!grant_used(granter(), REF))
		*active() = nobody;
	state_add();
}

static void with_another(unsigned int state, const struct action *a)
{
	unsigned int n = chances;

	alone = false;
	for (come_at = 1; come_at + 1 < n; come_at++)
		for (u32 i = 0; i < ARRAY_SIZE(actions); i++) {
			other = &actions[i];
			if (other->life & this_life && may_meet(a, other))
				run(state, a);
		}
	other = NULL;
	alone = true;
}

// From any state all can end, and nothing is left.
static void end_all(unsigned int state)
{
	state_load(state);
	for (u32 i = 0; i < CALLS; i++) {
		current = &vcpus[USER];
		do_unmap_end(i, 0);
	}
	for (u32 d = 0; d < DOMAINS; d++) {
		current = &vcpus[d];
		if (!dead[d])
			do_die(0, 0);
	}
	for (u32 k = 0; k < DOMAINS * OWN; k++)
		CHECK(!frame_table[own[k / OWN][k % OWN]].count);
	for (u32 d = 0; d < DOMAINS; d++)
		CHECK(dom[d]->ref == 1 && !dom[d]->account.total &&
		      !dom[d]->account.special);
}

static void expand(unsigned int state)
{
	end_all(state);
	for (u32 i = 0; i < ARRAY_SIZE(actions) && !unit_bad; i++) {
		if (!(actions[i].life & this_life))
			continue;
		run(state, &actions[i]);
		with_another(state, &actions[i]);
		if (unit_bad)
			printf("state %u, action %u\n", state, i);
	}
}

static void mapping_parts(struct grant_mapping *m)
{
	state_part(&m->owner, sizeof(m->owner));
	state_part(&m->ref, sizeof(m->ref));
	state_part(&m->flags, sizeof(m->flags));
	state_part(&m->pending, sizeof(m->pending));
}

static void table_parts(struct domain *d)
{
	struct grant_table *t = d->grant;

	state_part(&d->ref, sizeof(d->ref));
	state_part(&d->account.first, sizeof(d->account.first));
	state_part(&d->account.total, 2 * sizeof(u64)); // and special
	state_part(&t->dead, sizeof(t->dead));
	state_part(&t->shared.n, sizeof(t->shared.n));
	state_part(&t->status.n, sizeof(t->status.n));
	state_part(virt_to_page(t->shared.frame[0]), sizeof(struct page_info));
}

static void all_parts(void)
{
	struct grant_table *t = granter(), *u = dom[USER]->grant;

	for (u32 d = 0; d < DOMAINS; d++)
		table_parts(dom[d]);
	for (u32 k = 0; k < DOMAINS * OWN; k++)
		state_part(&frame_table[own[k / OWN][k % OWN]],
			   sizeof(struct page_info));
	state_part(virt_to_page(t->status.frame[0]), sizeof(struct page_info));
	state_part((u8 *)t->shared.frame[0] + REF * 8, 8);
	state_part((u8 *)t->shared.frame[0] + REF * 16, 16);
	state_part((u16 *)t->status.frame[0] + REF, sizeof(u16));
	state_part(&t->version, sizeof(t->version));
	state_part(active(), sizeof(*active()));
	state_part(grant_active(u, REF), sizeof(*active()));
	state_part(&u->map_free, sizeof(u->map_free));
	state_part(&u->map_teardown, sizeof(u->map_teardown));
	for (u32 i = 0; i < HANDLES; i++)
		mapping_parts(&u->maps[0][i]);
	state_part(&mapped[USER][1], PLACES * sizeof(u64));
	state_part(calls, sizeof(calls));
	state_part(call_busy, sizeof(call_busy));
	state_part(&honest, sizeof(honest));
	state_part(dead, sizeof(dead));
	state_part(&used_frames, sizeof(used_frames));
}

static void begin(void)
{
	struct grant_entry_v1 *back;
	struct grant_table *u;

	for (u16 d = 0; d < DOMAINS; d++)
		make(d);
	current = &vcpus[GRANTER];
	CHECK(!grant_set_version(2) && !grant_set_version(1));
	// The granter's transitive entry stands for this one.
	u = dom[USER]->grant;
	back = grant_entry(u, REF);
	*back = (struct grant_entry_v1){ GTF_permit_access, GRANTER,
					 (u32)own[USER][1] };
	CHECK(handles_grow(u));
	u->map_free = 0;
	u->maps[0][HANDLES - 1].ref = NO_HANDLE;
	u->max_map_frames = 1;
	do_frame(GRANTER, 0);
	honest = alone = true;
}

static unsigned int life(u8 which)
{
	unsigned int n;

	this_life = which;
	n = enumerate(expand);
	printf("%u states\n", n);
	return n;
}

static void mapped_life(void)
{
	areas_make();
	begin();
	all_parts();
	CHECK(life(M) == 18401);
}

static void copied_life(void)
{
	CHECK(life(C) == 19933);
}

UNIT_MAIN(UNIT(mapped_life), UNIT(copied_life))
