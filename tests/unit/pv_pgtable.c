// SPDX-License-Identifier: MIT
// Page tables of PV guests, the real pv/ and mm/page.c on a made-up machine:
// after every operation, references and types of all frames are counted anew
// from the tables themselves and compared with the records; stale writable
// translations are followed through every flush. Preemption is forced at
// chosen questions for softirqs. At the end no frame is missing.
#define RAM_FRAMES 1024UL
#include "machine.h"

// Pending after so many questions, until the next call.
#define X86_SOFTIRQ_H
static __thread unsigned int preempt_in;

static inline bool softirq_pending(void)
{
	if (preempt_in > 1)
		preempt_in--;
	return preempt_in == 1;
}

#include "../../hv/lib/rangeset.c"
#include "../../hv/mm/page.c"
#include "../../hv/mm/frames.c"
#include "../../hv/pv/base.c"
#include "../../hv/pv/desc.c"
#include "../../hv/pv/domain.c"
#include "../../hv/pv/pgentry.c"
#include "../../hv/pv/pgmod.c"
#include "../../hv/pv/pgtable.c"
#include "x86/platform.h"

static u64 fake_l4[PTES];
u64 *hv_l4 = fake_l4;
struct cpu_host cpu_host;
struct platform platform;
struct domain *dom_io;

#include "pv_stubs.h"

#define DOMS  2
#define VCPUS 2
#define OWN   40 // frames of a domain
#define HELD  8
#define MMIO  0x40000 // a device; the next frame may only be read
static struct domain *doms[DOMS];
static u64 frames_of[DOMS][OWN];
static u64 before;
// References that somebody else holds: plain, or writable.
static struct {
	u64 mfn;
	bool writable;
} held[HELD];
// The only entries that tables of this test use; 0 and 511 are the edges, 256
// and 271 those of the hypervisor's part.
static const unsigned int slots[] = { 0, 1, 7, 255, 256, 260, 271, 272, 511 };

static u64 *table_at(u64 m)
{
	return map_frame(mfn(m));
}

static struct page_info *rec(u64 m)
{
	return mfn_to_page(mfn(m));
}

static u64 random_slot(void)
{
	return slots[random_below(ARRAY_SIZE(slots))];
}

#include "pv_shadow.h"

// The machine.

static void own_frame(unsigned int d, unsigned int i)
{
	struct page_info *pg = frames_alloc(0, 0, ALLOC_ZERO);

	CHECK(pg && !page_assign(&doms[d]->account, pg, 0));
	frames_of[d][i] = mfn_val(page_to_mfn(pg));
}

static struct domain *domain_make(void)
{
	struct domain *d = hvpages_alloc(2);

	_Static_assert(sizeof(*d) < 4 * PAGE_SIZE, "fits");
	d->account.max = OWN + 1;
	d->account.tlb_cpus = 1;
	d->max_vcpus = VCPUS;
	rangeset_init(&d->rights[RIGHT_MEM], heap_alloc, heap_free);
	CHECK(!pv_guest_ops.domain_init(d));
	d->vcpu = calloc(VCPUS, sizeof(*d->vcpu));
	for (unsigned int i = 0; i < VCPUS; i++) {
		struct vcpu *v = calloc(1, sizeof(*v));

		v->id = i;
		v->domain = d;
		v->pv = calloc(1, sizeof(*v->pv));
		v->hot.mode_kernel = 1;
		v->pv->ldt_entries = 8192;
		CHECK(!perdom_prepare(d, i));
		d->vcpu[i] = v;
	}
	return d;
}

static void machine_begin(void)
{
	if (!ram_base) {
		machine_make();
		mm_ready = true;
		frames_add(mfn(1), RAM_FRAMES - 1);
		for (unsigned int i = SLOT_M2P; i < SLOT_END; i++)
			fake_l4[i] = i << 20 | PTE_P;
		dom_io = hvpages_alloc(2);
		dom_io->id = DOMID_IO;
		tlb_hook = flushed;
	}
	before = frames_free_count();
	for (unsigned int d = 0; d < DOMS; d++) {
		doms[d] = domain_make();
		for (unsigned int i = 0; i < OWN; i++)
			own_frame(d, i);
	}
	CHECK(!rangeset_add(&doms[0]->rights[RIGHT_MEM], MMIO, MMIO + 1));
	CHECK(!rangeset_add(&doms[1]->rights[RIGHT_MEM], MMIO, MMIO));
	current = doms[0]->vcpu[0];
	flushed();
	check_all();
}

static void domain_end(struct domain *d)
{
	int rc;

	d->account.dying = true;
	d->state = DOM_DYING;
	do {
		preempt_in = 2 + (unsigned int)random_below(40);
		rc = pv_guest_ops.relinquish(d);
		CHECK(!rc || rc == -ERESTART);
		check_all();
	} while (rc);
	preempt_in = 0;
}

static void domain_free(struct domain *d)
{
	pv_guest_ops.domain_exit(d);
	for (unsigned int i = 0; i < VCPUS; i++) {
		free(d->vcpu[i]->pv);
		free(d->vcpu[i]);
	}
	free(d->vcpu);
	rangeset_exit(&d->rights[RIGHT_MEM]);
	hvpages_free(d, 2);
}

static void held_drop(unsigned int i)
{
	if (!held[i].mfn)
		return;
	if (held[i].writable)
		page_put_writable(rec(held[i].mfn));
	else
		page_put(rec(held[i].mfn));
	held[i].mfn = 0;
}

// Everything is destroyed, in the order of dom/domain.c.
static void machine_end(void)
{
	for (unsigned int d = 0; d < DOMS; d++)
		domain_end(doms[d]);
	for (unsigned int i = 0; i < HELD; i++)
		held_drop(i);
	check_all();
	for (unsigned int d = 0; d < DOMS * OWN; d++) {
		struct page_info *pg = rec(frames_of[d / OWN][d % OWN]);

		if (!page_owner(pg))
			continue;
		CHECK((pg->count & PGC_COUNT) == 1);
		CHECK(!(pg->type & PGT_COUNT));
		if (page_take_allocated(pg))
			page_put(pg);
		CHECK(!page_owner(pg) && !(pg->count & PGC_COUNT));
	}
	for (unsigned int d = 0; d < DOMS; d++) {
		CHECK(!doms[d]->account.total && !doms[d]->account.first);
		domain_free(doms[d]);
	}
	CHECK(frames_free_count() == before);
}

// Building and calling.

static u64 frame(unsigned int i)
{
	return frames_of[0][i];
}

#define RW (PTE_P | PTE_W | PTE_U)

static void set(u64 table, u64 slot, u64 m, u64 flags)
{
	table_at(table)[slot] = m << PAGE_SHIFT | flags;
}

// Frames 0: L4, 1 and 2: L3, 3 to 5: L2, 6 to 9: L1, the others data.
static void tree_build(void)
{
	for (unsigned int i = 0; i < 10; i++)
		(memset)(table_at(frame(i)), 0, PAGE_SIZE);
	set(frame(0), 0, frame(1), RW);
	set(frame(0), 272, frame(2), RW);
	set(frame(0), 511, frame(1), RW);
	set(frame(1), 1, frame(3), RW);
	set(frame(1), 511, frame(4), RW);
	set(frame(2), 0, frame(5), RW);
	for (unsigned int i = 0; i < 4; i++) {
		set(frame(3 + i % 3), slots[2 + i], frame(6 + i), RW);
		set(frame(3 + i % 3), 1, frame(6), RW);
		for (unsigned int s = 0; s < 5; s++)
			set(frame(6 + i), slots[s], frame(20 + i + s),
			    s == 4 ? PTE_P : RW);
	}
}

static void settle(unsigned int every)
{
	int rc;

	do {
		preempt_in = every;
		rc = pv_settle(current);
		check_all();
	} while (rc);
	preempt_in = 0;
}

static int pin(u64 m, u64 type, unsigned int every)
{
	int rc;

	do {
		settle(every > 2 ? every : 0);
		preempt_in = every;
		rc = table_pin(doms[0], gfn(m), type);
		check_all();
	} while (rc == -ERESTART);
	preempt_in = 0;
	return rc;
}

static void unpin(u64 m, unsigned int every)
{
	preempt_in = every;
	CHECK(!table_unpin(doms[0], gfn(m)));
	check_all();
	settle(every);
}

static bool all_free(void)
{
	for (unsigned int i = 0; i < OWN; i++)
		if ((rec(frame(i))->type & PGT_COUNT) ||
		    (rec(frame(i))->count & PGC_COUNT) != 1)
			return false;
	return true;
}

static const u64 level_type[] = { 0, PGT_L1, PGT_L2, PGT_L3, PGT_L4 };

// The same tree whatever interrupts, and nothing left of it.
static void trees(void)
{
	machine_begin();
	for (unsigned int every = 2; every < 1400; every += every / 16 + 1) {
		tree_build();
		CHECK(!pin(frame(0), PGT_L4, every));
		CHECK((rec(frame(1))->type & PGT_COUNT) == 2);
		CHECK((rec(frame(6))->type & PGT_COUNT) == 4);
		CHECK(pin(frame(0), PGT_L4, every) == -EINVAL);
		CHECK(pin(frame(0), PGT_L3, 0) == -EINVAL);
		CHECK(!pin(frame(2), PGT_L3, every));
		unpin(frame(0), MAX(every, 3U));
		unpin(frame(2), MAX(every, 3U));
		CHECK(table_unpin(doms[0], gfn(frame(2))) == -EINVAL);
		CHECK(all_free());
		// An undo that is taken over half way.
		CHECK(!pin(frame(0), PGT_L4, every));
		preempt_in = every + 100;
		CHECK(!table_unpin(doms[0], gfn(frame(0))));
		preempt_in = 0;
		check_all();
		CHECK(!table_pin(doms[0], gfn(frame(every & 1)),
				 every & 1 ? PGT_L3 : PGT_L4));
		check_all();
		settle(0);
		unpin(frame(every & 1), 0);
		CHECK(all_free());
	}
	machine_end();
}

static const u64 bad_bits[] = { PTE_PS, PTE_PCD, PTE_GNTTAB, 0, 0, 0, 0 };

// One bad entry somewhere in the tree, of each kind and in each table.
static bool spoil(unsigned int table, unsigned int slot, unsigned int kind)
{
	u64 m = frame(30);
	unsigned int level = table < 1 ? 4 : table < 3 ? 3 : table < 6 ? 2 : 1;

	if (level > 1 && bad_bits[kind] == PTE_GNTTAB)
		return false;
	if (kind == 3)
		m = frames_of[1][0];
	if (kind == 4)
		m = level > 1 ? RAM_FRAMES : 0x50000;
	if (kind == 5)
		m = level > 1 ? frame(level > 2 ? 9 : 3) : frame(0);
	if (kind == 6)
		m = level > 1 ? frame(table) : frame(table > 7 ? table : 3);
	set(frame(table), slot, m, RW | bad_bits[kind]);
	return true;
}

static void errors(void)
{
	static const unsigned int at[] = { 0, 1, 255, 272, 511 };
	static const unsigned int intervals[] = { 0, 2, 3, 4, 7, 90, 300, 700 };

	machine_begin();
	for (unsigned int n = 0; n < 10 * 5 * 7 * 8; n++) {
		unsigned int every = intervals[n % 8], kind = n / 8 % 7;

		tree_build();
		if (!spoil(n / 8 / 7 / 5, at[n / 8 / 7 % 5], kind))
			continue;
		CHECK(pin(frame(0), PGT_L4, every) < 0);
		check_all();
		settle(every > 2 ? every : 0);
		CHECK(all_free());
	}
	machine_end();
}

// Operations of callers that have not settled what the vcpu owes.
static void debts(void)
{
	struct page_info *owed;
	struct pv_vcpu *pv;

	machine_begin();
	pv = current->pv;
	for (unsigned int every = 2; every < 50; every++) {
		tree_build();
		(memset)(table_at(frame(10)), 0, PAGE_SIZE);
		set(frame(10), 0, frame(2), RW);
		set(frame(10), 1, frames_of[1][0], RW);
		CHECK(!pin(frame(1), PGT_L3, 0));
		CHECK(!pin(frame(5), PGT_L2, 0));
		preempt_in = every;
		CHECK(!table_unpin(doms[0], gfn(frame(1))));
		check_all();
		// Fails while there is a debt that is not its own.
		preempt_in = 0;
		owed = pv->old_table;
		CHECK(owed || every > 2);
		CHECK(pv_new_base(current, gfn(frame(10)), false) == -EINVAL);
		CHECK(pv->old_table == (owed ? owed : rec(frame(10))));
		check_all();
		// A second debt has no place.
		preempt_in = 2;
		CHECK(!table_unpin(doms[0], gfn(frame(5))));
		check_all();
		CHECK(pv->old_table);
		settle(every + 1);
		// It is found again by its type.
		preempt_in = 0;
		for (unsigned int i = 2; i < 11; i++) {
			u64 t = i == 10 ? 4 : i == 2 ? 3 : 2;

			if (!(rec(frame(i))->type & PGT_PARTIAL))
				continue;
			table_pin(doms[0], gfn(frame(i)), level_type[t]);
			settle(0);
		}
		check_all();
	}
	machine_end();
}

static int entry_set(struct domain *d, u64 m, u64 slot, u64 e, bool keep_ad,
		     struct domain *from)
{
	struct page_info *pg = table_lock(mfn(m), &d->account);
	int rc;

	if (!pg)
		return -EINVAL;
	// As a batch does it.
	if ((pg->type & PGT_TYPE) == PGT_L1 && !keep_ad)
		rc = l1_replace(table_at(m) + slot, e, d, from);
	else
		rc = table_entry_set(pg, (unsigned int)slot * 8, e, keep_ad,
				     NULL, from);
	page_unlock(pg);
	return rc;
}

// Every bit of live entries of every level is flipped.
static void entry_bits(void)
{
	static const u64 table[] = { 0, 6, 4, 1, 0 };
	static const u64 slot[] = { 0, 7, 255, 511, 272 };

	machine_begin();
	tree_build();
	CHECK(!pin(frame(0), PGT_L4, 0));
	for (unsigned int level = 1; level <= 4; level++) {
		u64 m = frame((unsigned int)table[level]), s = slot[level];
		u64 e = table_at(m)[s];

		for (unsigned int bit = 0; bit < 64; bit++) {
			int rc = entry_set(doms[0], m, s, e ^ BIT(bit), bit & 1,
					   doms[0]);

			check_all();
			if (level > 1 && (TABLE_FORBIDDEN & BIT(bit)))
				CHECK(rc == -EINVAL);
			if (BIT(bit) == PTE_GNTTAB && level == 1)
				CHECK(rc == -EINVAL);
			CHECK(!entry_set(doms[0], m, s, e, false, doms[0]));
			check_all();
		}
		for (s = SLOT_M2P; level == 4 && s < SLOT_END; s++)
			CHECK(entry_set(doms[0], m, s, 0, false, doms[0]) ==
			      -EINVAL);
	}
	machine_end();
}

// Tables that map themselves and each other.
static void self_maps(void)
{
	unsigned int flushes;

	machine_begin();
	tree_build();
	set(frame(6), 0, frame(6), RW);
	CHECK(pin(frame(6), PGT_L1, 0) == -EBUSY ||
	      pin(frame(6), PGT_L1, 0) == -EINVAL);
	set(frame(6), 0, frame(6), PTE_P);
	CHECK(!pin(frame(6), PGT_L1, 0));
	CHECK(entry_set(doms[0], frame(6), 0, frame(6) << 12 | RW, false,
			doms[0]) < 0);
	check_all();
	unpin(frame(6), 0);
	CHECK(all_free());
	set(frame(3), 0, frame(3), RW);
	CHECK(pin(frame(3), PGT_L2, 0) == -EINVAL);
	settle(0);
	CHECK(!pin(frame(6), PGT_L1, 0));
	// What is mapped writable is no table, and a table is never that.
	set(frame(20), 0, 0, 0);
	CHECK(pin(frame(21), PGT_L1, 0) == -EINVAL);
	CHECK(!entry_set(doms[0], frame(6), 511, frame(35) << 12 | RW, false,
			 doms[0]));
	CHECK(pin(frame(35), PGT_L1, 0) == -EINVAL);
	CHECK(!entry_set(doms[0], frame(6), 511, 0, false, doms[0]));
	flushes = tlb_flushes;
	CHECK(!pin(frame(35), PGT_L1, 0));
	CHECK(tlb_flushes == flushes + 1);
	CHECK(entry_set(doms[0], frame(6), 511, frame(35) << 12 | RW, false,
			doms[0]) < 0);
	check_all();
	// A foreign frame only when its owner was named.
	CHECK(entry_set(doms[0], frame(6), 511, frames_of[1][3] << 12 | RW,
			false, doms[0]) < 0);
	CHECK(!entry_set(doms[0], frame(6), 511, frames_of[1][3] << 12 | RW,
			 false, doms[1]));
	check_all();
	machine_end();
}

#include "pv_walk.h"

// Frames are given back, stolen, and come again.
static void give_back(unsigned int d)
{
	unsigned int i = (unsigned int)random_below(OWN);
	struct page_info *pg = rec(frames_of[d][i]);

	if (random_below(2) && !page_steal(pg, &doms[d]->account, 0)) {
		CHECK(!(pg->count & ~PGC_FOREIGN) && !pg->type);
		frames_free(pg, 0);
	} else if (page_get(pg, &doms[d]->account)) {
		if (random_below(3))
			table_unpin(doms[d], gfn(frames_of[d][i]));
		if (page_take_allocated(pg))
			page_put(pg);
		page_put(pg);
	}
}

static void replace_gone(void)
{
	bool gone[DOMS * OWN];

	for (unsigned int d = 0; d < DOMS * OWN; d++)
		gone[d] = !page_owner(rec(frames_of[d / OWN][d % OWN]));
	for (unsigned int d = 0; d < DOMS * OWN; d++)
		if (gone[d])
			own_frame(d / OWN, d % OWN);
}

static void step(void)
{
	unsigned int d = !random_below(6);

	current = doms[!random_below(5)]->vcpu[random_below(VCPUS)];
	preempt_in = random_below(3) ? 0 : 2 + (unsigned int)random_below(700);
	// Most callers settle first, not all.
	if (!random_below(8) || !pv_settle(current))
		ops[random_below(ARRAY_SIZE(ops))](d);
	preempt_in = 0;
}

static void random_walk(void)
{
	for (unsigned int round = 0; round < 12; round++) {
		machine_begin();
		for (unsigned int i = 0; i < 4000 && !unit_bad; i++) {
			step();
			if (!random_below(40))
				give_back((unsigned int)random_below(DOMS));
			replace_gone();
			check_all();
		}
		machine_end();
	}
}

static void *walk_thread(void *arg)
{
	u64 t = (u64)arg;

	my_held = (unsigned int)t * HELD / 2;
	my_held_count = HELD / 2;
	random_state ^= t * 0x9e3779b97f4a7c15;
	current = doms[0]->vcpu[t];
	for (unsigned int i = 0; i < 8000; i++) {
		preempt_in = random_below(4) ? 0 : 3 + random_below(700);
		if (!pv_settle(current))
			ops[random_below(ARRAY_SIZE(ops))](0);
	}
	preempt_in = 0;
	return NULL;
}

// Two vcpus of one guest at a time.
static void threads(void)
{
	pthread_t id[VCPUS];

	for (unsigned int round = 0; round < 10; round++) {
		machine_begin();
		tlb_hook = NULL;
		for (u64 t = 0; t < VCPUS; t++)
			if (pthread_create(&id[t], NULL, walk_thread,
					   (void *)t))
				abort();
		for (unsigned int t = 0; t < VCPUS; t++)
			pthread_join(id[t], NULL);
		tlb_hook = flushed;
		flushed();
		check_all();
		machine_end();
	}
}

UNIT_MAIN(UNIT(trees), UNIT(errors), UNIT(debts), UNIT(entry_bits),
	  UNIT(self_maps), UNIT(random_walk), UNIT(threads))
