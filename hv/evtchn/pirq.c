// SPDX-License-Identifier: MIT
// Interrupts that guests handle: a domain's pirq numbers, what irq each one
// stands for and the port that it is bound to. A line belongs to one domain.
#include "evtchn/private.h"
#include "con/con.h"
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

// Most domains never have one: made when the first is asked for. evtchn_lock.
static int table_make(struct domain *d)
{
	struct pirq *p = d->evtchn->pirq;

	if (p)
		return 0;
	p = heap_alloc_array(pirq_count(d), sizeof(*p));
	for (u32 nr = 0; p && nr < pirq_count(d); nr++)
		p[nr] = (struct pirq){ .d = d, .nr = nr, .irq = PIRQ_FREE };
	__atomic_store_n(&d->evtchn->pirq, p, __ATOMIC_RELEASE);
	return p ? 0 : -ENOMEM;
}

// NULL: no such number, or none was ever used.
static struct pirq *pirq_find(const struct domain *d, u32 nr)
{
	struct pirq *p = READ_ONCE(d->evtchn->pirq);
	u32 n = pirq_count(d);

	return p && nr < n ? &p[index_nospec(nr, n)] : NULL;
}

// A GSI gets the lowest free number; MSIs get the highest n free ones in a row,
// because the low ones are wanted for GSIs.
static int numbers_free(const struct domain *d, bool gsi, u32 n)
{
	int end = (int)(gsi ? nr_gsis : pirq_count(d));
	u32 run = 0;

	for (int i = PIRQ_FIRST_FREE; i < end; i++) {
		int nr = gsi ? i : PIRQ_FIRST_FREE + end - 1 - i;

		run = d->evtchn->pirq[nr].irq == PIRQ_FREE ? run + 1 : 0;
		if (run == n)
			return nr;
	}
	return -ENOSPC;
}

int pirq_get_free(struct domain *d, bool gsi)
{
	int nr;

	SPIN_GUARD(&evtchn_lock);
	nr = table_make(d);
	if (!nr)
		nr = numbers_free(d, gsi, 1);
	if (nr >= 0)
		d->evtchn->pirq[nr].irq = PIRQ_TAKEN;
	return nr;
}

int pirq_of_irq(struct domain *d, u32 irq)
{
	const struct pirq *p;

	for (u32 nr = 0; (p = pirq_find(d, nr)); nr++)
		if (p->irq == (int)irq)
			return (int)nr;
	return -1;
}

// Which number irq gets when `want` was asked for.
static int number_choose(struct domain *d, int irq, int want)
{
	int old = pirq_of_irq(d, (u32)irq);
	const struct pirq *p;

	if (want < 0)
		return old >= 0 ? old : numbers_free(d, irq < (int)nr_gsis, 1);
	if (old >= 0 && old != want)
		return -EEXIST;
	p = pirq_find(d, (u32)want);
	if (!p)
		return -EINVAL;
	return p->irq >= 0 && p->irq != irq ? -EEXIST : want;
}

int pirq_map_irqs(struct domain *d, int irq, u32 n, int *pirq)
{
	int nr;

	SPIN_GUARD(&evtchn_lock);
	if (d->state != DOM_ALIVE || (n > 1 && *pirq >= 0))
		return -EINVAL;
	if (table_make(d))
		return -ENOMEM;
	nr = n > 1 ? numbers_free(d, false, n) : number_choose(d, irq, *pirq);
	if (nr < 0)
		return nr;
	for (int i = 0; i < (int)n; i++)
		pirq_find(d, (u32)(nr + i))->irq = irq + i;
	*pirq = nr;
	return 0;
}

static bool may_use(struct domain *d, int irq)
{
	SPIN_GUARD(&d->lock);
	return rangeset_has(&d->rights[RIGHT_IRQS], (u64)irq, (u64)irq);
}

// -EINVAL no such line, -EPERM not the caller's to give, -EEXIST mapped as
// another number, -ENOSPC, -ENOMEM. As often as one likes.
int pirq_map_gsi(struct domain *d, int gsi, int *pirq)
{
	if (gsi < 0 || gsi >= (int)nr_gsis)
		return -EINVAL;
	if (!may_use(currd, gsi))
		return -EPERM;
	return pirq_map_irqs(d, gsi, 1, pirq);
}

int pirq_irq(struct domain *d, u32 pirq)
{
	const struct pirq *p = pirq_find(d, pirq);

	return p && p->irq >= 0 ? p->irq : -1;
}

// -EINVAL: not mapped. A binding is undone, the port stays, silent.
int pirq_unmap(struct domain *d, int pirq)
{
	struct pirq *p = pirq_find(d, (u32)pirq);

	SPIN_GUARD(&evtchn_lock);
	if (!p || p->irq < 0)
		return -EINVAL;
	pirq_unbind(d, p->nr, 0);
	p->irq = PIRQ_FREE;
	return 0;
}

static bool is_msi(const struct pirq *p)
{
	return p->irq >= (int)nr_gsis;
}

static bool is_level(const struct pirq *p)
{
	return p->irq >= 0 && !is_msi(p) && irq_is_level((unsigned int)p->irq);
}

static void pirq_handler(unsigned int irq, void *data)
{
	struct pirq *p = data;
	struct evtchn *c = evtchn_find(p->d, READ_ONCE(p->port));

	SPIN_GUARD(&c->lock);
	if (c->b.state == EVTCHNSTAT_pirq && c->b.nr == p->nr) {
		p->in_flight = true;
		evtchn_raise(p->d, c);
	}
}

// Before evtchn_lock is taken: -EINVAL no such number, -EPERM.
int pirq_check_bind(struct domain *d, u32 pirq)
{
	int irq = pirq_irq(d, pirq);

	if (pirq >= pirq_count(d))
		return -EINVAL;
	if (irq < 0)
		return -EPERM;
	return irq >= (int)nr_gsis || may_use(d, irq) ? 0 : -EPERM;
}

static void eoi_map_write(const struct pirq *p)
{
	u64 *map = p->d->evtchn->eoi_map;
	u64 bit = BIT(p->nr % 64);

	if (!map || p->nr >= PAGE_SIZE * 8)
		return;
	if (p->port && is_level(p))
		__atomic_fetch_or(&map[p->nr / 64], bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&map[p->nr / 64], ~bit, __ATOMIC_SEQ_CST);
}

void pirq_follow_vcpu(struct domain *d, u32 pirq, const struct vcpu *v)
{
	const struct pirq *p = pirq_find(d, pirq);

	if (!p || !p->port)
		return;
	irq_set_affinity((unsigned int)p->irq, v->cpu);
	if (is_msi(p) && pirq_msi_update)
		pirq_msi_update((unsigned int)p->irq, false);
}

void pirqs_leave(unsigned int cpu)
{
	SPIN_GUARD(&evtchn_lock);
	for (unsigned int irq = 0; irq < MAX_IRQS; irq++)
		if (irq_leave(irq, cpu) && pirq_msi_update)
			pirq_msi_update(irq, false);
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
	if (rc) {
		WRITE_ONCE(p->port, 0);
		return rc;
	}
	eoi_map_write(p);
	pirq_follow_vcpu(d, pirq, d->vcpu[0] ? d->vcpu[0] : current);
	if (!is_msi(p))
		irq_unmask((unsigned int)p->irq);
	return 0;
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

// -EINVAL: not mapped. Nothing happens unless an interrupt waits for it.
int pirq_eoi(struct domain *d, u32 pirq)
{
	struct pirq *p = pirq_find(d, pirq);
	u32 port;

	if (!p || p->irq == PIRQ_FREE)
		return -EINVAL;
	port = READ_ONCE(p->port);
	if (d->evtchn->auto_unmask && port)
		evtchn_unmask(port);
	if (__atomic_exchange_n(&p->in_flight, false, __ATOMIC_SEQ_CST) &&
	    port && is_level(p))
		irq_eoi((unsigned int)p->irq);
	return 0;
}

// -EINVAL bad frame, -EBUSY there is one already.
int pirq_set_eoi_map(struct domain *d, u64 gmfn, bool auto_unmask)
{
	struct evtchn_domain *e = d->evtchn;
	void *map = guest_page_map(d, gmfn);
	int rc;

	if (!map)
		return -EINVAL;
	SPIN_GUARD(&evtchn_lock);
	rc = e->eoi_map ? -EBUSY : table_make(d);
	if (rc) {
		guest_page_unmap(map);
		return rc;
	}
	e->eoi_map = map;
	e->auto_unmask = auto_unmask;
	for (u32 nr = 0; nr < pirq_count(d); nr++)
		eoi_map_write(&e->pirq[nr]);
	return 0;
}

void pirq_dump(struct domain *d)
{
	const struct pirq *p;

	for (u32 nr = 0; (p = pirq_find(d, nr)); nr++) {
		if (p->irq >= 0)
			printk("  d%u pirq %u: irq %d%s, port %u%s\n", d->id,
			       nr, p->irq,
			       is_msi(p)     ? " MSI"
			       : is_level(p) ? " level"
					     : " edge",
			       p->port, p->in_flight ? ", in flight" : "");
	}
}
