// SPDX-License-Identifier: MIT
// References and types of all frames of pv_pgtable.c, counted anew from its
// tables, and translations that a TLB may still have.
#ifndef UNIT_PV_SHADOW_H
#define UNIT_PV_SHADOW_H

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
			CHECK(t[i] == hv_l4[i] || (i == SLOT_M2P && !t[i]));
}

static void count_vcpu(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;

	for (unsigned int i = 0; i < 2; i++) {
		u64 m = (i ? v->hot.cr3_user : v->hot.cr3_kernel) >> PAGE_SHIFT;

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

	if (!page_owner(pg)) {
		CHECK(!refs[m] && !types[m]);
		return;
	}
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
		if ((rec(m)->type & PGT_COUNT) && page_owner(rec(m)))
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

#endif
