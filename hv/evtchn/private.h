// SPDX-License-Identifier: MIT
/*
 * Event channels, inside.
 *
 * Two kinds of locks. evtchn_lock (one for the whole machine, interrupts may
 * stay on) is held by whoever changes a binding, a port table, a pirq table
 * or sets up the FIFO ABI: rare and short operations, long ones drop it. The
 * lock of each channel guards its binding against senders: it is taken with
 * interrupts off for a few instructions, so that events can be sent from any
 * context and a send takes just this one lock, the sending end's. Bindings
 * are read under either lock and written under both.
 *
 * A sender reaches the other end of an interdomain channel without the other
 * end's lock: the two ends are unbound one after the other, the remote one
 * first, and no port is free for new use before both are done. Channels, pirqs
 * and buckets of ports once made stay until the domain is freed.
 */
#ifndef EVTCHN_PRIVATE_H
#define EVTCHN_PRIVATE_H

#include "evtchn/evtchn.h"
#include "evtchn/words.h"
#include "lib/errno.h"

#define CHN_RESERVED 15 // port 0; else EVTCHNSTAT_*

struct binding {
	u8 state;
	u16 vcpu; // whom to notify; always an id below max_vcpus
	u32 nr;	  // remote port, virq or pirq; unbound: the domid allowed
	struct domain *remote; // interdomain
};

struct evtchn {
	struct spinlock lock; // RANK_EVTCHN_CHANNEL
	u8 priority;	      // FIFO
	u8 last_priority;     // queue that it was linked to last: FIFO lock
	u16 last_vcpu;
	bool pending;  // FIFO, raised while there was no event word
	u8 bucket_use; // first of a bucket: ports of it that are not free
	u32 port;
	struct binding b;
};
_Static_assert(sizeof(struct evtchn) == 32, "two to a cache line");

#define BUCKET_PORTS 64

struct pirq {
	struct domain *d;
	u32 nr;
	int irq;	// PIRQ_FREE, PIRQ_TAKEN or a number
	u32 port;	// 0: not bound
	bool in_flight; // level line that waits for the guest's end
};
#define PIRQ_FREE  (-1)
#define PIRQ_TAKEN (-2) // promised by get_free_pirq

struct evtchn_domain {
	u32 valid_ports;	       // have a channel; only grows
	u32 max_port;		       // highest that may be bound
	u32 active;		       // ports in use but port 0
	u32 reset_next;		       // where an interrupted reset goes on
	bool fifo;		       // else the 2-level ABI
	struct spinlock fifo_lock;     // RANK_EVTCHN_FIFO: queues of all vcpus
	struct fifo_array array;       // FIFO
	u64 poll_mask[MAX_VCPUS / 64]; // vcpus in SCHEDOP_poll, atomic
	struct pirq *pirq;	       // pirq_count(), NULL before the first
	u64 *eoi_map;		 // guest's page: which pirqs need PHYSDEVOP_eoi
	bool auto_unmask;	 // PHYSDEVOP_eoi unmasks (eoi_map version 1)
	struct evtchn *bucket[]; // up to max_port
};

struct evtchn_vcpu {
	s32 poll_port;				   // 0 none, -1 any
	u32 virq_port[NR_VIRQS];		   // global ones at vcpu 0
	struct evtchn_fifo_control_block *control; // FIFO: NULL until set up
	u32 tail[EVTCHN_FIFO_MAX_QUEUES];	   // FIFO lock
};

extern struct spinlock evtchn_lock;

// NULL when the port has no channel. No lock needed.
static inline struct evtchn *evtchn_find(const struct domain *d, u32 port)
{
	const struct evtchn_domain *e = d->evtchn;
	u32 valid = READ_ONCE(e->valid_ports);

	if (unlikely(port >= valid))
		return NULL;
	port = (u32)index_nospec(port, valid);
	return &e->bucket[port / BUCKET_PORTS][port % BUCKET_PORTS];
}

static inline bool evtchn_usable(const struct evtchn *c)
{
	return c->b.state != EVTCHNSTAT_closed && c->b.state != CHN_RESERVED;
}

// send.c. Makes the event of d's channel pending. Interrupts off; a channel
// lock that keeps the channel from being freed is held.
void evtchn_raise(struct domain *d, struct evtchn *c);
void evtchn_clear_pending(struct domain *d, struct evtchn *c);
bool evtchn_is_busy(struct domain *d, const struct evtchn *c);
void virq_forget_domain(struct domain *d);

// fifo.c. The first two: true when v is due an upcall.
bool fifo_raise(struct domain *d, struct evtchn *c, struct vcpu *v);
bool fifo_unmask(struct domain *d, struct evtchn *c, struct vcpu *v);
void fifo_destroy(struct domain *d); // no channel in use; evtchn_lock held
// A frame of d's that it may write, as the hypervisor sees it, or NULL.
void *guest_page_map(struct domain *d, u64 gmfn);
void guest_page_unmap(void *p); // any address in it; NULL is allowed

// pirq.c, evtchn_lock held but for the first.
int pirq_check_bind(struct domain *d, u32 pirq);
int pirq_bind(struct domain *d, u32 pirq, u32 port); // to a bound channel
void pirq_unbind(struct domain *d, u32 pirq, u32 port);
void pirq_follow_vcpu(struct domain *d, u32 pirq, const struct vcpu *v);
void pirq_dump(struct domain *d);

#endif
