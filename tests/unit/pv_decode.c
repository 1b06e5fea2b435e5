// SPDX-License-Identifier: MIT
/* Decoding of privileged instructions: known encodings, every cut of them,
 * and that no bytes at all lead outside of what was given. */
#define HOST_TEST
#include <stdlib.h>
#include <string.h>

#include "../../hv/lib/types.h"
#include "../../hv/pv/decode.c"
#include "unit.h"

struct sample {
	u8 bytes[INSN_MAX];
	u8 n;
	bool code32;
	struct insn want;
};

#define B(...) { __VA_ARGS__ }, sizeof((u8[]){ __VA_ARGS__ })

static const struct sample samples[] = {
	{ B(0xec), 0, { .kind = INSN_IN, .width = 1 } },
	{ B(0x66, 0xed), 0, { .kind = INSN_IN, .width = 2 } },
	{ B(0x48, 0xed), 0, { .kind = INSN_IN, .width = 4 } },
	{ B(0xe4, 0x60),
	  0,
	  { .kind = INSN_IN, .width = 1, .has_imm = true, .imm = 0x60 } },
	{ B(0x66, 0xe7, 0x80),
	  0,
	  { .kind = INSN_OUT, .width = 2, .has_imm = true, .imm = (u64)-128 } },
	{ B(0xf3, 0x6c), 0, { .kind = INSN_INS, .width = 1, .rep = true } },
	{ B(0xf2, 0x67, 0x6f),
	  0,
	  { .kind = INSN_OUTS, .width = 4, .rep = true, .addr32 = true } },
	{ B(0x65, 0x2e, 0x66, 0x6f),
	  0,
	  { .kind = INSN_OUTS, .width = 2, .segment = SEG_GS } },
	{ B(0x64, 0x36, 0x6e),
	  1,
	  { .kind = INSN_OUTS, .width = 1, .addr32 = true } },
	{ B(0xf3, 0xee), 0, { .kind = INSN_OUT, .width = 1 } },
	{ B(0xfa), 0, { .kind = INSN_CLI_STI } },
	{ B(0xfb), 0, { .kind = INSN_CLI_STI } },
	{ B(0x0f, 0x06), 0, { .kind = INSN_CLTS } },
	{ B(0x0f, 0x09), 0, { .kind = INSN_WBINVD } },
	{ B(0x0f, 0x20, 0xc0), 0, { .kind = INSN_READ_CR } },
	{ B(0x41, 0x0f, 0x22, 0xd9),
	  0,
	  { .kind = INSN_WRITE_CR, .reg = 3, .rm = 9 } },
	{ B(0x44, 0x0f, 0x20, 0xc7),
	  0,
	  { .kind = INSN_READ_CR, .reg = 8, .rm = 7 } },
	{ B(0x44, 0x66, 0x6f), 0, { .kind = INSN_OUTS, .width = 2 } },
	{ B(0x0f, 0x21, 0x3b), 0, { .kind = INSN_READ_DR, .reg = 7, .rm = 3 } },
	{ B(0x0f, 0x23, 0xf8), 0, { .kind = INSN_WRITE_DR, .reg = 7 } },
	{ B(0x0f, 0x30), 0, { .kind = INSN_WRMSR } },
	{ B(0x0f, 0x31), 0, { .kind = INSN_RDTSC } },
	{ B(0x0f, 0x32), 0, { .kind = INSN_RDMSR } },
	{ B(0x0f, 0xa2), 0, { .kind = INSN_CPUID } },
	{ B(0x0f, 0x01, 0xd1), 0, { .kind = INSN_XSETBV } },
	{ B(0x0f, 0x01, 0xf9), 0, { .kind = INSN_RDTSCP } },
	{ B(0x48, 0x0f, 0x32), 0, { .kind = INSN_RDMSR } },
};

static const struct sample refused[] = {
	{ B(0x90), 0, { 0 } },			 // nop
	{ B(0xf4), 0, { 0 } },			 // hlt
	{ B(0xf0, 0x0f, 0x20, 0xc0), 0, { 0 } }, // lock
	{ B(0xf3, 0x0f, 0x09), 0, { 0 } },	 // wbnoinvd
	{ B(0x66, 0x0f, 0x30), 0, { 0 } },
	{ B(0x0f, 0x01, 0xf8), 0, { 0 } }, // swapgs
	{ B(0x0f, 0x01, 0x38), 0, { 0 } }, // invlpg (rax)
	{ B(0x0f, 0x33), 0, { 0 } },	   // rdpmc
	{ B(0x0f, 0x08), 0, { 0 } },	   // invd
	{ B(0x48, 0xec), 1, { 0 } },	   // dec eax in 32-bit code
	{ B(0x67, 0x6c), 1, { 0 } },	   // 16-bit addresses
};

static void known(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct insn want = s->want, got;

		memset(&got, 0, sizeof(got));
		want.length = s->n;
		CHECK(insn_decode(s->bytes, s->n, !s->code32, &got));
		CHECK(got.kind == want.kind && got.length == want.length);
		CHECK(!want.width || got.width == want.width);
		CHECK(got.has_imm == want.has_imm && got.imm == want.imm);
		CHECK(got.reg == want.reg && got.rm == want.rm);
		CHECK(got.rep == want.rep && got.segment == want.segment);
		CHECK(got.addr32 == (want.addr32 || s->code32));
		for (unsigned n = 0; n < s->n; n++)
			CHECK(!insn_decode(s->bytes, n, !s->code32, &got));
	}
}

static void not_ours(void)
{
	struct insn got;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK(!insn_decode(refused[i].bytes, INSN_MAX,
				   !refused[i].code32, &got));
}

/* Prefixes only, or so many of them that the opcode comes too late. */
static void too_long(void)
{
	u8 b[INSN_MAX + 1];
	struct insn got;

	memset(b, 0x66, sizeof(b));
	CHECK(!insn_decode(b, INSN_MAX, true, &got));
	CHECK(!insn_decode(b, INSN_MAX + 1, true, &got));
	b[INSN_MAX] = 0xec;
	CHECK(!insn_decode(b, INSN_MAX + 1, true, &got));
	b[INSN_MAX - 1] = 0xec;
	CHECK(insn_decode(b, INSN_MAX, true, &got) && got.length == INSN_MAX);
}

/* All openings of up to three bytes, in a heap block of exactly their size so
 * that the sanitizer sees a read behind it. */
static void openings(unsigned n, bool code64)
{
	u8 *b = malloc(n);

	for (unsigned v = 0; v < 1u << 8 * n; v++) {
		struct insn got = { 0 };

		for (unsigned i = 0; i < n; i++)
			b[i] = (u8)(v >> 8 * i);
		if (!insn_decode(b, n, code64, &got))
			continue;
		CHECK(got.length && got.length <= n);
		CHECK(got.kind > INSN_NONE && got.kind < INSN_KINDS);
		CHECK(got.rm < 16 && got.reg < 16);
	}
	free(b);
}

static void all_openings(void)
{
	for (unsigned n = 1; n <= 3; n++) {
		openings(n, true);
		openings(n, false);
	}
}

/* The hot ones are decoded at once only where all bytes are there. */
static void hot(bool code64)
{
	u8 b[INSN_MAX] = { 0 };

	for (unsigned v = 0; v < 1u << 24; v++) {
		struct insn once = { 0 }, by_steps = { 0 };
		bool ok;

		memcpy(b, &v, 3);
		if ((b[0] & 0xf0) != 0x40 && b[0] != 0x0f)
			continue;
		ok = insn_decode(b, INSN_MAX, code64, &once);
		CHECK(insn_decode(b, INSN_MAX - 1, code64, &by_steps) == ok);
		CHECK(!ok || !memcmp(&once, &by_steps, sizeof(once)));
	}
}

static void hot_ones(void)
{
	hot(true);
	hot(false);
}

UNIT_MAIN(UNIT(known), UNIT(not_ours), UNIT(too_long), UNIT(all_openings),
	  UNIT(hot_ones))
