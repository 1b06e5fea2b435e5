// SPDX-License-Identifier: MIT
/* What the three boot protocols tell, in one form. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../hv/stage/bootinfo.c"
#include "unit.h"

static struct boot_info bi;
static uint8_t *low; /* memory that a 32-bit address reaches */
static uint32_t low_used;

static uint32_t low_put(const void *data, uint32_t size)
{
	uint32_t where = low_used;

	memcpy(low + where, data, size);
	low_used += (size + 7) & ~7U;
	return (uint32_t)(uintptr_t)low + where;
}

static uint32_t low_string(const char *s)
{
	return low_put(s, strlen(s) + 1);
}

static void start(void)
{
	if (!low)
		low = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED || !low)
		abort();
	memset(low, 0, 65536);
	memset(&bi, 0, sizeof(bi));
	low_used = 0;
}

static bool same(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

static bool argument(const char *s, bool named, const char *want)
{
	return !strcmp(cmdline_arguments(s, named), want);
}

static void command_lines(void)
{
	CHECK(argument("", false, "") && argument("", true, ""));
	CHECK(argument("/boot/x a=b  c", true, "a=b  c"));
	CHECK(argument("a=b c", false, "a=b c"));
	CHECK(argument("  /boot/x", true, ""));
	CHECK(argument("placeholder a", false, "a"));
	CHECK(argument("placeholder", false, ""));
	CHECK(argument("placeholders a", false, "placeholders a"));
	CHECK(argument("x placeholder placeholder a", true, "placeholder a"));
}

static void loaders(void)
{
	CHECK(is_grub2("GRUB 2.06-13+deb12u1"));
	CHECK(is_grub2("GRUB 1.98"));
	CHECK(!is_grub2("GNU GRUB 0.97"));
	CHECK(!is_grub2("qemu") && !is_grub2("") && !is_grub2("GRU"));
}

static uint32_t put_mb1(const char *loader)
{
	struct mb1_range r[2] = {
		{ 20, 0, 0x9fc00, 1 },
		{ 20, 0x100000, 0xfffffffffff00000, 9 },
	};
	struct mb1_module mod[3] = {
		{ 0x200000, 0x300000, low_string("/k a"), 0 },
		{ 0x300000, 0x300010, 0, 0 },
		{ 0x400000, 0x400010, 0, 0 },
	};
	struct mb1_info mb = {
		.flags = MB1_CMDLINE | MB1_MODULES | MB1_MMAP | MB1_LOADER,
		.cmdline = low_string("/hv com1"),
		.mods_count = 3,
		.mods_addr = low_put(mod, sizeof(mod)),
		.mmap_length = sizeof(r),
		.mmap_addr = low_put(r, sizeof(r)),
		.loader_name = low_string(loader),
	};

	return low_put(&mb, sizeof(mb));
}

static void multiboot1(void)
{
	start();
	CHECK(!boot_info_parse(BOOT_MAGIC_MB1, put_mb1("qemu"), &bi));
	CHECK(same(bi.loader, "multiboot1") && bi.named && !bi.vga_known);
	CHECK(same(bi.cmdline, "/hv com1"));
	CHECK(bi.nr_modules == 3 && bi.module[0].start == 0x200000);
	CHECK(same(bi.module[0].cmdline, "/k a"));
	CHECK(bi.module[1].end == 0x300010 && !*bi.module[1].cmdline);
	CHECK(bi.nr_ranges == 2 && bi.range[0].end == 0x9fc00);
	CHECK(bi.range[1].end == UINT64_MAX && bi.range[1].type == 9);
	start();
	CHECK(!boot_info_parse(BOOT_MAGIC_MB1, put_mb1("GRUB 2.06"), &bi));
	CHECK(!bi.named);
}

static void nothing_usable(void)
{
	struct mb1_info mb = { 0 };

	start();
	CHECK(boot_info_parse(BOOT_MAGIC_MB1, low_put(&mb, sizeof(mb)), &bi));
	CHECK(boot_info_parse(0, 0, &bi) != NULL);
}

static void put_tag(uint8_t *to, uint32_t *off, uint32_t type, const void *data,
		    uint32_t size)
{
	struct mb2_tag tag = { type, 8 + size };

	memcpy(to + *off, &tag, 8);
	if (size)
		memcpy(to + *off + 8, data, size);
	*off += (8 + size + 7) & ~7U;
}

static void multiboot2(void)
{
	static uint64_t space[64];
	uint8_t *info = (uint8_t *)space;
	uint32_t off = 8;
	uint8_t fb[24] = { [21] = 1 };
	uint8_t rsdp[RSDP_SIZE] = "RSD PTR new";
	struct {
		uint32_t size, version;
		struct mb2_range r[2];
	} map = { 24,
		  0,
		  { { 0, 0x9fc00, 1, 0 }, { 0x100000, 0x100000, 3, 0 } } };

	start();
	put_tag(info, &off, MB2_CMDLINE, "com1", 5);
	put_tag(info, &off, MB2_MODULE, "\0\0\1\0\0\0\2\0one", 12);
	put_tag(info, &off, MB2_MODULE, "\0\0\3\0\0\0\4\0", 9);
	put_tag(info, &off, MB2_MMAP, &map, sizeof(map));
	put_tag(info, &off, MB2_FRAMEBUFFER, fb, sizeof(fb));
	put_tag(info, &off, MB2_ACPI_NEW, rsdp, sizeof(rsdp));
	put_tag(info, &off, MB2_ACPI_OLD, fb, 20);
	put_tag(info, &off, 99, "x", 1);
	put_tag(info, &off, MB2_END, NULL, 0);
	memcpy(info, &off, 4);
	CHECK(!boot_info_parse(BOOT_MAGIC_MB2, (uintptr_t)info, &bi));
	CHECK(same(bi.cmdline, "com1") && !bi.named);
	CHECK(bi.nr_modules == 2 && bi.module[0].start == 0x10000);
	CHECK(same(bi.module[0].cmdline, "one"));
	CHECK(bi.module[1].end == 0x40000 && !*bi.module[1].cmdline);
	CHECK(bi.nr_ranges == 2 && bi.range[1].end == 0x200000);
	CHECK(bi.range[1].type == 3);
	CHECK(bi.vga_known && !bi.vga_text);
	CHECK(bi.rsdp_size == 36 && !memcmp(bi.rsdp_copy, rsdp, 36));
}

static void pvh(void)
{
	struct hvm_memmap_table_entry map = { 0x100000, 0x1000, 1, 0 };
	struct hvm_modlist_entry mod = { 0x100000000, 0x2000, 0, 0 };
	struct hvm_start_info si = {
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = 1,
		.nr_modules = 1,
		.modlist_paddr = (uintptr_t)&mod,
		.rsdp_paddr = 0xf0000,
		.memmap_paddr = (uintptr_t)&map,
		.memmap_entries = 1,
	};

	start();
	CHECK(!boot_info_parse(BOOT_MAGIC_PVH, (uintptr_t)&si, &bi));
	CHECK(!*bi.cmdline && !bi.named && bi.rsdp == 0xf0000);
	CHECK(bi.nr_modules == 1 && bi.module[0].end == 0x100002000);
	CHECK(bi.nr_ranges == 1 && bi.range[0].end == 0x101000);
	memset(&bi, 0, sizeof(bi));
	si.version = 0; /* has no memory map yet */
	CHECK(boot_info_parse(BOOT_MAGIC_PVH, (uintptr_t)&si, &bi) != NULL);
}

static void too_many_ranges(void)
{
	start();
	for (unsigned i = 0; i < MEMMAP_RAW_MAX + 50; i++)
		add_range(&bi, i * 4096ULL, 4096, 1);
	CHECK(bi.nr_ranges == MEMMAP_RAW_MAX + 1);
	CHECK(bi.range[MEMMAP_RAW_MAX - 1].end == MEMMAP_RAW_MAX * 4096ULL);
}

static void rsdp_scan(void)
{
	uint8_t area[128] = { 0 };
	uint8_t sum = 0;

	memcpy(area + 8, "RSD PTR ", 8); /* not at 16 bytes */
	memcpy(area + 32, "RSD PTR ", 8);
	area[50] = 1; /* checksum is wrong */
	memcpy(area + 64, "RSD PTR ", 8);
	for (unsigned i = 0; i < 8; i++)
		sum += area[64 + i];
	area[72] = -sum;
	CHECK(rsdp_find(area, 128) == area + 64);
	CHECK(!rsdp_find(area, 83) && rsdp_find(area, 84));
}

UNIT_MAIN(UNIT(command_lines), UNIT(loaders), UNIT(multiboot1),
	  UNIT(nothing_usable), UNIT(multiboot2), UNIT(pvh),
	  UNIT(too_many_ranges), UNIT(rsdp_scan))
