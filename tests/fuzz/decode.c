// SPDX-License-Identifier: MIT
// Instructions of guests, pv/decode.c: privileged ones and stores to page
// tables. The first byte says whether it is 64-bit code.
#include "fuzz.h"
#define HOST_TEST
#include "../../hv/lib/types.h"
#include "../../hv/pv/decode.c"

static void fuzz_one(const u8 *data, size_t size)
{
	struct insn i, again;
	unsigned int n;
	u8 *exact;

	if (!size)
		return;
	n = (unsigned int)MIN(size - 1, (size_t)32);
	if (!insn_decode(data + 1, n, data[0] & 1, &i))
		return;
	CHECK(i.length && i.length <= n && i.length <= INSN_MAX);
	CHECK(i.kind > INSN_NONE && i.kind < INSN_KINDS);
	CHECK(i.width == 1 || i.width == 2 || i.width == 4 || i.width == 8);
	CHECK(i.reg < 16 && i.rm < 16 && i.segment <= SEG_GS);
	CHECK(i.kind >= INSN_MOV || i.width < 8);
	CHECK((data[0] & 1) || i.addr32);
	// Just its own bytes say the same, one less says nothing.
	exact = malloc(i.length);
	memcpy(exact, data + 1, i.length);
	CHECK(insn_decode(exact, i.length, data[0] & 1, &again));
	CHECK(again.kind == i.kind && again.length == i.length &&
	      again.width == i.width && again.reg == i.reg &&
	      again.rm == i.rm && again.imm == i.imm && again.rex == i.rex &&
	      again.rep == i.rep);
	CHECK(!insn_decode(exact, i.length - 1u, data[0] & 1, &again));
	free(exact);
}
