// SPDX-License-Identifier: MIT
// Stores to memory that the writable-page-table assist understands.
#ifndef PV_PTWRITE_H
#define PV_PTWRITE_H

#include "lib/types.h"

enum ptwrite_op {
	PTW_MOV,
	PTW_XCHG,
	PTW_CMPXCHG,
	PTW_AND,
	PTW_OR,
	PTW_XOR,
	PTW_BTS,
	PTW_BTR,
	PTW_BTC,
	PTW_STOS, // reg is RAX
};

struct ptwrite {
	enum ptwrite_op op;
	unsigned int size;   // of the store: 1, 2, 4, 8
	unsigned int length; // of the instruction
	unsigned int reg;    // the register operand
	bool rex;	     // byte registers 4-7 are SPL to DIL
	bool rep;
	bool has_imm;
	u64 imm;
};

// Decodes the instruction at code (n bytes are there). False: none that is
// known, or one without a memory destination.
bool ptwrite_decode(struct ptwrite *w, const u8 *code, unsigned int n);

#endif
