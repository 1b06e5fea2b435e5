// SPDX-License-Identifier: MIT
// Decoder of the stores that ptwrite.c emulates; the address is known from
// the fault, so that only lengths and the other operand matter
// (AMD APM vol. 3, 1.2-1.4).
#include "pv/ptwrite.h"

struct cursor {
	const u8 *p, *end;
	bool short_; // ran past the end
};

static u8 byte(struct cursor *c)
{
	if (c->p >= c->end) {
		c->short_ = true;
		return 0;
	}
	return *c->p++;
}

static u64 immediate(struct cursor *c, unsigned int bytes)
{
	u64 v = 0;
	unsigned int shift;

	for (shift = 0; shift < bytes * 8; shift += 8)
		v |= (u64)byte(c) << shift;
	// Sign-extended to 64 bits, as each of these instructions does.
	return (u64)((s64)(v << (64 - shift)) >> (64 - shift));
}

// ModRM with a memory operand: skips SIB and displacement.
static bool modrm_memory(struct cursor *c, u8 modrm)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7, disp = 0;
	u8 sib;

	if (mod == 3)
		return false;
	if (mod == 1)
		disp = 1;
	else if (mod == 2 || rm == 5)
		disp = 4;
	if (rm == 4) {
		sib = byte(c);
		if (mod == 0 && (sib & 7) == 5)
			disp = 4;
	}
	while (disp-- > 0)
		byte(c);
	return true;
}

enum operand { OPERAND_REG, OPERAND_IMM, OPERAND_IMM8 };

struct form {
	u8 opcode;
	s8 ext; // ModRM.reg must be this; -1: it names the register
	u8 op, operand;
	bool byte_size;
};

static const struct form one_byte[] = {
	{ 0x88, -1, PTW_MOV, OPERAND_REG, true },
	{ 0x89, -1, PTW_MOV, OPERAND_REG, false },
	{ 0xc6, 0, PTW_MOV, OPERAND_IMM8, true },
	{ 0xc7, 0, PTW_MOV, OPERAND_IMM, false },
	{ 0x86, -1, PTW_XCHG, OPERAND_REG, true },
	{ 0x87, -1, PTW_XCHG, OPERAND_REG, false },
	{ 0x20, -1, PTW_AND, OPERAND_REG, true },
	{ 0x21, -1, PTW_AND, OPERAND_REG, false },
	{ 0x08, -1, PTW_OR, OPERAND_REG, true },
	{ 0x09, -1, PTW_OR, OPERAND_REG, false },
	{ 0x30, -1, PTW_XOR, OPERAND_REG, true },
	{ 0x31, -1, PTW_XOR, OPERAND_REG, false },
	{ 0x80, 4, PTW_AND, OPERAND_IMM8, true },
	{ 0x80, 1, PTW_OR, OPERAND_IMM8, true },
	{ 0x80, 6, PTW_XOR, OPERAND_IMM8, true },
	{ 0x81, 4, PTW_AND, OPERAND_IMM, false },
	{ 0x81, 1, PTW_OR, OPERAND_IMM, false },
	{ 0x81, 6, PTW_XOR, OPERAND_IMM, false },
	{ 0x83, 4, PTW_AND, OPERAND_IMM8, false },
	{ 0x83, 1, PTW_OR, OPERAND_IMM8, false },
	{ 0x83, 6, PTW_XOR, OPERAND_IMM8, false },
};

static const struct form two_byte[] = {
	{ 0xb0, -1, PTW_CMPXCHG, OPERAND_REG, true },
	{ 0xb1, -1, PTW_CMPXCHG, OPERAND_REG, false },
	{ 0xc3, -1, PTW_MOV, OPERAND_REG, false }, // movnti
	{ 0xab, -1, PTW_BTS, OPERAND_REG, false },
	{ 0xb3, -1, PTW_BTR, OPERAND_REG, false },
	{ 0xbb, -1, PTW_BTC, OPERAND_REG, false },
	{ 0xba, 5, PTW_BTS, OPERAND_IMM8, false },
	{ 0xba, 6, PTW_BTR, OPERAND_IMM8, false },
	{ 0xba, 7, PTW_BTC, OPERAND_IMM8, false },
};

static const struct form *form_find(const struct form *f, unsigned int n,
				    u8 opcode, u8 modrm)
{
	for (unsigned int i = 0; i < n; i++)
		if (f[i].opcode == opcode &&
		    (f[i].ext < 0 || f[i].ext == (modrm >> 3 & 7)))
			return &f[i];
	return NULL;
}

static unsigned int operand_size(bool byte_size, u8 rex, bool wide)
{
	return byte_size ? 1 : rex & 8 ? 8 : wide ? 2 : 4;
}

bool ptwrite_decode(struct ptwrite *w, const u8 *code, unsigned int n)
{
	struct cursor c = { code, code + n, false };
	const struct form *f;
	bool wide = false, rep = false;
	u8 b = byte(&c), rex = 0, modrm;

	*w = (struct ptwrite){ 0 };
	// LOCK, operand size, segment overrides that 64-bit mode ignores or
	// that have changed the address only.
	while (b == 0xf0 || b == 0x66 || b == 0x3e || b == 0x2e || b == 0x26 ||
	       b == 0x36 || b == 0x64 || b == 0x65 || b == 0xf2 || b == 0xf3) {
		wide = wide || b == 0x66;
		rep = rep || b == 0xf2 || b == 0xf3;
		b = byte(&c);
	}
	if ((b & 0xf0) == 0x40) {
		rex = b;
		b = byte(&c);
	}
	if (b == 0xaa || b == 0xab) {
		w->op = PTW_STOS;
		w->rex = rex;
		w->rep = rep;
		w->size = operand_size(b == 0xaa, rex, wide);
		w->length = (unsigned int)(c.p - code);
		return !c.short_;
	}
	if (b == 0x0f) {
		b = byte(&c);
		modrm = byte(&c);
		f = form_find(two_byte, ARRAY_SIZE(two_byte), b, modrm);
	} else {
		modrm = byte(&c);
		f = form_find(one_byte, ARRAY_SIZE(one_byte), b, modrm);
	}
	if (!f || !modrm_memory(&c, modrm))
		return false;
	w->op = f->op;
	w->rex = rex;
	w->reg = (modrm >> 3 & 7) | (rex & 4 ? 8 : 0);
	w->size = operand_size(f->byte_size, rex, wide);
	w->has_imm = f->operand != OPERAND_REG;
	if (f->operand == OPERAND_IMM8)
		w->imm = immediate(&c, 1);
	else if (f->operand == OPERAND_IMM)
		w->imm = immediate(&c, w->size == 2 ? 2 : 4);
	w->length = (unsigned int)(c.p - code);
	return !c.short_;
}
