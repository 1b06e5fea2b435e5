// SPDX-License-Identifier: MIT
// Ticket spinlocks with ranks. A debug build panics when a lock is taken
// while one of the same or a higher rank is held (docs/locks.md has the
// table), or when a lock of an IRQ rank is taken with interrupts on.
#ifndef X86_SPINLOCK_H
#define X86_SPINLOCK_H

#include "x86/insn.h"

// Order of taking: low ranks first. From RANK_IRQ_FIRST on, locks are taken
// from interrupt context too and always with interrupts off.
enum lock_rank {
	RANK_CONTROL, // domctl, sysctl serialisation
	RANK_DOMLIST,
	RANK_DOMAIN,	  // d->lock: slow state of one domain
	RANK_LDT,	  // a vcpu's LDT window
	RANK_GRANT_TABLE, // one domain's grant table
	RANK_MAPTRACK,
	RANK_PCI,
	RANK_EVTCHN,   // port tables and bindings of all domains
	RANK_PAGELIST, // d->pages
	RANK_HEAP_SMALL,
	RANK_MMIO,   // window of device mappings
	RANK_MAP,    // hypervisor page tables
	RANK_FRAMES, // buddy allocator
	RANK_IRQ_FIRST,
	RANK_IRQ_DESC = RANK_IRQ_FIRST,
	RANK_EVTCHN_VIRQ,    // who gets global VIRQs
	RANK_EVTCHN_CHANNEL, // one channel's binding
	RANK_EVTCHN_FIFO,    // event queues of one domain
	RANK_ROOTS,	     // a CPU's root tables
	RANK_SCHED_GLOBAL,
	RANK_SCHED_QUEUE,
	RANK_TIMER,
	RANK_IOAPIC,
	RANK_PCI_CONFIG, // ports 0xcf8, 0xcfc
	RANK_TIME,
	RANK_RTC,
	RANK_CONSOLE,
	RANK_COUNT
};

struct spinlock {
	u16 next, owner; // tickets
	u8 rank;
	u8 holder; // debug: CPU + 1
};

#define SPINLOCK_INIT(rank_)    \
	{                       \
		.rank = (rank_) \
	}

static inline void spin_init(struct spinlock *l, enum lock_rank rank)
{
	*l = (struct spinlock)SPINLOCK_INIT((u8)rank);
}

void spin_wait(const struct spinlock *l, u16 ticket);
bool spin_trylock(struct spinlock *l);

// Debug builds check ranks, and tests have locks of their own: no inline copies.
#if defined(DEBUG) || defined(HOST_TEST)
void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
#else
static inline void spin_lock(struct spinlock *l)
{
	u16 ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);

	if (unlikely(__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket))
		spin_wait(l, ticket);
}

// Nobody else writes `owner` meanwhile, and no store passes an earlier one.
static inline void spin_unlock(struct spinlock *l)
{
	store_plus_one(&l->owner);
}
#endif

#ifdef DEBUG
// Panics when this CPU holds any lock, a page table's too: asked behind each
// hypercall and at each way out to a guest.
void spin_assert_none_held(void);
// A page table's lock is taken (1) or let go (-1).
void table_lock_note(int n);
#else
static inline void spin_assert_none_held(void)
{
}

static inline void table_lock_note(int n)
{
}
#endif

static inline u64 spin_lock_irqsave(struct spinlock *l)
{
	u64 flags = irq_save();

	spin_lock(l);
	return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *l, u64 flags)
{
	spin_unlock(l);
	irq_restore(flags);
}

// Holds a lock until the block ends, however it is left; the second kind with
// interrupts off, as locks of an IRQ rank ask for.
#define SPIN_GUARD(l)	   SPIN_GUARD_(spin_guard_begin(l, false), __LINE__)
#define SPIN_GUARD_IRQ(l)  SPIN_GUARD_(spin_guard_begin(l, true), __LINE__)
#define SPIN_GUARD_(g, at) SPIN_GUARD__(g, at)
#define SPIN_GUARD__(g, at)               \
	struct spin_guard spin_guard_##at \
		__attribute__((cleanup(spin_guard_end), unused)) = (g)

struct spin_guard {
	struct spinlock *lock;
	bool restore;
	u64 flags;
};

static inline struct spin_guard spin_guard_begin(struct spinlock *l, bool irq)
{
	u64 flags = irq ? irq_save() : 0;

	spin_lock(l);
	return (struct spin_guard){ l, irq, flags };
}

static inline void spin_guard_end(struct spin_guard *g)
{
	spin_unlock(g->lock);
	if (g->restore)
		irq_restore(g->flags);
}

#endif
