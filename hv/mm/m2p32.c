// SPDX-License-Identifier: MIT
// The M2P as 32-bit kernels see it, beside the one that counts.
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/pte.h"
#include "x86/softirq.h"

#define PIECE_ORDER 9
#define STEP	    0x10000 // frames between two looks at other work

u32 *m2p32[M2P32_PIECES];
static u64 made; // frames that are in it

void m2p32_set(mfn_t m, u64 pfn)
{
	u64 piece = mfn_val(m) / M2P32_PIECE_FRAMES;

	if (piece < M2P32_PIECES && m2p32[piece])
		WRITE_ONCE(m2p32[piece][mfn_val(m) % M2P32_PIECE_FRAMES],
			   (u32)pfn);
}

// What is set meanwhile goes to both.
static void copy_entries(u64 first)
{
	u32 *to =
		m2p32[first / M2P32_PIECE_FRAMES] + first % M2P32_PIECE_FRAMES;

	for (u64 i = 0; i < STEP && mfn_valid(mfn(first + i)); i++)
		to[i] = (u32)m2p_rw[first + i];
}

int m2p32_make(void)
{
	for (; made < max_mfn; made += STEP) {
		u64 piece = made / M2P32_PIECE_FRAMES;
		u32 *p;

		if (piece >= M2P32_PIECES)
			return 0;
		if (!m2p32[piece]) {
			p = hvpages_alloc(PIECE_ORDER);
			if (!p)
				return -ENOMEM;
			memset(p, 0xff, PAGE_SIZE << PIECE_ORDER);
			__atomic_store_n(&m2p32[piece], p, __ATOMIC_RELEASE);
		}
		copy_entries(made);
		if (softirq_pending()) {
			made += STEP;
			return -ERESTART;
		}
	}
	return 0;
}

u64 m2p32_entry(unsigned int piece)
{
	return m2p32[piece] ? pte_make(virt_to_mfn(m2p32[piece]),
				       PTE_P | PTE_A | PTE_PS | PTE_NX)
			    : 0;
}
