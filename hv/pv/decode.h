// SPDX-License-Identifier: MIT
// Decoding of the instructions that are done for a PV guest: privileged ones,
// and stores to its page tables. Pure: bytes in, description out.
#ifndef PV_DECODE_H
#define PV_DECODE_H

#include "lib/types.h"

#define INSN_MAX 15 // bytes of one instruction

enum insn_kind {
	INSN_NONE,
	INSN_IN,
	INSN_OUT,
	INSN_INS,
	INSN_OUTS,
	INSN_CLI_STI,
	INSN_CLTS,
	INSN_WBINVD,
	INSN_READ_CR,
	INSN_READ_DR,
	INSN_WRITE_CR,
	INSN_WRITE_DR,
	INSN_WRMSR,
	INSN_RDTSC,
	INSN_RDMSR,
	INSN_CPUID,
	INSN_XSETBV,
	INSN_RDTSCP,
	INSN_MOV, // from here on: stores to memory
	INSN_XCHG,
	INSN_CMPXCHG,
	INSN_AND,
	INSN_OR,
	INSN_XOR,
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_STOS,
	INSN_CMPXCHG8B,
	INSN_KINDS
};

enum insn_segment { SEG_FLAT, SEG_FS, SEG_GS };

struct insn {
	enum insn_kind kind;
	u8 length; // bytes, prefixes included
	u8 width;  // of what a store or a port access moves: 1, 2, 4 or 8
	u8 reg;	   // register operand of a store; number of the CR or DR
	u8 rm;	   // the other operand of a CR or DR move, 0 to 15
	bool rex;  // byte registers 4 to 7 are SPL to DIL
	bool rep;
	bool addr32;		   // addresses are of 32 bits
	enum insn_segment segment; // of outs
	bool has_imm;		   // operand, or port, is in the instruction
	u64 imm;		   // sign-extended
};

// Decodes the instruction at b, of which n bytes are known. code64: 64-bit
// code, else 32-bit. False: not one of these, or longer than n bytes.
bool insn_decode(const u8 *b, unsigned int n, bool code64, struct insn *i);

#endif
