// SPDX-License-Identifier: MIT
#ifndef MM_PRIVATE_H
#define MM_PRIVATE_H

#include "mm/alloc.h"
#include "x86/panic.h"
#include "x86/tlb.h"

// Lists of frames, circular, through `next` and `prev`: an element is mfn + 1,
// a head that of the first or 0.
static inline u32 page_number(const struct page_info *pg)
{
	return (u32)(pg - frame_table) + 1;
}

static inline struct page_info *page_of(u32 number)
{
	return number ? &frame_table[number - 1] : NULL;
}

// Puts pg at the end; at the front when the caller makes it the head then.
static inline void page_list_add(u32 *head, struct page_info *pg)
{
	struct page_info *first = page_of(*head);
	u32 n = page_number(pg);

	if (!first) {
		*head = pg->next = pg->prev = n;
		return;
	}
	pg->next = *head;
	pg->prev = first->prev;
	frame_table[first->prev - 1].next = n;
	first->prev = n;
}

static inline void page_list_del(u32 *head, struct page_info *pg)
{
	u32 n = page_number(pg);

	frame_table[pg->next - 1].prev = pg->prev;
	frame_table[pg->prev - 1].next = pg->next;
	if (*head == n)
		*head = pg->next == n ? 0 : pg->next;
}

// All from the first one to pg.
static inline void page_list_del_first(u32 *head, struct page_info *pg)
{
	u32 first = *head, last = frame_table[first - 1].prev, next = pg->next;

	*head = next == first ? 0 : next;
	frame_table[next - 1].prev = last;
	frame_table[last - 1].next = next;
}

extern bool mm_ready;	    // the allocator has all memory
void *boot_pages(u64 size); // before; zeroed, by the direct map
extern u64 total_frames;    // RAM of the machine, whoever has it
// who->lock held: n frames came in, so much less is promised.
void frames_claim_use(struct page_account *who, u64 n);
// Neighbours that the allocator has not known before or that were in use; they
// count as dirty.
void frames_add(mfn_t first, u64 n);

#endif
