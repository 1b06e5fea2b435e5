// SPDX-License-Identifier: MIT
/* Grant tables with the real reference counts of mm/page.c: three domains map,
 * unmap, copy, transfer and change versions at random; in the end every
 * domain is destroyed in turn and no frame, reference or domain is left. */
#define HOST_TEST
#define X86_LAYOUT_H
#define FRAMES_START 0x110000000000
#define DIRECT_START 0x120000000000
#define M2P_START    0x130000000000
#define M2P_RW_START M2P_START
#define X86_PERCPU_H
#define X86_SOFTIRQ_H

#include <stdlib.h>
#include <sys/mman.h>

#include "../../hv/lib/types.h"
#include "../../hv/x86/regs.h"

struct vcpu;
struct cpu_regs;
static struct vcpu *current;
#define cpu_online		  ((cpumask_t)1)
#define currd			  (current->domain)
#define DEFINE_PERCPU(type, name) type percpu__##name
static bool softirq_pending(void);

#include "../../hv/grant/entry.c"
#include "../../hv/grant/table.c"
#include "../../hv/grant/map.c"
#include "../../hv/grant/copy.c"
#define cas page_cas
#include "../../hv/mm/page.c"
#include "unit.h"
#include "no_pv32.h"

#define FRAMES	2048
#define OWN	16 /* frames of a domain */
#define DOMAINS 3
#define SLOTS	64

static struct domain *dom[DOMAINS];
static struct vcpu vcpus[DOMAINS];
static u32 used_frames, locks_held;
static u32 most_frames = FRAMES; // that there are
u64 max_mfn = FRAMES;
u64 frame_chunks[1] = { 1 };
u32 tlb_clock = 1;

static u32 chance(u32 n)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (u32)(x >> 20) % n;
}

static bool softirq_pending(void)
{
	return chance(2);
}

void spin_lock(struct spinlock *l)
{
	CHECK(!l->holder);
	l->holder = 1;
	locks_held++;
}

void spin_unlock(struct spinlock *l)
{
	CHECK(l->holder);
	l->holder = 0;
	locks_held--;
}

void tlb_flush_mask(cpumask_t mask)
{
	(void)mask;
}

cpumask_t tlb_filter(cpumask_t mask, u32 stamp)
{
	return stamp ? mask : 0;
}

bool trace_on;
void trace_record(u32 event, const u32 *extra, unsigned int words)
{
	(void)event, (void)extra, (void)words;
}

void printk(const char *fmt, ...)
{
	(void)fmt;
}

void domains_visit(void (*fn)(struct domain *d))
{
	(void)fn;
}

void debug_key_register(char key, void (*fn)(char key), const char *what)
{
	(void)key, (void)fn, (void)what;
}

void panic(const char *fmt, ...)
{
	printf("panic: %s\n", fmt);
	abort();
}

u64 virt_to_maddr(const void *p)
{
	return (u64)p - DIRECT_START;
}

void frames_claim_use(struct page_account *who, u64 n)
{
	(void)who;
	(void)n;
}

struct page_info *frames_alloc(unsigned order, unsigned width, unsigned flags)
{
	(void)order;
	(void)width;
	(void)flags;
	for (u32 i = 1; i < FRAMES && used_frames < most_frames; i++) {
		if (frame_table[i].prev != ~0u) {
			struct page_info *pg = &frame_table[i];

			if (pg->aux == 0xdead || pg->owner || pg->count)
				continue;
			memset(pg, 0, sizeof(*pg));
			pg->aux = 0xdead; /* taken */
			memset(maddr_to_virt(mfn_to_maddr(page_to_mfn(pg))), 0,
			       PAGE_SIZE);
			used_frames++;
			return pg;
		}
	}
	return NULL;
}

void frames_free(struct page_info *pg, unsigned order)
{
	(void)order;
	CHECK(!(pg->count & PGC_COUNT) && !pg->owner);
	memset(pg, 0, sizeof(*pg));
	used_frames--;
}

void *hvpages_alloc(unsigned order)
{
	struct page_info *pg = frames_alloc(order, 0, 0);

	return pg ? maddr_to_virt(mfn_to_maddr(page_to_mfn(pg))) : NULL;
}

void hvpages_free(void *p, unsigned order)
{
	frames_free(virt_to_page(p), order);
}

void *heap_alloc(size_t n)
{
	return calloc(1, n);
}

void *heap_alloc_array(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

void heap_free(void *p)
{
	free(p);
}

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

static int pv_map(u64 addr, mfn_t frame, u32 flags)
{
	CHECK(!locks_held);
	CHECK(frame_table[mfn_val(frame)].count & PGC_COUNT);
	if (addr >= SLOTS || mapped[currd->id][addr])
		return GNTST_general_error;
	mapped[currd->id][addr] =
		mfn_val(frame) * 2 + !(flags & GNTMAP_readonly);
	return GNTST_okay;
}

static int pv_unmap(u64 addr, mfn_t frame, u32 flags, u64 new_addr)
{
	(void)new_addr;
	CHECK(!locks_held);
	if (addr >= SLOTS ||
	    mapped[currd->id][addr] !=
		    mfn_val(frame) * 2 + !(flags & GNTMAP_readonly))
		return GNTST_general_error;
	mapped[currd->id][addr] = 0;
	return GNTST_okay;
}

static const struct grant_pv_ops pv_ops = { pv_map, pv_unmap };
const struct grant_pv_ops *grant_pv_ops = &pv_ops;

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

		u[i] = (struct grant_unmap){
			.host_addr = chance(4) ? addr : 0,
			.dev_addr = chance(2) ? 0
					      : mapped[currd->id][addr] / 2
							<< PAGE_SHIFT,
			.handle = chance(40) ? chance(64) : chance(100000),
		};
		grant_unmap_begin(&u[i]);
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

static void *area(u64 at, size_t size)
{
	void *p =
		mmap((void *)at, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

/* A table grows by all that is wanted, or not at all. */
static void refused_growth(u32 version)
{
	u32 had, status, used;

	for (u16 i = 0; i < DOMAINS; i++)
		make(i);
	current = &vcpus[0];
	CHECK(!grant_set_version(version));
	had = grant_size(dom[0]).frames;
	status = dom[0]->grant->status.n;
	used = used_frames;
	for (most_frames = used; grant_setup(dom[0], 4); most_frames++) {
		CHECK(used_frames == used && most_frames < used + 8);
		CHECK(dom[0]->grant->status.n == status);
		CHECK(grant_size(dom[0]).frames == had);
	}
	CHECK(most_frames > used && grant_size(dom[0]).frames == 4);
	most_frames = FRAMES;
	destroy_all();
}

static void refused(void)
{
	area(FRAMES_START, FRAMES * sizeof(struct page_info));
	area(DIRECT_START, FRAMES * PAGE_SIZE);
	area(M2P_START, FRAMES * sizeof(u64));
	for (u32 i = 0; i < 20; i++)
		refused_growth(1 + i % 2);
}

static void storm(void)
{
	for (u32 round = 0; round < 100; round++) {
		memset(mapped, 0, sizeof(mapped));
		for (u16 i = 0; i < DOMAINS; i++)
			make(i);
		for (u32 i = 0; i < 4000; i++)
			step_all();
		destroy_all();
	}
}

UNIT_MAIN(UNIT(refused), UNIT(storm))
