// SPDX-License-Identifier: MIT
// Memory at boot: what is free, the first page tables, frame table and M2P.
#include "lib/memmap.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "mm/private.h"
#include "x86/desc.h"
#include "x86/insn.h"
#include "x86/percpu.h"

static struct memory memory __initdata;
static struct handover_range ram[HANDOVER_RANGES] __initdata;

__init void *boot_pages(u64 size)
{
	u64 maddr = memory_take(&memory, size, PAGE_SIZE);

	return maddr ? memset(maddr_to_virt(maddr), 0,
			      ROUND_UP(size, PAGE_SIZE))
		     : NULL;
}

// All RAM, and of it what is in use.
static __init void memory_init(const struct handover *h)
{
	u64 limit = (u64)MAX_MFN << PAGE_SHIFT;

	for (unsigned int i = 0; i < h->nr_ranges; i++) {
		struct handover_range r = h->range[i];

		r.end = MIN(r.end, limit);
		if (r.type != E820_RAM || r.start >= r.end)
			continue;
		ram[memory.nr_ranges++] = r;
		total_frames += (r.end - r.start) >> PAGE_SHIFT;
	}
	memory.range = ram;
	// Below 1 MiB firmware and the CPUs' trampoline live.
	memory_keep(&memory, 0, 0x100000);
	memory_keep(&memory, h->hv_maddr, h->hv_maddr + h->hv_size);
	memory_keep(&memory, h->stage_maddr, h->stage_maddr + h->stage_size);
	memory_keep(&memory, h->kernel_maddr, h->kernel_maddr + h->kernel_size);
	memory_keep(&memory, h->initrd_maddr, h->initrd_maddr + h->initrd_size);
}

static __init bool map_image_part(const char *from, const char *to, u64 flags)
{
	u64 offset = (u64)(from - __image_start);

	return !hv_map((u64)from, image_maddr + offset, (u64)(to - from),
		       flags);
}

// Text and constants are read-only in the direct map too, so that no frame is
// writable here and executable there.
static __init bool map_image(void)
{
	u64 direct = DIRECT_START + image_maddr;

	return map_image_part(__image_start, __text_end, HV_RX) &&
	       map_image_part(__text_end, __rodata_end, HV_RO) &&
	       map_image_part(__rodata_end, __init_text_end, HV_RX) &&
	       map_image_part(__init_text_end, __image_end, HV_RW) &&
	       !hv_map(direct, image_maddr,
		       (u64)(__init_text_end - __image_start), HV_RO);
}

static __init bool map_ram(void)
{
	for (unsigned int i = 0; i < memory.nr_ranges; i++)
		if (hv_map(DIRECT_START + ram[i].start, ram[i].start,
			   ram[i].end - ram[i].start, HV_RW))
			return false;
	return true;
}

__init const char *paging_boot(const struct handover *h)
{
	memory_init(h);
	image_maddr = h->hv_maddr;
	memory.limit = 1UL << 32; // as far as the stage's direct map goes
	hv_l4 = boot_pages(PAGE_SIZE);
	if (!hv_l4 || !map_ram() || !map_image())
		return "not enough memory for page tables below 4 GiB";
	hv_cr3 = virt_to_maddr(hv_l4);
	write_cr3(hv_cr3);
	memory.limit = ~0UL;
	if (cpu_prepare(0))
		return "not enough memory for the first CPU's stack";
	return NULL;
}

u64 max_mfn;
#define CHUNK_RECORDS (sizeof(struct page_info) << 16)
// One bit for 65,536 frames: whether there is RAM among them.
u64 frame_chunks[(MAX_MFN >> 16) / 64];

static __init bool chunk_has_ram(u64 chunk)
{
	for (unsigned int i = 0; i < memory.nr_ranges; i++)
		if (ram[i].start >> 28 <= chunk &&
		    (ram[i].end - 1) >> 28 >= chunk)
			return true;
	return false;
}

static __init void window_back(u64 va, u64 size, u64 va2, u64 flags2, int fill)
{
	u64 align = size >= 0x200000 ? 0x200000 : PAGE_SIZE;
	u64 maddr = memory_take(&memory, size, align);

	if (!maddr || hv_map(va, maddr, size, HV_RW) ||
	    (va2 && hv_map(va2, maddr, size, flags2)))
		panic("not enough memory for the frame table");
	memset((void *)va, fill, size);
}

// M2P entries for each GiB that has RAM in it: tools map it by 2 MiB.
static __init void m2p_init(void)
{
	u64 ro_user = PTE_P | PTE_U | PTE_A | PTE_G | PTE_NX;

	for (u64 c = 0; c << 16 < max_mfn; c += 4) {
		u64 at = (c << 16) * sizeof(u64);

		if (frame_chunks[c / 64] >> (c % 64) & 15)
			window_back(M2P_RW_START + at, 0x200000, M2P_START + at,
				    ro_user, 0xff);
	}
}

// Records of 256 MiB without RAM, everywhere the same 2 MiB of empty ones,
// read-only: nobody's frames, no reference, no type.
static __init void records_none(u64 va)
{
	static u64 maddr __initdata;

	if (!maddr) {
		maddr = memory_take(&memory, CHUNK_RECORDS, CHUNK_RECORDS);
		if (maddr)
			memset(maddr_to_virt(maddr), 0, CHUNK_RECORDS);
	}
	if (!maddr || hv_map(va, maddr, CHUNK_RECORDS, HV_RO))
		panic("not enough memory for the frame table");
}

// Records for each 256 MiB that has RAM in it.
static __init void frame_table_init(void)
{
	for (unsigned int i = 0; i < memory.nr_ranges; i++)
		max_mfn = MAX(max_mfn, ram[i].end >> PAGE_SHIFT);
	for (u64 c = 0; c << 16 < max_mfn; c++) {
		u64 first = c << 16;
		u64 frames = MIN(max_mfn - first, 1UL << 16);
		u64 va = FRAMES_START + first * sizeof(struct page_info);

		if (!chunk_has_ram(c)) {
			records_none(va);
			continue;
		}
		frame_chunks[c / 64] |= BIT(c % 64);
		window_back(
			va,
			ROUND_UP(frames * sizeof(struct page_info), PAGE_SIZE),
			0, 0, 0);
	}
	m2p_init();
}

void mm_boot_free(u64 maddr, u64 size)
{
	u64 first = PAGES_UP(maddr), end = (maddr + size) >> PAGE_SHIFT;

	if (end > first)
		frames_add(mfn(first), end - first);
}

__init void mm_boot(void)
{
	frame_table_init();
	mm_ready = true;
	for (struct span s = { 0 }; (s = memory_next(&memory, s.end)).end;)
		mm_boot_free(s.start, s.end - s.start);
}

// The caller is not __init and runs on the real stack.
void mm_free_init(void)
{
	u64 start = (u64)(__rodata_end - __image_start);
	u64 size = (u64)(__init_end - __rodata_end);

	hv_map((u64)__rodata_end, 0, size, 0);
	hv_map(DIRECT_START + image_maddr + start, image_maddr + start, size,
	       HV_RW);
	tlb_flush_mask(cpu_online);
	mm_boot_free(image_maddr + start, size);
}
