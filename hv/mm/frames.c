// SPDX-License-Identifier: MIT
// Buddy allocator of frames. A free block's first record carries PGC_FREE and
// its order, and in `type` the TLB stamp of the last free: no CPU may know a
// translation of its old life when it is given out. Blocks that may hold
// somebody's data carry PGC_DIRTY and are scrubbed when they go to a domain or
// to somebody who wants zeroes.
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/private.h"
#include "x86/percpu.h"

// Blocks below 4 GiB are kept apart from the rest, so that requests for DMA
// find some and others spare them.
enum zone { ZONE_LOW, ZONE_HIGH, ZONES };
#define LOW_FRAMES (1UL << 20)

static struct spinlock lock = SPINLOCK_INIT(RANK_FRAMES);
static u32 free_list[ZONES][MAX_ORDER + 1]; // mfn + 1 of the first block
static u64 free_frames, claimed;
u64 total_frames;
bool mm_ready;

static enum zone zone_of(u64 mfn_)
{
	return mfn_ < LOW_FRAMES ? ZONE_LOW : ZONE_HIGH;
}

static u32 *list_of(const struct page_info *pg, unsigned int order)
{
	return &free_list[zone_of(page_number(pg) - 1)][order];
}

static void block_insert(struct page_info *pg, unsigned int order, u64 dirty,
			 u32 stamp)
{
	u32 *head = list_of(pg, order);

	pg->count = PGC_FREE | dirty;
	pg->type = stamp;
	pg->owner = 0;
	pg->aux = order;
	page_list_add(head, pg);
	*head = page_number(pg); // the last one freed goes first
}

static void block_remove(struct page_info *pg)
{
	page_list_del(list_of(pg, pg->aux), pg);
	pg->count &= ~PGC_FREE;
}

// Stamps are compared only here: the later one counts for both. 0, a clock
// that wrapped, counts as latest.
static u32 later(u32 a, u32 b)
{
	return !a || !b ? 0 : MAX(a, b);
}

static void block_free(u64 first, unsigned int order, u64 dirty, u32 stamp)
{
	while (order < MAX_ORDER) {
		u64 other = first ^ (1UL << order);
		struct page_info *pg = mfn_to_page(mfn(other));

		if (!mfn_valid(mfn(other)) || !(pg->count & PGC_FREE) ||
		    pg->aux != order || zone_of(other) != zone_of(first))
			break;
		block_remove(pg);
		dirty |= pg->count & PGC_DIRTY;
		stamp = later(stamp, (u32)pg->type);
		pg->count = 0;
		first &= ~(1UL << order);
		order++;
	}
	block_insert(mfn_to_page(mfn(first)), order, dirty, stamp);
}

// A guest may ask for addresses that hardly any block has: each list is looked
// through so far and no further.
#define WALK_MAX 1024

static struct page_info *block_find(enum zone z, unsigned int order, u64 below)
{
	for (unsigned int o = order; o <= MAX_ORDER; o++) {
		struct page_info *pg = page_of(free_list[z][o]);

		for (unsigned int n = 0; pg && n < WALK_MAX; n++) {
			if (page_number(pg) - 1 + (1UL << order) <= below)
				return pg;
			if (pg->next == free_list[z][o])
				break;
			pg = page_of(pg->next);
		}
	}
	return NULL;
}

// Takes 2^order frames out of a block; the rest goes back.
static u64 block_split(struct page_info *pg, unsigned int order)
{
	u64 dirty = pg->count & PGC_DIRTY;

	block_remove(pg);
	for (unsigned int o = pg->aux; o > order; o--)
		block_insert(pg + (1UL << (o - 1)), o - 1, dirty,
			     (u32)pg->type);
	return dirty;
}

struct page_info *frames_alloc(unsigned int order, unsigned int width,
			       unsigned int flags)
{
	u64 below = width && width < 52 ? 1UL << width >> PAGE_SHIFT : ~0UL;
	u64 n = 1UL << order, dirty = 0;
	struct page_info *pg = NULL;
	u32 stamp = 0;

	if (order > MAX_ORDER)
		return NULL;
	spin_lock(&lock);
	if (free_frames >= n &&
	    ((flags & ALLOC_NOCLAIM) || free_frames >= claimed + n)) {
		if (below > LOW_FRAMES)
			pg = block_find(ZONE_HIGH, order, below);
		if (!pg)
			pg = block_find(ZONE_LOW, order, below);
	}
	if (pg) {
		stamp = (u32)pg->type;
		dirty = block_split(pg, order);
		free_frames -= n;
	}
	spin_unlock(&lock);
	if (!pg)
		return NULL;
	tlb_flush_mask(tlb_filter(cpu_online, stamp));
	for (u64 i = 0; i < n; i++) {
		pg[i] = (struct page_info){ 0 };
		if ((flags & ALLOC_ZERO) ||
		    (dirty && !(flags & ALLOC_NOSCRUB))) {
			void *p = map_frame(page_to_mfn(&pg[i]));

			memset(p, 0, PAGE_SIZE);
			unmap_frame(p);
		}
	}
	return pg;
}

void frames_free(struct page_info *pg, unsigned int order)
{
	SPIN_GUARD(&lock);
	block_free(mfn_val(page_to_mfn(pg)), order, PGC_DIRTY, tlb_stamp());
	free_frames += 1UL << order;
}

void frames_add(mfn_t first, u64 n)
{
	u64 m = mfn_val(first), end = m + n;

	SPIN_GUARD(&lock);
	free_frames += n;
	while (m < end) {
		unsigned int order = 0;

		while (order < MAX_ORDER && !(m & ((2UL << order) - 1)) &&
		       m + (2UL << order) <= end)
			order++;
		block_free(m, order, PGC_DIRTY, tlb_stamp());
		m += 1UL << order;
	}
}

u64 frames_free_count(void)
{
	return READ_ONCE(free_frames);
}

u64 frames_total_count(void)
{
	return READ_ONCE(total_frames);
}

u64 frames_free_orders(bool high)
{
	u64 orders = 0;

	for (u32 o = 0; o <= MAX_ORDER; o++)
		if (READ_ONCE(free_list[high ? ZONE_HIGH : ZONE_LOW][o]))
			orders |= BIT(o);
	return orders;
}

u64 frames_claimed(void)
{
	return READ_ONCE(claimed);
}

int frames_claim(struct page_account *who, u64 frames)
{
	u64 want;

	SPIN_GUARD(&who->lock);
	SPIN_GUARD(&lock);
	// One at a time, of more than the domain has: that counts too
	// (XENMEM_claim_pages). 0 ends it.
	if (frames && (who->dying || who->claim || frames <= who->total ||
		       frames > who->max))
		return -EINVAL;
	want = frames ? frames - who->total : 0;
	if (want && (want > free_frames || claimed > free_frames - want))
		return -ENOMEM;
	claimed = claimed - who->claim + want;
	who->claim = want;
	return 0;
}

// who->lock held: n frames came in, so much less is promised.
void frames_claim_use(struct page_account *who, u64 n)
{
	u64 used = MIN(n, who->claim);

	if (!used)
		return;
	who->claim -= used;
	SPIN_GUARD(&lock);
	claimed -= used;
}

void *hvpages_alloc(unsigned int order)
{
	struct page_info *pg;

	if (!mm_ready)
		return boot_pages(PAGE_SIZE << order);
	pg = frames_alloc(order, 0, ALLOC_ZERO);
	return pg ? maddr_to_virt(mfn_to_maddr(page_to_mfn(pg))) : NULL;
}

void hvpages_free(void *p, unsigned int order)
{
	if (p)
		frames_free(virt_to_page(p), order);
}
