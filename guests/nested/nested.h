// SPDX-License-Identifier: MIT
#ifndef NESTED_NESTED_H
#define NESTED_NESTED_H

#include "lib/guest.h"

#define MS	 ((u64)1000000)
#define PATIENCE (3000 * MS)
#define FLAG_IF	 0x200ul

#ifdef __x86_64__
#define MASK_IN_CS 32
#define R_SECOND   "r11"
#define R_AX	   "rax"
#else
#define MASK_IN_CS 16
#define R_SECOND   "edx"
#define R_AX	   "eax"
#endif

void event_dispatch(void); // lib/event.c: for a hook that takes them itself
// Lets vcpu 1 do it over and over, until second_stop().
void second_start(void (*step)(void));
void second_stop(void);
void second_idle(void);	       // a step: gives the CPU away
bool on_second(const void *p); // is it on vcpu 1's stack?
// The vcpus share one CPU, and change there when one yields.
bool one_cpu(void);
// Until it is this, or some seconds have gone by: a failed check then.
bool wait_for(const volatile unsigned int *what, unsigned int value);

#endif
