// SPDX-License-Identifier: MIT
// The words that the hypervisor and a guest share under the two event ABIs
// (public headers xen.h and event_channel.h). Pure: the guest may write any
// of them at any moment, so nothing read here is trusted, and no loop lasts
// as long as the guest likes.
#ifndef EVTCHN_WORDS_H
#define EVTCHN_WORDS_H

#include "lib/abi.h"

static inline bool map_bit(const u64 *map, u32 nr)
{
	return READ_ONCE(map[nr / 64]) >> nr % 64 & 1;
}

// A full barrier, too: what was set before is seen by who looks after.
static inline bool test_and_set_bit(u64 *map, u32 nr)
{
	u64 bit = BIT(nr % 64);

	return __atomic_fetch_or(&map[nr / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

// 2-level: each true when that bit of the vcpu's selector rose and an upcall is
// due.
static inline bool level2_raise(u64 *pending, const u64 *mask, u64 *selector,
				u32 bit, u32 port)
{
	return !test_and_set_bit(pending, port) && !map_bit(mask, port) &&
	       !test_and_set_bit(selector, bit);
}

// Pending is looked at after the mask was cleared: an event that comes in
// between finds itself unmasked and does its own selector bit.
static inline bool level2_unmask(const u64 *pending, u64 *mask, u64 *selector,
				 u32 bit, u32 port)
{
	u64 mine = BIT(port % 64);

	return __atomic_fetch_and(&mask[port / 64], ~mine, __ATOMIC_SEQ_CST) &
		       mine &&
	       map_bit(pending, port) && !test_and_set_bit(selector, bit);
}

#define FIFO_PENDING	(1u << EVTCHN_FIFO_PENDING)
#define FIFO_MASKED	(1u << EVTCHN_FIFO_MASKED)
#define FIFO_LINKED	(1u << EVTCHN_FIFO_LINKED)
#define FIFO_BUSY	(1u << EVTCHN_FIFO_BUSY)
#define FIFO_PAGE_PORTS (PAGE_SIZE / sizeof(event_word_t))
#define FIFO_PAGES	(EVTCHN_FIFO_NR_CHANNELS / FIFO_PAGE_PORTS)

// Event array: `ports` is written after the page pointer that it covers.
struct fifo_array {
	u32 ports;
	u32 *page[FIFO_PAGES];
};

// NULL when the array has no word for the port.
u32 *fifo_word(const struct fifo_array *a, u32 port);
// Sets PENDING; true when the event is to be linked.
bool fifo_word_raise(u32 *word);
// Clears MASKED; true when the event is to be linked.
bool fifo_word_unmask(u32 *word);
// Puts port at the end of a queue, under the lock of the domain's queues.
// old_tail: tail of the queue where it was last (may be the same one); head:
// in the guest's control block.
enum fifo_linked {
	FIFO_ALREADY, // somebody was faster, maybe to another queue
	FIFO_BEHIND,  // others
	FIFO_FIRST    // the queue was empty: its ready bit is to be set
};
enum fifo_linked fifo_link(const struct fifo_array *a, u32 port, u32 *old_tail,
			   u32 *tail, u32 *head);

#endif
