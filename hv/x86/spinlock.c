// SPDX-License-Identifier: MIT
#include "x86/spinlock.h"
#include "x86/percpu.h"

#ifdef DEBUG
#include "x86/panic.h"

// Ranks held, as a set; equal ranks never nest.
static void rank_enter(struct spinlock *l)
{
	struct cpu_info *ci = cpu_info();

	if (ci->held_locks >> l->rank)
		panic("lock rank %u taken while holding %#x", l->rank,
		      ci->held_locks);
	if (l->rank >= RANK_IRQ_FIRST && irq_enabled())
		panic("lock rank %u taken with interrupts on", l->rank);
	ci->held_locks |= 1u << l->rank;
	l->holder = (u8)(ci->cpu + 1);
}

static void rank_leave(struct spinlock *l)
{
	if (l->holder != cpu_info()->cpu + 1)
		panic("lock rank %u given back by another CPU", l->rank);
	l->holder = 0;
	cpu_info()->held_locks &= ~(1u << l->rank);
}

void spin_assert_none_held(void)
{
	struct cpu_info *ci = cpu_info();

	if (ci->held_locks || ci->table_locks)
		panic("locks held on the way out: %#x, %u tables",
		      ci->held_locks, ci->table_locks);
}

void table_lock_note(int n)
{
	cpu_info()->table_locks += (u16)n;
}

void spin_lock(struct spinlock *l)
{
	spin_wait(l, __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE));
	rank_enter(l);
}

void spin_unlock(struct spinlock *l)
{
	rank_leave(l);
	store_plus_one(&l->owner);
}
#else
#define rank_enter(l) ((void)0)
#endif

void spin_wait(const struct spinlock *l, u16 ticket)
{
	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		cpu_relax();
}

bool spin_trylock(struct spinlock *l)
{
	u16 owner = READ_ONCE(l->owner);
	u16 ticket = owner;

	if (!__atomic_compare_exchange_n(&l->next, &ticket, (u16)(owner + 1),
					 false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	rank_enter(l);
	return true;
}
