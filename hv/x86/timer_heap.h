// SPDX-License-Identifier: MIT
// Pairing heap of timers by expiry, linked through the timers themselves:
// insert and first in one step, removal in O(log n) on average. Pure; the
// caller locks.
#ifndef X86_TIMER_HEAP_H
#define X86_TIMER_HEAP_H

#include "x86/time.h"

// *root is the first to expire, NULL when there is none.
void timer_heap_add(struct timer **root, struct timer *t);
void timer_heap_remove(struct timer **root, struct timer *t);

#endif
