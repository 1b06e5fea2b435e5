// SPDX-License-Identifier: MIT
// Markers (bench/plugin.c) of programs in Dom0 and in guests.
#ifndef BENCH_MARKER_H
#define BENCH_MARKER_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 15
#define MARK(id, op)                                                    \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80, %c0, %c1, 0xb1, 0x5e" \
			 :                                              \
			 : "i"(id), "i"(op)                             \
			 : "memory")
// The first turn prepares what the kernel makes once.
#define SECTION(id, statement)                        \
	do {                                          \
		statement;                            \
		for (int i_ = 0; i_ < ROUNDS; i_++) { \
			MARK(id, 1);                  \
			statement;                    \
			MARK(id, 2);                  \
		}                                     \
	} while (0)

static inline void need(int good, const char *what)
{
	if (good)
		return;
	printf("bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

#endif
