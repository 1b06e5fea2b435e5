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
#undef list_insert
#define number	frames_number
#include "../../hv/mm/frames.c"
#undef number
#include "../../hv/pv/base.c"
#include "../../hv/pv/desc.c"
#include "../../hv/pv/domain.c"
#include "../../hv/pv/pgentry.c"
#include "../../hv/pv/pgmod.c"
#include "../../hv/pv/pgtable.c"
#include "x86/platform.h"

static u64 fake_l4[PTES];
u64 *hv_l4 = fake_l4;
u32 cpu_features[32];
struct platform platform;
struct domain *dom_io;

void *heap_alloc(size_t size)
{
	return calloc(1, size);
}

void heap_free(void *p)
{
	free(p);
}

bool pci_mfn_is_readonly(mfn_t m)
{
	return mfn_val(m) == 0x40001;
}

void tlb_flush_va_mask(cpumask_t mask, u64 va)
{
}

void tlb_flush_local(void)
{
}

void tlb_switch_cr3(u64 cr3)
{
}

int pv_vcpu_init(struct vcpu *v)
{
	return 0;
}

void pv_vcpu_exit(struct vcpu *v)
{
}

void pv_switch_from(struct vcpu *v)
{
}

void pv_switch_to(struct vcpu *v)
{
}

int pv_context_set(struct vcpu *v, const struct vcpu_guest_context *c)
{
	return 0;
}

void pv_context_get(struct vcpu *v, struct vcpu_guest_context *c)
{
}

void entry_resume_guest(void)
{
	abort();
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	return 0;
}

#define DOMS   2
#define VCPUS  2
#define OWN    40 // frames of a domain
#define HELD   8
#define MMIO   0x40000 // a device; the next frame may only be read
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

// Counting anew.

static u64 refs[RAM_FRAMES], types[RAM_FRAMES];
static u64 wants[RAM_FRAMES]; // type that the counted references need
static bool valid_wanted[RAM_FRAMES];

static void count_type(u64 m, u64 type)
{
	refs[m]++;
	CHECK(!types[m] || wants[m] == type);
	types[m]++;
	wants[m] = type;
}

static void count_l1_entry(u64 e)
{
	u64 m = mfn_val(pte_mfn(e));

	if (!(e & PTE_P))
		return;
	CHECK((e & PTE_U) && !(e & PTE_GNTTAB));
	CHECK(!(e & PTE_KERNEL) == !!(e & PTE_G));
	if (m >= RAM_FRAMES) {
		CHECK(m == MMIO || (m == MMIO + 1 && !(e & PTE_W)));
		return;
	}
	CHECK(!(e & PTE_CACHE));
	if (e & PTE_W)
		count_type(m, PGT_WRITABLE);
	else
		refs[m]++;
}

static void count_upper_entry(unsigned int level, unsigned int i, u64 e)
{
	u64 m = mfn_val(pte_mfn(e));

	if (!slot_is_checked(level, i) || !(e & PTE_P))
		return;
	CHECK((e & PTE_U) && !(e & TABLE_FORBIDDEN));
	count_type(m, (u64)(level - 1) << 60);
	valid_wanted[m] = true;
}

static void count_table(u64 m)
{
	struct page_info *pg = rec(m);
	unsigned int level = type_level(pg->type & PGT_TYPE), done;
	u64 *t = table_at(m);

	if (!(pg->type & PGT_COUNT) || !PGT_IS_TABLE(pg->type & PGT_TYPE))
		return;
	// Nobody is at work, so it is whole or waits with its flag.
	CHECK(!(pg->type & PGT_VALIDATED) == !!(pg->type & PGT_PARTIAL));
	CHECK(!(pg->type & PGT_LOCKED));
	if (pg->type & PGT_PARTIAL) {
		CHECK(level > 1 && (pg->type & PGT_COUNT) == 1);
		count_type(m, pg->type & PGT_TYPE);
	}
	if (pg->type & PGT_PINNED)
		count_type(m, pg->type & PGT_TYPE);
	done = pg->type & PGT_VALIDATED ? PTES : pg->aux & AUX_DONE;
	for (unsigned int s = 0; s < ARRAY_SIZE(slots); s++) {
		if (level == 1)
			count_l1_entry(t[slots[s]]);
		else if (slots[s] < done)
			count_upper_entry(level, slots[s], t[slots[s]]);
	}
	if ((pg->type & PGT_PARTIAL) && (pg->aux & AUX_CHILD))
		refs[mfn_val(pte_mfn(t[done]))]++;
	for (unsigned int i = SLOT_M2P; level == 4 && i < SLOT_END; i++)
		if ((pg->type & PGT_VALIDATED) && i != SLOT_PERDOM)
			CHECK(t[i] == hv_l4[i]);
}

static void count_vcpu(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;

	for (unsigned int i = 0; i < 2; i++) {
		u64 m = i ? pv->user_mfn : pv->kernel_mfn;

		if (m) {
			count_type(m, PGT_L4);
			valid_wanted[m] = true;
		}
	}
	if (pv->old_table)
		refs[mfn_val(page_to_mfn(pv->old_table))]++;
	for (unsigned int i = 0; i < PV_GDT_FRAMES; i++)
		if (pv->gdt_frames[i])
			count_type(pv->gdt_frames[i], PGT_SEGDESC);
	for (unsigned int i = 0; i < PV_LDT_PAGES; i++)
		if (pv->ldt_mapped >> i & 1)
			count_type(pv->ldt_mfn[i], PGT_SEGDESC);
}

static void check_frame(u64 m)
{
	struct page_info *pg = rec(m);

	if (pg->count & PGC_ALLOCATED)
		refs[m]++;
	CHECK((pg->count & PGC_COUNT) == refs[m]);
	CHECK((pg->type & PGT_COUNT) == types[m]);
	CHECK(!types[m] || (pg->type & PGT_TYPE) == wants[m]);
	CHECK(!valid_wanted[m] || (pg->type & PGT_VALIDATED));
	if (!types[m])
		CHECK(!(pg->type & (PGT_PINNED | PGT_PARTIAL | PGT_LOCKED)));
}

// Stale translations: frames that some CPU's TLB may still let be written.

static bool seen_writable[RAM_FRAMES], stale[RAM_FRAMES];

static void note_writable(bool *map)
{
	(memset)(map, 0, RAM_FRAMES);
	for (unsigned int d = 0; d < DOMS * OWN; d++) {
		u64 m = frames_of[d / OWN][d % OWN];

		if ((rec(m)->type & (PGT_TYPE | PGT_VALIDATED)) !=
			    (PGT_L1 | PGT_VALIDATED) ||
		    !(rec(m)->type & PGT_COUNT))
			continue;
		for (unsigned int s = 0; s < ARRAY_SIZE(slots); s++) {
			u64 e = table_at(m)[slots[s]];

			if ((e & PTE_P) && (e & PTE_W) &&
			    mfn_val(pte_mfn(e)) < RAM_FRAMES)
				map[mfn_val(pte_mfn(e))] = true;
		}
	}
}

static void flushed(void)
{
	note_writable(seen_writable);
	(memset)(stale, 0, sizeof(stale));
}

static void check_stale(void)
{
	static bool now[RAM_FRAMES];

	note_writable(now);
	for (u64 m = 0; m < RAM_FRAMES; m++) {
		if (seen_writable[m] && !now[m])
			stale[m] = true;
		seen_writable[m] = now[m];
		if ((rec(m)->type & PGT_COUNT) && !(rec(m)->count & PGC_FREE))
			CHECK(!stale[m] ||
			      (rec(m)->type & PGT_TYPE) == PGT_WRITABLE);
	}
}

static void check_all(void)
{
	struct vcpu *v;

	(memset)(refs, 0, sizeof(refs));
	(memset)(types, 0, sizeof(types));
	(memset)(valid_wanted, 0, sizeof(valid_wanted));
	for (unsigned int d = 0; d < DOMS; d++) {
		for (unsigned int i = 0; i < OWN; i++)
			count_table(frames_of[d][i]);
		for_each_vcpu(doms[d], v)
			count_vcpu(v);
	}
	for (unsigned int i = 0; i < HELD; i++)
		if (held[i].mfn && held[i].writable)
			count_type(held[i].mfn, PGT_WRITABLE);
		else
			refs[held[i].mfn]++;
	for (unsigned int d = 0; d < DOMS * OWN; d++)
		check_frame(frames_of[d / OWN][d % OWN]);
	check_stale();
}

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
	d->io_mem = calloc(1, sizeof(*d->io_mem));
	rangeset_init(d->io_mem, heap_alloc, heap_free);
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
		frames_add(mfn(1), RAM_FRAMES - 1);
		for (unsigned int i = SLOT_M2P; i < SLOT_END; i++)
			fake_l4[i] = i << 20 | PTE_P;
		dom_io = hvpages_alloc(2);
		tlb_hook = flushed;
	}
	before = frames_free_count();
	for (unsigned int d = 0; d < DOMS; d++) {
		doms[d] = domain_make();
		for (unsigned int i = 0; i < OWN; i++)
			own_frame(d, i);
	}
	CHECK(!rangeset_add(doms[0]->io_mem, MMIO, MMIO + 1));
	CHECK(!rangeset_add(doms[1]->io_mem, MMIO, MMIO));
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
	rangeset_exit(d->io_mem);
	free(d->io_mem);
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

		CHECK((pg->count & ~PGC_ALLOCATED) == 1);
		CHECK(!(pg->type & PGT_COUNT));
		if (page_take_allocated(pg))
			page_put(pg);
		CHECK(pg->count & PGC_FREE || !(pg->count & PGC_COUNT));
	}
	for (unsigned int d = 0; d < DOMS; d++) {
		CHECK(!doms[d]->account.total && !doms[d]->account.first);
		domain_free(doms[d]);
	}
	CHECK(frames_free_count() == before);
}

#include "pv_pgtable_cases.h"

UNIT_MAIN(UNIT(trees), UNIT(errors), UNIT(debts), UNIT(entry_bits),
	  UNIT(self_maps), UNIT(random_walk), UNIT(threads))
