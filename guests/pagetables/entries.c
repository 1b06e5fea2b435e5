// SPDX-License-Identifier: MIT
// Entries bit by bit: new ones, and changes of live ones.
#include "pagetables/tree.h"

#define BITS_ALL      (~PTE_FRAME & ~PTE_P)
#define BITS_CACHE_L1 (PTE_PWT | PTE_PCD | PTE_PS) // PS is PAT in an L1
#define BIT_GRANT     (1ull << 62) // in L1s left to the hypervisor
// What must not be set.
#define BITS_L1	  (BITS_ALL & ~BITS_CACHE_L1 & ~BIT_GRANT)
#define L1_BAD	  ((u64)0)
#define TABLE_BAD (PTE_PWT | PTE_PCD | PTE_PS | PTE_G)
// A PAE base table's: AMD APM vol. 2, "PAE Paging Data Structures": bits 63 to
// 52 are "reserved, MBZ", NX among them.
#ifdef __x86_64__
#define L3_BAD TABLE_BAD
#else
#define L3_BAD (TABLE_BAD | 0xfffull << 52)
#endif

// Tries entry with each bit of `bits` flipped in turn; returns the bits that
// were refused, each with -EINVAL.
static u64 refused(const u64 *table, unsigned int i, u64 entry, u64 bits)
{
	u64 result = 0;

	for (unsigned int b = 0; b < 64; b++) {
		u64 bit = 1ull << b;
		long rc;

		if (!(bits & bit))
			continue;
		rc = table_set(table, i, entry ^ bit);
		if (rc) {
			result |= bit;
			CHECK_EQ(rc, -EINVAL);
		}
	}
	return result;
}

TEST(new_l1_bits)
{
	struct tree t = tree_make();
	u64 e = table_entry(t.page, PTE_RW | PTE_U);

	tree_hang(&t);
	CHECK_EQ(refused(t.l1, 1, e, BITS_L1), L1_BAD);
	tree_drop(&t);
	tree_free(&t);
}

TEST(new_table_bits)
{
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(refused(t.l2, 1, table_entry(t.l1, PTE_TABLE), BITS_ALL),
		 TABLE_BAD);
	CHECK_EQ(refused(t.l3, 1, table_entry(t.l2, PTE_TABLE), BITS_ALL),
		 L3_BAD);
	CHECK_EQ(table_set(t.l3, 1, 0), 0);
#ifdef __x86_64__
	CHECK_EQ(refused(base_table(), 6, table_entry(t.l3, PTE_TABLE),
			 BITS_ALL),
		 TABLE_BAD);
	CHECK_EQ(table_set(base_table(), 6, 0), 0);
#endif
	tree_drop(&t);
	tree_free(&t);
}

// The same, each time from the live entry.
static u64 refused_live(const u64 *table, u64 entry, u64 bits)
{
	u64 result = 0;

	for (unsigned int b = 0; b < 64; b++) {
		if (!(bits & (1ull << b)))
			continue;
		CHECK_EQ(table_set(table, 0, entry), 0);
		result |= refused(table, 0, entry, 1ull << b);
	}
	CHECK_EQ(table_set(table, 0, entry), 0);
	return result;
}

TEST(live_bits)
{
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(refused_live(t.l1, t.l1[0] & ~PTE_G, BITS_L1), L1_BAD);
	CHECK_EQ(refused_live(t.l2, t.l2[0], BITS_ALL), TABLE_BAD);
	CHECK_EQ(refused_live(t.l3, t.l3[0], BITS_ALL), L3_BAD);
	CHECK_EQ(*(volatile u64 *)TREE_VA, 0);
	tree_drop(&t);
	tree_free(&t);
}

#ifdef __x86_64__
TEST(live_base_bits)
{
	const u64 *l4 = (const u64 *)start_info->pt_base;
	struct tree t = tree_make();
	u64 e = table_entry(t.l3, PTE_TABLE);

	tree_hang(&t);
	for (unsigned int b = 1; b < 64; b++) {
		u64 bit = 1ull << b;

		if (!(bit & BITS_ALL))
			continue;
		CHECK_EQ(table_set(l4, 4, e), 0);
		CHECK_EQ(table_set(l4, 4, e ^ bit),
			 bit & TABLE_BAD ? -EINVAL : 0);
	}
	tree_drop(&t);
	tree_free(&t);
}

#endif

// A table with a bad entry is refused as a whole.
TEST(bad_bits_at_validation)
{
	static const u64 bad[] = { L1_BAD, TABLE_BAD, TABLE_BAD };
	struct tree t = tree_make();
	u64 *tables[] = { t.l1, t.l2, t.l3 };

	for (unsigned int k = 0; k < OWN_LEVELS; k++) {
		u64 good = tables[k][0];

		for (unsigned int b = 0; b < 64; b++) {
			page_set_rw(tables[k]);
			tables[k][0] = good ^ (bad[k] & (1ull << b));
			page_set_ro(tables[k]);
			if (tables[k][0] == good)
				continue;
			CHECK_EQ(pin_table((int)k + 1, tables[k]), -EINVAL);
		}
		page_set_rw(tables[k]);
		tables[k][0] = good;
		page_set_ro(tables[k]);
	}
	CHECK_EQ(pin_table(OWN_LEVELS, t.top), 0);
	CHECK_EQ(unpin_table(t.top), 0);
	tree_free(&t);
}

// RAM is mapped write-back or not at all: a second view of it with another
// cache type would not be coherent.
TEST(cache_bits)
{
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(refused(t.l1, 1, table_entry(t.page, PTE_RW), BITS_CACHE_L1),
		 BITS_CACHE_L1);
	CHECK_EQ(refused_live(t.l1, t.l1[0], BITS_CACHE_L1), BITS_CACHE_L1);
	tree_drop(&t);
	tree_free(&t);
}

// Entries that are not present may hold anything.
TEST(absent_entries)
{
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(table_set(t.l1, 1, ~PTE_P), 0);
	CHECK_EQ(t.l1[1], ~PTE_P);
	CHECK_EQ(table_set(t.l1, 0, ~PTE_P), 0);
	CHECK_EQ(table_set(t.l2, 1, ~PTE_P), 0);
	CHECK_EQ(table_set(t.l3, 1, ~PTE_P), 0);
	CHECK_EQ(table_set(t.l3, 1, 0), 0);
	tree_drop(&t);
	tree_free(&t);
}

#ifdef __x86_64__
// The hypervisor's slots of a base table.
TEST(reserved_slots)
{
	const u64 *l4 = (const u64 *)start_info->pt_base;
	struct tree t = tree_make();

	tree_hang(&t);
	for (unsigned int i = 256; i < 272; i++) {
		u64 before = l4[i];

		CHECK_EQ(table_set(l4, i, table_entry(t.l3, PTE_TABLE)),
			 -EINVAL);
		CHECK_EQ(table_set(l4, i, 0), -EINVAL);
		CHECK_EQ(l4[i], before);
	}
	CHECK_EQ(table_set(l4, 272, table_entry(t.l3, PTE_TABLE)), 0);
	CHECK_EQ(*(volatile u64 *)HYPERVISOR_VIRT_END, 0);
	CHECK_EQ(table_set(l4, 272, 0), 0);
	CHECK_EQ(table_set(l4, 255, table_entry(t.l3, PTE_TABLE)), 0);
	CHECK_EQ(table_set(l4, 255, 0), 0);
	tree_drop(&t);
	tree_free(&t);
}

#endif

TEST(large_pages)
{
	struct tree t = tree_make();

	tree_hang(&t);
	CHECK_EQ(table_set(t.l2, 1, table_entry(t.page, PTE_RW | PTE_PS)),
		 -EINVAL);
	CHECK_EQ(table_set(t.l2, 1, 0x200000 | PTE_RO | PTE_PS), -EINVAL);
	CHECK_EQ(table_set(t.l3, 1, 0x40000000 | PTE_RO | PTE_PS), -EINVAL);
	tree_drop(&t);
	tree_free(&t);
}
