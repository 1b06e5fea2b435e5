// SPDX-License-Identifier: MIT
#include "evtchn/words.h"

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
