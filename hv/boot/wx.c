// SPDX-License-Identifier: MIT
// W^X of the live tables: no frame is writable in one mapping and executable
// in the same or another. Executable frames are few (the image's text), so
// each writable range is held against them.
#include "boot/boot.h"
#include "con/con.h"
#include "mm/alloc.h"
#include "mm/paging.h"

struct exec_range {
	u64 start, end;
};

#define MAX_EXEC 16

struct walk {
	struct exec_range exec[MAX_EXEC];
	unsigned int n;
	bool collect; // executable ranges first, then writable ones are judged
	u64 pages;
};

static __init void leaf(struct walk *w, u64 va, u64 e, u64 size)
{
	u64 maddr = e & PTE_ADDR & ~(size - 1);

	w->pages++;
	if (w->collect && !(e & PTE_NX)) {
		struct exec_range *last = &w->exec[w->n ? w->n - 1 : 0];

		if (e & PTE_W)
			panic("W^X: %#lx is writable and executable", va);
		if (w->n && last->end == maddr) {
			last->end += size;
			return;
		}
		if (w->n == MAX_EXEC)
			panic("W^X: too many executable ranges");
		w->exec[w->n++] = (struct exec_range){ maddr, maddr + size };
	}
	if (w->collect || !(e & PTE_W))
		return;
	for (unsigned int i = 0; i < w->n; i++)
		if (maddr < w->exec[i].end && maddr + size > w->exec[i].start)
			panic("W^X: %#lx writes what %#lx executes", va,
			      w->exec[i].start);
}

static __init void table_walk(struct walk *w, const u64 *t, unsigned int level,
			      u64 base)
{
	for (unsigned int i = 0; i < PTES; i++) {
		u64 size = 1UL << (PAGE_SHIFT + 9 * (level - 1));
		u64 va = base + i * size;

		if (!(t[i] & PTE_P))
			continue;
		if (level == 4 && i >= PTES / 2)
			va |= 0xffff000000000000UL;
		if (level == 1 || (level < 4 && (t[i] & PTE_PS)))
			leaf(w, va, t[i], size);
		else
			table_walk(w, maddr_to_virt(t[i] & PTE_ADDR), level - 1,
				   va);
	}
}

__init void wx_check(void)
{
	struct walk w = { .collect = true };

	table_walk(&w, hv_l4, 4, 0);
	w.collect = false;
	w.pages = 0;
	table_walk(&w, hv_l4, 4, 0);
	printk("W^X: %lu mappings, %u executable ranges, none writable\n",
	       w.pages, w.n);
}
