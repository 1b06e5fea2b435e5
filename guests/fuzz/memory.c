// SPDX-License-Identifier: MIT
// memory_op. Frames come and go in the model too, so what names them is odd only
// in ways that it sees.
#include "fuzz/fuzz.h"
#include <xen/domctl.h>

#define EXTRA 8 // frames without a place

static u64 extra[EXTRA];
static unsigned int extras;

bool frame_is_extra(u64 mfn)
{
	for (unsigned int i = 0; i < extras; i++)
		if (extra[i] == mfn)
			return true;
	return false;
}

// A page that nothing maps any more; -1: none.
static int page_bare(void)
{
	int page = page_pick(SWAPPED, PAGES, PLAIN);

	if (page < 0)
		return -1;
	// A pin that nobody made on purpose. Some stay: strays_reset() has them.
	if (chance(80))
		unpin_table(pages[page].at);
	page_unshare(page);
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].page == page && !slots[i].granted)
			slot_clear(i);
	if (update_va(pages[page].at, 0, UVMF_INVLPG))
		return -1;
	return page;
}

static struct xen_memory_reservation *reservation(struct call *c)
{
	struct xen_memory_reservation *r = arg(c, sizeof(*r));

	r->extent_start.p = (void *)IN_AREA;
	r->nr_extents = 1;
	r->domid = DOMID_SELF;
	return r;
}

// No extent, or one that cannot be: the answer is how many are done.
static bool odd_reservation(struct xen_memory_reservation *r)
{
	static const domid_t ids[] = { 0x7ff0, 77, 0x7ff1, 0x7ff2, 0xffff };

	if (chance(80))
		return false;
	switch (below(6)) {
	case 0:
		r->extent_start.p = (void *)AREA(18);
		break;
	case 1:
		r->extent_order = 20 + below(64);
		break;
	case 2:
		r->domid = ids[1 + below(ARRAY_SIZE(ids) - 1)];
		break;
	case 3:
		r->mem_flags = (u32)odd_value();
		r->nr_extents = 0;
		break;
	case 4:
		r->nr_extents = ~(u64)0 >> below(36);
		break;
	default:
		r->nr_extents = 0;
	}
	return true;
}

// One that is a table, and pinned.
static int page_bare_pinned(void)
{
	int page = page_pick(SWAPPED, PAGES, PLAIN), level = 1 + (int)below(4);

	if (page < 0 || !page_make_table(page, level))
		return page_bare();
	pin_table(level, pages[page].at);
	if (update_va(pages[page].at, 0, UVMF_INVLPG))
		return -1;
	pages[page].kind = PLAIN; // what it is when it comes back
	return page;
}

static void make_decrease(struct call *c)
{
	struct xen_memory_reservation *r = reservation(c);

	c->keep[0] = -1;
	if (odd_reservation(r)) {
		IN[0] = max_frame;
	} else if (extras && chance(50)) {
		IN[0] = extra[--extras];
	} else {
		c->keep[0] = chance(10) ? page_bare_pinned() : page_bare();
		IN[0] = c->keep[0] < 0 ? max_frame : page_mfn((int)c->keep[0]);
	}
	for (int i = 1; i < 512; i++)
		IN[i] = max_frame;
}

static void done_decrease(struct call *c, long rc)
{
	if (c->keep[0] < 0)
		return;
	if (rc == 1)
		page_vanished((int)c->keep[0]);
	else if (page_set_rw(pages[c->keep[0]].at))
		page_vanished((int)c->keep[0]);
}

static void make_populate(struct call *c)
{
	struct xen_memory_reservation *r = reservation(c);

	c->keep[0] = page_pick(SWAPPED, PAGES, GONE);
	if (odd_reservation(r) || c->keep[0] < 0)
		r->nr_extents = 0;
	else
		IN[0] = virt_to_pfn(pages[c->keep[0]].at);
}

static void done_populate(struct call *c, long rc)
{
	if (rc == 1 && c->keep[0] >= 0)
		page_came((int)c->keep[0], IN[0]);
}

static void make_increase(struct call *c)
{
	struct xen_memory_reservation *r = reservation(c);

	if (odd_reservation(r) || extras == EXTRA)
		r->nr_extents = 0;
}

static void done_increase(struct call *c, long rc)
{
	(void)c;
	if (rc == 1 && extras < EXTRA)
		extra[extras++] = IN[0];
}

static void make_exchange(struct call *c)
{
	struct xen_memory_exchange *x = arg(c, sizeof(*x));
	int page = page_bare();
	u64 odd = below(30);

	c->keep[0] = page;
	IN[0] = page < 0 ? max_frame : page_mfn(page);
	IN[1] = page < 0 ? 0 : virt_to_pfn(pages[page].at);
	x->in.extent_start.p = (void *)IN_AREA;
	x->out.extent_start.p = (void *)(IN_AREA + sizeof(xen_pfn_t));
	x->in.nr_extents = x->out.nr_extents = 1;
	x->in.domid = x->out.domid = DOMID_SELF;
	if (odd == 0)
		x->nr_exchanged = odd_value();
	if (odd == 1)
		x->in.extent_order = 1 + below(64);
	if (odd == 2)
		x->out.extent_order = 1 + below(64);
	if (odd == 3)
		x->in.extent_start.p = (void *)AREA(18);
	if (odd == 4)
		x->out.nr_extents = odd_value();
	if (odd == 5)
		x->out.domid = 0x7ff1;
	if (odd == 6)
		x->in.mem_flags = (u32)odd_value();
	if (odd == 7)
		IN[0] = max_frame - below(3);
	c->keep[1] = (long)x->nr_exchanged;
}

static void done_exchange(struct call *c, long rc)
{
	int page = (int)c->keep[0];

	if (page < 0)
		return;
	// As it was asked to, it may have begun behind the end.
	if (!rc && !c->keep[1] && IN[0] == page_mfn(page))
		page_came(page, IN[1]);
	else if (page_set_rw(pages[page].at))
		page_vanished(page);
}

static domid_t whose(void)
{
	return chance(90) ? DOMID_SELF : (domid_t)odd_value();
}

static void make_domid(struct call *c)
{
	*(domid_t *)arg(c, 8) = whose();
}

static void make_nothing(struct call *c)
{
	c->args[0] = c->op->cmd;
}

static void make_mfn_list(struct call *c)
{
	struct xen_machphys_mfn_list *x = arg(c, sizeof(*x));

	x->max_extents = chance(80) ? below(512) : (u32)odd_value();
	x->extent_start.p = (void *)OUT_AREA;
}

static void make_mapping(struct call *c)
{
	arg(c, sizeof(struct xen_machphys_mapping));
}

static void make_map(struct call *c)
{
	struct xen_memory_map *x = arg(c, sizeof(*x));

	x->nr_entries = chance(80) ? 128 : (u32)odd_value();
	x->buffer.p = (void *)OUT_AREA;
}

static void make_set_map(struct call *c)
{
	struct xen_foreign_memory_map *x = arg(c, sizeof(*x));

	x->domid = DOMID_SELF;
	x->map.nr_entries = below(20);
	x->map.buffer.p = (void *)OUT_AREA;
}

static void make_reserved(struct call *c)
{
	struct xen_reserved_device_memory_map *x = arg(c, sizeof(*x));

	x->flags = chance(80) ? 0 : 1;
	x->nr_entries = 4;
	x->buffer.p = (void *)OUT_AREA;
}

static void make_resource(struct call *c)
{
	struct xen_mem_acquire_resource *x = arg(c, sizeof(*x));

	x->domid = chance(90) ? VICTIM_ID : whose();
	x->type = XENMEM_resource_grant_table;
	x->id = below(3);
	if (chance(70)) {
		x->nr_frames = 1 + below(3);
		x->frame = below(3);
		x->frame_list.p = (void *)OUT_AREA;
	}
}

static void make_pod(struct call *c)
{
	struct xen_pod_target *x = arg(c, sizeof(*x));

	x->target_pages = below(1000);
	x->domid = whose();
}

static void make_claim(struct call *c)
{
	struct xen_memory_reservation *r = arg(c, sizeof(*r));

	r->nr_extents = below(300);
	r->domid = VICTIM_ID;
}

static void make_physmap(struct call *c)
{
	struct xen_add_to_physmap *x = arg(c, sizeof(*x));

	x->domid = whose();
	x->space = below(6);
	x->idx = below(8);
	x->gpfn = below(1000);
}

static void make_words(struct call *c)
{
	u64 *x = arg(c, 64);

	for (int i = 1; i < 8; i++)
		x[i] = odd_value();
	x[0] = whose();
}

void memory_reset(void)
{
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };
	// The hypervisor keeps a copy of what may be 20 KiB.
	struct xen_foreign_memory_map map = { .domid = DOMID_SELF };
	xen_pfn_t frame;

	memory_op(XENMEM_set_memory_map, &map);
	set_xen_guest_handle(r.extent_start, &frame);
	while (extras) {
		frame = extra[--extras];
		if (memory_op(XENMEM_decrease_reservation, &r) != 1)
			broken("frame %lx does not go", frame);
	}
	for (int i = 0; i < PAGES; i++) {
		if (pages[i].kind != GONE)
			continue;
		frame = virt_to_pfn(pages[i].at);
		if (memory_op(XENMEM_populate_physmap, &r) == 1)
			page_came(i, frame);
		else
			broken("no frame for page %d", i);
	}
}

#define OP(name, make)                                               \
	{                                                            \
		"memory:" #name, make, NULL, __HYPERVISOR_memory_op, \
			XENMEM_##name                                \
	}
#define CONTROL(name, make)                                          \
	{                                                            \
		"memory:" #name, make, NULL, __HYPERVISOR_memory_op, \
			XENMEM_##name, 8, OP_CONTROL                 \
	}

static const struct op ops[] = {
	{ "memory:decrease_reservation", make_decrease, done_decrease,
	  __HYPERVISOR_memory_op, XENMEM_decrease_reservation, 12,
	  OP_EXACT | OP_COUNTS },
	{ "memory:populate_physmap", make_populate, done_populate,
	  __HYPERVISOR_memory_op, XENMEM_populate_physmap, 12,
	  OP_EXACT | OP_COUNTS },
	{ "memory:increase_reservation", make_increase, done_increase,
	  __HYPERVISOR_memory_op, XENMEM_increase_reservation, 12,
	  OP_EXACT | OP_COUNTS },
	{ "memory:exchange", make_exchange, done_exchange,
	  __HYPERVISOR_memory_op, XENMEM_exchange, 12, OP_EXACT },
	OP(maximum_ram_page, make_nothing),
	OP(current_reservation, make_domid),
	OP(maximum_reservation, make_domid),
	OP(maximum_gpfn, make_domid),
	OP(machphys_mfn_list, make_mfn_list),
	OP(machphys_compat_mfn_list, make_mfn_list),
	OP(machphys_mapping, make_mapping),
	OP(memory_map, make_map),
	CONTROL(machine_memory_map, make_map),
	OP(set_memory_map, make_set_map),
	OP(reserved_device_memory_map, make_reserved),
	CONTROL(acquire_resource, make_resource),
	CONTROL(set_pod_target, make_pod),
	CONTROL(get_pod_target, make_pod),
	CONTROL(claim_pages, make_claim),
	OP(get_sharing_freed_pages, make_nothing),
	OP(get_sharing_shared_pages, make_nothing),
	OP(add_to_physmap, make_physmap),
	OP(add_to_physmap_batch, make_words),
	OP(remove_from_physmap, make_words),
	OP(get_vnumainfo, make_words),
	OP(access_op, make_words),
};
const struct op_list memory_ops = { ops, ARRAY_SIZE(ops) };
