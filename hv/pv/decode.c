// SPDX-License-Identifier: MIT
// Opcodes: AMD APM vol. 3, appendix A; lengths: 1.2 to 1.4. The address of a
// store is known from its fault: its operand is skipped.
#include "pv/decode.h"

// The bytes and what is known of them so far.
struct decoder {
	const u8 *b;
	unsigned int n, at;
	bool code64;
	u8 rex, prefixes;
	struct insn *insn;
};

#define REX_B 1
#define REX_R 4
#define REX_W 8

// Prefixes.
#define WIDE16 1
#define ADDR   2
#define LOCK   4
#define REP    8

// Shapes.
#define STRING	  0x01 // a REP prefix counts
#define IMM8	  0x02
#define IMM	  0x04 // as wide as the operand, at most 4 bytes
#define MEMORY	  0x08 // ModRM with a memory operand
#define REGISTERS 0x10 // ModRM that is taken to name registers
#define BITS	  0x20 // the opcode's lowest bit is not the operand's size
#define GROUP	  0x40 // ModRM.reg belongs to the opcode
#define OFFSET	  0x80 // an address, from the accumulator
#define EXT(n)	  (GROUP | (n) << 8)

struct form {
	u16 first, last;
	u16 kind, shape;
};
// Of one byte; those at the beginning are most of all.
static const struct form forms[] = {
	{ 0xec, 0xed, INSN_IN, 0 },
	{ 0x88, 0x89, INSN_MOV, MEMORY },
	{ 0x86, 0x87, INSN_XCHG, MEMORY },
	{ 0xee, 0xef, INSN_OUT, 0 },
	{ 0xe4, 0xe5, INSN_IN, IMM8 },
	{ 0xe6, 0xe7, INSN_OUT, IMM8 },
	{ 0x6c, 0x6d, INSN_INS, STRING },
	{ 0x6e, 0x6f, INSN_OUTS, STRING },
	{ 0xc6, 0xc7, INSN_MOV, MEMORY | IMM | EXT(0) },
	{ 0xa2, 0xa3, INSN_MOV, OFFSET },
	{ 0xfa, 0xfb, INSN_CLI_STI, 0 },
	{ 0x20, 0x21, INSN_AND, MEMORY },
	{ 0x80, 0x81, INSN_AND, MEMORY | IMM | EXT(4) },
	{ 0x83, 0x83, INSN_AND, MEMORY | IMM8 | EXT(4) },
	{ 0x08, 0x09, INSN_OR, MEMORY },
	{ 0x80, 0x81, INSN_OR, MEMORY | IMM | EXT(1) },
	{ 0x83, 0x83, INSN_OR, MEMORY | IMM8 | EXT(1) },
	{ 0x30, 0x31, INSN_XOR, MEMORY },
	{ 0x80, 0x81, INSN_XOR, MEMORY | IMM | EXT(6) },
	{ 0x83, 0x83, INSN_XOR, MEMORY | IMM8 | EXT(6) },
	{ 0xaa, 0xab, INSN_STOS, STRING },
};
// Behind 0x0f these are 0xf00 and up, behind 0x0f 0x01 0xf100. Where the TSC traps,
// reading it is most of all.
static const struct form long_forms[] = {
	{ 0xf31, 0xf31, INSN_RDTSC, 0 },
	{ 0xf1f9, 0xf1f9, INSN_RDTSCP, 0 },
	{ 0xf32, 0xf32, INSN_RDMSR, 0 },
	{ 0xfc3, 0xfc3, INSN_MOV, MEMORY }, // movnti
	{ 0xfb0, 0xfb1, INSN_CMPXCHG, MEMORY },
	{ 0xfc7, 0xfc7, INSN_CMPXCHG8B, MEMORY | EXT(1) },
	{ 0xf06, 0xf06, INSN_CLTS, 0 },
	{ 0xf09, 0xf09, INSN_WBINVD, 0 },
	{ 0xf20, 0xf20, INSN_READ_CR, REGISTERS },
	{ 0xf21, 0xf21, INSN_READ_DR, REGISTERS },
	{ 0xf22, 0xf22, INSN_WRITE_CR, REGISTERS },
	{ 0xf23, 0xf23, INSN_WRITE_DR, REGISTERS },
	{ 0xf30, 0xf30, INSN_WRMSR, 0 },
	{ 0xfa2, 0xfa2, INSN_CPUID, 0 },
	{ 0xf1d1, 0xf1d1, INSN_XSETBV, 0 },
	{ 0xfab, 0xfab, INSN_BTS, MEMORY },
	{ 0xfba, 0xfba, INSN_BTS, MEMORY | IMM8 | BITS | EXT(5) },
	{ 0xfb3, 0xfb3, INSN_BTR, MEMORY },
	{ 0xfba, 0xfba, INSN_BTR, MEMORY | IMM8 | BITS | EXT(6) },
	{ 0xfbb, 0xfbb, INSN_BTC, MEMORY },
	{ 0xfba, 0xfba, INSN_BTC, MEMORY | IMM8 | BITS | EXT(7) },
};

static const struct form *form_find(unsigned int op, u8 modrm)
{
	bool is_long = op >= 0xf00;
	const struct form *f = is_long ? long_forms : forms;
	const struct form *end = is_long ? long_forms + ARRAY_SIZE(long_forms)
					 : forms + ARRAY_SIZE(forms);

	for (; f < end; f++)
		if (op >= f->first && op <= f->last &&
		    (!(f->shape & GROUP) || f->shape >> 8 == (modrm >> 3 & 7)))
			return f;
	return NULL;
}

// Behind the last byte: 0, which is no prefix, and at tells of it.
static u8 next(struct decoder *s)
{
	unsigned int at = s->at++;

	return at < s->n ? s->b[at] : 0;
}

// Bytes that may be prefixes: 0x26, 0x2e, 0x36, 0x3e; 0x40 to 0x4f, 0x64 to 0x67;
// 0xf0, 0xf2, 0xf3.
static const u64 prefix_bytes[4] = {
	BIT(0x26) | BIT(0x2e) | BIT(0x36) | BIT(0x3e),
	0xffff | BIT(0x24) | BIT(0x25) | BIT(0x26) | BIT(0x27),
	0,
	BIT(0x30) | BIT(0x32) | BIT(0x33),
};

// True when byte was a prefix. A REX prefix counts only right before the
// opcode.
static bool take_prefix(struct decoder *s, u8 byte)
{
	if (!(prefix_bytes[byte >> 6] >> (byte & 63) & 1))
		return false;
	if (s->code64 && (byte & 0xf0) == 0x40) {
		s->rex = byte;
		return true;
	}
	switch (byte) {
	case 0x66:
		s->prefixes |= WIDE16;
		break;
	case 0x67:
		s->prefixes |= ADDR;
		break;
	case 0xf0:
		s->prefixes |= LOCK;
		break;
	case 0xf2:
	case 0xf3:
		s->prefixes |= REP;
		break;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		// Flat. In 64-bit code these do not undo an FS or GS prefix.
		if (!s->code64)
			s->insn->segment = SEG_FLAT;
		break;
	case 0x64:
	case 0x65:
		s->insn->segment = byte == 0x64 ? SEG_FS : SEG_GS;
		break;
	default:
		return false;
	}
	s->rex = 0;
	return true;
}

static u64 immediate(struct decoder *s, unsigned int bytes)
{
	unsigned int unused = 64 - bytes * 8;
	u64 v = 0;

	for (unsigned int shift = 0; shift < bytes * 8; shift += 8)
		v |= (u64)next(s) << shift;
	return (u64)((s64)(v << unused) >> unused);
}

// SIB and displacement of a memory operand.
static void memory_skip(struct decoder *s, u8 modrm)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7, base = rm;

	if (rm == 4)
		base = next(s) & 7;
	if (mod == 1)
		s->at += 1;
	else if (mod == 2 || base == 5)
		s->at += 4;
}

// What follows the opcode. False: no memory operand where one is needed.
static bool take_operands(struct decoder *s, unsigned int shape, u8 modrm)
{
	struct insn *i = s->insn;

	if (shape & (MEMORY | REGISTERS)) {
		s->at++;
		i->reg = (modrm >> 3 & 7) | (s->rex & REX_R ? 8 : 0);
		i->rm = (modrm & 7) | (s->rex & REX_B ? 8 : 0);
	}
	if (shape & MEMORY) {
		if (modrm >> 6 == 3)
			return false;
		memory_skip(s, modrm);
	}
	if (shape & OFFSET)
		s->at += s->code64 && !(s->prefixes & ADDR) ? 8 : 4;
	i->has_imm = shape & (IMM | IMM8);
	if (i->has_imm)
		i->imm = immediate(s, shape & IMM ? MIN(i->width, 4) : 1);
	return true;
}

// What Linux makes most of, decoded at once; the same comes out of the long way.
// rdtsc, where a guest's TSC is emulated; rdmsr; and of its stores to tables mov
// and xchg of 64 bits without SIB and RIP-relative address.
static __forced_inline bool decode_hot(const u8 *b, unsigned int n, bool code64,
				       struct insn *i)
{
	u8 modrm, mod;

	if (n < INSN_MAX)
		return false;
	modrm = b[2];
	mod = modrm >> 6;
	if (b[0] == 0x0f && (b[1] == 0x31 || b[1] == 0x32)) {
		*i = (struct insn){
			.kind = b[1] == 0x31 ? INSN_RDTSC : INSN_RDMSR,
			.length = 2,
			.width = b[1] == 0x31 ? 4 : 1, // of no meaning
			.addr32 = !code64,
		};
		return true;
	}
	if (!code64 || (b[0] & ~(REX_R | REX_B)) != (0x40 | REX_W) ||
	    (b[1] != 0x89 && b[1] != 0x87) || mod == 3 || (modrm & 7) == 4 ||
	    (modrm & 0xc7) == 5)
		return false;
	*i = (struct insn){
		.kind = b[1] == 0x89 ? INSN_MOV : INSN_XCHG,
		.length = 3 + (mod & 1) + (mod & 2) * 2,
		.width = 8,
		.rex = b[0],
		.reg = (modrm >> 3 & 7) | (b[0] & REX_R) << 1,
		.rm = (modrm & 7) | (b[0] & REX_B) << 3,
	};
	return true;
}

bool insn_decode(const u8 *b, unsigned int n, bool code64, struct insn *i)
{
	struct decoder s = { .b = b, .n = n, .code64 = code64, .insn = i };
	const struct form *f;
	unsigned int op;
	u8 modrm;

	if (decode_hot(b, n, code64, i))
		return true;
	*i = (struct insn){ 0 };
	do
		op = next(&s);
	while (take_prefix(&s, (u8)op));
	if (op == 0x0f)
		op = 0xf00 | next(&s);
	if (op == 0xf01)
		op = 0xf100 | next(&s);
	modrm = s.at < n ? b[s.at] : 0;
	f = form_find(op, modrm);
	// 32-bit code has 16-bit addresses with that prefix: nobody's need.
	if (!f || (s.prefixes & ADDR && !code64))
		return false;
	// Another instruction, such as WBNOINVD.
	if (s.prefixes & ~ADDR && op >= 0xf00 && !(f->shape & MEMORY))
		return false;
	i->addr32 = !code64 || s.prefixes & ADDR;
	i->kind = f->kind;
	i->rex = s.rex;
	i->rep = s.prefixes & REP && f->shape & STRING;
	i->width = s.prefixes & WIDE16 ? 2 : 4;
	if (!(op & 1) && !(f->shape & BITS))
		i->width = 1;
	else if (s.rex & REX_W && i->kind >= INSN_MOV)
		i->width = 8;
	if (i->kind == INSN_CMPXCHG8B) {
		if (i->width == 8) // of 16 bytes
			return false;
		i->width = 8;
	}
	if (f->shape && !take_operands(&s, f->shape, modrm))
		return false;
	i->length = (u8)s.at;
	return s.at <= MIN(n, (unsigned int)INSN_MAX);
}
