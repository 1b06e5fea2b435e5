// SPDX-License-Identifier: MIT
// Direct writes to tables in use: with the writable-page-table assist the
// hypervisor checks and makes them.
#include "pagetables/tree.h"

static void assist(unsigned int cmd)
{
	CHECK_EQ(HC2(__HYPERVISOR_vm_assist, cmd,
		     VMASST_TYPE_writable_pagetables),
		 0);
}

TEST(vm_assist)
{
	u64 type = VMASST_TYPE_writable_pagetables;

	assist(VMASST_CMD_disable);
	assist(VMASST_CMD_enable);
	CHECK_EQ(HC2(__HYPERVISOR_vm_assist, 2, type), -ENOSYS);
	CHECK_EQ(HC2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 99), -EINVAL);
}

TEST(plain_writes)
{
	struct tree t = tree_make();
	volatile u64 *e = t.l1 + 1;
	u64 good = table_entry(t.page, PTE_RW | PTE_U);

	tree_hang(&t);
	CHECK_NO_TRAP(*e = good);
	CHECK_EQ(*e, good | (*e & PTE_G));
	CHECK_EQ(((volatile u64 *)TREE_VA)[512], 0);
	CHECK_NO_TRAP(*e = 0);
	CHECK_EQ(*e, 0);
	// In parts: low bytes last, as a page that is not present may hold
	// anything.
	CHECK_NO_TRAP(((volatile u32 *)e)[1] = (u32)(good >> 32));
	CHECK_NO_TRAP(((volatile u32 *)e)[0] = (u32)good);
	CHECK_EQ(*e & PTE_FRAME, good & PTE_FRAME);
	CHECK_NO_TRAP(((volatile u16 *)e)[0] = (u16)good & ~PTE_W);
	CHECK_EQ(*e & (PTE_P | PTE_W), PTE_P);
	CHECK_NO_TRAP(((volatile u8 *)e)[0] = 0);
	CHECK_EQ(*e & PTE_P, 0);
#ifdef __x86_64__
	// A REX prefix that is not the last prefix counts for nothing.
	CHECK_NO_TRAP(*e = ~0ul << 32 | 0x220000);
	CHECK_NO_TRAP(__asm__ volatile(".byte 0x48, 0x66, 0x89, 0x07"
				       :
				       : "D"(e), "a"(0x5550)
				       : "memory"));
	CHECK_EQ(*e, ~0ul << 32 | 0x225550);
#endif
	tree_drop(&t);
	tree_free(&t);
}

TEST(exchanges)
{
	struct tree t = tree_make();
	volatile u64 *e = t.l1 + 1;
	u64 good = table_entry(t.page, PTE_RW | PTE_U);
	uptr old = (uptr)good; // all of it

	tree_hang(&t);
	CHECK_NO_TRAP(__asm__ volatile("xchg %0, %1" : "+r"(old), "+m"(*e)));
	CHECK_EQ(old, 0);
	CHECK_EQ(*e & PTE_FRAME, good & PTE_FRAME);
	good = *e;
	CHECK_NO_TRAP(CHECK(__sync_bool_compare_and_swap(e, good, 0)));
	CHECK_EQ(*e, 0);
	CHECK_NO_TRAP(CHECK(!__sync_bool_compare_and_swap(e, good, 0x1000)));
	CHECK_EQ(*e, 0);
	CHECK_NO_TRAP(CHECK(__sync_bool_compare_and_swap(e, 0, good)));
	CHECK_EQ(*e, good);
	tree_drop(&t);
	tree_free(&t);
}

#ifdef __x86_64__
#define MOV_ABSOLUTE "movabs"
#else
#define MOV_ABSOLUTE "mov"
#endif

// The accumulator's own form of mov, with the address in the instruction, and a
// compare and exchange that finds something else.
TEST(other_stores)
{
	static u64 table[512] __page_aligned;
	uptr low = 0xabcd000; // not present
	u64 found = 1;

	CHECK_EQ(page_set_ro(table), 0);
	CHECK_EQ(pin_table(1, table), 0);
	CHECK_NO_TRAP(__asm__ volatile(MOV_ABSOLUTE " %0, %c1"
				       :
				       : "a"(low), "i"(&table[3])
				       : "memory"));
	CHECK_EQ(table[3], low);
	CHECK_NO_TRAP(found = __sync_val_compare_and_swap(table + 3, 2, 4));
	CHECK_EQ(found, low);
	CHECK_NO_TRAP(found = __sync_val_compare_and_swap(table + 3, low,
							  0x123456789abcde00));
	CHECK_EQ(found, low);
	CHECK_EQ(table[3], 0x123456789abcde00);
	CHECK_NO_TRAP(found = __sync_val_compare_and_swap(table + 3, low, 4));
	CHECK_EQ(found, 0x123456789abcde00);
	CHECK_EQ(unpin_table(table), 0);
	CHECK_EQ(page_set_rw(table), 0);
}

TEST(bit_operations)
{
	struct tree t = tree_make();
	volatile u64 *e = t.l1;
	bool was = false;

	tree_hang(&t);
	*(volatile u64 *)TREE_VA = 1;
	CHECK_NO_TRAP(__asm__ volatile("lock btrl $1, %0\n setc %1"
				       : "+m"(*e), "=q"(was)));
	CHECK(was);
	CHECK_EQ(*e & PTE_W, 0);
	CHECK_NO_TRAP(__asm__ volatile("lock orl %1, %0"
				       : "+m"(*e)
				       : "r"((u32)PTE_W)));
	CHECK_EQ(*e & PTE_W, PTE_W);
	CHECK_NO_TRAP(__asm__ volatile("lock andl %1, %0"
				       : "+m"(*e)
				       : "r"((u32)~PTE_W)));
	CHECK_EQ(*e & PTE_W, 0);
	CHECK_NO_TRAP(__asm__ volatile("lock btsl $1, %0" : "+m"(*e)));
	CHECK_EQ(*e & PTE_W, PTE_W);
	tree_drop(&t);
	tree_free(&t);
}

TEST(string_writes)
{
	struct tree t = tree_make();
	u64 *to = t.l1 + 8;
	uptr count = 4 * 8 / sizeof(count);
#ifdef __x86_64__
	u64 good = table_entry(t.page, PTE_RW | PTE_U);
#define STOS "stosq"
#else
	uptr good = 0x5550; // in both halves: not present
#define STOS "stosl"
#endif

	tree_hang(&t);
	CHECK_NO_TRAP(__asm__ volatile("rep " STOS
				       : "+D"(to), "+c"(count)
				       : "a"(good)
				       : "memory"));
	CHECK_EQ((uptr)t.l1[11] & ~0xffful, good & ~0xffful);
	CHECK_EQ(t.l1[12], 0);
	tree_drop(&t);
	tree_free(&t);
}

TEST(refused_writes)
{
	struct tree t = tree_make();
	volatile u64 *e = t.l1 + 1;

	tree_hang(&t);
	u64 bad = hypervisor_frame() << 12 | PTE_RO;

	CHECK_TRAP(*e = bad, 14, 3);
	CHECK_EQ(trap_last.cr2, e);
	CHECK_EQ(*e, 0);
	CHECK_TRAP(*e = table_entry(t.l1, PTE_RW), 14, 3);
#ifdef __x86_64__
	CHECK_TRAP(*e = table_entry(t.page, PTE_RW) | 1ul << 51, 14, 3);
#else
	CHECK_NO_TRAP(((volatile u32 *)e)[1] = 1 << 19);
	CHECK_TRAP(((volatile u32 *)e)[0] = (u32)table_entry(t.page, PTE_RW),
		   14, 3);
	CHECK_NO_TRAP(((volatile u32 *)e)[1] = 0);
#endif
	// Across two entries.
	CHECK_TRAP(*(volatile uptr *)((u8 *)t.l1 + 16 - sizeof(uptr) / 2) = 0,
		   14, 3);
	CHECK_EQ(*e, 0);
	// Only the lowest level has the assist.
	CHECK_TRAP(*(volatile u64 *)(t.l2 + 1) = 0, 14, 3);
	CHECK_TRAP(*(volatile u64 *)(t.l3 + 1) = 0, 14, 3);
	CHECK_TRAP(*(volatile u64 *)base_table() = 0, 14, 3);
	tree_drop(&t);
	tree_free(&t);
}

static long write_from_user(long va)
{
	*(volatile u64 *)va = 0;
	return 0;
}

TEST(read_only_elsewhere)
{
	struct tree t = tree_make();
	u64 *page = page_alloc();

	user_tables_make();
	CHECK_TRAP(*(volatile u64 *)t.l1 = 0, 14, 3); // not in use
	tree_hang(&t);
	page_set_ro(page);
	CHECK_TRAP(*(volatile u64 *)page = 0, 14, 3);
	CHECK_TRAP(user_call(write_from_user, (long)t.l1), 14, 7);
	page_set_rw(page);
	page_free(page);
	tree_drop(&t);
	tree_free(&t);
}

// A guest that never asked for the assist, or turned it off, has it as well.
TEST(without_asking)
{
	struct tree t = tree_make();

	assist(VMASST_CMD_disable);
	tree_hang(&t);
	CHECK_NO_TRAP(*(volatile u64 *)t.l1 = 0);
	CHECK_EQ(t.l1[0], 0);
	tree_drop(&t);
	tree_free(&t);
}
