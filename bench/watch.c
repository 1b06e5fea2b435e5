// SPDX-License-Identifier: MIT
// Follows each CPU from block to block, which takes a call for each: loops that
// wait, and the longest stretches of the hypervisor.
#include <stdlib.h>
#include "plugin.h"

#define CPUS	    64
#define LOOP_LENGTH 32u // a longer loop does more than wait
// QEMU's CPU object has the registers as words: 16 of them, then RIP, RFLAGS.
#define WORDS	   6144 // 48 KiB of it, less than its size
#define REG_RDX	   2
#define REG_RIP	   16
#define REG_RFLAGS 17
#define RESET_RIP  0xfff0
#define RFLAGS_1   2ul
#define RFLAGS_IF  0x200ul

u64 spun;
bool watch_interrupts;

static struct cpu {
	u64 paused_at, since; // the last pause, and what was executed since
	u64 off, inside;      // the stretches that go on
	const u64 *words;     // registers, if they are known
} cpus[CPUS];
static struct stretches longest, before;
static size_t offset;

// Right after reset all registers are 0 but three.
static bool is_reset(const u64 *w)
{
	for (int i = 0; i < REG_RIP; i++)
		if (!w[i] != (i != REG_RDX))
			return false;
	return w[REG_RIP] == RESET_RIP && w[REG_RFLAGS] == RFLAGS_1;
}

static const u64 *registers_of(unsigned int vcpu)
{
	const u64 *words = qemu_get_cpu ? qemu_get_cpu((int)vcpu) : NULL;

	if (!words)
		return NULL;
	for (size_t i = 0; !offset && i < WORDS; i++)
		if (is_reset(words + i))
			offset = i;
	return offset ? words + offset : NULL;
}

static bool interrupts_on(const struct cpu *c)
{
	if (!c->words || !(c->words[REG_RFLAGS] & RFLAGS_1)) {
		fprintf(stderr, "this QEMU does not show RFLAGS\n");
		exit(1);
	}
	return c->words[REG_RFLAGS] & RFLAGS_IF;
}

static void note(struct stretch *most, u64 count, u64 end)
{
	if (count > most->count)
		*most = (struct stretch){ count, end };
}

static void end_stretches(struct cpu *c)
{
	c->off = c->inside = 0;
}

// The block is counted as it starts; a trap in it counts the rest as well.
static void follow(struct cpu *c, const struct watched *b)
{
	u64 off = c->off;

	c->inside += b->plain;
	if (interrupts_on(c))
		off = b->off ? b->plain - b->off_at : 0;
	else
		off += b->plain;
	c->off = off;
	note(&longest.off, c->off, b->start);
	note(&longest.inside, c->inside, b->start);
	if (b->halt)
		end_stretches(c);
}

// A short loop around one `pause`: its turns do nothing. QEMU ends a block
// behind a pause.
static void look_for_wait(struct cpu *c, const struct watched *b)
{
	c->since += b->plain;
	if (!b->pause)
		return;
	if (c->paused_at == b->start && c->since <= LOOP_LENGTH) {
		spun += c->since;
		c->off -= c->off < c->since ? c->off : c->since;
		c->inside -= c->inside < c->since ? c->inside : c->since;
	}
	c->paused_at = b->start;
	c->since = 0;
}

void watch_block(unsigned int vcpu, void *data)
{
	struct cpu *c = &cpus[vcpu % CPUS];
	const struct watched *b = data;

	// Known by what they are at reset: the first block is the one to look.
	if (watch_interrupts && !c->words)
		c->words = registers_of(vcpu);
	if (!b->hv) {
		c->paused_at = 0;
		end_stretches(c);
		return;
	}
	if (watch_interrupts)
		follow(c, b);
	look_for_wait(c, b);
}

static struct stretch longer(struct stretch a, struct stretch b)
{
	return a.count > b.count ? a : b;
}

struct stretches watch_longest(bool ever)
{
	if (!ever)
		return longest;
	return (struct stretches){ longer(before.off, longest.off),
				   longer(before.inside, longest.inside) };
}

void watch_restart(bool forget)
{
	before = watch_longest(true);
	if (forget)
		before = (struct stretches){ 0 };
	longest = (struct stretches){ 0 };
}
