// SPDX-License-Identifier: MIT
// What loaders tell, stage/bootinfo.c, by each of the three protocols, and
// what is made of it: memory map, taken memory, command line, RSDP. Loaders
// are trusted with counts and addresses, not with what those lead to.
#include "fuzz.h"
#define HOST_TEST
#include <sys/mman.h>
#include "../../hv/stage/bootinfo.c"
#include "../../hv/lib/memmap.c"

#define LOW_SIZE 65536u

static struct boot_info bi;
static uint8_t *low; // that a 32-bit address reaches; nothing is behind it
static uint32_t low_top;

static void low_make(void)
{
	low = mmap(NULL, LOW_SIZE + 4096, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED ||
	    mprotect(low, LOW_SIZE, PROT_READ | PROT_WRITE))
		abort();
}

// From the top down: the first ends where the memory does.
static uint32_t low_put(uint32_t size)
{
	low_top -= size;
	low_top &= ~7u;
	fuzz_fill(low + low_top, size);
	return (uint32_t)(uintptr_t)low + low_top;
}

static uint32_t low_string(void)
{
	uint32_t size = fuzz_below(64) + 1, where = low_put(size);

	low[low_top + size - 1] = 0;
	return where;
}

static void multiboot1(void)
{
	struct mb1_info *mb;
	uint32_t where;

	mb = (void *)(low + 64);
	fuzz_fill(mb, sizeof(*mb));
	mb->mmap_length = fuzz_below(1024) & ~7u;
	mb->mmap_addr = low_put(mb->mmap_length);
	mb->mods_count = fuzz_below(8);
	mb->mods_addr = low_put(mb->mods_count * 16);
	for (uint32_t i = 0; i < mb->mods_count; i++) {
		where = low_string();
		memcpy(at(mb->mods_addr + i * 16 + 8), &where, 4);
	}
	mb->cmdline = low_string();
	mb->loader_name = low_string();
	boot_info_parse(BOOT_MAGIC_MB1, (uintptr_t)mb, &bi);
}

// In memory of just its size, and a NUL that ends any text.
static void multiboot2(void)
{
	uint32_t size = 8 + (uint32_t)fuzz_left;
	uint8_t *info = malloc(size + 1);

	memset(info, 0, 8);
	memcpy(info, &size, 4);
	fuzz_fill(info + 8, size - 8);
	info[size] = 0;
	boot_info_parse(BOOT_MAGIC_MB2, (uintptr_t)info, &bi);
	CHECK(strlen(cmdline_arguments(bi.cmdline, bi.named)) <= size);
	for (uint32_t i = 0; i < MIN(bi.nr_modules, 2u); i++)
		CHECK(strlen(bi.module[i].cmdline) <= size);
	free(info);
	bi.cmdline = "";
}

static void pvh(void)
{
	struct hvm_start_info *si = (void *)(low + 64);

	fuzz_fill(si, sizeof(*si));
	si->memmap_entries = fuzz_below(300);
	si->memmap_paddr = low_put(si->memmap_entries * 24);
	si->nr_modules = fuzz_below(8);
	si->modlist_paddr = low_put(si->nr_modules * 32);
	for (uint32_t i = 0; i < si->nr_modules; i++) {
		struct hvm_modlist_entry *m = at(si->modlist_paddr);

		m[i].cmdline_paddr = low_string();
	}
	si->cmdline_paddr = low_string();
	boot_info_parse(BOOT_MAGIC_PVH, (uintptr_t)si, &bi);
}

static void check_map(const struct handover_range *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		CHECK(r[i].start < r[i].end);
		CHECK(!i || r[i].start >= r[i - 1].end);
		CHECK(r[i].type >= E820_RAM && r[i].type <= E820_UNUSABLE);
		CHECK(r[i].type != E820_RAM ||
		      !((r[i].start | r[i].end) % PAGE_SIZE));
	}
}

static bool is_ram(const struct memory *m, uint64_t start, uint64_t end)
{
	for (uint32_t i = 0; i < m->nr_ranges; i++)
		if (m->range[i].type == E820_RAM &&
		    m->range[i].start <= start && m->range[i].end >= end)
			return true;
	return false;
}

static void take_memory(const struct handover_range *r, uint32_t n)
{
	struct memory m = { .range = r, .nr_ranges = n, .limit = 4ULL << 30 };
	struct span s = { 0, 0 };

	for (uint32_t i = 0; i < MIN(bi.nr_modules, 2u); i++)
		if (bi.module[i].start > bi.module[i].end ||
		    !memory_keep(&m, bi.module[i].start, bi.module[i].end))
			return;
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t size = fuzz_take(3), align = 4096ULL << fuzz_below(10);
		uint64_t got = memory_take(&m, size, align);

		if (!got)
			continue;
		CHECK(!(got % align) && got + size <= m.limit);
		CHECK(is_ram(&m, got, got + size));
	}
	for (uint32_t i = 0; (s = memory_next(&m, s.end)).end; i++) {
		CHECK(s.start < s.end && i < 1000);
		CHECK(is_ram(&m, s.start, s.end) &&
		      !busy_at(&m, s.start, s.end));
	}
}

static void fuzz_one(const uint8_t *data, size_t size)
{
	static struct handover_range out[HANDOVER_RANGES];
	uint32_t n;

	if (!low)
		low_make();
	rsdp_find(data, size);
	memset(low, 0, LOW_SIZE);
	low_top = LOW_SIZE;
	memset(&bi, 0, sizeof(bi));
	fuzz_begin(data, size);
	switch (fuzz_take(1) & 3) {
	case 0:
		multiboot1();
		break;
	case 1:
		pvh();
		break;
	default:
		multiboot2();
	}
	CHECK(bi.rsdp_size <= RSDP_SIZE && bi.nr_ranges <= MEMMAP_RAW_MAX + 1);
	cmdline_arguments(bi.cmdline, bi.named);
	n = memmap_sanitize(bi.range, bi.nr_ranges, out, HANDOVER_RANGES);
	CHECK(n <= HANDOVER_RANGES);
	check_map(out, n);
	take_memory(out, n);
}
