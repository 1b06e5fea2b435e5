// SPDX-License-Identifier: MIT
/* The shared words of the 2-level and the FIFO ABI, against small guests. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../../hv/evtchn/words.c"
#include "unit.h"

#define PORTS	FIFO_PAGE_PORTS
#define LINK(w) ((w)&EVTCHN_FIFO_LINK_MASK)
#define WRITTEN __ATOMIC_SEQ_CST

static struct fifo_array array;
static struct evtchn_fifo_control_block control;
static u32 tail[EVTCHN_FIFO_MAX_QUEUES];
static u32 words[PORTS];
static u32 last_queue[PORTS];
static u32 guest_head[EVTCHN_FIFO_MAX_QUEUES];
static u32 seen[PORTS];

static void start(void)
{
	memset(&array, 0, sizeof(array));
	memset(&control, 0, sizeof(control));
	memset(tail, 0, sizeof(tail));
	memset(words, 0, sizeof(words));
	memset(last_queue, 0, sizeof(last_queue));
	memset(guest_head, 0, sizeof(guest_head));
	memset(seen, 0, sizeof(seen));
	array.page[0] = words;
	array.ports = PORTS;
}

/* What fifo.c does around the pure part; the caller holds the lock. */
static void link_port(u32 port, u32 queue)
{
	enum fifo_linked how = fifo_link(&array, port, &tail[last_queue[port]],
					 &tail[queue], &control.head[queue]);

	if (how != FIFO_ALREADY)
		last_queue[port] = queue;
	if (how == FIFO_FIRST)
		__atomic_fetch_or(&control.ready, 1u << queue, WRITTEN);
}

static bool raise_port(u32 port, u32 queue)
{
	if (!fifo_word_raise(fifo_word(&array, port)))
		return false;
	link_port(port, queue);
	return true;
}

/* A guest as the public header wants it: takes the first event off a queue. */
static u32 guest_unlink(u32 *word)
{
	u32 old = __atomic_load_n(word, WRITTEN), to;

	do {
		to = old & ~(FIFO_LINKED | EVTCHN_FIFO_LINK_MASK);
	} while (!__atomic_compare_exchange_n(word, &old, to, false, WRITTEN,
					      WRITTEN));
	return LINK(old);
}

static u32 guest_take(u32 queue)
{
	u32 port = guest_head[queue], word;

	if (!port)
		port = __atomic_load_n(&control.head[queue], WRITTEN);
	if (!port)
		return 0;
	guest_head[queue] = guest_unlink(&words[port]);
	word = __atomic_load_n(&words[port], WRITTEN);
	if (word & FIFO_PENDING && !(word & FIFO_MASKED)) {
		__atomic_fetch_and(&words[port], ~FIFO_PENDING, WRITTEN);
		__atomic_fetch_add(&seen[port], 1, WRITTEN);
	}
	return port;
}

/* Takes all that the ready bits promise; returns how many links it went. */
static u32 guest_drain(void)
{
	u32 n = 0, ready;

	while ((ready = __atomic_exchange_n(&control.ready, 0, WRITTEN))) {
		for (u32 q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++) {
			if (!(ready >> q & 1))
				continue;
			do {
				guest_take(q);
				n++;
			} while (guest_head[q]);
		}
	}
	return n;
}

static void level2(void)
{
	u64 pending[64] = { 0 }, mask[64] = { 0 }, sel = 0;

	CHECK(level2_raise(pending, mask, &sel, 2, 130));
	CHECK(pending[2] == BIT(2) && sel == BIT(2));
	CHECK(!level2_raise(pending, mask, &sel, 2, 130));
	CHECK(!level2_raise(pending, mask, &sel, 2, 131));
	sel = pending[2] = 0;
	mask[2] = BIT(2);
	CHECK(!level2_raise(pending, mask, &sel, 2, 130) && !sel);
	CHECK(level2_unmask(pending, mask, &sel, 2, 130) && sel == BIT(2));
	CHECK(!mask[2] && pending[2] == BIT(2));
	CHECK(!level2_unmask(pending, mask, &sel, 2, 130));
	mask[63] = BIT(63);
	CHECK(!level2_unmask(pending, mask, &sel, 63, 4095) && !mask[63]);
}

static void word_bounds(void)
{
	start();
	CHECK(fifo_word(&array, 0) == words);
	CHECK(fifo_word(&array, PORTS - 1) == words + PORTS - 1);
	CHECK(!fifo_word(&array, PORTS) && !fifo_word(&array, ~0u));
}

static void queue_order(void)
{
	start();
	CHECK(raise_port(5, 7) && raise_port(6, 7) && raise_port(9, 7));
	CHECK(!raise_port(5, 7));
	CHECK(control.head[7] == 5 && LINK(words[5]) == 6);
	CHECK(LINK(words[6]) == 9 && !LINK(words[9]) && tail[7] == 9);
	CHECK(control.ready == 1u << 7);
	CHECK(guest_drain() == 3);
	CHECK(seen[5] == 1 && seen[6] == 1 && seen[9] == 1);
	CHECK(!words[5] && !words[6] && !words[9]);
	/* The stale tail is not linked: the queue counts as empty. */
	CHECK(raise_port(6, 7) && control.head[7] == 6 && !LINK(words[9]));
	CHECK(guest_drain() == 1 && seen[6] == 2);
	CHECK(raise_port(6, 7) && guest_drain() == 1 && seen[6] == 3);
}

static void masked(void)
{
	start();
	words[3] = FIFO_MASKED;
	CHECK(!raise_port(3, 7) && words[3] == (FIFO_MASKED | FIFO_PENDING));
	CHECK(fifo_word_unmask(&words[3]));
	link_port(3, 7);
	CHECK(guest_drain() == 1 && seen[3] == 1);
	words[3] = FIFO_MASKED;
	CHECK(!fifo_word_unmask(&words[3]) && !words[3]);
}

/* A tail that moves to another queue must not be taken for the old one's. */
static void moved_tail(void)
{
	start();
	CHECK(raise_port(4, 7) && guest_drain() == 1);
	CHECK(raise_port(4, 3) && !tail[7] && tail[3] == 4);
	CHECK(raise_port(8, 7) && control.head[7] == 8);
	CHECK(LINK(words[4]) == 0);
	CHECK(guest_drain() == 2 && seen[4] == 2 && seen[8] == 1);
}

/* Every state of two words and a link field that a guest may leave. */
static void hostile_words(void)
{
	static const u32 links[] = { 0, 1,	   2,
				     3, PORTS - 1, EVTCHN_FIFO_LINK_MASK };

	for (u32 state = 0; state < 256; state++)
		for (u32 l = 0; l < ARRAY_SIZE(links); l++) {
			start();
			raise_port(1, 7);
			words[1] = state << 28 | 0x0ffe0000u | links[l];
			words[2] = (state >> 4) << 28 | links[l];
			if (raise_port(2, 7))
				CHECK(tail[7] == 2);
			CHECK(!(words[1] & FIFO_BUSY) || state & 1);
			CHECK(words[0] == 0 && words[3] == 0);
		}
}

/* Two raisers under a lock, a guest, and a guest that masks and unmasks. */
#define ROUNDS 200000

static pthread_mutex_t fifo_lock = PTHREAD_MUTEX_INITIALIZER;
static u32 raisers_left;

static void locked_link(u32 port, u32 queue)
{
	pthread_mutex_lock(&fifo_lock);
	link_port(port, queue);
	pthread_mutex_unlock(&fifo_lock);
}

static void *raiser(void *seed)
{
	unsigned int r = (unsigned int)(uintptr_t)seed;

	for (u32 i = 0; i < ROUNDS; i++) {
		u32 port = 1 + (u32)rand_r(&r) % 12;

		if (fifo_word_raise(&words[port]))
			locked_link(port, port & 1 ? 7 : r >> 8 & 15);
		if (!(i & 63))
			sched_yield();
	}
	__atomic_fetch_sub(&raisers_left, 1, WRITTEN);
	return NULL;
}

static void *masker(void *unused)
{
	while (__atomic_load_n(&raisers_left, WRITTEN)) {
		for (u32 port = 1; port <= 12; port += 3) {
			__atomic_fetch_or(&words[port], FIFO_MASKED, WRITTEN);
			sched_yield();
			/* A guest waits for BUSY to go; then its hypercall. */
			if (fifo_word_unmask(&words[port]))
				locked_link(port, 7);
		}
	}
	return unused;
}

static void race(void)
{
	pthread_t t[3];

	start();
	raisers_left = 2;
	pthread_create(&t[0], NULL, raiser, (void *)1);
	pthread_create(&t[1], NULL, raiser, (void *)2);
	pthread_create(&t[2], NULL, masker, NULL);
	while (__atomic_load_n(&raisers_left, WRITTEN)) {
		guest_drain();
		sched_yield();
	}
	for (u32 i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	guest_drain();
	/* Nothing is left pending, linked or locked: no event was lost. */
	for (u32 port = 1; port <= 12; port++)
		CHECK(words[port] == 0 && seen[port]);
}

UNIT_MAIN(UNIT(level2), UNIT(word_bounds), UNIT(queue_order), UNIT(masked),
	  UNIT(moved_tail), UNIT(hostile_words), UNIT(race))
