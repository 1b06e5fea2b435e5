/* SPDX-License-Identifier: MIT */
#ifndef LIB_VECTORS_H
#define LIB_VECTORS_H

// Exceptions that push an error code: DF, TS, NP, SS, GP, PF, AC, CP.
#define VECTORS_WITH_ERROR 0x00227d00

// What struct regs says in `vector` for the other entries.
#define VECTOR_SOFT	0x80 // int 0x80, an ordinary software interrupt
#define VECTOR_EVENT	0x100
#define VECTOR_FAILSAFE 0x101
#define VECTOR_SYSCALL	0x102

#define USER_RETURN	0x5a5a
// How programs of user mode call their kernel.
#ifdef __x86_64__
#define USER_RETURN_VECTOR VECTOR_SYSCALL
#else
#define USER_RETURN_VECTOR VECTOR_SOFT
#endif

#endif
