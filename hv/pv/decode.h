// SPDX-License-Identifier: MIT
// Decoding of the instructions that a PV guest may execute although they are
// privileged. Pure: bytes in, description out; nothing is acted upon here.
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
	INSN_CLI,
	INSN_STI,
	INSN_CLTS,
	INSN_INVD,
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
	INSN_KINDS
};

enum insn_segment { SEG_FLAT, SEG_FS, SEG_GS };

struct insn {
	enum insn_kind kind;
	u8 length;	// bytes, prefixes included
	u8 width;	// of a port access: 1, 2 or 4 bytes
	u8 control;	// number of the CR or DR
	u8 gpr;		// the other operand of a CR or DR move, 0 to 15
	u8 port;	// immediate port of in and out
	bool immediate; // port is in the instruction, else in DX
	bool rep;
	bool addr32;		   // string instruction with 32-bit registers
	enum insn_segment segment; // of outs
};

enum decode_result {
	DECODE_OK,
	DECODE_MORE,	// n bytes are too few
	DECODE_REFUSED, // not an instruction that is emulated
};

// Decodes the instruction at b, of which n bytes are known. code64: 64-bit
// code, else 32-bit. Nothing is written to out unless DECODE_OK.
enum decode_result insn_decode(const u8 *b, unsigned int n, bool code64,
			       struct insn *out);

#endif
