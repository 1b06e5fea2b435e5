// SPDX-License-Identifier: MIT
// The buddy allocator and the heap above it, at random against a model: every
// frame once, limits of width and claims kept, data of the old owner gone, no
// old translation left, free blocks merged again at the end.
#define RAM_FRAMES 2048UL
#include "machine.h"
#include "../../hv/mm/frames.c"
#define lock heap_lock
#include "../../hv/mm/heap.c"
#undef lock

#define BLOCKS 200

static struct {
	u64 first;
	unsigned int order;
	bool used;
} block[BLOCKS];
static bool taken[RAM_FRAMES];
static u32 freed_at[RAM_FRAMES]; // clock
static struct page_account account = { .max = RAM_FRAMES };

static void take(unsigned int i)
{
	unsigned int order = (unsigned int)random_below(6);
	unsigned int width =
		random_below(3) ? 0 : 12 + (unsigned int)random_below(12);
	unsigned int flags = (unsigned int)random_below(8);
	struct page_info *pg = frames_alloc(order, width, flags);
	u64 first, left = frames_free_count();

	if (!pg) {
		// Nothing was there, or claims, or pieces, forbade it.
		CHECK(order || width || left <= frames_claimed());
		return;
	}
	first = mfn_val(page_to_mfn(pg));
	CHECK(first && first + (1UL << order) <= RAM_FRAMES);
	CHECK(!(first & ((1UL << order) - 1)));
	CHECK(!width || first + (1UL << order) <= 1UL << width >> 12);
	CHECK((flags & ALLOC_NOCLAIM) || left >= frames_claimed());
	for (u64 m = first; m < first + (1UL << order); m++) {
		u8 *p = map_frame(mfn(m));

		CHECK(!taken[m] && freed_at[m] < tlb_flushed);
		taken[m] = true;
		CHECK(!frame_table[m].count && !frame_table[m].owner &&
		      !frame_table[m].type);
		if ((flags & ALLOC_ZERO) || !(flags & ALLOC_NOSCRUB))
			CHECK(!p[0] && !p[77] && !p[4095]);
		(memset)(p, 0x5a, PAGE_SIZE);
	}
	block[i].first = first;
	block[i].order = order;
	block[i].used = true;
}

static void give(unsigned int i)
{
	u64 n = 1UL << block[i].order;

	if (random_below(4)) {
		frames_free(mfn_to_page(mfn(block[i].first)), block[i].order);
	} else {
		// Or frame by frame.
		for (u64 k = 0; k < n; k++)
			frames_free(mfn_to_page(mfn(block[i].first + k)), 0);
	}
	for (u64 k = 0; k < n; k++) {
		taken[block[i].first + k] = false;
		freed_at[block[i].first + k] = tlb_clock;
	}
	block[i].used = false;
}

static void claim_some(void)
{
	u64 want = random_below(3) ? random_below(400) : 0;
	u64 now = frames_free_count();
	u64 had = account.claim;
	int rc = frames_claim(&account, want);

	CHECK(rc == (want && had ? -EINVAL : want > now ? -ENOMEM : 0));
	CHECK(rc || (account.claim == want && frames_claimed() == want));
}

static void frames(void)
{
	machine_make();
	mm_ready = true;
	// A hole, and the ends of memory.
	frames_add(mfn(1), 700);
	frames_add(mfn(900), RAM_FRAMES - 900);
	for (u64 m = 701; m < 900; m++)
		taken[m] = true;
	CHECK(frames_free_count() == RAM_FRAMES - 200);
	for (unsigned int n = 0; n < 100000 && !unit_bad; n++) {
		unsigned int i = (unsigned int)random_below(BLOCKS);
		u64 count = 0;

		if (block[i].used)
			give(i);
		else
			take(i);
		if (!random_below(50))
			claim_some();
		if (n % 500)
			continue;
		for (u64 m = 1; m < RAM_FRAMES; m++)
			count += !taken[m];
		CHECK(count == frames_free_count());
	}
	for (unsigned int i = 0; i < BLOCKS; i++)
		if (block[i].used)
			give(i);
	CHECK(!frames_claim(&account, 0) && !frames_claimed());
	CHECK(frames_free_count() == RAM_FRAMES - 200);
	// All merged: what is left are the largest blocks that there can be.
	for (unsigned int i = 0; i < 10; i++)
		take(i);
	CHECK(frames_alloc(10, 0, 0) == mfn_to_page(mfn(1024)));
	CHECK(!frames_alloc(10, 0, 0) && !frames_alloc(MAX_ORDER + 1, 0, 0));
	frames_free(mfn_to_page(mfn(1024)), 10);
	for (unsigned int i = 0; i < 10; i++)
		if (block[i].used)
			give(i);
}

static void claims(void)
{
	u64 all = frames_free_count();
	struct page_info *pg;

	account.total = 10;
	CHECK(frames_claim(&account, 5) == -EINVAL);
	CHECK(frames_claim(&account, RAM_FRAMES + 1) == -EINVAL);
	CHECK(frames_claim(&account, 10) == -EINVAL && !frames_claimed());
	CHECK(!frames_claim(&account, 10 + all) && frames_claimed() == all);
	CHECK(frames_claim(&account, 11) == -EINVAL && frames_claimed() == all);
	CHECK(!frames_alloc(0, 0, 0));
	// What the claimer takes counts twice until it is assigned.
	pg = frames_alloc(3, 0, ALLOC_NOCLAIM);
	CHECK(pg && !frames_alloc(0, 0, 0) && !frames_alloc(3, 0, 0));
	spin_lock(&account.lock);
	frames_claim_use(&account, 8);
	spin_unlock(&account.lock);
	CHECK(frames_claimed() == all - 8 && !frames_alloc(0, 0, 0));
	CHECK(!frames_claim(&account, 0));
	// What nobody would give back.
	account.dying = true;
	CHECK(frames_claim(&account, 20) == -EINVAL && !frames_claimed());
	CHECK(!frames_claim(&account, 0));
	account.dying = false;
	frames_free(pg, 3);
	account.total = 0;
	CHECK(frames_free_count() == all);
}

// A stamp of before the clock wrapped asks for a flush.
static void stamps(void)
{
	struct page_info *pg = frames_alloc(0, 0, 0);
	unsigned int flushes;

	frames_free(pg, 0);
	flushes = tlb_flushes;
	pg = frames_alloc(0, 0, 0);
	CHECK(tlb_flushes == flushes + 1);
	flushes = tlb_flushes;
	frames_free(frames_alloc(9, 0, 0), 9);
	CHECK(tlb_flushes <= flushes + 1);
	CHECK(later(3, 5) == 5 && later(0, 5) == 0 && later(5, 0) == 0);
	frames_free(pg, 0);
}

#define OBJECTS 700

static struct {
	u8 *p;
	size_t size;
	u8 mark;
} object[OBJECTS];

static bool all_is(const u8 *p, size_t n, u8 value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

static void object_step(unsigned int i)
{
	size_t size = random_below(20) ? random_below(700)
				       : random_below(5 * PAGE_SIZE);

	if (object[i].p) {
		CHECK(all_is(object[i].p, object[i].size, object[i].mark));
		heap_free(object[i].p);
		object[i].p = NULL;
		return;
	}
	object[i].p = heap_alloc(size);
	if (!object[i].p)
		return;
	CHECK(!((u64)object[i].p & 15) && all_is(object[i].p, size, 0));
	object[i].size = size;
	object[i].mark = (u8)random_u64();
	(memset)(object[i].p, object[i].mark, size);
}

static void heap(void)
{
	u64 all = frames_free_count();

	for (unsigned int n = 0; n < 60000 && !unit_bad; n++)
		object_step((unsigned int)random_below(OBJECTS));
	for (unsigned int i = 0; i < OBJECTS; i++)
		if (object[i].p)
			object_step(i);
	CHECK(frames_free_count() == all);
	// All is low and in large blocks again.
	CHECK(frames_free_orders(false) >> 10 && !frames_free_orders(true));
	heap_free(NULL);
	CHECK(!heap_alloc_array(1UL << 33, 1UL << 31));
	CHECK(!heap_alloc(~0UL) && !heap_alloc((1UL << 63) + 1));
	CHECK(!heap_alloc(1UL << 40));
	// Until there is nothing left, and back.
	for (unsigned int i = 0; i < OBJECTS; i++)
		object[i].p = heap_alloc(4 * PAGE_SIZE);
	CHECK(!object[OBJECTS - 1].p);
	for (unsigned int i = 0; i < OBJECTS; i++)
		heap_free(object[i].p);
	CHECK(frames_free_count() == all);
}

UNIT_MAIN(UNIT(frames), UNIT(claims), UNIT(stamps), UNIT(heap))
