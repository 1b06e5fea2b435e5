// SPDX-License-Identifier: MIT
// A kernel's ELF file with its notes, lib/elf.c, and what Dom0's builder,
// boot/dom0.c, makes of it: layout, loading, first page tables.
#include "fuzz.h"
// What the rest of the builder calls is not there.
#pragma weak dom0_frames
#pragma weak dom0_permissions
#pragma weak domain_create
#pragma weak domain_wallclock_update
#pragma weak heap_alloc
#pragma weak heap_free
#pragma weak boot_options
#pragma weak boot_fail
#pragma weak copy_from_guest
#pragma weak copy_to_guest
#pragma weak frames_alloc
#pragma weak frames_free
#pragma weak frames_free_count
#pragma weak mm_boot_free
#pragma weak page_assign
#pragma weak pv_guest_ops
#pragma weak pv_new_base
#pragma weak pv_set_address_size
#pragma weak softirq_run
#pragma weak table_pin
#pragma weak vcpu_create
#pragma weak vcpu_up
#define RAM_FRAMES 16384UL
#include "machine.h"
#include "../../hv/call/compat.c"
#include "../../hv/lib/elf.c"
#include "../../hv/lib/string.c"
#include "../../hv/pv/hypercall_page.c"
#define sched_yield hv_sched_yield // libc has one
#include "../../hv/boot/dom0.c"

#define FRAMES_OF_DOM0 8192UL

struct platform platform;
static struct elf_image img;

void printk(const char *fmt, ...)
{
	(void)fmt;
}

static void check_segments(size_t size)
{
	CHECK(img.nr_segments && img.nr_segments <= ELF_MAX_SEGMENTS);
	for (u32 i = 0; i < img.nr_segments; i++) {
		const struct elf_segment *s = &img.segment[i];

		CHECK(s->offset <= size && s->file_size <= size - s->offset);
		CHECK(s->file_size <= s->mem_size);
		CHECK(s->vaddr >= img.virt_start);
		CHECK(s->vaddr + s->mem_size <= img.virt_end);
		CHECK(s->vaddr + s->mem_size >= s->vaddr);
	}
	CHECK(img.virt_start >= img.virt_base);
	CHECK(img.entry >= img.virt_start && img.entry < img.virt_end);
	CHECK(memchr(img.guest_os, 0, sizeof(img.guest_os)));
	CHECK(memchr(img.guest_version, 0, sizeof(img.guest_version)));
	CHECK(memchr(img.loader, 0, sizeof(img.loader)));
	CHECK(memchr(img.xen_version, 0, sizeof(img.xen_version)));
}

// The page that the tables map va to, or 0.
static u64 walk(const struct dom0_layout *l, u64 va)
{
	const u64 *t = virt_of(l, l->tables);

	for (unsigned int level = levels(l); level > 1; level--) {
		u64 e = t[pte_index(va, level)];

		if (!(e & PTE_P))
			return 0;
		t = maddr_to_virt(e & PTE_ADDR);
	}
	return t[pte_index(va, 1)];
}

// What the kernel is told lies where it is told.
static void check_tables(const struct dom0_layout *l)
{
	u64 first = (l->tables - l->base) >> PAGE_SHIFT;

	CHECK(l->next_table <= l->frames);
	for (u64 i = 0; i < l->p2m_pfn; i++) {
		u64 e = walk(l, l->base + (i << PAGE_SHIFT));
		bool table = i - first < l->nr_tables;

		CHECK(e && mfn_val(pte_mfn(e)) == l->mfn + i);
		CHECK(!(e & PTE_W) == table);
	}
	for (u64 i = 0; l->p2m_outside && i < l->p2m_bytes >> PAGE_SHIFT; i++)
		CHECK(mfn_val(pte_mfn(walk(l, l->p2m + (i << PAGE_SHIFT)))) ==
		      l->mfn + l->p2m_pfn + i);
}

static void build(size_t initrd)
{
	static struct domain d;
	static struct shared_info shared;
	struct handover h = { .initrd_size = initrd };
	struct dom0_layout l = { 0 };

	layout_make(&l, &img, &h, FRAMES_OF_DOM0);
	if (l.frames > FRAMES_OF_DOM0 || !layout_possible(&l, &img))
		return;
	// At the end of the machine, so that nothing is behind it.
	l.mfn = RAM_FRAMES - l.frames;
	d.shared = &shared;
	for (u64 i = 0; i < FRAMES_OF_DOM0; i++)
		p2m_entry(&l, i, i + 1);
	kernel_load(&l, &img);
	tables_make(&l);
	check_tables(&l);
	start_info_fill(&l, &d, &h);
}

static void fuzz_one(const u8 *data, size_t size)
{
	const char *why;

	if (!ram_base)
		machine_make();
	CHECK(!elf_parse(&img, data, size, &why) == !why);
	if (why)
		return;
	check_segments(size);
	build(size & 1 ? 5000 : 0);
}
