// SPDX-License-Identifier: MIT
// Sending: from guests, from the hypervisor (VIRQs), and what the guest sees
// of it under the 2-level ABI. See private.h for the locks.
#include "dom/shared.h"
#include "evtchn/private.h"
#include "sched/sched.h"

static struct domain *virq_handler[NR_VIRQS]; // NULL: Dom0; references held
static struct spinlock virq_lock = SPINLOCK_INIT(RANK_EVTCHN_VIRQ);

static inline void vcpu_mark_pending(struct vcpu *v)
{
	if (!__atomic_exchange_n(&v->info->evtchn_upcall_pending, 1,
				 __ATOMIC_SEQ_CST))
		vcpu_kick(v);
}

static __noinline void pollers_wake(struct domain *d, u32 w, u32 port)
{
	u64 *mask = &d->evtchn->poll_mask[w];

	for (u64 left = READ_ONCE(*mask); left; left &= left - 1) {
		u64 bit = left & -left;
		struct vcpu *v = d->vcpu[w * 64 + (u32)__builtin_ctzl(left)];
		s32 want = READ_ONCE(v->evtchn->poll_port);

		if (want > 0 && (u32)want != port)
			continue;
		if (__atomic_fetch_and(mask, ~bit, __ATOMIC_SEQ_CST) & bit)
			vcpu_unblock(v);
	}
}

// The poller marks itself here first and looks at its ports afterwards; the
// sender sets the event pending first and looks for pollers afterwards.
void evtchn_poll_set(struct vcpu *v, int port)
{
	u64 *word = &v->domain->evtchn->poll_mask[v->id / 64];
	u64 bit = BIT(v->id % 64);

	WRITE_ONCE(v->evtchn->poll_port, port);
	if (port)
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	else if (READ_ONCE(*word) & bit)
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

static __noinline bool raise32(struct domain *d, struct vcpu *v, u32 port)
{
	u32 bit;
	u64 *selector = vcpu_selector32(v, port, &bit);

	return level2_raise(d->shared->evtchn_pending, shared_mask32(d),
			    selector, bit, port);
}

static bool raise_2l(struct domain *d, struct vcpu *v, u32 port)
{
	return unlikely(d->pv32) ? raise32(d, v, port)
				 : level2_raise(d->shared->evtchn_pending,
						d->shared->evtchn_mask,
						&v->info->evtchn_pending_sel,
						port / 64, port);
}

static bool unmask_2l(struct domain *d, struct vcpu *v, u32 port)
{
	u32 bit = port / 64;
	u64 *selector = &v->info->evtchn_pending_sel;

	if (d->pv32)
		selector = vcpu_selector32(v, port, &bit);
	return level2_unmask(d->shared->evtchn_pending,
			     d->pv32 ? shared_mask32(d)
				     : d->shared->evtchn_mask,
			     selector, bit, port);
}

void evtchn_raise(struct domain *d, struct evtchn *c)
{
	struct evtchn_domain *e = d->evtchn;
	struct vcpu *v = d->vcpu[READ_ONCE(c->b.vcpu)];

	if (unlikely(!v))
		return; // no vcpu was made yet
	if (e->fifo ? fifo_raise(d, c, v) : raise_2l(d, v, c->port))
		vcpu_mark_pending(v);
	for (u32 w = 0; w < ARRAY_SIZE(e->poll_mask); w++)
		if (unlikely(READ_ONCE(e->poll_mask[w])))
			pollers_wake(d, w, c->port);
}

int evtchn_send(struct domain *d, u32 port)
{
	struct evtchn *c = evtchn_find(d, port);

	if (!c)
		return -EINVAL;
	SPIN_GUARD_IRQ(&c->lock);
	switch (c->b.state) {
	case EVTCHNSTAT_interdomain:
		evtchn_raise(c->b.remote, evtchn_find(c->b.remote, c->b.nr));
		return 0;
	case EVTCHNSTAT_ipi:
		evtchn_raise(d, c);
		return 0;
	case EVTCHNSTAT_unbound: // nobody there (yet)
		return 0;
	default:
		return -EINVAL;
	}
}

int evtchn_unmask(u32 port)
{
	struct domain *d = currd;
	struct evtchn *c = evtchn_find(d, port);
	struct vcpu *v;

	if (!c)
		return -EINVAL;
	SPIN_GUARD_IRQ(&c->lock);
	v = d->vcpu[c->b.vcpu];
	if (unlikely(!evtchn_usable(c) || !v))
		return 0;
	if (d->evtchn->fifo ? fifo_unmask(d, c, v) : unmask_2l(d, v, port))
		vcpu_mark_pending(v);
	return 0;
}

// Under a lock that keeps the FIFO array in place.
static bool word_test(struct domain *d, const struct evtchn *c, u32 fifo_bit)
{
	const u32 *word;

	if (!d->evtchn->fifo)
		return fifo_bit == FIFO_PENDING &&
		       map_bit(d->shared->evtchn_pending, c->port);
	word = fifo_word(&d->evtchn->array, c->port);
	return word && READ_ONCE(*word) & fifo_bit;
}

int evtchn_is_pending(struct domain *d, u32 port)
{
	struct evtchn *c = evtchn_find(d, port);

	if (!c)
		return -EINVAL;
	SPIN_GUARD_IRQ(&c->lock);
	return evtchn_usable(c) && word_test(d, c, FIFO_PENDING);
}

// A closed FIFO port may still be on one of the guest's queues.
bool evtchn_is_busy(struct domain *d, const struct evtchn *c)
{
	return word_test(d, c, FIFO_LINKED);
}

void evtchn_clear_pending(struct domain *d, struct evtchn *c)
{
	u32 *word;

	c->pending = false;
	if (!d->evtchn->fifo) {
		__atomic_fetch_and(&d->shared->evtchn_pending[c->port / 64],
				   ~BIT(c->port % 64), __ATOMIC_SEQ_CST);
		return;
	}
	word = fifo_word(&d->evtchn->array, c->port);
	if (word)
		__atomic_fetch_and(word, ~FIFO_PENDING, __ATOMIC_SEQ_CST);
}

bool virq_is_vcpu(u32 virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG ||
	       virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

void virq_send_vcpu(struct vcpu *v, u32 virq)
{
	u32 port = v->evtchn ? READ_ONCE(v->evtchn->virq_port[virq]) : 0;
	struct evtchn *c;

	if (!port)
		return;
	c = evtchn_find(v->domain, port);
	SPIN_GUARD_IRQ(&c->lock);
	// The port may have been closed, even bound anew, in between.
	if (c->b.state == EVTCHNSTAT_virq && c->b.nr == virq)
		evtchn_raise(v->domain, c);
}

void virq_send_global(u32 virq)
{
	struct domain *d;

	SPIN_GUARD_IRQ(&virq_lock);
	d = virq_handler[virq] ? virq_handler[virq] : dom0;
	if (d && domain_vcpu(d, 0))
		virq_send_vcpu(d->vcpu[0], virq);
}

// d is held by the caller. -EINVAL: no global VIRQ, or d is being destroyed.
int virq_set_handler(struct domain *d, u32 virq)
{
	__domain_ref struct domain *old = NULL; // goes after the lock

	if (virq >= NR_VIRQS || virq_is_vcpu(virq))
		return -EINVAL;
	SPIN_GUARD_IRQ(&virq_lock);
	// Dying comes before virq_forget_domain(), which takes the lock.
	if (READ_ONCE(d->state) != DOM_ALIVE)
		return -EINVAL;
	domain_get(d);
	old = virq_handler[virq];
	virq_handler[virq] = d;
	return 0;
}

// The dying domain's VIRQs go to Dom0 again.
void virq_forget_domain(struct domain *d)
{
	for (u32 virq = 0; virq < NR_VIRQS; virq++) {
		__domain_ref struct domain *old = NULL;

		SPIN_GUARD_IRQ(&virq_lock);
		if (virq_handler[virq] == d) {
			old = d;
			virq_handler[virq] = NULL;
		}
	}
}
