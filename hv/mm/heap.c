// SPDX-License-Identifier: MIT
// Small objects: pages cut into equal slots of 16 to 2,048 bytes. A page with
// free slots is on its class's list; one without any object left goes back.
// A heap page's record: count and owner 0 (no guest can get a reference),
// type = first free slot, aux = class and, above it, objects in use, or
// LARGE | order for objects of whole pages; next/prev link the list.
#include "lib/string.h"
#include "mm/private.h"

#define CLASSES 8 // 16 << class bytes
#define LARGE	0x100u
#define CLASS	0xffu
#define USED	0x10000u // one object

static struct spinlock lock = SPINLOCK_INIT(RANK_HEAP_SMALL);
static u32 partial[CLASSES]; // mfn + 1 of a page with free slots

static unsigned int slots_per_page(unsigned int class)
{
	return PAGE_SIZE >> (class + 4);
}

// At the front.
static void list_insert(struct page_info *pg)
{
	u32 *head = &partial[pg->aux & CLASS];

	page_list_add(head, pg);
	*head = page_number(pg);
}

static void list_remove(struct page_info *pg)
{
	page_list_del(&partial[pg->aux & CLASS], pg);
}

// Free slots form a list in the slots themselves, its head in pg->type.
static struct page_info *page_new(unsigned int class)
{
	char *p = hvpages_alloc(0);
	struct page_info *pg;
	unsigned int size = 16u << class;

	if (!p)
		return NULL;
	pg = virt_to_page(p);
	for (unsigned int i = 0; i + 1 < slots_per_page(class); i++)
		*(void **)(void *)(p + i * size) = p + (i + 1) * size;
	pg->type = (u64)p;
	pg->aux = class;
	list_insert(pg);
	return pg;
}

static void *pages_alloc(size_t size)
{
	unsigned int order = 0;
	void *p;

	while (order <= MAX_ORDER && PAGE_SIZE << order < size)
		order++;
	p = hvpages_alloc(order);
	if (p)
		virt_to_page(p)->aux = LARGE | order;
	return p;
}

static void *slot_take(unsigned int class)
{
	struct page_info *pg;
	void **slot;

	SPIN_GUARD(&lock);
	pg = partial[class] ? page_of(partial[class]) : page_new(class);
	if (!pg)
		return NULL;
	slot = (void **)pg->type;
	pg->type = (u64)*slot;
	pg->aux += USED;
	if (!pg->type)
		list_remove(pg);
	return slot;
}

void *heap_alloc(size_t size)
{
	unsigned int class = 0;
	void *slot;

	if (size > PAGE_SIZE / 2)
		return pages_alloc(size);
	while (16u << class < size)
		class ++;
	slot = slot_take(class);
	return slot ? memset(slot, 0, 16u << class) : NULL;
}

void *heap_alloc_array(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return heap_alloc(bytes);
}

void heap_free(void *p)
{
	struct page_info *pg;
	bool unused;

	if (!p)
		return;
	pg = virt_to_page(p);
	if (pg->aux & LARGE) {
		hvpages_free(p, pg->aux & CLASS);
		return;
	}
	spin_lock(&lock);
	if (!pg->type)
		list_insert(pg);
	*(void **)p = (void *)pg->type;
	pg->type = (u64)p;
	pg->aux -= USED;
	unused = pg->aux < USED;
	if (unused)
		list_remove(pg);
	spin_unlock(&lock);
	if (unused)
		hvpages_free((void *)((u64)p & PAGE_MASK), 0);
}
