// SPDX-License-Identifier: MIT
#ifndef SMP_SMP_H
#define SMP_SMP_H

#include "lib/guest.h"

#define MS	 ((u64)1000000)
#define PATIENCE (2000 * MS)

// The trap_hook of every test: events of vcpu 1.
extern struct vcpu_info *volatile info1; // of vcpu 1
// Lets fn run on vcpu 1; call_wait gives its result.
void call_start(long (*fn)(void));
long call_wait(void);
// The word says that both vcpus share the machine's one CPU.
static inline bool one_cpu(void)
{
	return has_word("one-cpu");
}

#endif
