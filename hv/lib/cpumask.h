// SPDX-License-Identifier: MIT
// Sets of CPUs. One word: Ringlet uses up to 64 CPUs.
#ifndef LIB_CPUMASK_H
#define LIB_CPUMASK_H

#include "lib/types.h"

#define MAX_CPUS 64

typedef u64 cpumask_t;

#define CPUMASK_ALL (~0UL)

static inline cpumask_t cpumask_of(unsigned int cpu)
{
	return 1UL << cpu;
}

static inline bool cpumask_test(cpumask_t m, unsigned int cpu)
{
	return m >> cpu & 1;
}

// The lowest CPU of a set that is not empty.
static inline unsigned int cpumask_first(cpumask_t m)
{
	return (unsigned int)__builtin_ctzl(m);
}

static inline unsigned int cpumask_last(cpumask_t m)
{
	return MAX_CPUS - 1 - (unsigned int)__builtin_clzl(m);
}

static inline unsigned int cpumask_weight(cpumask_t m)
{
	unsigned int n = 0;

	for (; m; m &= m - 1)
		n++;
	return n;
}

static inline void cpumask_set_atomic(cpumask_t *m, unsigned int cpu)
{
	__atomic_fetch_or(m, cpumask_of(cpu), __ATOMIC_SEQ_CST);
}

static inline void cpumask_clear_atomic(cpumask_t *m, unsigned int cpu)
{
	__atomic_fetch_and(m, ~cpumask_of(cpu), __ATOMIC_SEQ_CST);
}

#define for_each_cpu_in(cpu, mask)                              \
	for (cpumask_t cpu##_m = (mask);                        \
	     cpu##_m && ((cpu = cpumask_first(cpu##_m)), true); \
	     cpu##_m &= cpu##_m - 1)

#endif
