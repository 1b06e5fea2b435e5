// SPDX-License-Identifier: MIT
// Interrupts that guests handle: a domain's pirq numbers, what irq each one
// stands for and the port that it is bound to. A line belongs to one domain.
#include "evtchn/private.h"
#include "con/con.h"
#include "lib/rangeset.h"
#include "mm/alloc.h"
#include "x86/irq.h"

// Beside the numbers of GSIs, for message-signalled interrupts.
#define PIRQS_EXTRA_HARDWARE 256
#define PIRQS_EXTRA	     32
#define PIRQ_FIRST_FREE	     16 // below: ISA lines

void (*pirq_msi_update)(unsigned int irq, bool masked);

u32 pirq_count(const struct domain *d)
{
	return nr_gsis + (d->is_hardware ? PIRQS_EXTRA_HARDWARE : PIRQS_EXTRA);
}

static struct pirq *pirq_find(const struct domain *d, u32 nr)
{
	struct pirq **table = READ_ONCE(d->evtchn->pirq);
	u32 n = pirq_count(d);

	return table && nr < n ? table[index_nospec(nr, n)] : NULL;
}

// The record of a number, made on first use; evtchn_lock held.
static struct pirq *pirq_make(struct domain *d, u32 nr)
{
	struct evtchn_domain *e = d->evtchn;
	struct pirq *p;

	if (!e->pirq)
		e->pirq = heap_alloc_array(pirq_count(d), sizeof(*e->pirq));
	if (!e->pirq)
		return NULL;
	p = e->pirq[nr];
	if (p)
		return p;
	p = heap_alloc(sizeof(*p));
	if (!p)
		return NULL;
	p->d = d;
	p->nr = nr;
	p->irq = PIRQ_FREE;
	__atomic_store_n(&e->pirq[nr], p, __ATOMIC_RELEASE);
	return p;
}

static bool pirq_is_free(const struct domain *d, u32 nr)
{
	const struct pirq *p = pirq_find(d, nr);

	return !p || p->irq == PIRQ_FREE;
}

// For an MSI the highest free number: the low ones are wanted for GSIs.
static int number_free(const struct domain *d, bool gsi)
{
	if (gsi) {
		for (u32 nr = PIRQ_FIRST_FREE; nr < nr_gsis; nr++)
			if (pirq_is_free(d, nr))
				return (int)nr;
	} else {
		for (u32 nr = pirq_count(d); nr-- > PIRQ_FIRST_FREE;)
			if (pirq_is_free(d, nr))
				return (int)nr;
	}
	return -ENOSPC;
}

int pirq_get_free(struct domain *d, bool gsi)
{
	struct pirq *p;
	int nr;

	spin_lock(&evtchn_lock);
	nr = number_free(d, gsi);
	if (nr >= 0) {
		p = pirq_make(d, (u32)nr);
		if (p)
			p->irq = PIRQ_TAKEN;
		else
			nr = -ENOMEM;
	}
	spin_unlock(&evtchn_lock);
	return nr;
}

int pirq_of_irq(struct domain *d, u32 irq)
{
	for (u32 nr = 0; nr < pirq_count(d); nr++) {
		const struct pirq *p = pirq_find(d, nr);

		if (p && p->irq == (int)irq)
			return (int)nr;
	}
	return -1;
}

// Which number irq gets when `want` was asked for.
static int number_choose(struct domain *d, int irq, int want)
{
	int old = pirq_of_irq(d, (u32)irq);
	const struct pirq *p;

	if (want < 0)
		return old >= 0 ? old : number_free(d, irq < (int)nr_gsis);
	if (old >= 0 && old != want)
		return -EEXIST;
	if ((u32)want >= pirq_count(d))
		return -EINVAL;
	p = pirq_find(d, (u32)want);
	return p && p->irq >= 0 && p->irq != irq ? -EEXIST : want;
}

static int map_irq(struct domain *d, int irq, int *pirq)
{
	struct pirq *p;
	int nr;

	spin_lock(&evtchn_lock);
	nr = d->state == DOM_ALIVE ? number_choose(d, irq, *pirq) : -EINVAL;
	if (nr >= 0) {
		p = pirq_make(d, (u32)nr);
		if (p)
			p->irq = irq;
		else
			nr = -ENOMEM;
	}
	spin_unlock(&evtchn_lock);
	if (nr < 0)
		return nr;
	*pirq = nr;
	return 0;
}

static bool may_use(struct domain *d, int irq)
{
	bool has;

	spin_lock(&d->lock);
	has = rangeset_has(d->irqs, (u64)irq, (u64)irq);
	spin_unlock(&d->lock);
	return has;
}

// -EINVAL no such line, -EPERM not the caller's to give, -EEXIST mapped as
// another number, -ENOSPC, -ENOMEM. As often as one likes.
int pirq_map_gsi(struct domain *d, int gsi, int *pirq)
{
	if (gsi < 0 || gsi >= (int)nr_gsis)
		return -EINVAL;
	if (!may_use(currd, gsi))
		return -EPERM;
	return map_irq(d, gsi, pirq);
}

int pirq_map_msi(struct domain *d, u32 irq, int *pirq)
{
	return map_irq(d, (int)irq, pirq);
}

int pirq_irq(struct domain *d, u32 pirq)
{
	const struct pirq *p = pirq_find(d, pirq);

	return p && p->irq >= 0 ? p->irq : -1;
}

// -EINVAL: not mapped. A binding is undone, the port stays, silent.
int pirq_unmap(struct domain *d, int pirq)
{
	int rc = -EINVAL;

	spin_lock(&evtchn_lock);
	if (!pirq_is_free(d, (u32)pirq)) {
		pirq_unbind(d, (u32)pirq, 0);
		pirq_find(d, (u32)pirq)->irq = PIRQ_FREE;
		rc = 0;
	}
	spin_unlock(&evtchn_lock);
	return rc;
}

static bool is_msi(const struct pirq *p)
{
	return p->irq >= (int)nr_gsis;
}

static void pirq_handler(unsigned int irq, void *data)
{
	struct pirq *p = data;
	struct evtchn *c = evtchn_find(p->d, READ_ONCE(p->port));

	spin_lock(&c->lock);
	if (c->b.state == EVTCHNSTAT_pirq && c->b.nr == p->nr) {
		p->in_flight = true;
		evtchn_raise(p->d, c);
	}
	spin_unlock(&c->lock);
}

// Before evtchn_lock is taken: -EINVAL no such number, -EPERM.
int pirq_check_bind(struct domain *d, u32 pirq)
{
	int irq = pirq_irq(d, pirq);

	if (pirq >= pirq_count(d))
		return -EINVAL;
	return irq < 0 || irq >= (int)nr_gsis || may_use(d, irq) ? 0 : -EPERM;
}

static void eoi_map_write(const struct pirq *p)
{
	u64 *map = p->d->evtchn->eoi_map;
	u64 bit = BIT(p->nr % 64);

	if (!map || p->nr >= PAGE_SIZE * 8)
		return;
	if (p->port && !is_msi(p) && irq_is_level((unsigned int)p->irq))
		__atomic_fetch_or(&map[p->nr / 64], bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&map[p->nr / 64], ~bit, __ATOMIC_SEQ_CST);
}

int pirq_bind(struct domain *d, u32 pirq, u32 port)
{
	struct pirq *p = pirq_find(d, pirq);
	int rc;

	if (!p || p->irq < 0)
		return -EINVAL;
	if (p->port)
		return -EEXIST;
	p->in_flight = false;
	WRITE_ONCE(p->port, port);
	rc = irq_request((unsigned int)p->irq, pirq_handler, p);
	if (rc)
		WRITE_ONCE(p->port, 0);
	else
		eoi_map_write(p);
	return rc;
}

void pirq_follow_vcpu(struct domain *d, u32 pirq, const struct vcpu *v)
{
	struct pirq *p = pirq_find(d, pirq);

	if (!p || !p->port)
		return;
	irq_set_affinity((unsigned int)p->irq, v->cpu);
	if (is_msi(p) && pirq_msi_update)
		pirq_msi_update((unsigned int)p->irq, false);
}

void pirq_start(struct domain *d, u32 pirq)
{
	struct pirq *p = pirq_find(d, pirq);

	pirq_follow_vcpu(d, pirq, d->vcpu[0] ? d->vcpu[0] : current);
	if (!is_msi(p))
		irq_unmask((unsigned int)p->irq);
}

// From that port, 0: from whichever it is. A pirq that was unmapped in between
// may be bound to another port by now.
void pirq_unbind(struct domain *d, u32 pirq, u32 port)
{
	struct pirq *p = pirq_find(d, pirq);

	if (!p || !p->port || (port && p->port != port))
		return;
	if (is_msi(p) && pirq_msi_update)
		pirq_msi_update((unsigned int)p->irq, true);
	irq_free((unsigned int)p->irq);
	WRITE_ONCE(p->port, 0);
	eoi_map_write(p);
}

bool pirq_needs_eoi(struct domain *d, u32 pirq)
{
	int irq = pirq_irq(d, pirq);

	return irq >= 0 && irq < (int)nr_gsis && irq_is_level((unsigned)irq);
}

// -EINVAL: no such pirq. Nothing happens unless an interrupt waits for it.
int pirq_eoi(struct domain *d, u32 pirq)
{
	struct pirq *p = pirq_find(d, pirq);
	u32 port;

	if (!p)
		return -EINVAL;
	port = READ_ONCE(p->port);
	if (d->evtchn->auto_unmask && port)
		evtchn_unmask(port);
	if (__atomic_exchange_n(&p->in_flight, false, __ATOMIC_SEQ_CST) &&
	    port && pirq_needs_eoi(d, pirq))
		irq_eoi((unsigned int)p->irq);
	return 0;
}

// -EINVAL bad frame, -EBUSY there is one already.
int pirq_set_eoi_map(struct domain *d, u64 gmfn, bool auto_unmask)
{
	struct evtchn_domain *e = d->evtchn;
	struct page_info *pg;
	void *map = guest_page_map(d, gmfn, &pg);
	int rc = 0;

	if (!map)
		return -EINVAL;
	spin_lock(&evtchn_lock);
	if (e->eoi_map) {
		rc = -EBUSY;
	} else {
		e->eoi_map = map;
		e->eoi_page = pg;
		e->auto_unmask = auto_unmask;
		for (u32 nr = 0; e->pirq && nr < pirq_count(d); nr++)
			if (e->pirq[nr])
				eoi_map_write(e->pirq[nr]);
	}
	spin_unlock(&evtchn_lock);
	if (rc)
		guest_page_unmap(map, pg);
	return rc;
}

// All ports are closed, no vcpu runs.
void pirq_relinquish(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	if (e->eoi_map)
		guest_page_unmap(e->eoi_map, e->eoi_page);
	e->eoi_map = NULL;
}

void pirq_exit(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	for (u32 nr = 0; e->pirq && nr < pirq_count(d); nr++)
		heap_free(e->pirq[nr]);
	heap_free(e->pirq);
}

void pirq_dump(struct domain *d)
{
	for (u32 nr = 0; d->evtchn && nr < pirq_count(d); nr++) {
		const struct pirq *p = pirq_find(d, nr);

		if (!p || p->irq < 0)
			continue;
		printk("  d%u pirq %u: irq %d%s, port %u%s\n", d->id, nr,
		       p->irq,
		       is_msi(p)	       ? " MSI"
		       : pirq_needs_eoi(d, nr) ? " level"
					       : " edge",
		       p->port, p->in_flight ? ", in flight" : "");
	}
}
