// SPDX-License-Identifier: MIT
// Port tables and bindings. See private.h for the locks. Errors as Xen 4.17.
#include "evtchn/private.h"
#include "con/con.h"
#include "mm/alloc.h"
#include "x86/softirq.h"

// Freed FIFO ports that the guest keeps linked are passed over; no more than
// this many in one call.
#define BUSY_MAX 1024
// Ports between two looks at whether other work waits.
#define CLOSE_BATCH 64

struct spinlock evtchn_lock = SPINLOCK_INIT(RANK_EVTCHN);

static struct binding binding(u8 state, u32 vcpu, u32 nr, struct domain *remote)
{
	return (struct binding){ state, 0, (u16)vcpu, nr, remote };
}

static void channel_set(struct evtchn *c, struct binding b)
{
	u64 flags = spin_lock_irqsave(&c->lock);

	c->b = b;
	spin_unlock_irqrestore(&c->lock, flags);
}

static struct port_group *port_group(struct evtchn_domain *e, u32 port)
{
	return e->group[port / BUCKET_PORTS / GROUP_BUCKETS];
}

static u8 *port_used(struct evtchn_domain *e, u32 port)
{
	return &port_group(e, port)->used[port / BUCKET_PORTS % GROUP_BUCKETS];
}

// One more bucket of channels. -ENOSPC at the domain's limit, -ENOMEM.
static int table_grow(struct evtchn_domain *e)
{
	u32 first = e->valid_ports;
	u32 bucket = first / BUCKET_PORTS;
	struct port_group **g = &e->group[bucket / GROUP_BUCKETS];
	struct evtchn *c;

	if (first > e->max_port || first >= evtchn_abi_ports(e))
		return -ENOSPC;
	if (!*g)
		*g = heap_alloc(sizeof(**g));
	c = *g ? heap_alloc_array(BUCKET_PORTS, sizeof(*c)) : NULL;
	if (!c)
		return -ENOMEM;
	for (u32 i = 0; i < BUCKET_PORTS; i++) {
		spin_init(&c[i].lock, RANK_EVTCHN_CHANNEL);
		c[i].port = first + i;
	}
	(*g)->bucket[bucket % GROUP_BUCKETS] = c;
	__atomic_store_n(&e->valid_ports, first + BUCKET_PORTS,
			 __ATOMIC_RELEASE);
	return 0;
}

// A free port, or an error. It is only taken by port_bind(): until then
// evtchn_lock stays held.
static int port_alloc(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	u32 busy = 0;

	if (d->state != DOM_ALIVE)
		return -EINVAL;
	for (u32 port = 0;; port++) {
		const struct evtchn *c;

		if (port > e->max_port || port >= evtchn_abi_ports(e) ||
		    busy > BUSY_MAX)
			return -ENOSPC;
		if (port >= e->valid_ports) {
			int rc = table_grow(e);

			if (rc)
				return rc;
		}
		if (*port_used(e, port) == BUCKET_PORTS) {
			port |= BUCKET_PORTS - 1;
			continue;
		}
		c = evtchn_find(d, port);
		if (c->b.state != EVTCHNSTAT_closed)
			continue;
		if (!evtchn_is_busy(d, c))
			return (int)port;
		busy++;
	}
}

static struct evtchn *port_bind(struct domain *d, int port, struct binding b)
{
	struct evtchn *c = evtchn_find(d, (u32)port);

	c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
	channel_set(c, b);
	++*port_used(d->evtchn, (u32)port);
	d->evtchn->active++;
	return c;
}

int evtchn_alloc_unbound(struct evtchn_alloc_unbound *op)
{
	struct domain *d = domain_get_self_or(op->dom);
	u16 who;
	int rc = -EPERM;

	if (!d)
		return -ESRCH;
	if (domain_may_control(currd, d)) {
		who = op->remote_dom;
		if (who == DOMID_SELF)
			who = currd->id;
		spin_lock(&evtchn_lock);
		rc = port_alloc(d);
		if (rc >= 0) {
			port_bind(d, rc,
				  binding(EVTCHNSTAT_unbound, 0, who, NULL));
			op->port = (u32)rc;
			rc = 0;
		}
		spin_unlock(&evtchn_lock);
	}
	domain_put(d);
	return rc;
}

static int interdomain_connect(struct domain *ld, struct domain *rd,
			       struct evtchn_bind_interdomain *op)
{
	int port = port_alloc(ld);
	struct evtchn *lc, *rc = evtchn_find(rd, op->remote_port);
	u64 flags;

	if (port < 0)
		return port;
	if (!rc || rc->b.state != EVTCHNSTAT_unbound || rc->b.nr != ld->id)
		return -EINVAL;
	lc = port_bind(ld, port,
		       binding(EVTCHNSTAT_interdomain, 0, op->remote_port, rd));
	channel_set(rc,
		    binding(EVTCHNSTAT_interdomain, rc->b.vcpu, (u32)port, ld));
	op->local_port = (u32)port;
	// The peer may have sent before anybody listened.
	flags = spin_lock_irqsave(&lc->lock);
	evtchn_raise(ld, lc);
	spin_unlock_irqrestore(&lc->lock, flags);
	return 0;
}

int evtchn_bind_interdomain(struct evtchn_bind_interdomain *op)
{
	struct domain *rd = domain_get_self_or(op->remote_dom);
	int rc;

	if (!rd)
		return -ESRCH;
	spin_lock(&evtchn_lock);
	rc = interdomain_connect(currd, rd, op);
	spin_unlock(&evtchn_lock);
	domain_put(rd);
	return rc;
}

int evtchn_bind_virq(struct evtchn_bind_virq *op)
{
	struct domain *d = currd;
	struct vcpu *v;
	u32 virq;
	int rc;

	if (op->virq >= NR_VIRQS)
		return -EINVAL;
	virq = (u32)index_nospec(op->virq, NR_VIRQS);
	if (!virq_is_vcpu(virq) && op->vcpu != 0)
		return -EINVAL;
	v = domain_vcpu(d, op->vcpu);
	if (!v)
		return -ENOENT;
	spin_lock(&evtchn_lock);
	rc = v->evtchn->virq_port[virq] ? -EEXIST : port_alloc(d);
	if (rc >= 0) {
		port_bind(d, rc, binding(EVTCHNSTAT_virq, v->id, virq, NULL));
		op->port = (u32)rc;
		WRITE_ONCE(v->evtchn->virq_port[virq], (u32)rc);
		rc = 0;
	}
	spin_unlock(&evtchn_lock);
	return rc;
}

int evtchn_bind_ipi(struct evtchn_bind_ipi *op)
{
	struct vcpu *v = domain_vcpu(currd, op->vcpu);
	int rc;

	if (!v)
		return -ENOENT;
	spin_lock(&evtchn_lock);
	rc = port_alloc(currd);
	if (rc >= 0) {
		port_bind(currd, rc, binding(EVTCHNSTAT_ipi, v->id, 0, NULL));
		op->port = (u32)rc;
		rc = 0;
	}
	spin_unlock(&evtchn_lock);
	return rc;
}

// op->flags (may share) makes no difference: a line has one owner.
int evtchn_bind_pirq(struct evtchn_bind_pirq *op)
{
	struct domain *d = currd;
	int port, rc = pirq_check_bind(d, op->pirq);

	if (rc)
		return rc;
	spin_lock(&evtchn_lock);
	port = port_alloc(d);
	rc = port < 0 ? port : pirq_bind(d, op->pirq, (u32)port);
	if (!rc) {
		port_bind(d, port, binding(EVTCHNSTAT_pirq, 0, op->pirq, NULL));
		op->port = (u32)port;
		pirq_start(d, op->pirq);
	}
	spin_unlock(&evtchn_lock);
	return rc;
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
		channel_set(rc, binding(EVTCHNSTAT_unbound, rc->b.vcpu, d->id,
					NULL));
		break;
	case EVTCHNSTAT_virq:
		virq_unbind(d, c);
		break;
	case EVTCHNSTAT_pirq:
		pirq_unbind(d, c->b.nr, port);
		break;
	}
	channel_set(c, binding(EVTCHNSTAT_closed, 0, 0, NULL));
	evtchn_clear_pending(d, c);
	--*port_used(d->evtchn, port);
	d->evtchn->active--;
	return 0;
}

int evtchn_close(struct domain *d, u32 port)
{
	int rc;

	spin_lock(&evtchn_lock);
	rc = port_close(d, port);
	spin_unlock(&evtchn_lock);
	return rc;
}

static void status_fill(const struct evtchn *c, struct evtchn_status *op)
{
	op->vcpu = c->b.vcpu;
	op->status = evtchn_usable(c) ? c->b.state : EVTCHNSTAT_closed;
	switch (op->status) {
	case EVTCHNSTAT_unbound:
		op->u.unbound.dom = (domid_t)c->b.nr;
		break;
	case EVTCHNSTAT_interdomain:
		op->u.interdomain.dom = c->b.remote->id;
		op->u.interdomain.port = c->b.nr;
		break;
	case EVTCHNSTAT_pirq:
		op->u.pirq = c->b.nr;
		break;
	case EVTCHNSTAT_virq:
		op->u.virq = c->b.nr;
		break;
	}
}

int evtchn_status(struct evtchn_status *op)
{
	struct domain *d = domain_get_self_or(op->dom);
	struct evtchn *c;
	int rc = 0;

	if (!d)
		return -ESRCH;
	c = evtchn_find(d, op->port);
	if (!domain_may_control(currd, d)) {
		rc = -EPERM;
	} else if (!c) {
		rc = -EINVAL;
	} else {
		spin_lock(&evtchn_lock);
		status_fill(c, op);
		spin_unlock(&evtchn_lock);
	}
	domain_put(d);
	return rc;
}

static int vcpu_change(struct evtchn *c, const struct vcpu *v)
{
	struct binding b = c->b;

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
	b.vcpu = (u16)v->id;
	channel_set(c, b);
	return 0;
}

int evtchn_bind_vcpu(u32 port, u32 vcpu_id)
{
	struct vcpu *v = domain_vcpu(currd, vcpu_id);
	struct evtchn *c = evtchn_find(currd, port);
	int rc;

	if (!v)
		return -ENOENT;
	if (!c)
		return -EINVAL;
	spin_lock(&evtchn_lock);
	rc = vcpu_change(c, v);
	spin_unlock(&evtchn_lock);
	return rc;
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
	spin_lock(&evtchn_lock);
	if (d->evtchn->active)
		rc = -EAGAIN;
	else if (d->evtchn->fifo)
		fifo_destroy(d);
	spin_unlock(&evtchn_lock);
	return rc;
}

// Ports that are bound already stay.
int evtchn_max_ports_set(struct domain *d, u32 max_port)
{
	d->evtchn->max_port = MIN(max_port, EVTCHN_FIFO_NR_CHANNELS - 1u);
	return 0;
}

// Nobody else knows the domain any more.
static void domain_exit(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	if (!e)
		return;
	pirq_exit(d);
	for (u32 port = 0; port < e->valid_ports; port += BUCKET_PORTS)
		heap_free(evtchn_find(d, port));
	for (u32 g = 0; g < GROUPS; g++)
		heap_free(e->group[g]);
	heap_free(e);
	d->evtchn = NULL;
}

static int domain_init(struct domain *d, const struct domain_config *cfg)
{
	struct evtchn_domain *e;
	int rc;

	if (d->is_idle)
		return 0;
	e = d->evtchn = heap_alloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	evtchn_max_ports_set(d, cfg->max_evtchn_port);
	rc = table_grow(e);
	if (rc) {
		domain_exit(d);
		return rc;
	}
	// Port 0 is never valid.
	port_bind(d, 0, binding(CHN_RESERVED, 0, 0, NULL));
	e->active = 0;
	return 0;
}

static int domain_relinquish(struct domain *d)
{
	int rc = d->evtchn ? close_all(d) : 0;

	if (rc || !d->evtchn)
		return rc;
	virq_forget_domain(d);
	pirq_relinquish(d);
	spin_lock(&evtchn_lock);
	fifo_destroy(d);
	spin_unlock(&evtchn_lock);
	return 0;
}

static int vcpu_init(struct vcpu *v)
{
	if (!v->domain->evtchn)
		return 0;
	v->evtchn = heap_alloc(sizeof(*v->evtchn));
	return v->evtchn ? 0 : -ENOMEM;
}

static void vcpu_exit(struct vcpu *v)
{
	heap_free(v->evtchn);
	v->evtchn = NULL;
}

const struct domain_unit evtchn_unit = {
	.name = "event channels",
	.init = domain_init,
	.exit = domain_exit,
	.relinquish = domain_relinquish,
	.vcpu_init = vcpu_init,
	.vcpu_exit = vcpu_exit,
};

void evtchn_dump(struct domain *d)
{
	static const char *const state[] = { "closed", "unbound", "interdomain",
					     "pirq",   "virq",	  "ipi" };
	struct evtchn_domain *e = d->evtchn;

	if (!e)
		return;
	printk("d%u: %s, %u channels of %u\n", d->id,
	       e->fifo ? "FIFO" : "2-level", e->active, e->max_port);
	for (u32 port = 1; port < e->valid_ports; port++) {
		const struct evtchn *c = evtchn_find(d, port);

		if (!evtchn_usable(c))
			continue;
		printk("  %u: %s %u v%u%s\n", port, state[c->b.state], c->b.nr,
		       c->b.vcpu, evtchn_is_pending(d, port) ? " pending" : "");
	}
}

static void key_all_domains(char key)
{
	spin_lock(&domain_list_lock);
	list_for_each(l, &domain_list) {
		struct domain *d = list_entry(l, struct domain, all);

		if (key == 'e')
			evtchn_dump(d);
		else
			pirq_dump(d);
	}
	spin_unlock(&domain_list_lock);
}

// At boot, after the scheduler's and the console's own initialisation.
void evtchn_init(void)
{
	virq_init();
	debug_key_register('e', key_all_domains, "event channels");
	debug_key_register('i', key_all_domains, "interrupts of guests");
}
