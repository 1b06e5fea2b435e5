// SPDX-License-Identifier: MIT
// Small operations between markers, each several times. What is measured, and on
// what machines, says bench/rows.py; the command line has the group's name.
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "lib/guest.h"
#include "../../bench/sections.h"

#define MS     ((u64)1000000)
#define SECOND (1000 * MS)

#define MARK(id, op)                                                    \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80, %c0, %c1, 0xb1, 0x5e" \
			 :                                              \
			 : "i"(id), "i"(op)                             \
			 : "memory")

// Runs the statement `rounds` times as section `id`. By the clock there are many
// rounds, and their nanoseconds are told.
#define SECTION(id, statement)                                 \
	do {                                                   \
		u64 start_ = system_time();                    \
                                                               \
		for (unsigned int i_ = 0; i_ < rounds; i_++) { \
			MARK(id, 1);                           \
			statement;                             \
			MARK(id, 2);                           \
		}                                              \
		if (by_clock)                                  \
			clock_ns[id] = system_time() - start_; \
	} while (0)

extern unsigned int rounds;
extern bool by_clock;
extern u64 clock_ns[64];

void only_in(
	const char *group); // skips the test in other ones, but not without
void value_tell(const char *what, u64 value); // for bench/results.py
u32 port_of_ipi(u32 vcpu);
// Takes a pending event of the port, upcalls being masked; false: none.
bool port_take(u32 port);
void port_wait(u32 port); // sleeps until there is one, and takes it

#endif
