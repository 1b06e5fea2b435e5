// SPDX-License-Identifier: MIT
// Trees of page tables: pinned, unpinned, made the base. Their entries map the
// guest's own pages, read-only.
#include "bench/bench.h"

#define ENTRIES	  (PAGE_SIZE / sizeof(u64))
#define SMALL	  8u   // tables of the lowest level
#define LARGE	  400u // as many as there are pages for
#define PIN_LEVEL (TABLE_LEVELS == 4 ? 4 : 2)

static u64 *lowest[LARGE], *upper[PIN_LEVEL - 1];

static void lowest_fill(u64 *table, unsigned int number)
{
	const uptr *frames = (const uptr *)start_info->mfn_list;

	for (unsigned int i = 0; i < ENTRIES; i++)
		table[i] = make_entry(
			frames[(number * ENTRIES + i) % start_info->nr_pages],
			PTE_RO);
}

// Of so many lowest tables, each full; one table of each level above.
static void tree_make(unsigned int tables)
{
	long rc = 0;

	for (unsigned int i = 0; i < PIN_LEVEL - 1; i++)
		upper[i] = page_alloc();
	for (unsigned int i = 0; i < tables; i++) {
		lowest[i] = page_alloc();
		lowest_fill(lowest[i], i);
		rc |= page_set_ro(lowest[i]);
		upper[0][i] = make_entry(virt_to_mfn(lowest[i]), PTE_TABLE);
	}
	for (unsigned int i = 1; i < PIN_LEVEL - 1; i++)
		upper[i][0] = make_entry(virt_to_mfn(upper[i - 1]), PTE_TABLE);
	for (unsigned int i = 0; i < PIN_LEVEL - 1; i++)
		rc |= page_set_ro(upper[i]);
	CHECK_EQ(rc, 0);
}

static void tree_free(unsigned int tables)
{
	for (unsigned int i = 0; i < tables + PIN_LEVEL - 1; i++) {
		u64 *table = i < tables ? lowest[i] : upper[i - tables];

		CHECK_EQ(page_set_rw(table), 0);
		page_free(table);
	}
}

TEST(pins)
{
	const u64 *top = NULL;
	long rc = 0;

	only_in("alone");
	tree_make(SMALL);
	top = upper[PIN_LEVEL - 2];
	for (int i = 0; i < 5; i++) {
		MARK(PIN_TREE, 1);
		rc |= pin_table(PIN_LEVEL, top);
		MARK(PIN_TREE, 2);
		MARK(UNPIN_TREE, 1);
		rc |= unpin_table(top);
		MARK(UNPIN_TREE, 2);
	}
	CHECK_EQ(rc, 0);
	tree_free(SMALL);
}

TEST(largest_tree)
{
	only_in("longest");
	tree_make(LARGE);
	MARK(LONG_PIN, 1);
	CHECK_EQ(pin_table(PIN_LEVEL, upper[PIN_LEVEL - 2]), 0);
	MARK(LONG_PIN, 2);
	MARK(LONG_UNPIN, 1);
	CHECK_EQ(unpin_table(upper[PIN_LEVEL - 2]), 0);
	MARK(LONG_UNPIN, 2);
	tree_free(LARGE);
}

#ifdef __x86_64__
// From the first base table to a copy of it; 32-bit kernels have none without
// another table of the hypervisor's part.
TEST(base_pointer)
{
	u64 *first = (u64 *)start_info->pt_base, *second = page_alloc();
	long rc = 0;

	only_in("alone");
	for (unsigned int i = 0; i < ENTRIES; i++)
		if (i < 256 || i >= 272)
			second[i] = first[i];
	CHECK_EQ(page_set_ro(second), 0);
	CHECK_EQ(pin_table(4, second), 0);
	SECTION(NEW_BASE,
		rc |= mmuext(MMUEXT_NEW_BASEPTR,
			     virt_to_mfn(i_ % 2 ? first : second), 0));
	rc |= mmuext(MMUEXT_NEW_BASEPTR, virt_to_mfn(first), 0);
	rc |= unpin_table(second);
	CHECK_EQ(rc, 0);
	CHECK_EQ(page_set_rw(second), 0);
	page_free(second);
}
#endif
