// SPDX-License-Identifier: MIT
// What an instruction is, by its bytes.
#include <string.h>
#include "plugin.h"

static bool is_prefix(uint8_t byte)
{
	return byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x66 ||
	       byte == 0x67 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
	       byte == 0x26 || byte == 0x64 || byte == 0x65 ||
	       (byte & 0xf0) == 0x40;
}

static bool is_string(uint8_t op)
{
	return (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf) ||
	       (op >= 0x6c && op <= 0x6f);
}

// The second and third byte of an opcode that starts with 0f.
static enum heavy heavy_0f(const uint8_t *code)
{
	uint8_t modrm = code[1], reg = modrm >> 3 & 7;
	bool memory = modrm < 0xc0;

	switch (code[0]) {
	case 0x01:
		if (modrm == 0xf8)
			return SWAPGS;
		return memory && reg == 7 ? INVLPG : OTHER;
	case 0x07:
		return RETURN;
	case 0x22:
		return reg == 3 ? CR3 : CR;
	case 0x30:
	case 0x32:
		return MSR;
	case 0x38:
		return code[1] == 0x82 ? INVLPG : OTHER;
	case 0xa2:
		return CPUID;
	case 0xae:
		return memory && (reg == 4 || reg == 5 || reg == 6) ? XSAVE
								    : OTHER;
	case 0xc7:
		return memory && reg >= 3 && reg <= 5 ? XSAVE : OTHER;
	}
	return OTHER;
}

// Of an opcode of one byte.
static enum heavy heavy_byte(const uint8_t *code, bool repeat)
{
	uint8_t op = code[0];

	if ((op == 0x86 || op == 0x87) && code[1] < 0xc0)
		return LOCKED;
	if ((op & 0xf4) == 0xe4 || (op >= 0x6c && op <= 0x6f))
		return PORT;
	if (op == 0x90 && repeat)
		return PAUSE;
	return op == 0xcf ? RETURN : op == 0xf4 ? HALT : OTHER;
}

struct instruction classify(const uint8_t *bytes, size_t size)
{
	uint8_t code[16 + 4] = { 0 };
	bool locked = false, repeat = false;
	struct instruction what = { 0 };
	size_t at = 0;

	memcpy(code, bytes, size < 16 ? size : 16);
	for (; at < size && is_prefix(code[at]); at++) {
		locked |= code[at] == 0xf0;
		repeat |= code[at] == 0xf2 || code[at] == 0xf3;
	}
	what.rep = repeat && is_string(code[at]);
	what.off = code[at] == 0xfa;
	if (code[at] == 0x0f)
		what.heavy = heavy_0f(&code[at + 1]);
	else
		what.heavy = heavy_byte(&code[at], repeat);
	if (!what.heavy && locked)
		what.heavy = LOCKED;
	return what;
}

int marker_of(const uint8_t *bytes, size_t size, u64 *id)
{
	if (size != 7 || memcmp(bytes, "\x0f\x1f\x80", 3) || bytes[5] != 0xb1 ||
	    bytes[6] != 0x5e)
		return -1;
	*id = bytes[3];
	return bytes[4];
}
