// SPDX-License-Identifier: MIT
// Port tables and bindings. See private.h for the locks. Errors as Xen 4.17.
#include "dom/shared.h"
#include "evtchn/private.h"
#include "con/con.h"
#include "mm/alloc.h"
#include "sched/sched.h"
#include "x86/softirq.h"

// Freed FIFO ports that the guest keeps linked are passed over; no more than
// this many in one call.
#define BUSY_MAX 1024
// Ports between two looks at whether other work waits.
#define CLOSE_BATCH 64

struct spinlock evtchn_lock = SPINLOCK_INIT(RANK_EVTCHN);

static void channel_set(struct evtchn *c, struct binding b)
{
	SPIN_GUARD_IRQ(&c->lock);
	c->b = b;
}

// One more bucket of channels, or -ENOMEM.
static int table_grow(struct evtchn_domain *e)
{
	u32 first = e->valid_ports;
	struct evtchn *c;

	c = heap_alloc_array(BUCKET_PORTS, sizeof(*c));
	if (!c)
		return -ENOMEM;
	for (u32 i = 0; i < BUCKET_PORTS; i++) {
		spin_init(&c[i].lock, RANK_EVTCHN_CHANNEL);
		c[i].port = first + i;
	}
	e->bucket[first / BUCKET_PORTS] = c;
	__atomic_store_n(&e->valid_ports, first + BUCKET_PORTS,
			 __ATOMIC_RELEASE);
	return 0;
}

// A free port, or an error; evtchn_lock held.
static int port_find(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	u32 last = (e->fifo ? EVTCHN_FIFO_NR_CHANNELS : shared_ports(d)) - 1;
	u32 busy = 0;
	int rc;

	if (d->state != DOM_ALIVE)
		return -EINVAL;
	for (u32 port = 0;; port++) {
		const struct evtchn *c;

		if (port > MIN(e->max_port, last) || busy > BUSY_MAX)
			return -ENOSPC;
		rc = port >= e->valid_ports ? table_grow(e) : 0;
		if (rc)
			return rc;
		c = evtchn_find(d, port);
		if (c->bucket_use == BUCKET_PORTS) {
			port |= BUCKET_PORTS - 1;
			continue;
		}
		if (c->b.state != EVTCHNSTAT_closed)
			continue;
		if (!evtchn_is_busy(d, c))
			return (int)port;
		busy++;
	}
}

// Binds a free port, *out; evtchn_lock held.
static int port_bind(struct domain *d, struct binding b, u32 *out)
{
	int port = port_find(d);
	struct evtchn *c;

	if (port < 0)
		return port;
	c = evtchn_find(d, (u32)port);
	c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	channel_set(c, b);
	d->evtchn->bucket[port / BUCKET_PORTS]->bucket_use++;
	d->evtchn->active++;
	*out = (u32)port;
	return 0;
}

int evtchn_alloc_unbound(struct evtchn_alloc_unbound *op)
{
	__domain_ref struct domain *d = domain_get_self_or(op->dom);
	u16 who = op->remote_dom == DOMID_SELF ? currd->id : op->remote_dom;

	if (!d)
		return -ESRCH;
	if (!domain_may_control(currd, d))
		return -EPERM;
	SPIN_GUARD(&evtchn_lock);
	return port_bind(d, (struct binding){ EVTCHNSTAT_unbound, .nr = who },
			 &op->port);
}

int evtchn_bind_interdomain(struct evtchn_bind_interdomain *op)
{
	__domain_ref struct domain *rd = domain_get_self_or(op->remote_dom);
	struct binding b = { EVTCHNSTAT_interdomain, 0, op->remote_port, rd };
	struct evtchn *lc, *rc;
	int err;

	if (!rd)
		return -ESRCH;
	SPIN_GUARD(&evtchn_lock);
	rc = evtchn_find(rd, op->remote_port);
	if (!rc || rc->b.state != EVTCHNSTAT_unbound || rc->b.nr != currd->id)
		return -EINVAL;
	err = port_bind(currd, b, &op->local_port);
	if (err)
		return err;
	channel_set(rc, (struct binding){ EVTCHNSTAT_interdomain, rc->b.vcpu,
					  op->local_port, currd });
	// The peer may have sent before anybody listened.
	lc = evtchn_find(currd, op->local_port);
	SPIN_GUARD_IRQ(&lc->lock);
	evtchn_raise(currd, lc);
	return 0;
}

int evtchn_bind_virq(struct evtchn_bind_virq *op)
{
	struct vcpu *v = domain_vcpu(currd, op->vcpu);
	struct binding b = { .state = EVTCHNSTAT_virq };
	int rc;

	if (op->virq >= NR_VIRQS)
		return -EINVAL;
	b.nr = (u32)index_nospec(op->virq, NR_VIRQS);
	if (!virq_is_vcpu(b.nr) && op->vcpu != 0)
		return -EINVAL;
	if (!v)
		return -ENOENT;
	b.vcpu = (u16)v->id;
	SPIN_GUARD(&evtchn_lock);
	if (v->evtchn->virq_port[b.nr])
		return -EEXIST;
	rc = port_bind(currd, b, &op->port);
	if (!rc)
		WRITE_ONCE(v->evtchn->virq_port[b.nr], op->port);
	return rc;
}

int evtchn_bind_ipi(struct evtchn_bind_ipi *op)
{
	if (!domain_vcpu(currd, op->vcpu))
		return -ENOENT;
	SPIN_GUARD(&evtchn_lock);
	return port_bind(currd,
			 (struct binding){ .state = EVTCHNSTAT_ipi,
					   .vcpu = (u16)op->vcpu },
			 &op->port);
}

static void virq_unbind(struct domain *d, const struct evtchn *c)
{
	struct vcpu *v = d->vcpu[virq_is_vcpu(c->b.nr) ? c->b.vcpu : 0];

	if (v && v->evtchn->virq_port[c->b.nr] == c->port)
		WRITE_ONCE(v->evtchn->virq_port[c->b.nr], 0);
}

static int port_close(struct domain *d, u32 port)
{
	struct evtchn *c = evtchn_find(d, port), *rc;

	if (!c || !evtchn_usable(c))
		return -EINVAL;
	switch (c->b.state) {
	case EVTCHNSTAT_interdomain:
		rc = evtchn_find(c->b.remote, c->b.nr);
		channel_set(rc, (struct binding){ EVTCHNSTAT_unbound,
						  rc->b.vcpu, d->id, NULL });
		break;
	case EVTCHNSTAT_virq:
		virq_unbind(d, c);
		break;
	case EVTCHNSTAT_pirq:
		pirq_unbind(d, c->b.nr, port);
		break;
	}
	channel_set(c, (struct binding){ .state = EVTCHNSTAT_closed });
	evtchn_clear_pending(d, c);
	d->evtchn->bucket[port / BUCKET_PORTS]->bucket_use--;
	d->evtchn->active--;
	return 0;
}

int evtchn_close(struct domain *d, u32 port)
{
	SPIN_GUARD(&evtchn_lock);
	return port_close(d, port);
}

// op->flags (may share) makes no difference: a line has one owner.
int evtchn_bind_pirq(struct evtchn_bind_pirq *op)
{
	int rc = pirq_check_bind(currd, op->pirq);

	if (rc)
		return rc;
	SPIN_GUARD(&evtchn_lock);
	rc = port_bind(currd,
		       (struct binding){ EVTCHNSTAT_pirq, .nr = op->pirq },
		       &op->port);
	if (rc)
		return rc;
	rc = pirq_bind(currd, op->pirq, op->port);
	if (rc)
		port_close(currd, op->port);
	return rc;
}

int evtchn_status(struct evtchn_status *op)
{
	__domain_ref struct domain *d = domain_get_self_or(op->dom);
	const struct evtchn *c;

	if (!d)
		return -ESRCH;
	if (!domain_may_control(currd, d))
		return -EPERM;
	c = evtchn_find(d, op->port);
	if (!c)
		return -EINVAL;
	SPIN_GUARD(&evtchn_lock);
	op->vcpu = c->b.vcpu;
	op->status = evtchn_usable(c) ? c->b.state : EVTCHNSTAT_closed;
	if (op->status == EVTCHNSTAT_interdomain) {
		op->u.interdomain.dom = c->b.remote->id;
		op->u.interdomain.port = c->b.nr;
	} else {
		op->u.pirq = c->b.nr; // virq and unbound.dom lie there, too
	}
	return 0;
}

int evtchn_bind_vcpu(u32 port, u32 vcpu_id)
{
	struct vcpu *v = domain_vcpu(currd, vcpu_id);
	struct evtchn *c = evtchn_find(currd, port);
	struct binding b;

	if (!v)
		return -ENOENT;
	if (!c)
		return -EINVAL;
	SPIN_GUARD(&evtchn_lock);
	b = c->b;
	b.vcpu = (u16)v->id;
	switch (b.state) {
	case EVTCHNSTAT_virq:
		if (virq_is_vcpu(b.nr))
			return -EINVAL;
		break;
	case EVTCHNSTAT_pirq:
		pirq_follow_vcpu(currd, b.nr, v);
		break;
	case EVTCHNSTAT_unbound:
	case EVTCHNSTAT_interdomain:
		break;
	default:
		return -EINVAL;
	}
	channel_set(c, b);
	return 0;
}

// Closes every port from reset_next on. -ERESTART: not done yet.
static int close_all(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	u32 port;

	while ((port = e->reset_next) < READ_ONCE(e->valid_ports)) {
		u32 end = port + CLOSE_BATCH;

		for (; port < end; port++)
			evtchn_close(d, port);
		e->reset_next = end;
		if (softirq_pending())
			return -ERESTART;
	}
	e->reset_next = 0;
	return 0;
}

// Back to an empty 2-level table. The caller may act on d; d is currd or
// paused by its controller (-EINVAL). resuming: goes on where -ERESTART left
// off. -EAGAIN: ports were bound meanwhile.
int evtchn_reset(struct domain *d, bool resuming)
{
	int rc;

	if (d != currd && !d->controller_pauses)
		return -EINVAL;
	if (!resuming)
		d->evtchn->reset_next = 0;
	rc = close_all(d);
	if (rc)
		return rc;
	SPIN_GUARD(&evtchn_lock);
	if (d->evtchn->active)
		return -EAGAIN;
	fifo_destroy(d);
	return 0;
}

// Nobody else knows the domain any more.
static void domain_exit(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	if (!e)
		return;
	for (u32 port = 0; port < e->valid_ports; port += BUCKET_PORTS)
		heap_free(e->bucket[port / BUCKET_PORTS]);
	heap_free(e->pirq);
	heap_free(e);
}

static int domain_init(struct domain *d, const struct domain_config *cfg)
{
	u32 max_port = MIN(cfg->max_evtchn_port, EVTCHN_FIFO_NR_CHANNELS - 1u);
	struct evtchn_domain *e;
	int rc;

	e = heap_alloc(sizeof(*e) +
		       (max_port / BUCKET_PORTS + 1) * sizeof(*e->bucket));
	d->evtchn = e;
	if (!e)
		return -ENOMEM;
	e->max_port = max_port;
	spin_init(&e->fifo_lock, RANK_EVTCHN_FIFO);
	rc = table_grow(e);
	if (rc)
		return rc;
	// Port 0 is never valid.
	evtchn_find(d, 0)->b.state = CHN_RESERVED;
	e->bucket[0]->bucket_use = 1;
	return 0;
}

static int domain_relinquish(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	int rc = e ? close_all(d) : 0;

	if (rc || !e)
		return rc;
	if (e->active) // below where an interrupted reset stood
		return -ERESTART;
	virq_forget_domain(d);
	guest_page_unmap(e->eoi_map); // all ports are closed, no vcpu runs
	e->eoi_map = NULL;
	SPIN_GUARD(&evtchn_lock);
	fifo_destroy(d);
	return 0;
}

static int vcpu_init(struct vcpu *v)
{
	v->evtchn = heap_alloc(sizeof(*v->evtchn));
	return v->evtchn ? 0 : -ENOMEM;
}

static void vcpu_exit(struct vcpu *v)
{
	heap_free(v->evtchn);
}

const struct domain_unit evtchn_unit = {
	.init = domain_init,
	.exit = domain_exit,
	.relinquish = domain_relinquish,
	.vcpu_init = vcpu_init,
	.vcpu_exit = vcpu_exit,
};

static void channels_dump(struct domain *d)
{
	static const char *const state[] = { "closed", "unbound", "interdomain",
					     "pirq",   "virq",	  "ipi" };
	struct evtchn_domain *e = d->evtchn;

	printk("d%u: %s, %u channels of %u\n", d->id,
	       e->fifo ? "FIFO" : "2-level", e->active, e->max_port);
	for (u32 port = 1; port < e->valid_ports; port++) {
		const struct evtchn *c = evtchn_find(d, port);

		if (evtchn_usable(c))
			printk("  %u: %s %u v%u%s\n", port, state[c->b.state],
			       c->b.nr, c->b.vcpu,
			       evtchn_is_pending(d, port) ? " pending" : "");
	}
}

static void key_all_domains(char key)
{
	domains_visit(key == 'e' ? channels_dump : pirq_dump);
}

void evtchn_init(void)
{
	sched_send_virq = virq_send_vcpu;
	domain_send_virq = virq_send_global;
	con_input_hook = virq_send_global;
	debug_key_register('e', key_all_domains, "event channels");
	debug_key_register('i', key_all_domains, "interrupts of guests");
}
