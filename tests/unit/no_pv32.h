// SPDX-License-Identifier: MIT
// For tests without 32-bit kernels: nothing of theirs is there.
#ifndef UNIT_NO_PV32_H
#define UNIT_NO_PV32_H

#include "mm/alloc.h"

u32 *m2p32[M2P32_PIECES];

void m2p32_set(mfn_t m, u64 pfn)
{
	abort();
}

u64 m2p32_entry(unsigned int piece)
{
	abort();
}

#endif
