// SPDX-License-Identifier: MIT
#include "evtchn/words.h"

// A full barrier, too: what was set before is seen by who looks after.
static inline bool test_and_set_bit(u64 *map, u32 nr)
{
	u64 bit = BIT(nr % 64);

	return __atomic_fetch_or(&map[nr / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

bool level2_raise(u64 *pending, const u64 *mask, u64 *selector, u32 bit,
		  u32 port)
{
	return !test_and_set_bit(pending, port) && !map_bit(mask, port) &&
	       !test_and_set_bit(selector, bit);
}

// Pending is looked at after the mask was cleared: an event that comes in
// between finds itself unmasked and does its own selector bit.
bool level2_unmask(const u64 *pending, u64 *mask, u64 *selector, u32 bit,
		   u32 port)
{
	u64 mine = BIT(port % 64);

	return __atomic_fetch_and(&mask[port / 64], ~mine, __ATOMIC_SEQ_CST) &
		       mine &&
	       map_bit(pending, port) && !test_and_set_bit(selector, bit);
}

u32 *fifo_word(const struct fifo_array *a, u32 port)
{
	u32 ports = __atomic_load_n(&a->ports, __ATOMIC_ACQUIRE);

	if (unlikely(port >= ports))
		return NULL;
	port = (u32)index_nospec(port, ports);
	return &a->page[port / FIFO_PAGE_PORTS][port % FIFO_PAGE_PORTS];
}

bool fifo_word_raise(u32 *word)
{
	u32 old = __atomic_fetch_or(word, FIFO_PENDING, __ATOMIC_SEQ_CST);

	return !(old & (FIFO_MASKED | FIFO_LINKED));
}

bool fifo_word_unmask(u32 *word)
{
	u32 old = __atomic_fetch_and(word, ~FIFO_MASKED, __ATOMIC_SEQ_CST);

	return (old & (FIFO_PENDING | FIFO_LINKED)) == FIFO_PENDING;
}

/*
 * Writes the link of a queue's tail unless the guest has taken that event off
 * (false: the queue is empty). While a word is linked the guest may clear
 * PENDING and LINKED and change MASKED; BUSY keeps it from unmasking, so that
 * a guest that keeps the protocol makes the exchange fail four times at most.
 * One that does not loses its own events.
 */
static bool word_set_link(u32 *word, u32 port)
{
	u32 old = READ_ONCE(*word);

	for (int i = 0; i < 6 && old & FIFO_LINKED; i++) {
		u32 to = (old & ~(FIFO_BUSY | EVTCHN_FIFO_LINK_MASK)) | port;

		if (__atomic_compare_exchange_n(word, &old, to, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			return true;
		if (i == 0)
			old = __atomic_or_fetch(word, FIFO_BUSY,
						__ATOMIC_SEQ_CST);
	}
	// BUSY is the hypervisor's own bit: clearing it is right in any case.
	old = __atomic_fetch_and(word, ~FIFO_BUSY, __ATOMIC_SEQ_CST);
	return old & FIFO_LINKED;
}

enum fifo_linked fifo_link(const struct fifo_array *a, u32 port, u32 *old_tail,
			   u32 *tail, u32 *head)
{
	u32 *word = fifo_word(a, port);
	u32 *last;

	if (__atomic_fetch_or(word, FIFO_LINKED, __ATOMIC_SEQ_CST) &
	    FIFO_LINKED)
		return FIFO_ALREADY;
	// It was not linked: were it a tail, that queue would be empty, and its
	// LINKED bit, just set, must not make it look otherwise.
	if (*old_tail == port)
		*old_tail = 0;
	last = *tail ? fifo_word(a, *tail) : NULL;
	*tail = port;
	if (last && word_set_link(last, port))
		return FIFO_BEHIND;
	WRITE_ONCE(*head, port);
	return FIFO_FIRST;
}
