// SPDX-License-Identifier: MIT
/*
 * Multiboot 0.6.96, Multiboot2 2.0 and PVH (Xen's public start_info.h)
 * information, read into struct boot_info. Addresses are dereferenced as they
 * are: the memory is mapped one to one. Loaders are trusted with addresses and
 * counts, but no size of a tag or an entry leads outside or hangs the machine.
 */
#include <stdint.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "lib/string.h"
#include "stage/stage.h"
#include "stage/entry.h"

#define MB1_CMDLINE	(1 << 2)
#define MB1_MODULES	(1 << 3)
#define MB1_MMAP	(1 << 6)
#define MB1_LOADER	(1 << 9)
#define MB1_FRAMEBUFFER (1 << 12)
#define FB_TEXT		2

struct mb1_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr;
	uint32_t config_table, loader_name, apm_table, vbe[4];
	uint64_t fb_addr;
	uint32_t fb_pitch, fb_width, fb_height;
	uint8_t fb_bpp, fb_type;
};
_Static_assert(offsetof(struct mb1_info, fb_type) == 109, "mb1_info");

struct mb1_module {
	uint32_t start, end, cmdline, reserved;
};

struct mb1_range {
	uint32_t size; /* of what follows */
	uint64_t start, length;
	uint32_t type;
} __attribute__((packed));

enum mb2_tag_type {
	MB2_END = 0,
	MB2_CMDLINE = 1,
	MB2_MODULE = 3,
	MB2_MMAP = 6,
	MB2_FRAMEBUFFER = 8,
	MB2_EFI32 = 11,
	MB2_EFI64 = 12,
	MB2_ACPI_OLD = 14,
	MB2_ACPI_NEW = 15,
};

struct mb2_tag {
	uint32_t type, size;
	uint32_t arg[]; /* module: start, end, string; mmap: entry size */
};

struct mb2_range {
	uint64_t start, length;
	uint32_t type, zero;
};

static const char *string_at(uint64_t maddr)
{
	return maddr ? at(maddr) : "";
}

/* One more than fits is counted, so that memmap_sanitize() refuses all. */
static void add_range(struct boot_info *bi, uint64_t start, uint64_t length,
		      uint32_t type)
{
	uint64_t end = start + length;

	if (end < start)
		end = UINT64_MAX;
	if (bi->nr_ranges < MEMMAP_RAW_MAX)
		bi->range[bi->nr_ranges] =
			(struct handover_range){ start, end, type, 0 };
	if (bi->nr_ranges <= MEMMAP_RAW_MAX)
		bi->nr_ranges++;
}

static void add_module(struct boot_info *bi, uint64_t start, uint64_t end,
		       const char *cmdline)
{
	if (bi->nr_modules < BOOT_MODULES)
		bi->module[bi->nr_modules] =
			(struct boot_module){ start, end, cmdline };
	bi->nr_modules++;
}

/* GRUB 2 takes the file's name away, others pass it; "GRUB 0.97" is old. */
static bool is_grub2(const char *name)
{
	for (; *name; name++)
		if (!strncmp(name, "GRUB ", 5))
			return name[5] != '0';
	return false;
}

static void parse_mb1(const struct mb1_info *mb, struct boot_info *bi)
{
	const struct mb1_module *mod = at(mb->mods_addr);
	uint64_t step;

	bi->loader = "multiboot1";
	if (mb->flags & MB1_CMDLINE)
		bi->cmdline = string_at(mb->cmdline);
	bi->named = !(mb->flags & MB1_LOADER) ||
		    !is_grub2(string_at(mb->loader_name));
	if (mb->flags & MB1_FRAMEBUFFER) {
		bi->vga_known = true;
		bi->vga_text = mb->fb_type == FB_TEXT;
	}
	for (uint32_t i = 0; mb->flags & MB1_MODULES && i < mb->mods_count; i++)
		add_module(bi, mod[i].start, mod[i].end,
			   string_at(mod[i].cmdline));
	if (!(mb->flags & MB1_MMAP))
		return;
	for (uint64_t off = 0;
	     off + sizeof(struct mb1_range) <= mb->mmap_length; off += step) {
		const struct mb1_range *r = at(mb->mmap_addr + off);

		step = r->size + sizeof(r->size);
		add_range(bi, r->start, r->length, r->type);
	}
}

static void parse_mb2_mmap(const struct mb2_tag *tag, struct boot_info *bi)
{
	uint64_t step = tag->arg[0];

	if (step < sizeof(struct mb2_range) || step % 8)
		return;
	for (uint64_t off = 16; off + step <= tag->size; off += step) {
		const struct mb2_range *r = at((uintptr_t)tag + off);

		add_range(bi, r->start, r->length, r->type);
	}
}

static void parse_mb2_rsdp(const struct mb2_tag *tag, struct boot_info *bi)
{
	uint32_t size = tag->size - sizeof(*tag);

	/* The new table has all that the old one has. */
	if (tag->type == MB2_ACPI_OLD && bi->rsdp_size)
		return;
	bi->rsdp_size = MIN(size, RSDP_SIZE);
	memcpy(bi->rsdp_copy, tag->arg, bi->rsdp_size);
}

static void parse_mb2_tag(const struct mb2_tag *tag, struct boot_info *bi)
{
	switch (tag->type) {
	case MB2_CMDLINE:
		bi->cmdline = (const char *)tag->arg;
		break;
	case MB2_MODULE:
		add_module(bi, tag->arg[0], tag->arg[1],
			   (const char *)(tag->arg + 2));
		break;
	case MB2_MMAP:
		parse_mb2_mmap(tag, bi);
		break;
	case MB2_FRAMEBUFFER:
		bi->vga_known = true;
		bi->vga_text = ((const uint8_t *)tag)[29] == FB_TEXT;
		break;
	case MB2_EFI32:
	case MB2_EFI64:
		bi->vga_known = true;
		break;
	case MB2_ACPI_OLD:
	case MB2_ACPI_NEW:
		parse_mb2_rsdp(tag, bi);
		break;
	}
}

static void parse_mb2(const uint8_t *info, struct boot_info *bi)
{
	/* What is read of each; a shorter one says nothing. */
	static const uint8_t shortest[] = {
		[MB2_MODULE] = 16, [MB2_MMAP] = 16, [MB2_FRAMEBUFFER] = 30
	};
	uint64_t total = *(const uint32_t *)(const void *)info;
	uint64_t off = 8;

	bi->loader = "multiboot2";
	while (off + sizeof(struct mb2_tag) <= total) {
		const struct mb2_tag *tag = (const void *)(info + off);

		if (tag->type == MB2_END || tag->size < sizeof(*tag) ||
		    tag->size > total - off)
			break;
		if (tag->type >= sizeof(shortest) ||
		    tag->size >= shortest[tag->type])
			parse_mb2_tag(tag, bi);
		off += ROUND_UP((uint64_t)tag->size, 8);
	}
}

static void parse_pvh(const struct hvm_start_info *si, struct boot_info *bi)
{
	const struct hvm_modlist_entry *mod = at(si->modlist_paddr);
	const struct hvm_memmap_table_entry *r = at(si->memmap_paddr);

	bi->loader = "pvh";
	bi->cmdline = string_at(si->cmdline_paddr);
	bi->rsdp = si->rsdp_paddr;
	for (uint32_t i = 0; i < si->nr_modules; i++)
		add_module(bi, mod[i].paddr, mod[i].paddr + mod[i].size,
			   string_at(mod[i].cmdline_paddr));
	for (uint32_t i = 0; si->version >= 1 && i < si->memmap_entries; i++)
		add_range(bi, r[i].addr, r[i].size, r[i].type);
}

const char *boot_info_parse(uint32_t magic, uint64_t maddr,
			    struct boot_info *bi)
{
	bi->cmdline = "";
	switch (magic) {
	case BOOT_MAGIC_MB1:
		parse_mb1(at(maddr), bi);
		break;
	case BOOT_MAGIC_MB2:
		parse_mb2(at(maddr), bi);
		break;
	case BOOT_MAGIC_PVH:
		parse_pvh(at(maddr), bi);
		break;
	default:
		return "Ringlet: not started by multiboot, multiboot2 or PVH; "
		       "use GRUB 2. ";
	}
	if (!bi->nr_ranges)
		return "Ringlet: the boot loader gave no memory map; "
		       "use GRUB 2. ";
	return NULL;
}

static const char *skip_spaces(const char *s)
{
	while (*s == ' ')
		s++;
	return s;
}

static const char *skip_word(const char *s)
{
	while (*s && *s != ' ')
		s++;
	return skip_spaces(s);
}

const char *cmdline_arguments(const char *s, bool named)
{
	s = skip_spaces(s);
	if (named)
		s = skip_word(s);
	if (!strncmp(s, "placeholder", 11) && (!s[11] || s[11] == ' '))
		s = skip_word(s);
	return s;
}

const uint8_t *rsdp_find(const uint8_t *area, uint64_t size)
{
	for (uint64_t off = 0; off + 20 <= size; off += 16) {
		const uint8_t *p = area + off;
		uint8_t sum = 0;

		if (memcmp(p, "RSD PTR ", 8))
			continue;
		for (unsigned i = 0; i < 20; i++)
			sum += p[i];
		if (!sum)
			return p;
	}
	return NULL;
}
