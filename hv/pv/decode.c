// SPDX-License-Identifier: MIT
// Opcodes: AMD APM vol. 3, appendix A. Only register forms are accepted where
// a ModRM byte follows.
#include "pv/decode.h"

// The bytes and what is known of them so far.
struct decoder {
	const u8 *b;
	unsigned int n, at;
	bool code64, wide16;
	u8 rex;
	struct insn insn;
};

#define REX_R 4
#define REX_B 1

// Behind the last byte: 0, which is no prefix, and at tells of it.
static u8 next(struct decoder *s)
{
	unsigned int at = s->at++;

	return at < s->n ? s->b[at] : 0;
}

// True when byte was a prefix. A REX prefix counts only right before the
// opcode; lock is left to the opcode table, which refuses it.
static bool take_prefix(struct decoder *s, u8 byte)
{
	if (s->code64 && (byte & 0xf0) == 0x40) {
		s->rex = byte;
		return true;
	}
	switch (byte) {
	case 0x66:
		s->wide16 = true;
		break;
	case 0x67:
		s->insn.addr32 = true;
		break;
	case 0xf2:
	case 0xf3:
		s->insn.rep = true;
		break;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		// Flat. In 64-bit code these do not undo an FS or GS prefix.
		if (!s->code64)
			s->insn.segment = SEG_FLAT;
		break;
	case 0x64:
		s->insn.segment = SEG_FS;
		break;
	case 0x65:
		s->insn.segment = SEG_GS;
		break;
	default:
		return false;
	}
	s->rex = 0;
	return true;
}

static void decode_port(struct decoder *s, u8 op)
{
	struct insn *i = &s->insn;
	bool out = op & 2;

	i->width = !(op & 1) ? 1 : s->wide16 ? 2 : 4;
	if (op < 0xe0) {
		i->kind = out ? INSN_OUTS : INSN_INS;
		return;
	}
	i->kind = out ? INSN_OUT : INSN_IN;
	i->rep = false;
	i->immediate = op < 0xe8;
	if (i->immediate)
		i->port = next(s);
}

static void decode_0f(struct decoder *s)
{
	static const u8 kinds[256] = {
		[0x06] = INSN_CLTS,	[0x08] = INSN_INVD,
		[0x09] = INSN_WBINVD,	[0x20] = INSN_READ_CR,
		[0x21] = INSN_READ_DR,	[0x22] = INSN_WRITE_CR,
		[0x23] = INSN_WRITE_DR, [0x30] = INSN_WRMSR,
		[0x31] = INSN_RDTSC,	[0x32] = INSN_RDMSR,
		[0xa2] = INSN_CPUID,
	};
	struct insn *i = &s->insn;
	u8 op, modrm;

	// With one of these it is another instruction, such as WBNOINVD.
	if (i->rep || s->wide16)
		return;
	op = next(s);
	i->kind = kinds[op];
	if (op == 0x01) {
		modrm = next(s);
		i->kind = modrm == 0xd1	  ? INSN_XSETBV
			  : modrm == 0xf9 ? INSN_RDTSCP
					  : INSN_NONE;
	} else if ((op & 0xfc) == 0x20) {
		modrm = next(s);
		i->control = (modrm >> 3 & 7) | (s->rex & REX_R ? 8 : 0);
		i->gpr = (modrm & 7) | (s->rex & REX_B ? 8 : 0);
	}
}

// Leaves INSN_NONE for what is not emulated.
static void decode_opcode(struct decoder *s, u8 op)
{
	switch (op) {
	case 0x0f:
		decode_0f(s);
		break;
	case 0x6c ... 0x6f:
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
		decode_port(s, op);
		break;
	case 0xfa:
		s->insn.kind = INSN_CLI;
		break;
	case 0xfb:
		s->insn.kind = INSN_STI;
		break;
	}
}

enum decode_result insn_decode(const u8 *b, unsigned int n, bool code64,
			       struct insn *out)
{
	struct decoder s = { .b = b,
			     .n = MIN(n, (unsigned int)INSN_MAX),
			     .code64 = code64 };
	u8 byte;

	do
		byte = next(&s);
	while (take_prefix(&s, byte));
	// 32-bit code has 16-bit addresses with this prefix: nobody's need.
	if (code64 || !s.insn.addr32)
		decode_opcode(&s, byte);
	s.insn.addr32 |= !code64;
	if (s.at > s.n && s.n < INSN_MAX)
		return DECODE_MORE;
	if (s.at > s.n || s.insn.kind == INSN_NONE)
		return DECODE_REFUSED;
	s.insn.length = (u8)s.at;
	*out = s.insn;
	return DECODE_OK;
}
