// SPDX-License-Identifier: MIT
// Random operations of two guests, for pv_pgtable.c.
#ifndef UNIT_PV_WALK_H
#define UNIT_PV_WALK_H

static __thread unsigned int my_held, my_held_count = HELD;

// Frames by what they are mostly used for.
static u64 frame_for(unsigned int d, unsigned int level)
{
	static const u8 first[] = {
		26, 16, 9, 4, 0,
	};
	static const u8 count[] = { OWN - 26, 10, 7, 5, 4 };

	if (!random_below(12))
		level = (unsigned int)random_below(5);
	return frames_of[d][first[level] + random_below(count[level])];
}

static u64 random_entry(unsigned int d, unsigned int level)
{
	u64 m = frame_for(d, level - 1), e;

	if (!random_below(6))
		return random_u64() & ~PTE_P;
	if (!random_below(30))
		m = frames_of[!d][random_below(OWN)];
	if (!random_below(30))
		m = MMIO + random_below(3);
	if (!random_below(40))
		m = random_u64() >> 24;
	e = (m << PAGE_SHIFT & PTE_ADDR) | PTE_P;
	e |= random_u64() & (PTE_W | PTE_U | PTE_A | PTE_D | PTE_NX);
	if (!random_below(12))
		e ^= BIT(random_below(64));
	return e;
}

static unsigned int random_level(void)
{
	return 1 + (unsigned int)random_below(4);
}

// What the guest itself writes, where it may.
static void op_write(unsigned int d)
{
	unsigned int level = random_level();
	u64 m = frame_for(d, level);

	if (page_get_writable(rec(m), &doms[d]->account))
		return;
	for (u64 n = random_below(4) + 1; n > 0; n--)
		table_at(m)[random_slot()] = random_entry(d, level);
	page_put_writable(rec(m));
}

static void op_pin(unsigned int d)
{
	unsigned int level = random_level();
	u64 m = frame_for(d, level);
	int rc;

	// A guest may also never come back to it.
	do {
		rc = table_pin(doms[d], gfn(m), level_type[level]);
		CHECK(rc <= 0);
		preempt_in =
			preempt_in ? 2 + (unsigned int)random_below(900) : 0;
	} while (rc == -ERESTART && random_below(6));
}

static void op_unpin(unsigned int d)
{
	table_unpin(doms[d], gfn(frame_for(d, random_level())));
}

static void op_update(unsigned int d)
{
	unsigned int level = random_level();
	u64 m = frame_for(d, level);

	u64 slot = random_slot(), e = random_entry(d, level);
	struct domain *from = doms[d ^ !random_below(8)];

	entry_set(doms[d], m, slot, e, random_u64() & 1, from);
}

static void op_cmpxchg(unsigned int d)
{
	unsigned int level = random_level();
	u64 m = frame_for(d, level), slot = random_slot();
	u64 expect = table_at(m)[slot];

	if (!random_below(4))
		expect ^= BIT(random_below(64));
	if (!table_lock(mfn(m), &doms[d]->account))
		return;
	table_entry_set(rec(m), (unsigned int)slot * 8, random_entry(d, level),
			false, &expect, currd);
	page_unlock(rec(m));
}

static void op_base(unsigned int d)
{
	u64 m = random_below(9) ? frame_for(d, 4) : random_u64();

	if (currd != doms[d])
		return;
	if (random_below(3))
		pv_new_base(current, gfn(m), false);
	else
		pv_new_base(current, gfn(random_below(4) ? m : 0), true);
}

static void op_descriptors(unsigned int d)
{
	u64 list[3], va = 0;
	struct vcpu *v = current;

	if (currd != doms[d])
		return;
	for (unsigned int i = 0; i < 3; i++)
		list[i] = frame_for(d, (unsigned int)random_below(2));
	switch (random_below(5)) {
	case 0:
		pv_set_gdt(v, list, (unsigned int)random_below(3 * 512));
		break;
	case 1:
		pv_clear_ldt(v);
		for (unsigned int level = 4; level; level--)
			va = va << 9 | random_slot();
		v->pv->ldt_base = (u64)((s64)(va << 28) >> 16);
		break;
	default:
		if (v->hot.cr3_kernel)
			ldt_fault(v, PERDOM_LDT(v->id));
	}
}

static void op_hold(unsigned int d)
{
	unsigned int i = my_held + (unsigned int)random_below(my_held_count);
	u64 m = frame_for(d, (unsigned int)random_below(5));

	held_drop(i);
	held[i].writable = random_u64() & 1;
	if (held[i].writable ? !page_get_writable(rec(m), &doms[d]->account)
			     : page_get(rec(m), &doms[d]->account))
		held[i].mfn = m;
}

static void op_settle(unsigned int d)
{
	(void)d;
	pv_settle(current);
}

static void (*const ops[])(unsigned int d) = {
	op_write,	op_write,  op_write,  op_pin,	  op_pin,
	op_unpin,	op_update, op_update, op_cmpxchg, op_base,
	op_descriptors, op_hold,   op_settle, op_settle,
};

#endif
