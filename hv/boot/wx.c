// SPDX-License-Identifier: MIT
// W^X of the live tables: only the image's text is executable, and no mapping
// of it is writable.
#include "boot/boot.h"
#include "con/con.h"
#include "mm/alloc.h"
#include "mm/paging.h"

struct walk {
	u64 pages, executable;
};

// How much of [maddr, maddr + size) is between these places of the image.
static __init u64 part(u64 maddr, u64 size, const char *from, const char *to)
{
	u64 start = image_maddr + (u64)(from - __image_start);
	u64 end = image_maddr + (u64)(to - __image_start);

	start = MAX(start, maddr);
	end = MIN(end, maddr + size);
	return start < end ? end - start : 0;
}

static __init void leaf(struct walk *w, u64 va, u64 e, u64 size)
{
	u64 maddr = e & PTE_ADDR & ~(size - 1);
	u64 text = part(maddr, size, __image_start, __text_end) +
		   part(maddr, size, __rodata_end, __init_text_end);

	w->pages++;
	w->executable += !(e & PTE_NX);
	if (!(e & PTE_NX) && text != size)
		panic("W^X: %#lx is executable and no text", va);
	if (e & PTE_W && text)
		panic("W^X: %#lx is writable text", va);
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
	struct walk w = { 0 };

	table_walk(&w, hv_l4, 4, 0);
	printk("W^X: %lu mappings, %lu executable, none writable\n", w.pages,
	       w.executable);
}
