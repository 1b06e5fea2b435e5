// SPDX-License-Identifier: MIT
// Page tables: mmu_update, update_va_mapping, mmuext_op.
#include "fuzz/fuzz.h"

#define BATCH 6

// Which domain: the last argument, nearly always the caller's own.
static u64 domain_argument(void)
{
	static const u64 ids[] = { 0,	   1,	   77,	   0x7ff0, 0x7ff1,
				   0x7ff2, 0x7ff4, 0xffff, 0x8000, 0x10000 };

	if (chance(95))
		return DOMID_SELF;
	return ids[below(ARRAY_SIZE(ids))];
}

static u64 some_entry(int level)
{
	int page = level > 1 ? page_table(level - 1) : page_plain();

	if (page < 0 || chance(20))
		return 0;
	if (level > 1)
		return make_entry(page_mfn(page), PTE_TABLE);
	if (chance(40))
		return make_entry(page_mfn(page),
				  PTE_RO | (chance(30) ? PTE_NX : 0));
	return make_entry(page_mfn(page), PTE_RW | PTE_U);
}

// An entry of a table in use, of the sandbox's lowest one, or a plain word.
static u64 some_target(int *level)
{
	int page = chance(60) ? page_table(0) : -1;
	int word;

	*level = 1;
	if (page >= 0) {
		*level = pages[page].level;
		return page_mfn(page) << 12 | below(table_entries(*level)) * 8;
	}
	word = page_plain();
	if (chance(30) && word >= 0)
		return page_mfn(word) << 12 | below(512) * 8;
	return sandbox_l1 << 12 | (u64)(256 + slot_free()) * 8;
}

static void make_update(struct call *c)
{
	u32 n = chance(70) ? 1 : 1 + below(BATCH);
	struct mmu_update *u = arg_in(c, 0, n * sizeof(*u));
	int level;

	for (u32 i = 0; i < n; i++) {
		u[i].ptr = some_target(&level) | c->op->cmd;
		u[i].val = some_entry(level);
	}
	c->args[1] = n;
	c->args[2] = chance(50) ? OUT_AREA : 0;
	c->args[3] = domain_argument();
}

// The table of machine frames: what is there already, or of a frame that is
// not the caller's.
static void make_m2p(struct call *c)
{
	struct mmu_update *u = arg_in(c, 0, sizeof(*u));
	int page = page_plain();
	u64 frame =
		page < 0 || chance(10) ? max_frame + below(9) : page_mfn(page);

	u->ptr = frame << 12 | MMU_MACHPHYS_UPDATE;
	u->val = page < 0 ? 0 : virt_to_pfn(pages[page].at);
	c->args[1] = 1;
	c->args[2] = chance(50) ? OUT_AREA : 0;
	c->args[3] = domain_argument();
}

static u64 flush_flags(void)
{
	static const u64 flags[] = { UVMF_NONE,
				     UVMF_INVLPG,
				     UVMF_TLB_FLUSH,
				     UVMF_INVLPG | UVMF_ALL,
				     UVMF_TLB_FLUSH | UVMF_ALL,
				     UVMF_INVLPG | (u64)IN_AREA };

	return flags[below(ARRAY_SIZE(flags))];
}

static void make_va_mapping(struct call *c)
{
	int slot = chance(80) ? slot_free() : (int)below(SLOTS);
	int page = page_plain();

	// A grant whose entry is another one cannot be unmapped any more, and its
	// table never change its version.
	if (slot < 0 || slots[slot].granted)
		slot = slot_free();
	if (slot < 0)
		slot = 0;
	c->keep[0] = slot;
	c->keep[1] = page;
	c->args[0] = SLOT((u64)slot);
	if (page >= 0 && chance(75))
		c->args[1] = make_entry(page_mfn(page),
					chance(60) ? PTE_RW | PTE_U : PTE_RO);
	c->args[2] = flush_flags();
	IN[0] = random_next();
}

static void make_va_other(struct call *c)
{
	make_va_mapping(c);
	c->args[3] = domain_argument();
	if (!is_control)
		c->args[3] = chance(90) ? my_id : c->args[3];
}

static void done_va_mapping(struct call *c, long rc)
{
	long slot = c->keep[0];

	if (rc || c->odd || slots[slot].granted)
		return;
	slots[slot].page = c->args[1] ? (int)c->keep[1] : -1;
	slots[slot].writable = c->args[1] & PTE_W;
}

static struct mmuext_op *ext(struct call *c)
{
	struct mmuext_op *e = arg_in(c, 0, sizeof(*e));

	// No odd ones but these: a new base table may be the end.
	e->cmd = chance(1) ? 18 + below(100) : c->op->cmd;
	c->first = 1;
	c->args[1] = 1;
	c->args[2] = chance(50) ? OUT_AREA : 0;
	c->args[3] = domain_argument();
	return e;
}

static void make_pin(struct call *c)
{
	int level = (int)(c->op->cmd - MMUEXT_PIN_L1_TABLE) + 1;
	int page = chance(30) ? page_table(level) : -1;
	struct mmuext_op *e = ext(c);

	if (page < 0 || pages[page].pinned) {
		page = page_pick(0, TABLES, PLAIN);
		if (page >= 0 && !page_make_table(page, level))
			page = -1;
	}
	c->keep[0] = page;
	e->arg1.mfn = page < 0 ? odd_frame() : page_mfn(page);
}

static void done_pin(struct call *c, long rc)
{
	if (c->keep[0] < 0 || c->odd)
		return;
	struct page *p = &pages[c->keep[0]];

	p->pinned = !rc;
	// Nothing is wrong with a plain page that is read-only.
	if (rc && !p->pinned && !page_set_rw(p->at))
		p->kind = PLAIN;
}

static void make_unpin(struct call *c)
{
	struct mmuext_op *e = ext(c);
	int page = page_table(0);

	for (int i = 0; i < 8 && page >= 0 && !pages[page].pinned; i++)
		page = page_table(0);
	c->keep[0] = page;
	e->arg1.mfn = page < 0 ? odd_frame() : page_mfn(page);
}

static void done_unpin(struct call *c, long rc)
{
	if (rc || c->odd || c->keep[0] < 0)
		return;
	struct page *p = &pages[c->keep[0]];

	p->pinned = false;
	if (!page_set_rw(p->at))
		p->kind = PLAIN;
}

// The kernel's own, as another one would be the end.
static void make_base(struct call *c)
{
	u64 mfn = virt_to_mfn((void *)start_info->pt_base);
	const u64 others[] = { sandbox_l1, max_frame, max_frame - 1, ~0ul, 0 };

	ext(c)->arg1.mfn = chance(80) ? mfn : others[below(ARRAY_SIZE(others))];
}

static void make_user_base(struct call *c)
{
	int page = page_table(4);

	ext(c)->arg1.mfn = page < 0 || chance(20) ? 0 : page_mfn(page);
}

static void make_flush(struct call *c)
{
	struct mmuext_op *e = ext(c);

	IN[0] = random_next();
	IN[1] = 0;
	e->arg1.linear_addr =
		chance(90) ? SLOT((u64)below(SLOTS)) : odd_pointer();
	e->arg2.vcpumask.p =
		(void *)(uptr)(chance(90) ? IN_AREA : odd_pointer());
}

static void make_ldt(struct call *c)
{
	struct mmuext_op *e = ext(c);

	e->arg1.linear_addr = SLOT((u64)below(SLOTS));
	e->arg2.nr_ents = chance(30) ? 0 : below(8193);
}

static void make_clear(struct call *c)
{
	struct mmuext_op *e = ext(c);
	int to = page_plain(), from = page_plain();

	e->arg1.mfn = to < 0 ? max_frame : page_mfn(to);
	e->arg2.src_mfn = from < 0 ? max_frame : page_mfn(from);
}

static void make_gdt(struct call *c)
{
	u32 n = below(4);
	uptr *frames = arg_in(c, 0, (n + 1) * sizeof(*frames));
	int page;

	for (u32 i = 0; i < n; i++) {
		page = page_pick(0, TABLES, DESCRIPTORS);
		if (page < 0) {
			page = page_pick(0, TABLES, PLAIN);
			if (page >= 0 && !page_make_descriptors(page))
				page = -1;
		}
		frames[i] = page < 0 ? odd_frame() : page_mfn(page);
	}
	c->args[1] = n * 512 - (n && chance(30) ? below(511) : 0);
}

static u64 some_descriptor(void)
{
	static const u64 good[] = { 0, 0x00cffb000000ffff, 0x00cff3000000ffff,
				    0x00affb000000ffff, 0x004ff3000000ffff };

	return chance(80) ? good[below(ARRAY_SIZE(good))] : random_next();
}

static void make_descriptor(struct call *c)
{
	int page = page_pick(0, TABLES, DESCRIPTORS);

	if (page < 0)
		page = page_plain();
	c->args[0] =
		(page < 0 ? max_frame : page_mfn(page)) << 12 | below(512) * 8;
	c->args[1] = some_descriptor();
}

void tables_reset(void)
{
	u64 none = 0;

	mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn((void *)start_info->pt_base), 0);
	mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
	mmuext(MMUEXT_SET_LDT, 0, 0);
	HC2(__HYPERVISOR_set_gdt, &none, 0);
	// Whatever is pinned, also by a frame's number that was made up.
	for (int i = 0; i < PAGES; i++)
		if (pages[i].kind != GONE)
			unpin_table(pages[i].at);
}

#define UPDATE(name, kind)                              \
	{                                               \
		"mmu_update:" #name, make_update, NULL, \
			__HYPERVISOR_mmu_update, kind   \
	}
#define EXT(name, make, done)                                        \
	{                                                            \
		"mmuext:" #name, make, done, __HYPERVISOR_mmuext_op, \
			MMUEXT_##name                                \
	}

static const struct op ops[] = {
	{ "mmu_update:normal", make_update, NULL, __HYPERVISOR_mmu_update,
	  MMU_NORMAL_PT_UPDATE, 24 },
	UPDATE(preserve_ad, MMU_PT_UPDATE_PRESERVE_AD),
	UPDATE(no_translate, MMU_PT_UPDATE_NO_TRANSLATE),
	{ "mmu_update:machphys", make_m2p, NULL, __HYPERVISOR_mmu_update,
	  MMU_MACHPHYS_UPDATE, 4, OP_EXACT },
	{ "update_va_mapping", make_va_mapping, done_va_mapping,
	  __HYPERVISOR_update_va_mapping, 0, 24 },
	{ "update_va_mapping_otherdomain", make_va_other, done_va_mapping,
	  __HYPERVISOR_update_va_mapping_otherdomain, 0 },
	EXT(PIN_L1_TABLE, make_pin, done_pin),
	EXT(PIN_L2_TABLE, make_pin, done_pin),
	EXT(PIN_L3_TABLE, make_pin, done_pin),
	EXT(PIN_L4_TABLE, make_pin, done_pin),
	{ "mmuext:UNPIN_TABLE", make_unpin, done_unpin, __HYPERVISOR_mmuext_op,
	  MMUEXT_UNPIN_TABLE, 20 },
	{ "mmuext:NEW_BASEPTR", make_base, NULL, __HYPERVISOR_mmuext_op,
	  MMUEXT_NEW_BASEPTR, 4, OP_EXACT },
	{ "mmuext:NEW_USER_BASEPTR", make_user_base, NULL,
	  __HYPERVISOR_mmuext_op, MMUEXT_NEW_USER_BASEPTR },
	EXT(TLB_FLUSH_LOCAL, make_flush, NULL),
	EXT(TLB_FLUSH_MULTI, make_flush, NULL),
	EXT(TLB_FLUSH_ALL, make_flush, NULL),
	EXT(INVLPG_LOCAL, make_flush, NULL),
	EXT(INVLPG_MULTI, make_flush, NULL),
	EXT(INVLPG_ALL, make_flush, NULL),
	EXT(FLUSH_CACHE, make_flush, NULL),
	EXT(FLUSH_CACHE_GLOBAL, make_flush, NULL),
	EXT(SET_LDT, make_ldt, NULL),
	EXT(CLEAR_PAGE, make_clear, NULL),
	EXT(COPY_PAGE, make_clear, NULL),
	EXT(MARK_SUPER, make_clear, NULL),
	EXT(UNMARK_SUPER, make_clear, NULL),
	{ "set_gdt", make_gdt, NULL, __HYPERVISOR_set_gdt },
	{ "update_descriptor", make_descriptor, NULL,
	  __HYPERVISOR_update_descriptor },
};
const struct op_list table_ops = { ops, ARRAY_SIZE(ops) };
