// SPDX-License-Identifier: MIT
// grant_table_op: grants of pages to the domain itself, and the canary's.
#include "fuzz/fuzz.h"

#define FRAMES 4
#define FIRST  16u
#define REFS   200u
#define MAPS   48

static u8 table[FRAMES][PAGE_SIZE] __page_aligned;
static unsigned int version;
static struct map {
	bool used;
	int slot; // -1: for devices only
	u32 handle;
	u64 bus;
	u32 flags;
} maps[MAPS];
static int entry_page[REFS]; // -1: no grant

static void entry_write(u32 ref, u64 frame, u16 flags, domid_t to)
{
	struct grant_entry_v1 *v1 = (void *)table;
	union grant_entry_v2 *v2 = (void *)table;

	if (version == 1) {
		v1[ref].flags = 0;
		barrier();
		v1[ref].domid = to;
		v1[ref].frame = (u32)frame;
		barrier();
		v1[ref].flags = flags;
	} else {
		v2[ref].hdr.flags = 0;
		barrier();
		v2[ref].hdr.domid = to;
		v2[ref].full_page.frame = frame;
		barrier();
		v2[ref].hdr.flags = flags;
	}
}

static void table_map(void)
{
	struct gnttab_setup_table op = { .dom = DOMID_SELF,
					 .nr_frames = FRAMES };
	xen_pfn_t frames[FRAMES] = { 0 };

	set_xen_guest_handle(op.frame_list, frames);
	grant_op(GNTTABOP_setup_table, &op, 1);
	for (int i = 0; i < FRAMES; i++)
		if (update_va(table[i], make_entry(frames[i], PTE_RW | PTE_U),
			      UVMF_INVLPG))
			broken("grant frame %d is not there", i);
}

static void table_clear(void)
{
	for (u32 i = 0; i < REFS; i++) {
		entry_write(FIRST + i, 0, 0, 0);
		entry_page[i] = -1;
	}
}

// All that there can be, of both versions: they are never given back.
static void table_grow(void)
{
	static xen_pfn_t frames[1024];
	struct gnttab_query_size size = { .dom = DOMID_SELF };
	struct gnttab_setup_table op = { .dom = DOMID_SELF };
	struct gnttab_set_version v2 = { .version = 2 };

	grant_op(GNTTABOP_set_version, &v2, 1);
	grant_op(GNTTABOP_query_size, &size, 1);
	op.nr_frames = size.max_nr_frames;
	set_xen_guest_handle(op.frame_list, frames);
	grant_op(GNTTABOP_setup_table, &op, 1);
}

void grants_init(void)
{
	struct gnttab_set_version op = { .version = 1 };

	table_grow();

	grant_op(GNTTABOP_set_version, &op, 1);
	version = 1;
	table_map();
	table_clear();
}

static u32 ref_in_use(int page)
{
	u32 start = below(REFS);

	for (u32 i = 0; i < REFS; i++) {
		u32 ref = (start + i) % REFS;

		if (page < 0 ? entry_page[ref] >= 0 : entry_page[ref] == page)
			return FIRST + ref;
	}
	return FIRST + start;
}

// A reference for some page, granted now if it is not yet.
static u32 ref_some(bool *writable)
{
	u32 ref = below(REFS);
	int page = page_plain();

	*writable = true;
	if (entry_page[ref] >= 0 || page < 0)
		return FIRST + ref;
	if (chance(20))
		*writable = false;
	entry_write(FIRST + ref, page_mfn(page),
		    GTF_permit_access | (*writable ? 0 : GTF_readonly), my_id);
	entry_page[ref] = page;
	return FIRST + ref;
}

static void *structures(struct call *c, size_t size, u32 most)
{
	u32 n = chance(75) ? 1 : 1 + below(most);
	void *p = arg(c, n * size);

	c->args[2] = n;
	return p;
}

static struct map *map_free(void)
{
	for (int i = 0; i < MAPS; i++)
		if (!maps[i].used)
			return &maps[i];
	return NULL;
}

static struct map *map_used(void)
{
	u32 start = below(MAPS);

	for (u32 i = 0; i < MAPS; i++)
		if (maps[(start + i) % MAPS].used)
			return &maps[(start + i) % MAPS];
	return NULL;
}

static u32 map_flags(bool writable)
{
	u32 flags = writable && chance(70) ? 0 : GNTMAP_readonly;

	if (chance(85))
		return flags | GNTMAP_host_map |
		       (chance(15) ? GNTMAP_contains_pte : 0) |
		       (chance(10) ? GNTMAP_device_map : 0);
	return flags | GNTMAP_device_map;
}

static void make_map(struct call *c)
{
	struct gnttab_map_grant_ref *m = arg(c, sizeof(*m));
	int slot = slot_free();
	bool writable;

	c->args[2] = 1;
	c->keep[0] = slot;
	m->ref = ref_some(&writable);
	m->dom = my_id;
	if (chance(5)) {
		m->ref = FIRST;
		m->dom = CANARY_ID;
		writable = false;
	}
	m->flags = map_flags(writable);
	m->host_addr = SLOT((u64)(slot < 0 ? 0 : slot));
	if (m->flags & GNTMAP_contains_pte)
		m->host_addr = sandbox_l1 << 12 | (u64)(256 + slot) * 8;
}

int grant_unmap(u32 handle, u64 host_addr, u64 bus)
{
	struct gnttab_unmap_grant_ref u = { .host_addr = host_addr,
					    .dev_bus_addr = bus,
					    .handle = handle };

	grant_op(GNTTABOP_unmap_grant_ref, &u, 1);
	return u.status;
}

// It is mapped, and the handle could not be written back: whichever it is, it
// goes with this address alone. Else the frame would be kept for good.
#define HANDLES 128
static void map_search(const struct gnttab_map_grant_ref *m)
{
	static struct gnttab_unmap_grant_ref u[HANDLES];
	u32 ref = m->ref - FIRST;
	int page = ref < REFS ? entry_page[ref] : -1;
	u64 frame = m->dom == CANARY_ID ? canary_frame()
		    : page >= 0		? page_mfn(page)
					: 0;

	memset(u, 0, sizeof(u));
	for (u32 i = 0; i < HANDLES; i++) {
		u[i].handle = i;
		if (m->flags & GNTMAP_host_map)
			u[i].host_addr = m->host_addr;
		if (m->flags & GNTMAP_device_map)
			u[i].dev_bus_addr = frame << 12;
	}
	grant_op(GNTTABOP_unmap_grant_ref, u, HANDLES);
}

static void done_map(struct call *c, long rc)
{
	struct gnttab_map_grant_ref *m = (void *)c->bytes;
	struct map *map = map_free();
	int slot = m->flags & GNTMAP_host_map ? (int)c->keep[0] : -1;

	if (rc == -EFAULT)
		map_search(m);
	if (rc || m->status || !c->seen)
		return;
	// One too many, or one that is somewhere else.
	if (!map || c->odd) {
		grant_unmap(m->handle,
			    m->flags & GNTMAP_host_map ? m->host_addr : 0,
			    m->flags & GNTMAP_device_map ? m->dev_bus_addr : 0);
		return;
	}
	*map = (struct map){ true, slot, m->handle, m->dev_bus_addr, m->flags };
	if (slot >= 0)
		slots[slot] = (struct slot){ -1, false, true };
}

static u64 map_address(const struct map *m)
{
	if (m->slot < 0)
		return 0;
	return m->flags & GNTMAP_contains_pte
		       ? sandbox_l1 << 12 | (u64)(256 + m->slot) * 8
		       : SLOT((u64)m->slot);
}

static void make_unmap(struct call *c)
{
	struct gnttab_unmap_grant_ref *u = arg(c, sizeof(*u));
	struct map *m = map_used();

	c->args[2] = 1;
	c->keep[0] = m ? m - maps : -1;
	u->handle = m ? m->handle : (u32)odd_value();
	u->host_addr = m ? map_address(m) : SLOT(0);
	u->dev_bus_addr = m && m->flags & GNTMAP_device_map ? m->bus : 0;
}

static void map_forget(struct map *m)
{
	if (m->slot >= 0)
		slots[m->slot] = (struct slot){ -1, false, false };
	m->used = false;
}

static void done_unmap(struct call *c, long rc)
{
	struct gnttab_unmap_grant_ref *u = (void *)c->bytes;
	struct map *m;

	if (rc || c->keep[0] < 0 || !c->seen || u->status)
		return;
	m = &maps[c->keep[0]];
	// Parts of it may be left.
	if (!c->odd && u->host_addr == map_address(m))
		map_forget(m);
}

// The other mapping's entry takes its place.
static void make_replace(struct call *c)
{
	struct gnttab_unmap_and_replace *u = arg(c, sizeof(*u));
	struct map *m = map_used();
	int slot = slot_free(), page = page_plain();

	for (int i = 0; i < 8 && m && m->flags != GNTMAP_host_map; i++)
		m = map_used();
	c->args[2] = 1;
	c->keep[0] = m ? m - maps : -1;
	c->keep[1] = -1;
	u->handle = m ? m->handle : (u32)odd_value();
	u->host_addr = m ? map_address(m) : SLOT(0);
	if (slot >= 0 && page >= 0 && chance(80) &&
	    !slot_map(slot, page, true)) {
		u->new_addr = SLOT((u64)slot);
		c->keep[1] = slot;
	}
}

static void done_replace(struct call *c, long rc)
{
	struct gnttab_unmap_and_replace *u = (void *)c->bytes;
	struct map *m;

	if (c->keep[1] >= 0)
		slot_clear((int)c->keep[1]);
	if (rc || u->status || c->keep[0] < 0 || !c->seen || c->odd)
		return;
	m = &maps[c->keep[0]];
	if (m->slot >= 0)
		slot_clear(m->slot);
	// What devices have of it is not replaced.
	if (m->flags & GNTMAP_device_map)
		grant_unmap(m->handle, 0, m->bus);
	map_forget(m);
}

static void make_copy(struct call *c)
{
	struct gnttab_copy *g = structures(c, sizeof(*g), 4);
	bool writable;

	for (u32 i = 0; i < c->args[2]; i++, g++) {
		int from = page_plain(), to = page_plain();

		g->flags = (u16)below(4);
		g->source.domid = g->dest.domid = my_id;
		g->source.u.gmfn = from < 0 ? max_frame : page_mfn(from);
		g->dest.u.gmfn = to < 0 ? max_frame : page_mfn(to);
		if (g->flags & GNTCOPY_source_gref)
			g->source.u.gmfn = ref_some(&writable);
		else
			g->source.domid = DOMID_SELF;
		if (g->flags & GNTCOPY_dest_gref)
			g->dest.u.gmfn = ref_some(&writable);
		else
			g->dest.domid = DOMID_SELF;
		if (g->flags & GNTCOPY_source_gref && chance(10)) {
			g->source.domid = CANARY_ID;
			g->source.u.ref = FIRST;
		}
		g->source.offset = (u16)below(PAGE_SIZE);
		g->dest.offset = (u16)below(PAGE_SIZE);
		g->len = (u16)below(PAGE_SIZE -
				    (g->source.offset > g->dest.offset
					     ? g->source.offset
					     : g->dest.offset));
	}
}

// To itself: the frame goes and comes back under the same number.
static void make_transfer(struct call *c)
{
	struct gnttab_transfer *t = arg(c, sizeof(*t));
	int page = page_pick(SWAPPED, PAGES, PLAIN);
	u32 ref = below(REFS);

	c->args[2] = 1;
	c->keep[0] = -1;
	t->mfn = max_frame;
	t->domid = my_id;
	t->ref = FIRST + ref;
	if (page < 0)
		return;
	page_unshare(page);
	if (update_va(pages[page].at, 0, UVMF_INVLPG | UVMF_ALL))
		return;
	c->keep[0] = page;
	t->mfn = page_mfn(page);
	if (entry_page[ref] < 0)
		entry_write(FIRST + ref, 0, GTF_accept_transfer, my_id);
	c->keep[1] = ref;
	if (chance(10))
		t->domid = (domid_t)odd_value();
	if (chance(10))
		t->ref = (u32)odd_value();
	if (chance(5))
		t->mfn = max_frame + below(2);
}

static void done_transfer(struct call *c, long rc)
{
	struct gnttab_transfer *t = (void *)c->bytes;
	u32 ref = (u32)c->keep[1];
	int page = (int)c->keep[0];

	if (page < 0)
		return;
	if (entry_page[ref] < 0)
		entry_write(FIRST + ref, 0, 0, 0);
	if (!rc && t->mfn == page_mfn(page) && t->status != GNTST_bad_page &&
	    t->status)
		page_vanished(page);
	else if (!rc && !t->status)
		page_came(page, t->mfn);
	else if (page_set_rw(pages[page].at))
		page_vanished(page);
}

static domid_t whose(void)
{
	if (chance(80))
		return DOMID_SELF;
	return chance(50) ? my_id : (domid_t)odd_value();
}

static void make_setup(struct call *c)
{
	struct gnttab_setup_table *s = arg(c, sizeof(*s));

	s->dom = whose();
	s->nr_frames = chance(90) ? below(FRAMES + 1) : (u32)odd_value();
	s->frame_list.p = (void *)OUT_AREA;
	c->args[2] = 1;
}

static void make_status_frames(struct call *c)
{
	gnttab_get_status_frames_t *s = arg(c, sizeof(*s));

	s->dom = whose();
	s->nr_frames = chance(70) ? 1 : below(3);
	s->frame_list.p = (void *)OUT_AREA;
	c->args[2] = 1;
}

static void make_size(struct call *c)
{
	struct gnttab_query_size *s = arg(c, sizeof(*s));

	s->dom = whose();
	c->args[2] = 1;
}

static void make_get_version(struct call *c)
{
	struct gnttab_get_version *s = arg(c, sizeof(*s));

	s->dom = whose();
	c->args[2] = 1;
}

static void make_swap(struct call *c)
{
	struct gnttab_swap_grant_ref *s = structures(c, sizeof(*s), 3);

	for (u32 i = 0; i < c->args[2]; i++, s++) {
		s->ref_a = chance(50) ? ref_in_use(-1) : FIRST + below(REFS);
		s->ref_b = FIRST + below(REFS);
	}
}

// Both entries are no longer what they were.
static void done_swap(struct call *c, long rc)
{
	(void)rc;
	for (u32 i = 0; i < c->size / sizeof(struct gnttab_swap_grant_ref);
	     i++) {
		struct gnttab_swap_grant_ref *s = (void *)c->bytes;
		u32 a = s[i].ref_a - FIRST, b = s[i].ref_b - FIRST;
		int was;

		if (a >= REFS || b >= REFS || s[i].status)
			continue;
		was = entry_page[a];
		entry_page[a] = entry_page[b];
		entry_page[b] = was;
	}
}

// An odd call may have had a part of it, or overwritten the entry: then the
// grant stays in use until there is one like it.
static void map_end(struct map *m)
{
	u64 frame = m->bus >> 12;
	u64 entry = make_entry(
		frame, m->flags & GNTMAP_readonly ? PTE_RO : PTE_RW | PTE_U);
	domid_t owner =
		is_control && frame == canary_frame() ? CANARY_ID : DOMID_SELF;

	if (m->flags & GNTMAP_device_map)
		grant_unmap(m->handle, 0, m->bus);
	if (m->slot >= 0 && grant_unmap(m->handle, map_address(m), 0) &&
	    !update_va_of(owner, SLOT(m->slot), entry)) {
		grant_unmap(m->handle, map_address(m), 0);
		slot_clear(m->slot);
	}
	map_forget(m);
}

static void maps_end(void)
{
	for (int i = 0; i < MAPS; i++)
		if (maps[i].used)
			map_end(&maps[i]);
}

static void make_set_version(struct call *c)
{
	struct gnttab_set_version *s = arg(c, sizeof(*s));

	c->args[2] = 1;
	s->version = 1 + below(2);
	if (chance(60)) {
		maps_end();
		table_clear();
	}
}

// Odd calls may have switched as well.
static void done_set_version(struct call *c, long rc)
{
	struct gnttab_get_version op = { .dom = DOMID_SELF };

	(void)c;
	(void)rc;
	grant_op(GNTTABOP_get_version, &op, 1);
	if (op.version == version)
		return;
	version = op.version;
	table_map();
	table_clear();
}

static void make_flush(struct call *c)
{
	struct gnttab_cache_flush *s = arg(c, sizeof(*s));

	s->op = GNTTAB_CACHE_CLEAN;
	s->length = 64;
	c->args[2] = 1;
}

void grants_reset(void)
{
	maps_end();
	if (version != 1)
		grants_init();
	table_clear();
}

// The first word of 16 bits there that is not 0.
int grant_status(const struct call *c)
{
#define AT(type)                                                   \
	{                                                          \
		sizeof(struct type), offsetof(struct type, status) \
	}
	static const struct {
		u16 size, at;
	} at[] = {
		[GNTTABOP_map_grant_ref] = AT(gnttab_map_grant_ref),
		[GNTTABOP_unmap_grant_ref] = AT(gnttab_unmap_grant_ref),
		[GNTTABOP_setup_table] = AT(gnttab_setup_table),
		[GNTTABOP_transfer] = AT(gnttab_transfer),
		[GNTTABOP_copy] = AT(gnttab_copy),
		[GNTTABOP_query_size] = AT(gnttab_query_size),
		[GNTTABOP_unmap_and_replace] = AT(gnttab_unmap_and_replace),
		[GNTTABOP_get_status_frames] = AT(gnttab_get_status_frames),
		[GNTTABOP_swap_grant_ref] = AT(gnttab_swap_grant_ref),
	};
#undef AT
	u16 cmd = c->op->cmd;
	short status;

	if (!c->seen || cmd >= ARRAY_SIZE(at) || !at[cmd].size)
		return 0;
	for (size_t i = at[cmd].at; i + 2 <= c->size; i += at[cmd].size) {
		memcpy(&status, c->bytes + i, sizeof(status));
		if (status)
			return status;
	}
	return 0;
}

#define OP(name, make, done, weight)                                     \
	{                                                                \
		"grant:" #name, make, done, __HYPERVISOR_grant_table_op, \
			GNTTABOP_##name, weight, OP_STATUS               \
	}

static const struct op ops[] = {
	OP(map_grant_ref, make_map, done_map, 40),
	OP(unmap_grant_ref, make_unmap, done_unmap, 40),
	OP(unmap_and_replace, make_replace, done_replace, 8),
	OP(copy, make_copy, NULL, 24),
	{ "grant:transfer", make_transfer, done_transfer,
	  __HYPERVISOR_grant_table_op, GNTTABOP_transfer, 12,
	  OP_EXACT | OP_STATUS },
	OP(setup_table, make_setup, NULL, 8),
	OP(get_status_frames, make_status_frames, NULL, 8),
	OP(query_size, make_size, NULL, 8),
	OP(get_version, make_get_version, NULL, 8),
	OP(swap_grant_ref, make_swap, done_swap, 8),
	{ "grant:set_version", make_set_version, done_set_version,
	  __HYPERVISOR_grant_table_op, GNTTABOP_set_version, 6 },
	OP(cache_flush, make_flush, NULL, 2),
};
const struct op_list grant_ops = { ops, ARRAY_SIZE(ops) };
