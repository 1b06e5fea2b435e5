// SPDX-License-Identifier: MIT
#ifndef PAGETABLES_TREE_H
#define PAGETABLES_TREE_H

#include "lib/guest.h"

// A small tree of our own: entry 0 of each table leads down to `page`. In
// use, it hangs in the base table at TREE_VA. A 32-bit kernel's l3 is that base
// table itself, whose entries 0 and 1 are free.
#ifdef __x86_64__
#define TREE_VA 0x0000020000000000ul
#else
extern uptr tree_va; // 0: the compiler shall not know it
#define TREE_VA tree_va
#endif
#define OWN_LEVELS (TABLE_LEVELS - 1)

struct tree {
	u64 *l3, *l2, *l1, *page;
	u64 *top; // what hangs in the base table
};

static inline u64 *base_table(void)
{
	return (u64 *)start_info->pt_base;
}

// All tables read-only, not yet validated.
struct tree tree_make(void);
void tree_hang(const struct tree *t);
void tree_drop(const struct tree *t); // out of the base table
void tree_free(const struct tree *t); // after it was dropped and unpinned

// Sets entry i of a table (read-only to us) with mmu_update.
long table_set(const u64 *table, unsigned int i, u64 entry);
u64 table_entry(const u64 *table, u64 flags); // leads to that table

// A frame of the hypervisor that no domain owns: what a base table's slots
// above the M2P's lead to, or a part of a 32-bit kernel's M2P.
u64 hypervisor_frame(void);

#endif
