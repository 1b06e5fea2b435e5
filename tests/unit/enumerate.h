// SPDX-License-Identifier: MIT
// A whole state space, breadth first. The world is real code over memory; its
// state is what lies in the parts of memory that were named. Two states with
// the same bytes there are one.
#ifndef UNIT_ENUMERATE_H
#define UNIT_ENUMERATE_H

#include <stdlib.h>
#include <string.h>

#define STATES_MOST (1u << 20)
#define STATE_HASH  (1u << 22)

static struct {
	void *at;
	size_t size;
} parts[64];
static unsigned int nr_parts;
static size_t part_bytes, state_size; // the latter in longs
static unsigned long *states;
static unsigned int state_count, *state_hash;

static void state_part(void *at, size_t size)
{
	if (nr_parts == sizeof(parts) / sizeof(*parts))
		abort();
	parts[nr_parts].at = at;
	parts[nr_parts++].size = size;
	part_bytes += size;
	state_size = part_bytes / sizeof(long) + 1;
}

static void state_load(unsigned int n)
{
	const char *from = (const char *)(states + n * state_size);

	for (unsigned int i = 0; i < nr_parts; from += parts[i++].size)
		memcpy(parts[i].at, from, parts[i].size);
}

// The world as it is; true when it is new.
static bool state_add(void)
{
	unsigned long *now = states + state_count * state_size;
	unsigned long key = 0xcbf29ce484222325;
	char *to = (char *)now;

	if (state_count == STATES_MOST)
		abort();
	now[state_size - 1] = 0; // it may not fill the last one
	for (unsigned int i = 0; i < nr_parts; to += parts[i++].size)
		memcpy(to, parts[i].at, parts[i].size);
	for (size_t i = 0; i < state_size; i++)
		key = (key ^ now[i] ^ now[i] >> 29) * 0x9e3779b97f4a7c15;
	for (unsigned int h = (unsigned int)(key >> 32) % STATE_HASH;;
	     h = (h + 1) % STATE_HASH) {
		unsigned int *slot = &state_hash[h];

		if (!*slot) {
			*slot = ++state_count;
			return true;
		}
		if (!memcmp(states + (*slot - 1) * state_size, now,
			    state_size * sizeof(long)))
			return false;
	}
}

// From the world as it is, which it is again then. expand() gets each state once: it loads it, does
// what can be done, and adds what comes of it. Returns how many there are.
static unsigned int enumerate(void (*expand)(unsigned int state))
{
	states = malloc((STATES_MOST + 1ul) * state_size * sizeof(long));
	state_hash = calloc(STATE_HASH, sizeof(*state_hash));
	if (!states || !state_hash)
		abort();
	state_count = 0;
	state_add();
	for (unsigned int at = 0; at < state_count && !unit_bad; at++)
		expand(at);
	state_load(0);
	free(states);
	free(state_hash);
	return state_count;
}

#endif
