// SPDX-License-Identifier: MIT
/* Grant entries: every value of flags against every use, both versions, by a
 * model written down separately; release brings back what was before; an
 * entry that its granter changes between any two steps, or another thread
 * flips, never gives a right it does not grant. */
#define HOST_TEST
#include <pthread.h>

#include "../../hv/lib/types.h"
#include "unit.h"

/* Before each access to the shared words the granter may do something. */
static void step(void);
#undef READ_ONCE
#define READ_ONCE(x)	       (step(), *(const volatile typeof(x) *)&(x))
#define __atomic_fetch_or(...) (step(), __atomic_fetch_or(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) \
	(step(), __atomic_compare_exchange_n(__VA_ARGS__))
#include "../../hv/grant/entry.c"
#undef __atomic_fetch_or
#undef __atomic_compare_exchange_n

#define MARKS (GTF_reading | GTF_writing)

struct world {
	u32 head;
	u16 status;
	struct grant_active a;
	bool v2;
};

static struct grant_words words(struct world *w)
{
	return (struct grant_words){ &w->head, w->v2 ? &w->status : NULL };
}

static u16 marks(const struct world *w)
{
	return (w->v2 ? w->status : (u16)w->head) & MARKS;
}

static bool may(const struct world *w, const struct grant_want *want)
{
	u16 f = (u16)w->head;

	u16 type = f & GTF_type_mask;

	if (w->a.readers || w->a.writers) {
		if (w->a.domid != want->domid)
			return false;
		if (w->a.transitive != (type == GTF_transitive))
			return false;
	}
	/* Granted now, whoever uses it already. */
	if (type != GTF_transitive && type != GTF_permit_access)
		return false;
	if (type == GTF_transitive && want->direct)
		return false;
	if (type == GTF_permit_access && want->whole && f & GTF_sub_page)
		return false;
	if (w->head >> 16 != want->domid)
		return false;
	return !(want->write && f & GTF_readonly);
}

static void one(struct world before, const struct grant_want *want)
{
	struct world w = before;
	struct grant_words gw = words(&w);
	u16 flags = 0xffff, add = GTF_reading | (want->write ? GTF_writing : 0);
	bool ok = grant_entry_claim(&gw, &w.a, want, &flags) == GNTST_okay;

	CHECK(ok == may(&before, want));
	if (!ok) {
		CHECK(w.head == before.head && w.status == before.status);
		return;
	}
	CHECK(flags == (u16)before.head);
	CHECK(marks(&w) == (marks(&before) | add));
	CHECK(((w.head ^ before.head) & ~(u32)MARKS) == 0);
	CHECK(!w.v2 || w.head == before.head);
	/* As the user goes again. */
	grant_entry_settle(&gw, &w.a);
	CHECK(marks(&w) ==
	      ((before.a.readers || before.a.writers ? GTF_reading : 0) |
	       (before.a.writers ? GTF_writing : 0)));
}

/* Bits of n: version, readers, writers, who, what is wanted, and
 * whether transitive grants are wanted and in use. */
static void with_use(u16 flags, unsigned n)
{
	struct world w = { .v2 = n & 1, .head = flags | (n & 2 ? 7 : 9) << 16 };
	struct grant_want want = { .domid = 7,
				   .write = n & 32,
				   .whole = n & 64,
				   .direct = n & (64 | 128) };

	w.a.readers = n & 4 ? 1 : 0;
	w.a.writers = n & 8 ? 2 : 0;
	w.a.domid = n & 16 ? 7 : 9;
	w.a.transitive = !!(n & 256);
	if (w.v2)
		w.status = (w.a.readers || w.a.writers ? GTF_reading : 0) |
			   (w.a.writers ? GTF_writing : 0);
	if (!w.v2) {
		w.head &= ~(u32)MARKS;
		w.head |= (w.a.readers || w.a.writers ? GTF_reading : 0) |
			  (w.a.writers ? GTF_writing : 0);
	}
	one(w, &want);
}

static void every_entry(void)
{
	for (u32 flags = 0; flags < 0x200; flags++)
		for (unsigned n = 0; n < 512; n++)
			with_use((u16)flags, n);
}

/* The granter's change comes before this step; 0: not any more. */
static unsigned come_in;
static struct world *target;
static u32 new_head;

static void step(void)
{
	if (come_in && !--come_in)
		target->head = new_head | (target->v2 ? 0 : marks(target));
}

/* Nobody uses it; whenever the change comes, it counts. */
static void changed_at(unsigned at, u32 old, u32 new, unsigned n)
{
	struct world w = { .v2 = n & 1, .head = old | 7 << 16 }, then = w;
	struct grant_want want = {
		.domid = 7, .write = n & 2, .whole = n & 4, .direct = n & 12
	};
	struct grant_words gw = words(&w);
	u16 flags;
	bool ok;

	target = &w;
	come_in = at;
	new_head = new | 7 << 16;
	ok = grant_entry_claim(&gw, &w.a, &want, &flags) == GNTST_okay;
	if (at && !come_in)
		then.head = new_head;
	CHECK(ok == may(&then, &want));
	CHECK(!ok || flags == (u16)then.head);
	CHECK(ok || !marks(&w));
	come_in = 0;
}

static void every_step(void)
{
	const u32 all = GTF_type_mask | GTF_readonly | GTF_sub_page;

	for (u32 old = 0; old <= all; old++)
		for (u32 new = 0; new <= all; new ++)
			for (unsigned i = 0; i < 6 * 16; i++)
				if (!((old | new) & ~all))
					changed_at(i / 16, old, new, i % 16);
}

static void too_many(void)
{
	struct world w = { .head = GTF_permit_access | 7 << 16 };
	struct grant_want want = { .domid = 7, .direct = true };
	struct grant_words gw = words(&w);
	u16 flags;

	w.a.domid = 7;
	w.a.readers = GRANT_USERS_MAX - 1;
	CHECK(grant_entry_claim(&gw, &w.a, &want, &flags) == GNTST_okay);
	w.a.readers = GRANT_USERS_MAX;
	CHECK(grant_entry_claim(&gw, &w.a, &want, &flags) ==
	      GNTST_general_error);
}

static void transfers(void)
{
	for (u32 flags = 0; flags < 0x200; flags++) {
		u32 head = flags | 7 << 16, was = head;
		bool ok = grant_entry_commit_transfer(&head, 7);

		CHECK(ok == (flags == GTF_accept_transfer));
		CHECK(head == (ok ? was | GTF_transfer_committed : was));
		head = was;
		CHECK(!grant_entry_commit_transfer(&head, 8));
	}
}

/* A granter that opens and closes its entry by the header's rules: it may
 * close only while no mark is set, and then no claim may succeed. */
static struct world shared;
static u32 closed; /* atomic: the entry is invalid */
static u32 stop;

static void *granter(void *unused)
{
	u32 open = GTF_permit_access | 7 << 16, expect;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		expect = open;
		if (!shared.v2) {
			if (!__atomic_compare_exchange_n(
				    &shared.head, &expect, 0, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
				continue;
		} else {
			__atomic_store_n(&shared.head, 0, __ATOMIC_SEQ_CST);
			if (__atomic_load_n(&shared.status, __ATOMIC_SEQ_CST)) {
				__atomic_store_n(&shared.head, open,
						 __ATOMIC_SEQ_CST);
				continue;
			}
		}
		__atomic_store_n(&closed, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&closed, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&shared.head, open, __ATOMIC_SEQ_CST);
	}
	return unused;
}

static void race(bool v2)
{
	struct grant_want want = {
		.domid = 7, .write = true, .whole = true, .direct = true
	};
	struct grant_active none = { 0 };
	struct grant_words gw;
	pthread_t thread;
	u16 flags;

	shared =
		(struct world){ .v2 = v2, .head = GTF_permit_access | 7 << 16 };
	gw = words(&shared);
	stop = 0;
	CHECK(!pthread_create(&thread, NULL, granter, NULL));
	for (unsigned i = 0; i < 200000; i++) {
		if (grant_entry_claim(&gw, &none, &want, &flags) != GNTST_okay)
			continue;
		CHECK(!__atomic_load_n(&closed, __ATOMIC_SEQ_CST));
		grant_entry_settle(&gw, &none);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
}

static void races(void)
{
	race(false);
	race(true);
}

UNIT_MAIN(UNIT(every_entry), UNIT(every_step), UNIT(too_many), UNIT(transfers),
	  UNIT(races))
