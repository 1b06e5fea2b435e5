// SPDX-License-Identifier: MIT
// The page-type state machine, mm/page.c, enumerated: every operation of
// mm/page.h from every state that a frame can get into, breadth first, against
// a model that is written as bags of what two actors hold.
#define RAM_FRAMES 64UL
#include "machine.h"
#include "../../hv/mm/page.c"

static unsigned int freed;
static struct page_account *account, *other;

void frames_free(struct page_info *pg, unsigned int order)
{
	freed++;
}

void frames_add(mfn_t first, u64 n)
{
	freed += (unsigned int)n;
}

void frames_claim_use(struct page_account *who, u64 n)
{
}

#define ACTORS 2
#define MOST   2 // references, or counts, of one actor
#define STATES 20000

// What the actors hold; the frame's word follows from it.
struct model {
	u8 refs[ACTORS];  // plain references
	u8 types[ACTORS]; // counts, each with a reference of its own
	u8 builder;	  // actor + 1 who builds or undoes; has a count too
	u8 locker;	  // actor + 1
	u8 type;	  // 0 to 7: the frame's, also when nobody has a count
	bool valid, partial, allocated, gone;
	bool stale; // somebody may know it writable from an older life
};

struct state {
	struct model m;
	struct page_info pg;
};

static struct state *states;
static unsigned int state_count;
static u32 *hash;
#define HASH (1u << 16)

static struct page_info *pg_of(void)
{
	return &frame_table[5];
}

static unsigned int model_counts(const struct model *m)
{
	return m->types[0] + m->types[1] + !!m->builder + m->partial;
}

// The words are those that the model says.
static void compare(const struct model *m, const struct page_info *pg)
{
	unsigned int counts = model_counts(m);
	unsigned int refs = m->refs[0] + m->refs[1] + counts + m->allocated;

	CHECK((pg->count & PGC_COUNT) == refs);
	CHECK(!(pg->count & PGC_ALLOCATED) == !m->allocated);
	CHECK(freed == m->gone && m->gone == !refs);
	CHECK((pg->type & PGT_COUNT) == counts);
	if (m->gone)
		return;
	CHECK(page_owner(pg) == account);
	CHECK(pg->type >> 60 == m->type);
	CHECK(!(pg->type & PGT_VALIDATED) == !m->valid);
	CHECK(!(pg->type & PGT_PARTIAL) == !m->partial);
	CHECK(!(pg->type & PGT_LOCKED) == !m->locker);
	// Built by one, or left to the flag, never both; whole otherwise.
	CHECK(!(m->partial && m->builder));
	CHECK(!counts || m->valid == !(m->partial || m->builder));
	CHECK(m->valid || counts <= 1);
}

// Operations: each tells whether it could be tried in this state, does it, and
// changes the model by its own rules.

static bool model_table(const struct model *m)
{
	return m->type >= 1 && m->type <= 4;
}

static void model_drop(struct model *m)
{
	unsigned int refs = m->refs[0] + m->refs[1] + model_counts(m);

	m->gone = !refs && !m->allocated;
}

static bool op_get(struct model *m, struct page_info *pg, unsigned int a)
{
	bool could = !m->gone;

	if (m->refs[a] == MOST)
		return false;
	CHECK(page_get(pg, account) == could);
	m->refs[a] += could;
	return could;
}

static bool op_get_stranger(struct model *m, struct page_info *pg,
			    unsigned int a)
{
	if (m->gone || a)
		return false;
	CHECK(!page_get(pg, other));
	return true;
}

static bool op_put(struct model *m, struct page_info *pg, unsigned int a)
{
	if (!m->refs[a])
		return false;
	m->refs[a]--;
	model_drop(m);
	page_put(pg);
	return true;
}

static bool op_take(struct model *m, struct page_info *pg, unsigned int a)
{
	if (!m->refs[a])
		return false;
	CHECK(page_take_allocated(pg) == m->allocated);
	// The caller holds it now, if there is room; else it puts it.
	if (m->allocated && m->refs[a] < MOST)
		m->refs[a]++;
	else if (m->allocated)
		page_put(pg);
	m->allocated = false;
	return true;
}

// A reference of the actor becomes that of a count.
static bool begin(struct model *m, struct page_info *pg, unsigned int a,
		  unsigned int type)
{
	bool table = (type >= 1 && type <= 4) || type == 5, change;
	unsigned int flushes = tlb_flushes;
	int expect = 0, rc;

	if (!m->refs[a] || m->types[a] == MOST)
		return false;
	change = !model_counts(m) && m->type != type;
	if (!model_counts(m))
		expect = m->type == type && m->valid ? 0 : table ? 1 : 0;
	else if (m->type != type)
		expect = -EBUSY;
	else if (!m->valid)
		expect = m->partial ? 2 : -EAGAIN;
	// Written before now: no CPU has flushed since.
	rc = page_type_begin(pg, (u64)type << 60, false);
	CHECK(rc == expect);
	CHECK(tlb_flushes - flushes == (change && m->stale));
	if (rc < 0)
		return true;
	if (change)
		m->stale = false;
	if (rc == 2) {
		m->partial = false;
		page_put(pg); // the flag's
	}
	m->refs[a]--;
	m->type = (u8)type;
	m->valid = !rc;
	if (rc)
		m->builder = (u8)(a + 1);
	else
		m->types[a]++;
	return true;
}

#define OP_BEGIN(n)                                                    \
	static bool op_begin##n(struct model *m, struct page_info *pg, \
				unsigned int a)                        \
	{                                                              \
		return begin(m, pg, a, n);                             \
	}
OP_BEGIN(1)
OP_BEGIN(2)
OP_BEGIN(4)
OP_BEGIN(5)
OP_BEGIN(7)

static bool op_commit(struct model *m, struct page_info *pg, unsigned int a)
{
	if (m->builder != a + 1 || m->types[a] == MOST)
		return false;
	page_type_commit(pg);
	m->builder = 0;
	m->valid = true;
	m->types[a]++;
	return true;
}

static bool op_abort(struct model *m, struct page_info *pg, unsigned int a)
{
	if (m->builder != a + 1)
		return false;
	page_type_abort(pg);
	m->builder = 0;
	m->type = 0;
	m->valid = false;
	m->stale = true;
	model_drop(m);
	page_put(pg); // the builder's own reference
	return true;
}

static bool op_interrupt(struct model *m, struct page_info *pg, unsigned int a)
{
	if (m->builder != a + 1 || m->type == 5)
		return false;
	page_type_interrupt(pg);
	m->builder = 0;
	m->partial = true;
	page_put(pg);
	return true;
}

static bool op_claim(struct model *m, struct page_info *pg, unsigned int a)
{
	if (!m->refs[a])
		return false;
	CHECK(page_type_claim(pg) == m->partial);
	if (m->partial) {
		m->partial = false;
		m->builder = (u8)(a + 1);
		m->refs[a]--; // now the builder's
	}
	return true;
}

static bool op_type_put(struct model *m, struct page_info *pg, unsigned int a)
{
	bool last = model_counts(m) == 1, undo = last && model_table(m);

	// With the lock held by another it would wait for him.
	if (!m->types[a] || (undo && m->locker))
		return false;
	CHECK(page_type_put(pg) == undo);
	m->types[a]--;
	if (undo) {
		CHECK(pg->aux == 512);
		m->valid = false;
		m->builder = (u8)(a + 1);
		return true;
	}
	if (last)
		m->stale = true;
	model_drop(m);
	page_put(pg);
	return true;
}

static bool op_lock(struct model *m, struct page_info *pg, unsigned int a)
{
	bool could = model_counts(m) && m->valid && model_table(m);

	// No reference of his own is asked for.
	if (m->locker)
		return false;
	CHECK(!!table_lock(page_to_mfn(pg), account) == could);
	CHECK(!table_lock(page_to_mfn(pg), other));
	if (could)
		m->locker = (u8)(a + 1);
	return true;
}

static bool op_unlock(struct model *m, struct page_info *pg, unsigned int a)
{
	if (m->locker != a + 1)
		return false;
	page_unlock(pg);
	m->locker = 0;
	return true;
}

static bool op_steal(struct model *m, struct page_info *pg, unsigned int a)
{
	bool could = m->allocated && m->refs[a] == 1 && !m->refs[!a] &&
		     !model_counts(m);

	if (!m->refs[a])
		return false;
	if (!could)
		CHECK(page_steal(pg, account, 1) == -EBUSY);
	CHECK(page_steal(pg, other, 1) == -EBUSY);
	if (!could)
		return true;
	CHECK(!page_steal(pg, account, 1));
	CHECK(pg->count == 1 && !pg->type && !page_owner(pg));
	CHECK(!account->total && !account->first);
	// Nobody's; the last reference frees it.
	page_put(pg);
	CHECK(freed == 1);
	*m = (struct model){ .gone = true };
	return true;
}

static bool op_free_unused(struct model *m, struct page_info *pg,
			   unsigned int a)
{
	bool could =
		m->allocated && !m->refs[0] && !m->refs[1] && !model_counts(m);

	if (m->gone || a)
		return false;
	CHECK(page_free_unused(account, 64) == could);
	if (could) {
		CHECK(!page_owner(pg));
		m->allocated = false;
		model_drop(m);
	}
	return true;
}

static bool (*const operations[])(struct model *m, struct page_info *pg,
				  unsigned int a) = {
	op_get,	   op_get_stranger, op_put,	    op_take,	 op_begin1,
	op_begin2, op_begin4,	    op_begin5,	    op_begin7,	 op_commit,
	op_abort,  op_interrupt,    op_claim,	    op_type_put, op_lock,
	op_unlock, op_steal,	    op_free_unused,
};

// States that differ in the stamp only are one.
static bool state_new(const struct state *s)
{
	u64 key = 0xcbf29ce484222325;
	const u8 *p = (const u8 *)&s->m;

	for (unsigned int i = 0; i < sizeof(s->m); i++)
		key = (key ^ p[i]) * 0x100000001b3;
	for (u32 h = (u32)(key >> 20) % HASH;; h = (h + 1) % HASH) {
		if (!hash[h]) {
			hash[h] = state_count + 1;
			return true;
		}
		if (!memcmp(&states[hash[h] - 1].m, &s->m, sizeof(s->m)))
			return false;
	}
}

static void state_load(const struct state *s)
{
	*pg_of() = s->pg;
	freed = s->m.gone;
	account->total = account->first = 0;
	if (!s->m.gone) {
		account->total = 1;
		account->first = 6;
	}
	// What is stale was written after the last flush.
	tlb_clock = 10;
	tlb_flushed = 10;
	if (!model_counts(&s->m))
		pg_of()->aux = s->m.stale ? 10 : 9;
}

// Whatever the actors have is put: the frame is free, exactly once.
static void put_everything(struct model m)
{
	struct page_info *pg = pg_of();

	if (m.locker)
		op_unlock(&m, pg, m.locker - 1u);
	for (unsigned int a = 0; a < ACTORS; a++)
		while (m.types[a]) {
			op_type_put(&m, pg, a);
			if (m.builder == a + 1)
				op_abort(&m, pg, a);
		}
	if (m.partial) {
		m.refs[0] += page_get_any(pg);
		op_claim(&m, pg, 0);
	}
	if (m.builder)
		op_abort(&m, pg, m.builder - 1u);
	if (m.allocated) {
		m.refs[0] += page_get_any(pg);
		CHECK(page_take_allocated(pg));
		m.allocated = false;
		page_put(pg);
	}
	for (unsigned int a = 0; a < ACTORS; a++)
		while (m.refs[a])
			op_put(&m, pg, a);
	CHECK(m.gone && freed == 1 && !account->total && !account->first);
}

static void explore(unsigned int at, unsigned int op, unsigned int a)
{
	struct state s = states[at];

	state_load(&s);
	if (!operations[op](&s.m, pg_of(), a))
		return;
	compare(&s.m, pg_of());
	s.pg = *pg_of();
	if (!state_new(&s))
		return;
	if (state_count == STATES)
		abort();
	states[state_count++] = s;
}

static void enumerate(void)
{
	struct page_info *pg;

	machine_make();
	states = calloc(STATES, sizeof(*states));
	hash = calloc(HASH, sizeof(*hash));
	account = (void *)(ram_base + PAGE_SIZE);
	other = (void *)(ram_base + 2 * PAGE_SIZE);
	account->max = 1;
	account->tlb_cpus = 1;
	pg = pg_of();
	CHECK(!page_assign(account, pg, 0));
	states[0].pg = *pg;
	states[0].m.allocated = states[0].m.stale = true;
	state_new(&states[0]);
	state_count = 1;
	for (unsigned int at = 0; at < state_count && !unit_bad; at++) {
		for (unsigned int op = 0; op < ARRAY_SIZE(operations); op++)
			for (unsigned int a = 0; a < ACTORS; a++)
				explore(at, op, a);
		state_load(&states[at]);
		if (!states[at].m.gone)
			put_everything(states[at].m);
	}
	printf("%u states\n", state_count);
	CHECK(state_count == 2125);
	free(states);
	free(hash);
}

// The last count of a table waits for who has it locked.
static volatile bool put_done;

static void *put_thread(void *arg)
{
	int *rc = arg;

	*rc = page_type_put(pg_of());
	put_done = true;
	return NULL;
}

static void lock_waits(void)
{
	struct page_info *pg = pg_of();
	pthread_t id;
	int rc = -1;

	CHECK(!page_assign(account, pg, 0));
	CHECK(page_type_begin(pg, PGT_L1, false) == 1);
	page_type_commit(pg);
	CHECK(table_lock(page_to_mfn(pg), account));
	if (pthread_create(&id, NULL, put_thread, &rc))
		abort();
	for (unsigned int i = 0; i < 100; i++)
		sched_yield();
	CHECK(!put_done && (pg->type & PGT_VALIDATED));
	page_unlock(pg);
	pthread_join(id, NULL);
	CHECK(rc == 1 && !(pg->type & PGT_VALIDATED));
	page_type_abort(pg);
}

static void limits(void)
{
	struct page_info *pg = &frame_table[9];
	u64 t = PGT_WRITABLE | PGT_VALIDATED;

	pg->count = PGC_COUNT | PGC_ALLOCATED;
	CHECK(!page_get_any(pg));
	pg->count = PGC_COUNT - 1;
	CHECK(page_get_any(pg) && !page_get_any(pg));
	pg->count = 2;
	pg->type = t | PGT_COUNT;
	CHECK(page_type_begin(pg, PGT_WRITABLE, true) == -EINVAL);
	CHECK(pg->type == (t | PGT_COUNT));
	CHECK(page_assign(account, pg, 0) == -ENOMEM);
	account->dying = true;
	CHECK(page_assign(account, pg, 0) == -EINVAL);
	account->dying = false;
}

static unsigned int emptied;

static void empty(struct page_account *who)
{
	emptied++;
}

// Shared pages of the hypervisor never change their type; the account's end.
static void shared(void)
{
	struct page_info *ro = &frame_table[20], *rw = &frame_table[21];

	*account = (struct page_account){ .max = 9, .empty = empty };
	page_share(account, ro, false);
	page_share(account, rw, true);
	freed = 0;
	CHECK(page_get_writable(ro, account) == -EBUSY);
	CHECK(!page_get_writable(rw, account));
	CHECK(page_type_begin(ro, PGT_L1, true) == -EBUSY);
	CHECK(page_type_begin(rw, PGT_SEGDESC, true) == -EBUSY);
	page_account_close(account);
	page_unshare(ro);
	CHECK(freed == 1 && !emptied);
	page_unshare(rw);
	page_unshare(rw);
	CHECK(freed == 1);
	page_put_writable(rw);
	CHECK(freed == 2 && emptied == 1 && !account->special);
}

static unsigned int first_on_list(void)
{
	return (unsigned int)(page_first(account) - frame_table);
}

// Lists of frames 32 to 39: 35 has another user, 37 is pinned, 38 half undone.
static void lists(void)
{
	u64 most = 8;

	*account = (struct page_account){ .max = 9 };
	CHECK(!page_assign(account, &frame_table[32], 3));
	CHECK(page_get(&frame_table[35], account));
	CHECK(page_get(&frame_table[37], account));
	frame_table[37].type = PGT_L1 | PGT_VALIDATED | PGT_PINNED | 1;
	CHECK(page_get(&frame_table[38], account));
	frame_table[38].type = PGT_L1 | PGT_PARTIAL | 1;

	CHECK(page_first_table(account, &most) == &frame_table[37]);
	CHECK(most == 3 && first_on_list() == 37);
	CHECK((frame_table[37].count & PGC_COUNT) == 3);
	page_put(&frame_table[37]);
	frame_table[37].type = 0;
	page_put(&frame_table[37]);
	CHECK(page_first_table(account, &most) == &frame_table[38]);
	CHECK(most == 2);
	page_put(&frame_table[38]);
	frame_table[38].type = 0;
	page_put(&frame_table[38]);
	CHECK(!page_first_table(account, &most));
	CHECK(!most && first_on_list() == 32);

	// Not behind the one in use, not more than asked for, neighbours only.
	freed = 0;
	CHECK(page_free_unused(account, 2) == 2 && freed == 2);
	CHECK(page_free_unused(account, 64) == 1 && first_on_list() == 35);
	CHECK(!page_free_unused(account, 64) && freed == 3);
	page_to_tail(account, &frame_table[35]);
	page_to_tail(account, &frame_table[36]);
	CHECK(page_free_unused(account, 64) == 3 && first_on_list() == 35);
	CHECK(freed == 6 && account->total == 2);
	page_put(&frame_table[35]);
	CHECK(page_free_unused(account, 64) == 2 && freed == 8);
	CHECK(!account->total && !page_first(account));
	CHECK(!page_free_unused(account, 64));
	most = 1;
	CHECK(!page_first_table(account, &most) && most == 1);
}

UNIT_MAIN(UNIT(enumerate), UNIT(lock_waits), UNIT(limits), UNIT(shared),
	  UNIT(lists))
