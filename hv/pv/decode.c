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

static bool next(struct decoder *s, u8 *byte)
{
	if (s->at == s->n)
		return false;
	*byte = s->b[s->at++];
	return true;
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

static enum decode_result decode_port(struct decoder *s, u8 op)
{
	struct insn *i = &s->insn;

	switch (op & 0xfe) {
	case 0x6c:
		i->kind = INSN_INS;
		break;
	case 0x6e:
		i->kind = INSN_OUTS;
		break;
	case 0xe4:
	case 0xec:
		i->kind = INSN_IN;
		break;
	default:
		i->kind = INSN_OUT;
	}
	i->width = !(op & 1) ? 1 : s->wide16 ? 2 : 4;
	i->immediate = (op & 0xf8) == 0xe0;
	if (i->immediate && !next(s, &i->port))
		return DECODE_MORE;
	if (op >= 0xe4)
		i->rep = false;
	return DECODE_OK;
}

static enum decode_result decode_move(struct decoder *s, u8 op)
{
	static const u8 kinds[] = { INSN_READ_CR, INSN_READ_DR, INSN_WRITE_CR,
				    INSN_WRITE_DR };
	u8 modrm;

	if (!next(s, &modrm))
		return DECODE_MORE;
	s->insn.kind = kinds[op & 3];
	s->insn.control = (modrm >> 3 & 7) | (s->rex & REX_R ? 8 : 0);
	s->insn.gpr = (modrm & 7) | (s->rex & REX_B ? 8 : 0);
	return DECODE_OK;
}

static enum decode_result decode_0f01(struct decoder *s)
{
	u8 modrm;

	if (!next(s, &modrm))
		return DECODE_MORE;
	if (modrm == 0xd1)
		s->insn.kind = INSN_XSETBV;
	else if (modrm == 0xf9)
		s->insn.kind = INSN_RDTSCP;
	else
		return DECODE_REFUSED;
	return DECODE_OK;
}

static enum decode_result decode_0f(struct decoder *s)
{
	static const u8 kinds[256] = {
		[0x06] = INSN_CLTS,  [0x08] = INSN_INVD,  [0x09] = INSN_WBINVD,
		[0x30] = INSN_WRMSR, [0x31] = INSN_RDTSC, [0x32] = INSN_RDMSR,
		[0xa2] = INSN_CPUID,
	};
	u8 op;

	// With one of these it is another instruction, such as WBNOINVD.
	if (s->insn.rep || s->wide16)
		return DECODE_REFUSED;
	if (!next(s, &op))
		return DECODE_MORE;
	if (op == 0x01)
		return decode_0f01(s);
	if ((op & 0xfc) == 0x20)
		return decode_move(s, op);
	s->insn.kind = kinds[op];
	return kinds[op] ? DECODE_OK : DECODE_REFUSED;
}

static enum decode_result decode_opcode(struct decoder *s, u8 op)
{
	switch (op) {
	case 0x0f:
		return decode_0f(s);
	case 0x6c ... 0x6f:
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
		return decode_port(s, op);
	case 0xfa:
		s->insn.kind = INSN_CLI;
		return DECODE_OK;
	case 0xfb:
		s->insn.kind = INSN_STI;
		return DECODE_OK;
	default:
		return DECODE_REFUSED;
	}
}

enum decode_result insn_decode(const u8 *b, unsigned int n, bool code64,
			       struct insn *out)
{
	struct decoder s = { .b = b,
			     .n = MIN(n, (unsigned int)INSN_MAX),
			     .code64 = code64 };
	enum decode_result result;
	u8 byte;

	do {
		if (!next(&s, &byte))
			goto short_of;
	} while (take_prefix(&s, byte));
	// 32-bit code has 16-bit addresses with this prefix: nobody's need.
	if (!code64 && s.insn.addr32)
		return DECODE_REFUSED;
	s.insn.addr32 |= !code64;
	result = decode_opcode(&s, byte);
	if (result == DECODE_MORE)
		goto short_of;
	if (result == DECODE_OK) {
		s.insn.length = (u8)s.at;
		*out = s.insn;
	}
	return result;
short_of:
	return s.n == INSN_MAX ? DECODE_REFUSED : DECODE_MORE;
}
