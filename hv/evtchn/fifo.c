// SPDX-License-Identifier: MIT
// The FIFO ABI's set-up and queues: 16 priorities a vcpu, linked through the
// event words in the guest's pages (words.c has the protocol).
#include "evtchn/private.h"
#include "lib/string.h"
#include "mm/alloc.h"

void *guest_page_map(struct domain *d, u64 gmfn)
{
	mfn_t m = mfn(gmfn);

	if (!mfn_valid(m) || page_get_writable(mfn_to_page(m), &d->account))
		return NULL;
	return map_frame(m);
}

void guest_page_unmap(void *p)
{
	if (!p)
		return;
	unmap_frame(p);
	page_put_writable(virt_to_page(p));
}

// One lock for all queues of the domain: a port may move from one queue to
// another with every change of its vcpu or priority. True: v is due an upcall.
static bool link_event(struct domain *d, struct evtchn *c, struct vcpu *v)
{
	struct evtchn_domain *e = d->evtchn;
	u8 priority = READ_ONCE(c->priority);
	u32 ready = 1u << priority;
	struct evtchn_fifo_control_block *control;
	struct vcpu *old;
	enum fifo_linked how;

	SPIN_GUARD(&e->fifo_lock);
	control = v->evtchn->control;
	if (unlikely(!control)) // the guest has not set this vcpu up: lost
		return false;
	old = d->vcpu[c->last_vcpu];
	how = fifo_link(&e->array, c->port,
			&(old ? old : v)->evtchn->tail[c->last_priority],
			&v->evtchn->tail[priority], &control->head[priority]);
	if (how != FIFO_ALREADY) {
		c->last_vcpu = (u16)v->id;
		c->last_priority = priority;
	}
	// Inside of the lock: a ready bit that comes late would send the guest
	// to a head that may be on another queue by then.
	return how == FIFO_FIRST &&
	       !(__atomic_fetch_or(&control->ready, ready, __ATOMIC_SEQ_CST) &
		 ready);
}

bool fifo_raise(struct domain *d, struct evtchn *c, struct vcpu *v)
{
	const struct fifo_array *array = &d->evtchn->array;
	u32 *word = fifo_word(array, c->port);

	if (unlikely(!word)) {
		// Remember it for expand_array, which publishes the page
		// first and looks at the flags then.
		__atomic_store_n(&c->pending, true, __ATOMIC_SEQ_CST);
		word = fifo_word(array, c->port);
	}
	return word && fifo_word_raise(word) && link_event(d, c, v);
}

bool fifo_unmask(struct domain *d, struct evtchn *c, struct vcpu *v)
{
	u32 *word = fifo_word(&d->evtchn->array, c->port);

	return word && fifo_word_unmask(word) && link_event(d, c, v);
}

// Ports that exist already come over to the FIFO ABI.
static void ports_convert(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	u32 end = MIN(e->valid_ports, (u32)EVTCHN_2L_NR_CHANNELS);

	for (u32 port = 1; port < end; port++)
		if (map_bit(d->shared->evtchn_pending, port))
			__atomic_store_n(&evtchn_find(d, port)->pending, true,
					 __ATOMIC_SEQ_CST);
}

// -ENOENT no such vcpu; -EINVAL bad offset or frame, or set up already.
int evtchn_init_control(struct evtchn_init_control *op)
{
	struct domain *d = currd;
	struct vcpu *v = domain_vcpu(d, op->vcpu);
	char *p;

	op->link_bits = EVTCHN_FIFO_LINK_BITS;
	if (!v)
		return -ENOENT;
	if (op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) ||
	    op->offset % 8)
		return -EINVAL;
	SPIN_GUARD(&evtchn_lock);
	if (v->evtchn->control || d->state != DOM_ALIVE)
		return -EINVAL;
	p = guest_page_map(d, op->control_gfn);
	if (!p)
		return -EINVAL;
	__atomic_store_n(&v->evtchn->control, (void *)(p + op->offset),
			 __ATOMIC_RELEASE);
	if (!d->evtchn->fifo) {
		ports_convert(d);
		__atomic_store_n(&d->evtchn->fifo, true, __ATOMIC_RELEASE);
	}
	return 0;
}

// Events that came before their words are raised now.
static void raise_remembered(struct domain *d, u32 from)
{
	for (u32 port = from; port < from + FIFO_PAGE_PORTS; port++) {
		struct evtchn *c = evtchn_find(d, port);

		if (!c)
			break;
		if (!READ_ONCE(c->pending))
			continue;
		SPIN_GUARD_IRQ(&c->lock);
		if (__atomic_exchange_n(&c->pending, false, __ATOMIC_SEQ_CST) &&
		    evtchn_usable(c))
			evtchn_raise(d, c);
	}
}

// -EOPNOTSUPP before init_control, -ENOSPC all 2^17 there, -EINVAL bad frame.
int evtchn_expand_array(const struct evtchn_expand_array *op)
{
	struct domain *d = currd;
	struct fifo_array *a = &d->evtchn->array;
	u32 ports;
	void *p;

	SPIN_GUARD(&evtchn_lock);
	if (!d->evtchn->fifo)
		return -EOPNOTSUPP;
	ports = a->ports;
	if (ports >= EVTCHN_FIFO_NR_CHANNELS)
		return -ENOSPC;
	p = d->state == DOM_ALIVE ? guest_page_map(d, op->array_gfn) : NULL;
	if (!p)
		return -EINVAL;
	a->page[ports / FIFO_PAGE_PORTS] = p;
	__atomic_store_n(&a->ports, ports + (u32)FIFO_PAGE_PORTS,
			 __ATOMIC_SEQ_CST);
	raise_remembered(d, ports);
	return 0;
}

// Takes effect when the event is linked the next time. -EINVAL, -ENOSYS;
// -EACCES: the port is closed.
int evtchn_set_priority(const struct evtchn_set_priority *op)
{
	struct evtchn *c = evtchn_find(currd, op->port);

	if (!c)
		return -EINVAL;
	if (!READ_ONCE(currd->evtchn->fifo))
		return -ENOSYS;
	if (!evtchn_usable(c))
		return -EACCES;
	if (op->priority > EVTCHN_FIFO_PRIORITY_MIN)
		return -EINVAL;
	WRITE_ONCE(c->priority, (u8)op->priority);
	return 0;
}

void fifo_destroy(struct domain *d)
{
	struct fifo_array *a = &d->evtchn->array;
	u32 pages = a->ports / FIFO_PAGE_PORTS;
	struct vcpu *v;

	d->evtchn->fifo = false;
	for_each_vcpu(d, v) {
		if (!v->evtchn)
			continue;
		guest_page_unmap(v->evtchn->control);
		v->evtchn->control = NULL;
		memset(v->evtchn->tail, 0, sizeof(v->evtchn->tail));
	}
	a->ports = 0;
	for (u32 i = 0; i < pages; i++)
		guest_page_unmap(a->page[i]);
}
