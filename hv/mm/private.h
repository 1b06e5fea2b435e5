// SPDX-License-Identifier: MIT
#ifndef MM_PRIVATE_H
#define MM_PRIVATE_H

#include "mm/alloc.h"
#include "x86/panic.h"
#include "x86/tlb.h"

extern u64 paging_table_base;
extern bool paging_use_allocator;
extern u64 total_frames; // RAM of the machine, whoever has it
// Frames that the allocator has not known before; they count as dirty.
// who->lock held: n frames came in, so much less is promised.
void frames_claim_use(struct page_account *who, u64 n);
void frames_add(mfn_t first, u64 n);

#endif
