// SPDX-License-Identifier: MIT
// Stores that the writable-page-table assist decodes: encodings as the GNU
// assembler makes them, with lengths as objdump tells; then everything that
// must be refused, and random bytes that are never read past their end.
#include <stdlib.h>
#include <string.h>
#define HOST_TEST
#include "../../hv/pv/decode.c"
#include "unit.h"

static const struct known {
	const char *text;
	u8 bytes[15], length;
	u8 op, size, reg;
	bool has_imm;
	s64 imm;
} known[] = {
	{ "mov %rax,(%rdi)",
	  { 0x48, 0x89, 0x07 },
	  3,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "mov %r9,0x10(%rsi)",
	  { 0x4c, 0x89, 0x4e, 0x10 },
	  4,
	  INSN_MOV,
	  8,
	  9,
	  false,
	  0 },
	{ "mov %ecx,0x12345678(%rdx)",
	  { 0x89, 0x8a, 0x78, 0x56, 0x34, 0x12 },
	  6,
	  INSN_MOV,
	  4,
	  1,
	  false,
	  0 },
	{ "mov %ax,(%rbx)", { 0x66, 0x89, 0x03 }, 3, INSN_MOV, 2, 0, false, 0 },
	{ "mov %bl,(%rax)", { 0x88, 0x18 }, 2, INSN_MOV, 1, 3, false, 0 },
	{ "mov %spl,(%rax)",
	  { 0x40, 0x88, 0x20 },
	  3,
	  INSN_MOV,
	  1,
	  4,
	  false,
	  0 },
	{ "mov %ah,(%rcx)", { 0x88, 0x21 }, 2, INSN_MOV, 1, 4, false, 0 },
	{ "mov %r15,(%r12)",
	  { 0x4d, 0x89, 0x3c, 0x24 },
	  4,
	  INSN_MOV,
	  8,
	  15,
	  false,
	  0 },
	{ "mov %r8,(%r13)",
	  { 0x4d, 0x89, 0x45, 0x00 },
	  4,
	  INSN_MOV,
	  8,
	  8,
	  false,
	  0 },
	{ "mov %rax,(%rsp)",
	  { 0x48, 0x89, 0x04, 0x24 },
	  4,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "mov %rax,8(%rsp,%rcx,8)",
	  { 0x48, 0x89, 0x44, 0xcc, 0x08 },
	  5,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "mov %rax,0x1000(,%rcx,8)",
	  { 0x48, 0x89, 0x04, 0xcd, 0x00, 0x10, 0x00, 0x00 },
	  8,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "mov %rax,0x10(%rip)",
	  { 0x48, 0x89, 0x05, 0x10, 0x00, 0x00, 0x00 },
	  7,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "mov %rdx,%gs:(%rdi)",
	  { 0x65, 0x48, 0x89, 0x17 },
	  4,
	  INSN_MOV,
	  8,
	  2,
	  false,
	  0 },
	{ "movq $-2,(%rdi)",
	  { 0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff },
	  7,
	  INSN_MOV,
	  8,
	  0,
	  true,
	  -2 },
	{ "movl $0x87654321,4(%rdi)",
	  { 0xc7, 0x47, 0x04, 0x21, 0x43, 0x65, 0x87 },
	  7,
	  INSN_MOV,
	  4,
	  0,
	  true,
	  -2023406815 },
	{ "movw $0x8001,(%rdi)",
	  { 0x66, 0xc7, 0x07, 0x01, 0x80 },
	  5,
	  INSN_MOV,
	  2,
	  0,
	  true,
	  -32767 },
	{ "movb $0x80,(%r14)",
	  { 0x41, 0xc6, 0x06, 0x80 },
	  4,
	  INSN_MOV,
	  1,
	  0,
	  true,
	  -128 },
	{ "xchg %rax,(%rdi)",
	  { 0x48, 0x87, 0x07 },
	  3,
	  INSN_XCHG,
	  8,
	  0,
	  false,
	  0 },
	{ "xchg %cl,(%rdi)", { 0x86, 0x0f }, 2, INSN_XCHG, 1, 1, false, 0 },
	{ "lock cmpxchg %rcx,(%rdx)",
	  { 0xf0, 0x48, 0x0f, 0xb1, 0x0a },
	  5,
	  INSN_CMPXCHG,
	  8,
	  1,
	  false,
	  0 },
	{ "lock cmpxchg %r10,0x7f(%r11)",
	  { 0xf0, 0x4d, 0x0f, 0xb1, 0x53, 0x7f },
	  6,
	  INSN_CMPXCHG,
	  8,
	  10,
	  false,
	  0 },
	{ "lock cmpxchg8b 4(%rdi)",
	  { 0xf0, 0x0f, 0xc7, 0x4f, 0x04 },
	  5,
	  INSN_CMPXCHG8B,
	  8,
	  1,
	  false,
	  0 },
	{ "movabs %rax,0x1122334455667788",
	  { 0x48, 0xa3, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 },
	  10,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "movabs %al,0x1122334455667788",
	  { 0xa2, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 },
	  9,
	  INSN_MOV,
	  1,
	  0,
	  false,
	  0 },
	{ "cmpxchg %cl,(%rdx)",
	  { 0x0f, 0xb0, 0x0a },
	  3,
	  INSN_CMPXCHG,
	  1,
	  1,
	  false,
	  0 },
	{ "lock cmpxchg %ecx,(%rdx,%rax,4)",
	  { 0xf0, 0x0f, 0xb1, 0x0c, 0x82 },
	  5,
	  INSN_CMPXCHG,
	  4,
	  1,
	  false,
	  0 },
	{ "lock andq $-3,(%rdi)",
	  { 0xf0, 0x48, 0x83, 0x27, 0xfd },
	  5,
	  INSN_AND,
	  8,
	  0,
	  true,
	  -3 },
	{ "andl $0x0fffffff,(%rdi)",
	  { 0x81, 0x27, 0xff, 0xff, 0xff, 0x0f },
	  6,
	  INSN_AND,
	  4,
	  0,
	  true,
	  268435455 },
	{ "andb $0xf0,3(%rdi)",
	  { 0x80, 0x67, 0x03, 0xf0 },
	  4,
	  INSN_AND,
	  1,
	  0,
	  true,
	  -16 },
	{ "and %rax,(%rdi)",
	  { 0x48, 0x21, 0x07 },
	  3,
	  INSN_AND,
	  8,
	  0,
	  false,
	  0 },
	{ "and %dl,(%rdi)", { 0x20, 0x17 }, 2, INSN_AND, 1, 2, false, 0 },
	{ "lock orq $0x20,(%rbx)",
	  { 0xf0, 0x48, 0x83, 0x0b, 0x20 },
	  5,
	  INSN_OR,
	  8,
	  0,
	  true,
	  32 },
	{ "orw $0x1234,(%rbx)",
	  { 0x66, 0x81, 0x0b, 0x34, 0x12 },
	  5,
	  INSN_OR,
	  2,
	  0,
	  true,
	  4660 },
	{ "or %r13,(%rbx)", { 0x4c, 0x09, 0x2b }, 3, INSN_OR, 8, 13, false, 0 },
	{ "xorq $1,(%rax)",
	  { 0x48, 0x83, 0x30, 0x01 },
	  4,
	  INSN_XOR,
	  8,
	  0,
	  true,
	  1 },
	{ "xor %sil,(%rax)",
	  { 0x40, 0x30, 0x30 },
	  3,
	  INSN_XOR,
	  1,
	  6,
	  false,
	  0 },
	{ "xorb $5,(%rax)", { 0x80, 0x30, 0x05 }, 3, INSN_XOR, 1, 0, true, 5 },
	{ "lock btsq $5,(%rdi)",
	  { 0xf0, 0x48, 0x0f, 0xba, 0x2f, 0x05 },
	  6,
	  INSN_BTS,
	  8,
	  0,
	  true,
	  5 },
	{ "lock btrq $1,(%rdi)",
	  { 0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01 },
	  6,
	  INSN_BTR,
	  8,
	  0,
	  true,
	  1 },
	{ "btcl $31,(%rdi)",
	  { 0x0f, 0xba, 0x3f, 0x1f },
	  4,
	  INSN_BTC,
	  4,
	  0,
	  true,
	  31 },
	{ "lock bts %rax,(%rdi)",
	  { 0xf0, 0x48, 0x0f, 0xab, 0x07 },
	  5,
	  INSN_BTS,
	  8,
	  0,
	  false,
	  0 },
	{ "btr %edx,(%rdi)",
	  { 0x0f, 0xb3, 0x17 },
	  3,
	  INSN_BTR,
	  4,
	  2,
	  false,
	  0 },
	{ "btc %r9w,(%rdi)",
	  { 0x66, 0x44, 0x0f, 0xbb, 0x0f },
	  5,
	  INSN_BTC,
	  2,
	  9,
	  false,
	  0 },
	{ "movnti %rax,(%rdi)",
	  { 0x48, 0x0f, 0xc3, 0x07 },
	  4,
	  INSN_MOV,
	  8,
	  0,
	  false,
	  0 },
	{ "movnti %r8d,0x80(%rdi)",
	  { 0x44, 0x0f, 0xc3, 0x87, 0x80, 0x00, 0x00, 0x00 },
	  8,
	  INSN_MOV,
	  4,
	  8,
	  false,
	  0 },
};

// As ptwrite.c takes an instruction: a store by a 64-bit address.
static bool ptwrite_decode(struct insn *w, const u8 *bytes, unsigned int n)
{
	return insn_decode(bytes, n, true, w) && w->kind >= INSN_MOV &&
	       !w->addr32;
}

// Reading past n is caught: the bytes end where the allocation ends.
static bool decode(struct insn *w, const u8 *bytes, unsigned int n)
{
	u8 *copy = malloc(n ? n : 1);
	bool ok;

	memcpy(copy, bytes, n);
	ok = ptwrite_decode(w, copy, n);
	free(copy);
	return ok;
}

static void encodings(void)
{
	struct insn w;

	for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
		const struct known *k = &known[i];

		for (unsigned int n = 0; n < k->length; n++)
			CHECK(!ptwrite_decode(&w, k->bytes, n) &&
			      !decode(&w, k->bytes, n));
		CHECK(decode(&w, k->bytes, k->length));
		if (unit_bad) {
			printf("%s\n", k->text);
			return;
		}
		CHECK(w.length == k->length && w.kind == k->op &&
		      w.width == k->size && w.has_imm == k->has_imm);
		CHECK(k->has_imm || w.reg == k->reg);
		CHECK(!k->has_imm || w.imm == (u64)k->imm);
		// More bytes behind it change nothing.
		CHECK(decode(&w, k->bytes, 15) && w.length == k->length);
	}
}

static void byte_registers(void)
{
	static const u8 ah[] = { 0x88, 0x20 }, spl[] = { 0x40, 0x88, 0x20 };
	struct insn w;

	CHECK(decode(&w, ah, 2) && w.reg == 4 && !w.rex);
	CHECK(decode(&w, spl, 3) && w.reg == 4 && w.rex);
}

// A REX prefix before another one does not count.
static void lost_rex(void)
{
	static const u8 code[] = { 0x48, 0xf0, 0x21, 0x07 };
	struct insn w;

	CHECK(decode(&w, code, 4) && w.length == 4 && w.width == 4 && !w.rex);
}

static void refused(void)
{
	static const u8 bad[][8] = {
		{ 0x48, 0x89, 0xc0 },	    // mov to a register
		{ 0x48, 0x8b, 0x07 },	    // a load
		{ 0x48, 0x01, 0x07 },	    // add
		{ 0x83, 0x07, 0x01 },	    // add with an immediate
		{ 0xc7, 0x4f, 0x01 },	    // no form of mov
		{ 0x48, 0x0f, 0xc7, 0x0f }, // cmpxchg16b
		{ 0x0f, 0xc7, 0x37 },	    // vmptrld
		{ 0x0f, 0xba, 0x27, 0x01 }, // bt
		{ 0x0f, 0xa3, 0x07 },	    // bt
		{ 0x67, 0x89, 0x07 },	    // 32-bit address
		{ 0x0f, 0x0b },
	};
	u8 prefixes[15];
	struct insn w;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(!decode(&w, bad[i], 8));
	memset(prefixes, 0x66, sizeof(prefixes));
	CHECK(!decode(&w, prefixes, 15));
}

static void random_bytes(void)
{
	u64 x = 88172645463325252;
	unsigned int decoded = 0;
	struct insn w;
	u8 bytes[16];

	for (unsigned int i = 0; i < 400000; i++) {
		for (unsigned int k = 0; k < 2; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			memcpy(bytes + k * 8, &x, 8);
		}
		if (!decode(&w, bytes, x % 16))
			continue;
		decoded++;
		CHECK(w.length && w.length <= x % 16 && w.reg < 16);
		CHECK(w.width == 1 || w.width == 2 || w.width == 4 ||
		      w.width == 8);
		// Its own length is enough, one byte less is not.
		CHECK(decode(&w, bytes, w.length));
		CHECK(!decode(&w, bytes, w.length - 1));
	}
	CHECK(decoded > 1000);
}

UNIT_MAIN(UNIT(encodings), UNIT(byte_registers), UNIT(lost_rex), UNIT(refused),
	  UNIT(random_bytes))
