// SPDX-License-Identifier: MIT
/*
 * The life of event-channel ports, all of it: two domains with two ports each,
 * every operation from every state that they can get into, against the rules
 * of evtchn_rules.h (docs/models.md). Where an operation lets go of a lock,
 * another CPU does something of its own: any of what that lock allows.
 */
#include "evtchn_rules.h"
#include "enumerate.h"

#define PORTS 2
#define PIRQ  17

struct action {
	void (*run)(u32 a, u32 b);
	u32 a, b;
	u8 who;	     // vcpu 0 of that domain
	bool sender; // takes channel locks only
};

static u32 before[2]; // ports in use, a bit each
static bool alive_before[2];
static int answer;
static bool alone; // nobody interferes: the answer is known

static u32 used(u32 d)
{
	u32 set = 0;

	for (u32 port = 1; port <= PORTS; port++)
		if (evtchn_usable(evtchn_find(&dom[d], port)))
			set |= 1u << port;
	return set;
}

static u32 self(void)
{
	return currd->id;
}

static struct evtchn *mine(u32 port)
{
	return evtchn_find(currd, port);
}

// What a new port of the running domain gets.
static int expect_new(int other)
{
	if (!alone)
		return answer;
	if (other)
		return other;
	if (!alive_before[self()])
		return -EINVAL;
	return before[self()] == ((1u << PORTS) - 1) << 1 ? -ENOSPC : 0;
}

static void judge_new(u32 port, int other)
{
	CHECK(answer == expect_new(other));
	if (!alone || answer)
		return;
	CHECK(port && port <= PORTS && !(before[self()] >> port & 1));
	CHECK(used(self()) == (before[self()] | 1u << port));
}

static void do_alloc(u32 d, u32 remote)
{
	struct evtchn_alloc_unbound op = { (u16)d, (u16)remote, 0 };

	answer = evtchn_alloc_unbound(&op);
	judge_new(op.port, d == self() ? 0 : -EPERM);
	if (!answer && alone)
		CHECK(mine(op.port)->b.state == EVTCHNSTAT_unbound &&
		      mine(op.port)->b.nr == remote);
}

static void do_interdomain(u32 d, u32 port)
{
	struct evtchn_bind_interdomain op = { (u16)d, port, 0 };
	const struct evtchn *rc = evtchn_find(&dom[d], port);
	bool waits = rc->b.state == EVTCHNSTAT_unbound && rc->b.nr == self();

	answer = evtchn_bind_interdomain(&op);
	judge_new(op.local_port, waits ? 0 : -EINVAL);
	if (!answer && alone)
		CHECK(rc->b.remote == currd && rc->b.nr == op.local_port &&
		      pending(self(), op.local_port));
}

static void do_virq(u32 virq, u32 vcpu)
{
	struct evtchn_bind_virq op = { virq, vcpu, 0 };
	bool has = currd->vcpu[vcpu]->evtchn->virq_port[virq];

	answer = evtchn_bind_virq(&op);
	judge_new(op.port, has ? -EEXIST : 0);
}

static void do_ipi(u32 vcpu, u32 unused)
{
	struct evtchn_bind_ipi op = { vcpu, 0 };

	answer = evtchn_bind_ipi(&op);
	judge_new(op.port, 0);
}

static void do_pirq(u32 pirq, u32 unused)
{
	const struct pirq *p = &currd->evtchn->pirq[pirq];
	struct evtchn_bind_pirq op = { pirq, 0, 0 };
	bool full = before[self()] == ((1u << PORTS) - 1) << 1;
	int other = p->irq < 0 ? -EPERM : p->port && !full ? -EEXIST : 0;

	answer = evtchn_bind_pirq(&op);
	judge_new(op.port, other);
}

static void do_map(u32 pirq, u32 unused)
{
	int nr = (int)pirq;

	pirq_map_gsi(currd, nr, &nr);
}

static void do_unmap(u32 pirq, u32 unused)
{
	pirq_unmap(currd, (int)pirq);
}

static void do_close(u32 port, u32 unused)
{
	const struct pirq *p = &dom[0].evtchn->pirq[PIRQ];
	u32 bound = self() || p->port != port ? p->port : 0;
	bool was = before[self()] >> port & 1;

	answer = evtchn_close(currd, port);
	CHECK(!alone || p->port == bound);
	CHECK(!alone || answer == (was ? 0 : -EINVAL));
	CHECK(!alone || used(self()) == (before[self()] & ~(1u << port)));
	CHECK(!alone || !was || !pending(self(), port));
}

static void do_vcpu(u32 port, u32 vcpu)
{
	const struct evtchn *c = mine(port);
	struct binding b = c->b;
	bool may = b.state == EVTCHNSTAT_unbound ||
		   b.state == EVTCHNSTAT_interdomain ||
		   b.state == EVTCHNSTAT_pirq ||
		   (b.state == EVTCHNSTAT_virq && !virq_is_vcpu(b.nr));

	answer = evtchn_bind_vcpu(port, vcpu);
	CHECK(!alone || answer == (may ? 0 : -EINVAL));
	CHECK(!alone || c->b.vcpu == (may ? vcpu : b.vcpu));
}

static void do_send(u32 port, u32 unused)
{
	struct binding b = mine(port)->b;
	int rc = evtchn_send(currd, port);

	if (!alone)
		return;
	if (b.state == EVTCHNSTAT_interdomain)
		CHECK(!rc && pending(b.remote->id, b.nr));
	else if (b.state == EVTCHNSTAT_ipi)
		CHECK(!rc && pending(self(), port));
	else
		CHECK(rc == (b.state == EVTCHNSTAT_unbound ? 0 : -EINVAL));
}

// Where nobody waits for it, nothing happens.
static void do_virq_send(u32 virq, u32 vcpu)
{
	u32 port = vcpus[0][vcpu].evtchn->virq_port[virq];

	if (virq_is_vcpu(virq))
		virq_send_vcpu(&vcpus[0][vcpu], virq);
	else
		virq_send_global(virq);
	CHECK(!alone || !port || pending(0, port));
}

static void do_interrupt(u32 pirq, u32 unused)
{
	if (irq_fn)
		irq_fn(pirq, irq_data);
}

// With preempt it is never gone on with.
static void do_reset(u32 preempt, u32 unused)
{
	the_cpu.softirq_pending = preempt;
	answer = evtchn_reset(currd, false);
	the_cpu.softirq_pending = 0;
	CHECK(!alone || answer == (preempt ? -ERESTART : 0));
	CHECK(!alone || !used(self()));
}

static void do_die(u32 unused, u32 unused2)
{
	currd->state = DOM_DYING;
	relinquish(currd);
	CHECK(!used(self()));
}

static const struct action actions[] = {
	{ do_send, 1, 0, 0, true },
	{ do_send, 2, 0, 0, true },
	{ do_send, 1, 0, 1, true },
	{ do_send, 2, 0, 1, true },
	{ do_virq_send, VIRQ_TIMER, 0, 0, true },
	{ do_virq_send, VIRQ_TIMER, 1, 0, true },
	{ do_virq_send, VIRQ_CONSOLE, 0, 0, true },
	{ do_interrupt, PIRQ, 0, 0, true },
	{ do_alloc, 0, 0, 0, false },
	{ do_alloc, 0, 1, 0, false },
	{ do_alloc, 1, 0, 1, false },
	{ do_alloc, 0, 1, 1, false },
	{ do_interdomain, 0, 1, 0, false },
	{ do_interdomain, 0, 2, 0, false },
	{ do_interdomain, 1, 1, 0, false },
	{ do_interdomain, 1, 2, 0, false },
	{ do_interdomain, 0, 1, 1, false },
	{ do_interdomain, 0, 2, 1, false },
	{ do_virq, VIRQ_TIMER, 0, 0, false },
	{ do_virq, VIRQ_TIMER, 1, 0, false },
	{ do_virq, VIRQ_CONSOLE, 0, 0, false },
	{ do_ipi, 0, 0, 0, false },
	{ do_ipi, 0, 0, 1, false },
	{ do_pirq, PIRQ, 0, 0, false },
	{ do_map, PIRQ, 0, 0, false },
	{ do_unmap, PIRQ, 0, 0, false },
	{ do_close, 1, 0, 0, false },
	{ do_close, 2, 0, 0, false },
	{ do_close, 1, 0, 1, false },
	{ do_close, 2, 0, 1, false },
	{ do_vcpu, 2, 0, 0, false },
	{ do_vcpu, 2, 1, 0, false },
	{ do_reset, 0, 0, 0, false },
	{ do_reset, 1, 0, 1, false },
	{ do_die, 0, 0, 1, false },
};

static void act(const struct action *a)
{
	struct vcpu *keep = running;

	for (u32 d = 0; d < 2; d++) {
		before[d] = used(d);
		alive_before[d] = dom[d].state == DOM_ALIVE;
	}
	running = &vcpus[a->who][0];
	a->run(a->a, a->b);
	running = keep;
}

// The other CPU: comes in before a lock is taken or after it was let go, with
// one action. The last chance is none, as what comes then comes after it all;
// so is the first, but for senders, who have looked up a port by then.
#define POINTS 10
static unsigned int chances, come_at;
static bool binding_at[POINTS]; // evtchn_lock is held: it may only send
static const struct action *other;

static void interfere(void)
{
	if (locks != evtchn_lock.next || chances == POINTS)
		return; // a channel's lock is held: it waits
	binding_at[chances] = evtchn_lock.next;
	if (chances++ != come_at || !other)
		return;
	lock_hook = NULL;
	act(other);
}

static void clear_words(void)
{
	memset(shared[0].evtchn_pending, 0, 8);
	memset(shared[1].evtchn_pending, 0, 8);
	memset(infos, 0, sizeof(infos));
}

// A port that is free has no event, and everything is in order.
static void judge(void)
{
	check_rules();
	for (u32 d = 0; d < 2; d++)
		CHECK(!(shared[d].evtchn_pending[0] & ~(u64)used(d)));
}

// Whoever dies has no vcpu that runs.
static bool may_meet(const struct action *a, const struct action *b)
{
	return a->who != b->who || (a->run != do_die && b->run != do_die);
}

static void run(unsigned int state, const struct action *a)
{
	state_load(state);
	clear_words();
	chances = 0;
	lock_hook = interfere;
	act(a);
	lock_hook = NULL;
	judge();
	state_add();
}

static void with_another(unsigned int state, const struct action *a)
{
	unsigned int n = chances;
	bool binding[POINTS];

	alone = false;
	memcpy(binding, binding_at, sizeof(binding));
	for (come_at = !a->sender; come_at + 1 < n; come_at++)
		for (u32 i = 0; i < ARRAY_SIZE(actions); i++) {
			other = &actions[i];
			if (may_meet(a, other) &&
			    (!binding[come_at] || other->sender))
				run(state, a);
		}
	other = NULL;
	alone = true;
}

// From any state both domains end, and nothing is left.
static void end_both(unsigned int state)
{
	state_load(state);
	for (u32 d = 0; d < 2; d++) {
		running = &vcpus[d][0];
		do_die(0, 0);
		check_rules();
	}
	CHECK(!irq_fn && !used(0) && !used(1));
}

static void expand(unsigned int state)
{
	end_both(state);
	for (u32 i = 0; i < ARRAY_SIZE(actions) && !unit_bad; i++) {
		run(state, &actions[i]);
		with_another(state, &actions[i]);
		if (unit_bad)
			printf("state %u, action %u\n", state, i);
	}
}

static void port_parts(struct domain *d)
{
	struct evtchn_domain *e = d->evtchn;

	state_part(&d->state, sizeof(d->state));
	state_part(e, offsetof(struct evtchn_domain, fifo_lock));
	state_part(&e->bucket[0]->bucket_use, 1);
	for (u32 port = 1; port <= PORTS; port++) {
		struct binding *b = &evtchn_find(d, port)->b;

		state_part(&b->state, sizeof(b->state));
		state_part(&b->vcpu, sizeof(b->vcpu));
		state_part(&b->nr, sizeof(b->nr));
		state_part(&b->remote, sizeof(b->remote));
	}
	for (u32 v = 0; v < 2; v++) {
		u32 *virq_port = d->vcpu[v]->evtchn->virq_port;

		state_part(&virq_port[VIRQ_TIMER], sizeof(u32));
		state_part(&virq_port[VIRQ_CONSOLE], sizeof(u32));
	}
}

static void life(void)
{
	struct pirq *p;
	unsigned int n;

	start();
	dom[0].is_hardware = false; // fewer numbers for interrupts
	for (u32 d = 0; d < 2; d++) {
		dom[d].evtchn->max_port = PORTS;
		port_parts(&dom[d]);
	}
	do_map(PIRQ, 0);
	p = &dom[0].evtchn->pirq[PIRQ];
	state_part(&p->irq, sizeof(p->irq));
	state_part(&p->port, sizeof(p->port));
	state_part(&p->in_flight, sizeof(p->in_flight));
	state_part(&irq_fn, sizeof(irq_fn));
	state_part(&irq_data, sizeof(irq_data));
	alone = true;
	n = enumerate(expand);
	printf("%u states\n", n);
	CHECK(n == 13424);
	finish();
}

UNIT_MAIN(UNIT(life))
