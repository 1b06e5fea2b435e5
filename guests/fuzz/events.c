// SPDX-License-Identifier: MIT
// event_channel_op, of both forms, and both kinds of event words.
#include "fuzz/fuzz.h"

#define PORTS 512u
#define OPEN  100u // at most, at a time

enum state { CLOSED, UNBOUND, PEER, OTHER, KEPT };
static u8 state[PORTS];
static unsigned int open_ports;
static bool fifo;
static u8 control[4][PAGE_SIZE] __page_aligned;
static u8 words[4][PAGE_SIZE] __page_aligned;
static u32 arrays;

static void opened(u32 port, enum state s)
{
	if (port >= PORTS || state[port] != CLOSED)
		return;
	state[port] = (u8)s;
	open_ports++;
}

static void closed(u32 port)
{
	if (port >= PORTS || state[port] == CLOSED)
		return;
	state[port] = CLOSED;
	open_ports--;
}

// 0: none.
static u32 port_of(enum state s)
{
	u32 start = below(PORTS);

	for (u32 i = 0; i < PORTS; i++) {
		u32 port = (start + i) % PORTS;

		if (s == KEPT ? state[port] != CLOSED : state[port] == s)
			return port;
	}
	return 0;
}

static u32 port_any(void)
{
	return chance(90) ? port_of(KEPT) : below(PORTS);
}

// Not more than it has to be: some calls then only close.
static void room_make(void)
{
	u32 port;

	if (open_ports < OPEN)
		return;
	port = port_of(KEPT);
	if (port && !port_close(port))
		closed(port);
}

static domid_t whom(void)
{
	static const domid_t ids[] = { DOMID_SELF, CANARY_ID, 0x7ff1, 77 };

	return chance(80) ? my_id : ids[below(ARRAY_SIZE(ids))];
}

static void make_unbound(struct call *c)
{
	struct evtchn_alloc_unbound *a = arg(c, sizeof(*a));

	room_make();
	// A control domain may open ports of others: not of the canary.
	a->dom = chance(90) ? DOMID_SELF : my_id;
	a->remote_dom = whom();
}

static void done_unbound(struct call *c, long rc)
{
	struct evtchn_alloc_unbound *a = (void *)c->bytes;

	if (!rc && c->seen)
		opened(a->port, a->remote_dom == my_id ? UNBOUND : OTHER);
}

static void make_interdomain(struct call *c)
{
	struct evtchn_bind_interdomain *a = arg(c, sizeof(*a));

	room_make();
	a->remote_dom = chance(95) ? DOMID_SELF : whom();
	a->remote_port =
		a->remote_dom == CANARY_ID ? below(4) : port_of(UNBOUND);
}

static void done_interdomain(struct call *c, long rc)
{
	struct evtchn_bind_interdomain *a = (void *)c->bytes;

	if (rc || !c->seen)
		return;
	opened(a->local_port, PEER);
	if (a->remote_port < PORTS && state[a->remote_port] == UNBOUND)
		state[a->remote_port] = PEER;
}

static void make_virq(struct call *c)
{
	struct evtchn_bind_virq *a = arg(c, sizeof(*a));

	room_make();
	a->virq = chance(90) ? below(13) : (u32)odd_value();
	a->vcpu = chance(60) ? 0 : below(4);
}

static void make_ipi(struct call *c)
{
	struct evtchn_bind_ipi *a = arg(c, sizeof(*a));

	room_make();
	a->vcpu = chance(70) ? 0 : below(4);
}

// Both have the port as their last word.
static void done_bind(struct call *c, long rc)
{
	const u32 *a = (const u32 *)c->bytes;

	if (!rc && c->seen)
		opened(a[c->op->cmd == EVTCHNOP_bind_ipi ? 1 : 2], OTHER);
}

static void make_pirq(struct call *c)
{
	struct evtchn_bind_pirq *a = arg(c, sizeof(*a));

	room_make();
	a->pirq = 16 + below(8);
	a->flags = below(2);
}

static void make_port(struct call *c)
{
	u32 *a = arg(c, 8);

	a[0] = port_any();
}

static void done_close(struct call *c, long rc)
{
	const u32 *a = (const u32 *)c->bytes;

	// Its peer waits for another one.
	if (rc || !c->seen)
		return;
	closed(a[0]);
}

static void make_status(struct call *c)
{
	struct evtchn_status *a = arg(c, sizeof(*a));

	a->dom = chance(90) ? DOMID_SELF : whom();
	a->port = port_any();
}

static void make_vcpu(struct call *c)
{
	struct evtchn_bind_vcpu *a = arg(c, sizeof(*a));

	a->port = port_any();
	a->vcpu = below(4);
}

static void make_control(struct call *c)
{
	struct evtchn_init_control *a = arg(c, sizeof(*a));
	u64 vcpu = below(4);

	a->control_gfn = virt_to_mfn(control[vcpu]);
	a->vcpu = (u32)vcpu;
	if (chance(20))
		a->control_gfn = max_frame + below(2);
	if (chance(20))
		a->offset = (u32)below(600) * 8;
}

static void done_control(struct call *c, long rc)
{
	(void)c;
	fifo |= !rc;
}

static void make_expand(struct call *c)
{
	struct evtchn_expand_array *a = arg(c, sizeof(*a));

	a->array_gfn = arrays < 4 && chance(80) ? virt_to_mfn(words[arrays])
						: max_frame + below(2);
}

static void done_expand(struct call *c, long rc)
{
	(void)c;
	arrays += !rc;
}

static void make_priority(struct call *c)
{
	struct evtchn_set_priority *a = arg(c, sizeof(*a));

	a->port = port_any();
	a->priority = below(17);
}

static void forget(void)
{
	memset(state, 0, sizeof(state));
	open_ports = 0;
	fifo = false;
	arrays = 0;
	memset(control, 0, sizeof(control));
	memset(words, 0, sizeof(words));
}

static void make_reset(struct call *c)
{
	struct evtchn_reset *a = arg(c, 8);

	a->dom = chance(80) ? DOMID_SELF : whom();
	if (is_control)
		a->dom = chance(70) ? DOMID_SELF : 77;
}

static void done_reset(struct call *c, long rc)
{
	(void)c;
	if (!rc)
		forget();
}

// The first form: the number stands before the argument.
static void make_old(struct call *c)
{
	struct evtchn_op *a = arg_in(c, 0, sizeof(*a));
	static const u32 numbers[] = { EVTCHNOP_send, EVTCHNOP_status,
				       EVTCHNOP_unmask, EVTCHNOP_bind_vcpu };

	a->cmd = numbers[below(ARRAY_SIZE(numbers))];
	if (a->cmd == EVTCHNOP_status) {
		a->u.status.dom = DOMID_SELF;
		a->u.status.port = port_any();
	} else {
		a->u.send.port = port_any();
	}
}

void events_init(void)
{
	forget();
}

void events_reset(void)
{
	struct evtchn_reset op = { DOMID_SELF };

	if (event_op(EVTCHNOP_reset, &op))
		broken("ports cannot be reset");
	forget();
	memset(shared->evtchn_pending, 0, sizeof(shared->evtchn_pending));
	event_mask_all();
}

#define OP(name, make, done)                                               \
	{                                                                  \
		"event:" #name, make, done, __HYPERVISOR_event_channel_op, \
			EVTCHNOP_##name                                    \
	}

static const struct op ops[] = {
	{ "event:alloc_unbound", make_unbound, done_unbound,
	  __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, 24 },
	{ "event:bind_interdomain", make_interdomain, done_interdomain,
	  __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, 16 },
	{ "event:bind_virq", make_virq, done_bind,
	  __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, 12 },
	OP(bind_ipi, make_ipi, done_bind),
	{ "event:bind_pirq", make_pirq, done_bind,
	  __HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, 12, OP_CONTROL },
	{ "event:close", make_port, done_close, __HYPERVISOR_event_channel_op,
	  EVTCHNOP_close, 16 },
	{ "event:send", make_port, NULL, __HYPERVISOR_event_channel_op,
	  EVTCHNOP_send, 24 },
	OP(status, make_status, NULL),
	OP(bind_vcpu, make_vcpu, NULL),
	OP(unmask, make_port, NULL),
	OP(init_control, make_control, done_control),
	OP(expand_array, make_expand, done_expand),
	OP(set_priority, make_priority, NULL),
	{ "event:reset", make_reset, done_reset, __HYPERVISOR_event_channel_op,
	  EVTCHNOP_reset, 2 },
	{ "event:old form", make_old, NULL,
	  __HYPERVISOR_event_channel_op_compat },
};
const struct op_list event_ops = { ops, ARRAY_SIZE(ops) };
