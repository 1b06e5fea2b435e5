// SPDX-License-Identifier: MIT
// The FIFO ABI's set-up and queues: 16 priorities a vcpu, linked through the
// event words in the guest's pages (words.c has the protocol).
#include "evtchn/private.h"
#include "mm/alloc.h"

void *guest_page_map(struct domain *d, u64 gmfn, struct page_info **out)
{
	struct page_info *pg;

	if (!mfn_valid(mfn(gmfn)))
		return NULL;
	pg = mfn_to_page(mfn(gmfn));
	if (page_get_writable(pg, &d->account))
		return NULL;
	*out = pg;
	return map_frame(mfn(gmfn));
}

void guest_page_unmap(void *p, struct page_info *pg)
{
	unmap_frame(p);
	page_put_writable(pg);
}

// One lock for all queues of the domain: a port may move from one queue to
// another with every change of its vcpu or priority.
static void link_event(struct domain *d, struct evtchn *c, struct vcpu *v)
{
	struct fifo *f = d->evtchn->fifo;
	u8 priority = READ_ONCE(c->priority);
	u32 ready = 1u << priority;
	struct evtchn_fifo_control_block *control;
	struct vcpu *old;
	enum fifo_linked how;
	bool kick;

	spin_lock(&f->lock);
	control = v->evtchn->control;
	if (unlikely(!control)) { // the guest has not set this vcpu up: lost
		spin_unlock(&f->lock);
		return;
	}
	old = d->vcpu[c->last_vcpu];
	how = fifo_link(&f->array, c->port,
			&(old ? old : v)->evtchn->tail[c->last_priority],
			&v->evtchn->tail[priority], &control->head[priority]);
	if (how != FIFO_ALREADY) {
		c->last_vcpu = (u16)v->id;
		c->last_priority = priority;
	}
	// Inside of the lock: a ready bit that comes late would send the guest
	// to a head that may be on another queue by then.
	kick = how == FIFO_FIRST &&
	       !(__atomic_fetch_or(&control->ready, ready, __ATOMIC_SEQ_CST) &
		 ready);
	spin_unlock(&f->lock);
	if (kick)
		vcpu_mark_pending(v);
}

void fifo_raise(struct domain *d, struct evtchn *c, struct vcpu *v)
{
	struct fifo *f = d->evtchn->fifo;
	u32 *word = fifo_word(&f->array, c->port);

	if (unlikely(!word)) {
		// Remember it for expand_array, which publishes the page
		// first and looks at the flags then.
		__atomic_store_n(&c->pending, true, __ATOMIC_SEQ_CST);
		word = fifo_word(&f->array, c->port);
		if (!word)
			return;
	}
	if (fifo_word_raise(word))
		link_event(d, c, v);
}

void fifo_unmask(struct domain *d, struct evtchn *c, struct vcpu *v)
{
	u32 *word = fifo_word(&d->evtchn->fifo->array, c->port);

	if (word && fifo_word_unmask(word))
		link_event(d, c, v);
}

// Ports that exist already come over to the FIFO ABI.
static void ports_convert(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;
	u32 end = MIN(e->valid_ports, (u32)EVTCHN_2L_NR_CHANNELS);

	for (u32 port = 1; port < end; port++) {
		struct evtchn *c = evtchn_find(d, port);
		u64 set = d->shared->evtchn_pending[port / 64];

		if (set >> port % 64 & 1)
			__atomic_store_n(&c->pending, true, __ATOMIC_SEQ_CST);
	}
}

static int control_block_set(struct domain *d, struct vcpu *v,
			     const struct evtchn_init_control *op)
{
	struct evtchn_domain *e = d->evtchn;
	struct fifo *f = e->fifo;
	struct page_info *pg;
	void *p;

	if (v->evtchn->control || d->state != DOM_ALIVE)
		return -EINVAL;
	p = guest_page_map(d, op->control_gfn, &pg);
	if (!p)
		return -EINVAL;
	if (!f) {
		f = heap_alloc(sizeof(*f));
		if (!f) {
			guest_page_unmap(p, pg);
			return -ENOMEM;
		}
		spin_init(&f->lock, RANK_EVTCHN_FIFO);
	}
	v->evtchn->control_page = pg;
	__atomic_store_n(&v->evtchn->control, (void *)((char *)p + op->offset),
			 __ATOMIC_RELEASE);
	if (!e->fifo) {
		ports_convert(d);
		__atomic_store_n(&e->fifo, f, __ATOMIC_RELEASE);
	}
	return 0;
}

// -ENOENT no such vcpu; -EINVAL bad offset or frame, or set up already.
int evtchn_init_control(struct evtchn_init_control *op)
{
	struct vcpu *v = domain_vcpu(currd, op->vcpu);
	int rc;

	op->link_bits = EVTCHN_FIFO_LINK_BITS;
	if (!v)
		return -ENOENT;
	if (op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) ||
	    op->offset % 8)
		return -EINVAL;
	spin_lock(&evtchn_lock);
	rc = control_block_set(currd, v, op);
	spin_unlock(&evtchn_lock);
	return rc;
}

// Events that came before their words are raised now.
static void raise_remembered(struct domain *d, u32 from)
{
	for (u32 port = from; port < from + FIFO_PAGE_PORTS; port++) {
		struct evtchn *c = evtchn_find(d, port);
		u64 flags;

		if (!c)
			break;
		if (!READ_ONCE(c->pending))
			continue;
		flags = spin_lock_irqsave(&c->lock);
		if (__atomic_exchange_n(&c->pending, false, __ATOMIC_SEQ_CST) &&
		    evtchn_usable(c))
			evtchn_raise(d, c);
		spin_unlock_irqrestore(&c->lock, flags);
	}
}

static int array_add(struct domain *d, u64 gfn)
{
	struct fifo *f = d->evtchn->fifo;
	struct page_info *pg;
	u32 ports;
	void *p;

	if (!f)
		return -EOPNOTSUPP;
	ports = f->array.ports;
	if (ports >= EVTCHN_FIFO_NR_CHANNELS)
		return -ENOSPC;
	p = d->state == DOM_ALIVE ? guest_page_map(d, gfn, &pg) : NULL;
	if (!p)
		return -EINVAL;
	f->array.page[ports / FIFO_PAGE_PORTS] = p;
	__atomic_store_n(&f->array.ports, ports + (u32)FIFO_PAGE_PORTS,
			 __ATOMIC_SEQ_CST);
	raise_remembered(d, ports);
	return 0;
}

// -EOPNOTSUPP before init_control, -ENOSPC all 2^17 there, -EINVAL bad frame.
int evtchn_expand_array(const struct evtchn_expand_array *op)
{
	int rc;

	spin_lock(&evtchn_lock);
	rc = array_add(currd, op->array_gfn);
	spin_unlock(&evtchn_lock);
	return rc;
}

// Takes effect when the event is linked the next time. -EINVAL, -ENOSYS.
int evtchn_set_priority(const struct evtchn_set_priority *op)
{
	struct evtchn *c = evtchn_find(currd, op->port);

	if (!c)
		return -EINVAL;
	if (!READ_ONCE(currd->evtchn->fifo))
		return -ENOSYS;
	if (op->priority > EVTCHN_FIFO_PRIORITY_MIN)
		return -EINVAL;
	WRITE_ONCE(c->priority, (u8)op->priority);
	return 0;
}

void fifo_destroy(struct domain *d)
{
	struct fifo *f = d->evtchn->fifo;
	struct vcpu *v;

	d->evtchn->fifo = NULL;
	for_each_vcpu(d, v) {
		if (!v->evtchn || !v->evtchn->control)
			continue;
		guest_page_unmap(v->evtchn->control, v->evtchn->control_page);
		v->evtchn->control = NULL;
		for (u32 q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++)
			v->evtchn->tail[q] = 0;
	}
	if (!f)
		return;
	for (u32 i = 0; i < f->array.ports / FIFO_PAGE_PORTS; i++)
		guest_page_unmap(f->array.page[i],
				 virt_to_page(f->array.page[i]));
	heap_free(f);
}
