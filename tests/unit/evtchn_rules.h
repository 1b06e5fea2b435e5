// SPDX-License-Identifier: MIT
// What holds for the event channels of both domains whenever no operation is
// at work: docs/models.md has the list.
#ifndef UNIT_EVTCHN_RULES_H
#define UNIT_EVTCHN_RULES_H

#include "evtchn_world.h"

static void check_interdomain(struct domain *d, const struct evtchn *c)
{
	const struct evtchn *rc = evtchn_find(c->b.remote, c->b.nr);

	CHECK(c->b.remote == &dom[0] || c->b.remote == &dom[1]);
	CHECK(rc && rc->b.state == EVTCHNSTAT_interdomain);
	CHECK(rc && rc->b.remote == d && rc->b.nr == c->port);
}

static void check_virq(struct domain *d, const struct evtchn *c)
{
	u16 v = virq_is_vcpu(c->b.nr) ? c->b.vcpu : 0;

	CHECK(c->b.nr < NR_VIRQS);
	CHECK(d->vcpu[v]->evtchn->virq_port[c->b.nr] == c->port);
}

// Returns whether the port is in use.
static bool check_port(struct domain *d, u32 port)
{
	const struct evtchn *c = evtchn_find(d, port);

	CHECK(c->port == port && !c->lock.next);
	if (!evtchn_usable(c)) {
		CHECK((c->b.state == CHN_RESERVED) == !port);
		CHECK(c->b.state == CHN_RESERVED ||
		      c->b.state == EVTCHNSTAT_closed);
		return false;
	}
	CHECK(port && port <= d->evtchn->max_port);
	CHECK(c->b.vcpu < d->max_vcpus && d->vcpu[c->b.vcpu]);
	CHECK(c->b.state <= EVTCHNSTAT_ipi);
	CHECK(!c->b.remote == (c->b.state != EVTCHNSTAT_interdomain));
	if (c->b.state == EVTCHNSTAT_interdomain)
		check_interdomain(d, c);
	else if (c->b.state == EVTCHNSTAT_virq)
		check_virq(d, c);
	else if (c->b.state == EVTCHNSTAT_pirq)
		CHECK(c->b.nr < pirq_count(d));
	return true;
}

// Ports in use, of which the bucket has count, port 0 besides.
static u32 check_bucket(struct domain *d, u32 first)
{
	u32 used = 0;

	for (u32 i = 0; i < BUCKET_PORTS && first + i <= d->evtchn->max_port;
	     i++)
		used += check_port(d, first + i);
	CHECK(evtchn_find(d, first)->bucket_use == used + !first);
	return used;
}

static void check_vcpu(struct domain *d, const struct vcpu *v)
{
	for (u32 virq = 0; virq < NR_VIRQS; virq++) {
		u32 port = v->evtchn->virq_port[virq];
		const struct evtchn *c = evtchn_find(d, port);

		CHECK(c);
		if (!port)
			continue;
		CHECK(c->b.state == EVTCHNSTAT_virq && c->b.nr == virq);
		CHECK(virq_is_vcpu(virq) ? c->b.vcpu == v->id : !v->id);
	}
}

// A pirq that is bound has its line, and its port says so. The port of one
// that was unmapped stays, and stands for nothing.
static unsigned int check_pirqs(struct domain *d)
{
	unsigned int bound = 0;

	for (u32 nr = 0; d->evtchn->pirq && nr < pirq_count(d); nr++) {
		const struct pirq *p = &d->evtchn->pirq[nr];
		const struct evtchn *c = evtchn_find(d, p->port);

		CHECK(p->nr == nr && p->d == d && c);
		if (!p->port)
			continue;
		CHECK(p->irq >= 0 && c->b.state == EVTCHNSTAT_pirq);
		CHECK(c->b.nr == nr && irq_data == p);
		bound++;
	}
	return bound;
}

static void check_rules(void)
{
	unsigned int bound = 0;

	for (u32 i = 0; i < 2; i++) {
		struct evtchn_domain *e = dom[i].evtchn;
		u32 active = 0;

		for (u32 at = 0; at < e->valid_ports; at += BUCKET_PORTS)
			active += check_bucket(&dom[i], at);
		CHECK(active == e->active);
		for (u32 n = 0; n < 2; n++)
			check_vcpu(&dom[i], &vcpus[i][n]);
		bound += check_pirqs(&dom[i]);
	}
	CHECK(bound == !!irq_fn);
	CHECK(!locks && !evtchn_lock.next);
}

#endif
