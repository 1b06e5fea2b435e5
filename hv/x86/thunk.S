/* SPDX-License-Identifier: MIT */
/* Where every indirect branch and every return of the hypervisor go through
 * (docs/speculation.md): a slot of 64 bytes for each register, in the order of
 * their numbers, and in RSP's place the one for returns. All of a slot lies in
 * the upper half of its cache line. patch.c writes what the CPU needs. */
#include "x86/layout.h"

	.macro SLOT name
	.skip THUNK_SLOT / 2, 0xcc
	.globl \name
	.hidden \name
	.type \name, @function
\name:
	.endm

/* A return that the return stack sends to int3, and memory to the target. */
	.macro RETPOLINE reg
	SLOT __x86_indirect_thunk_\reg
	call 1f
	int3
1:	mov %\reg, (%rsp)
	ret
	int3
	.balign THUNK_SLOT, 0xcc
	.endm

	.section .text.thunks, "ax"
	.balign THUNK_SLOT, 0xcc
	.globl thunks_start
	.hidden thunks_start
thunks_start:
	.irp r, rax, rcx, rdx, rbx
	RETPOLINE \r
	.endr
	SLOT __x86_return_thunk
	ret
	int3
	.balign THUNK_SLOT, 0xcc
	.irp r, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	RETPOLINE \r
	.endr
