// SPDX-License-Identifier: MIT
// Chance, out of the seed and the number of the call alone, and odd values.
#include "fuzz/fuzz.h"

static u64 state;

static u64 mix(u64 x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ul;
	x = (x ^ x >> 27) * 0x94d049bb133111ebul;
	return x ^ x >> 31;
}

void random_seed(u64 seed, u64 number)
{
	state = mix(mix(seed) + number);
}

u64 random_next(void)
{
	state += 0x9e3779b97f4a7c15ul;
	return mix(state);
}

u32 below(u32 n)
{
	return (u32)((random_next() >> 32) * n >> 32);
}

bool chance(u32 percent)
{
	return below(100) < percent;
}

static const u64 values[] = {
	0,
	1,
	2,
	3,
	7,
	8,
	31,
	32,
	63,
	64,
	65,
	127,
	128,
	255,
	256,
	511,
	512,
	1023,
	1024,
	4095,
	4096,
	8192,
	8193,
	0x7fff,
	0x7ff0,
	0x7ff1,
	0x7ff2,
	0xffff,
	0x10000,
	0x20000,
	0x1ffff,
	0x7fffffff,
	0x80000000,
	0xfffffffe,
	0xffffffff,
	0x100000000,
	0xfffffffff000,
	0x000fffffffffffff,
	0x0010000000000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xfffffffffffff000,
	~(u64)1,
	~(u64)0,
};

static const u64 pointers[] = {
	0,
	1,
	SANDBOX, // nothing is there
	AREA(18),
	AREA(18) - 1,
	AREA(18) - 8,
	AREA(32 + OUT_PAGES) - 4,
	ARG_RO,
	SLOT(0),
	SLOT(1),
#ifdef __x86_64__
	0x00007ffffffffff8,
	0x00007fffffffffff,
	0x0000800000000000, // not canonical
	0xffff7fffffffffff,
	0xffff800000000000, // the read-only M2P
	0xffff800000000008,
	0xffff820000000000,
	0xffff828000000000,
	0xffff830000000000, // all memory
	0xffff830000100000,
	0xffff87ffffffffff,
	0xffff880000000000,
	0xfffffffffffff000,
	0xfffffffffffffff8,
	0xffffffffffffffff,
#else
	0xf57ffff8,
	0xf5800000, // the read-only M2P
	0xf5800008,
	0xfffff000,
	0xfffffff8,
	0xffffffff,
#endif
};

u64 odd_value(void)
{
	return values[below(ARRAY_SIZE(values))];
}

u64 odd_pointer(void)
{
	return pointers[below(ARRAY_SIZE(pointers))];
}

u64 nowhere(void)
{
#ifdef __x86_64__
	static const u64 none[] = { AREA(18), 0x0000800000000000,
				    0xffff830000000000, ~0ul };
#else
	static const u64 none[] = { AREA(18), 0xfff00000, ~0ul };
#endif

	return none[below(ARRAY_SIZE(none))];
}

u64 odd_frame(void)
{
	const u64 frames[] = { 0,
			       1,
			       0xa0,
			       0xfee00,
			       0xfec00,
			       max_frame - 1,
			       max_frame,
			       max_frame + 1,
			       0x100000000,
			       0xffffffffff,
			       0x10000000000,
			       0x0010000000000000,
			       ~0ul,
			       ~0ul >> 12 };
	u64 frame;

	if (chance(50))
		return page_mfn((int)below(PAGES));
	if (chance(60))
		return frames[below(ARRAY_SIZE(frames))];
	frame = below((u32)max_frame);
	return frame_needed(frame) ? max_frame : frame;
}

static bool in_image(u32 address)
{
	return address - VIRT_BASE < start_info->nr_pages * PAGE_SIZE;
}

// What may be replaced, and by what, so that the guest outlives it: no number
// that is, or holds, one of its own frames, an address of a 32-bit kernel's (one
// bit from the sandbox), nor the canary's domid where that would be a control
// domain's right.
static bool harmless(u64 v)
{
	if (WIDTH == 32 && (in_image((u32)v) || in_image((u32)(v >> 32))))
		return false;
	if (frame_needed(v) || frame_needed((v & PTE_FRAME) >> 12) ||
	    frame_needed(v & 0xffffffff))
		return false;
	for (int i = 0; is_control && i < 64; i += 16)
		if ((v >> i & 0xffff) == CANARY_ID)
			return false;
	return true;
}

u64 odd_harmless(void)
{
	u64 v;

	do {
		v = chance(50) ? odd_pointer() : odd_value();
	} while (!harmless(v));
	return v;
}

static u64 replace(u64 old, unsigned int bits)
{
	switch (below(7)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return old ^ (u64)1 << below(bits);
	case 3:
		return below(64);
	case 4:
		return odd_frame();
	case 5:
		return bits == 64 ? odd_pointer() : odd_value();
	default:
		return odd_value();
	}
}

static void spoil_word(u64 *word)
{
	static const u8 widths[] = { 8, 16, 32, 32, 64, 64 };
	unsigned int bits = widths[below(ARRAY_SIZE(widths))];
	unsigned int shift = bits * below(64 / bits);
	u64 mask = bits == 64 ? ~(u64)0 : (((u64)1 << bits) - 1) << shift;
	u64 was = *word, now;

	// A pointer into the guest's own image.
	if (was >= VIRT_BASE && was < ~0xfffffful)
		now = odd_pointer();
	else
		now = (was & ~mask) |
		      (replace((was & mask) >> shift, bits) << shift & mask);
	if (harmless(now))
		*word = now;
}

// Arguments that make() set up are a number of a command, structures, counts.
void call_spoil(struct call *c)
{
	u32 words = (u32)(c->size / 8), which;

	words = words > c->first ? words - c->first : 0;
	which = below(words + 2);

	c->odd = true;
	if (which < words) {
		spoil_word(&c->words[c->first + which]);
		return;
	}
	which = below(4);
	if (which == 0 && c->op->cmd == c->args[0])
		which = 1; // it would be another operation
	if ((int)which == c->at)
		c->args[which] = odd_pointer();
	else
		spoil_word(&c->args[which]);
}
