// SPDX-License-Identifier: MIT
// Timers: a heap for each CPU, run in SOFTIRQ_TIMER.
#include "x86/apic.h"
#include "x86/softirq.h"
#include "x86/time.h"

// Who comes so soon behind others waits, and shares an interrupt.
#define SLOP_NS (50 * NS_PER_US)

struct timer_cpu {
	struct spinlock lock;
	struct heap_node *first;
	struct timer *running; // its fn runs now
	// When the CPU's APIC will interrupt. It is moved forward only: after a
	// later one was put off, the interrupt finds nothing due.
	u64 programmed;
	u64 ran; // when timers were run last
};

static DEFINE_PERCPU(struct timer_cpu, timer_cpu);

// The queue of the CPU that t belongs to, locked.
static inline struct timer_cpu *queue_lock(struct timer *t, u64 *flags)
{
	*flags = irq_save();
	for (;;) {
		u32 cpu = READ_ONCE(t->cpu);
		struct timer_cpu *q = &per_cpu(timer_cpu, cpu);

		spin_lock(&q->lock);
		if (likely(READ_ONCE(t->cpu) == cpu))
			return q;
		spin_unlock(&q->lock);
	}
}

static void program(struct timer_cpu *q, u64 now)
{
	u64 at = MAX(q->first->key, q->ran + SLOP_NS);

	q->programmed = at;
	apic_timer_set(at > now ? at - now : 0);
}

// Queue locked; t is not in it.
static void enqueue(struct timer_cpu *q, struct timer *t)
{
	t->state = TIMER_QUEUED;
	heap_add(&q->first, &t->node);
	if (q->first != &t->node || t->node.key >= q->programmed)
		return;
	if (t->cpu == smp_cpu_id())
		program(q, time_now());
	else
		softirq_raise_on(t->cpu, SOFTIRQ_TIMER);
}

static void dequeue(struct timer_cpu *q, struct timer *t)
{
	if (t->state == TIMER_QUEUED)
		heap_remove(&q->first, &t->node);
	t->state = TIMER_IDLE;
}

void timer_init(struct timer *t, void (*fn)(void *), void *data, u32 cpu)
{
	*t = (struct timer){ .fn = fn, .data = data, .cpu = cpu };
}

void timer_set(struct timer *t, u64 expires)
{
	u64 flags;
	struct timer_cpu *q = queue_lock(t, &flags);

	if (!cpumask_test(READ_ONCE(cpu_online), t->cpu)) {
		spin_unlock_irqrestore(&q->lock, flags);
		timer_migrate(t, smp_cpu_id());
		q = queue_lock(t, &flags);
	}
	if (!t->killed) {
		dequeue(q, t);
		t->node.key = MIN(expires, TIME_NEVER);
		enqueue(q, t);
	}
	spin_unlock_irqrestore(&q->lock, flags);
}

void timer_stop(struct timer *t)
{
	u64 flags;
	struct timer_cpu *q;

	if (!timer_active(t))
		return;
	q = queue_lock(t, &flags);
	dequeue(q, t);
	spin_unlock_irqrestore(&q->lock, flags);
}

// One lock at a time. In between, the timer is in no heap and MOVING; who sets
// or stops it meanwhile has the last word.
void timer_move(struct timer *t, u32 cpu)
{
	u64 flags;
	struct timer_cpu *q = queue_lock(t, &flags);

	if (t->state == TIMER_QUEUED) {
		heap_remove(&q->first, &t->node);
		t->state = TIMER_MOVING;
	}
	WRITE_ONCE(t->cpu, cpu);
	spin_unlock_irqrestore(&q->lock, flags);

	q = queue_lock(t, &flags);
	if (t->state == TIMER_MOVING)
		enqueue(q, t);
	spin_unlock_irqrestore(&q->lock, flags);
}

// Not with a lock held that fn takes. From within fn itself it does not wait.
void timer_kill(struct timer *t)
{
	u64 flags;
	struct timer_cpu *q = queue_lock(t, &flags);

	t->killed = true;
	dequeue(q, t);
	spin_unlock_irqrestore(&q->lock, flags);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		while (cpu != smp_cpu_id() &&
		       __atomic_load_n(&per_cpu(timer_cpu, cpu).running,
				       __ATOMIC_ACQUIRE) == t)
			cpu_relax();
}

// Names each one as running here until it has moved, so that nobody frees it.
void timers_take(unsigned int cpu)
{
	struct timer_cpu *q = &per_cpu(timer_cpu, cpu);
	struct timer_cpu *self = &this_cpu(timer_cpu);
	struct timer *t;
	u64 flags;

	do {
		flags = spin_lock_irqsave(&q->lock);
		t = q->first ? container_of(q->first, struct timer, node)
			     : NULL;
		q->programmed = ~0UL;
		self->running = t;
		spin_unlock_irqrestore(&q->lock, flags);
		if (t)
			timer_migrate(t, smp_cpu_id());
		__atomic_store_n(&self->running, NULL, __ATOMIC_RELEASE);
	} while (t);
}

static void timer_softirq(void)
{
	struct timer_cpu *q = &this_cpu(timer_cpu);
	u64 now = time_now(), flags = spin_lock_irqsave(&q->lock);
	struct timer *t;

	while (q->first && q->first->key <= now) {
		void (*fn)(void *);
		void *data;

		t = container_of(q->first, struct timer, node);
		fn = t->fn;
		data = t->data;
		dequeue(q, t);
		q->running = t;
		spin_unlock_irqrestore(&q->lock, flags);
		fn(data);
		now = time_now();
		flags = spin_lock_irqsave(&q->lock);
		q->ran = now;
		__atomic_store_n(&q->running, NULL, __ATOMIC_RELEASE);
	}
	if (q->first && q->first->key < q->programmed)
		program(q, now);
	spin_unlock_irqrestore(&q->lock, flags);
}

void timer_interrupt(void)
{
	struct timer_cpu *q = &this_cpu(timer_cpu);

	spin_lock(&q->lock);
	q->programmed = ~0UL;
	spin_unlock(&q->lock);
	softirq_raise(SOFTIRQ_TIMER);
}

void timer_init_cpu(unsigned int cpu)
{
	struct timer_cpu *q = &per_cpu(timer_cpu, cpu);

	spin_init(&q->lock, RANK_TIMER);
	q->programmed = ~0UL;
	softirq_register(SOFTIRQ_TIMER, timer_softirq);
}
