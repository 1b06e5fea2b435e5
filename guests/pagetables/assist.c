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
	// A REX prefix that is not the last prefix counts for nothing.
	CHECK_NO_TRAP(*e = ~0ul << 32 | 0x220000);
	CHECK_NO_TRAP(__asm__ volatile(".byte 0x48, 0x66, 0x89, 0x07"
				       :
				       : "D"(e), "a"(0x5550)
				       : "memory"));
	CHECK_EQ(*e, ~0ul << 32 | 0x225550);
	tree_drop(&t);
	tree_free(&t);
}

TEST(exchanges)
{
	struct tree t = tree_make();
	volatile u64 *e = t.l1 + 1;
	u64 good = table_entry(t.page, PTE_RW | PTE_U), old = good;

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

TEST(bit_operations)
{
	struct tree t = tree_make();
	volatile u64 *e = t.l1;
	bool was = false;

	tree_hang(&t);
	*(volatile u64 *)TREE_VA = 1;
	CHECK_NO_TRAP(__asm__ volatile("lock btrq $1, %0\n setc %1"
				       : "+m"(*e), "=q"(was)));
	CHECK(was);
	CHECK_EQ(*e & PTE_W, 0);
	CHECK_NO_TRAP(__asm__ volatile("lock orq %1, %0"
				       : "+m"(*e)
				       : "r"(PTE_W)));
	CHECK_EQ(*e & PTE_W, PTE_W);
	CHECK_NO_TRAP(__asm__ volatile("lock andq %1, %0"
				       : "+m"(*e)
				       : "r"(~PTE_W)));
	CHECK_EQ(*e & PTE_W, 0);
	CHECK_NO_TRAP(__asm__ volatile("lock btsq $1, %0" : "+m"(*e)));
	CHECK_EQ(*e & PTE_W, PTE_W);
	tree_drop(&t);
	tree_free(&t);
}

TEST(string_writes)
{
	struct tree t = tree_make();
	u64 good = table_entry(t.page, PTE_RW | PTE_U);
	u64 *to = t.l1 + 8, count = 4;

	tree_hang(&t);
	CHECK_NO_TRAP(__asm__ volatile("rep stosq"
				       : "+D"(to), "+c"(count)
				       : "a"(good)
				       : "memory"));
	CHECK_EQ(t.l1[11] & PTE_FRAME, good & PTE_FRAME);
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
	CHECK_EQ(trap_last.cr2, (u64)e);
	CHECK_EQ(*e, 0);
	CHECK_TRAP(*e = table_entry(t.l1, PTE_RW), 14, 3);
	CHECK_TRAP(*e = table_entry(t.page, PTE_RW) | 1ul << 51, 14, 3);
	// Across two entries.
	CHECK_TRAP(*(volatile u64 *)((u8 *)t.l1 + 12) = 0, 14, 3);
	CHECK_EQ(*e, 0);
	// Only the lowest level has the assist.
	CHECK_TRAP(*(volatile u64 *)(t.l2 + 1) = 0, 14, 3);
	CHECK_TRAP(*(volatile u64 *)(t.l3 + 1) = 0, 14, 3);
	CHECK_TRAP(*(volatile u64 *)start_info->pt_base = 0, 14, 3);
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

	user_base_mfn();
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
