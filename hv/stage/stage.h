// SPDX-License-Identifier: MIT
/* Between the files of the stage. */
#ifndef STAGE_STAGE_H
#define STAGE_STAGE_H

#include <stdbool.h>

#include "lib/memmap.h"

/* The compiler must not reason about objects at fixed low addresses. */
static inline void *at(uint64_t maddr)
{
	asm("" : "+r"(maddr));
	return (void *)maddr;
}

#define BOOT_MODULES 2	 /* Dom0's kernel and its initrd */
#define RSDP_SIZE    36u /* ACPI 2.0; 20 of it in ACPI 1.0 */

struct boot_module {
	uint64_t start, end;
	const char *cmdline;
};

/* What a loader told, in one form for all three boot protocols. */
struct boot_info {
	const char *loader;  /* the protocol's name */
	const char *cmdline; /* as passed, never NULL */
	bool named;	     /* command lines begin with the file's name */
	bool vga_known;	     /* the loader said what the screen shows */
	bool vga_text;
	uint32_t nr_modules; /* as passed; at most BOOT_MODULES are below */
	struct boot_module module[BOOT_MODULES];
	uint64_t rsdp;	   /* its address, or 0 */
	uint8_t rsdp_size; /* of the copy below, or 0 */
	uint8_t rsdp_copy[RSDP_SIZE];
	unsigned nr_ranges;
	struct handover_range range[MEMMAP_RAW_MAX];
};

/*
 * Read the loader's information at a physical address (mapped one to one).
 * Returns NULL, or a text that says why there is no usable memory map.
 */
const char *boot_info_parse(uint32_t magic, uint64_t maddr,
			    struct boot_info *bi);

/*
 * The arguments in a command line: after the file's name if it has one, and
 * after GRUB's filler word "placeholder".
 */
const char *cmdline_arguments(const char *s, bool named);

/* The ACPI root pointer in an area of memory; NULL if it is not there. */
const uint8_t *rsdp_find(const uint8_t *area, uint64_t size);

/* image.c */
enum pack_format { PACK_NONE, PACK_GZIP, PACK_XZ, PACK_ZSTD };

/* The kernel inside a file, still packed. */
struct packed {
	const uint8_t *data;
	uint64_t size;
	uint64_t unpacked_size;
	enum pack_format format;
};

/*
 * Find the kernel in a bzImage (boot protocol 2.08 or later, Linux
 * Documentation/x86/boot.rst), in a gzip file, or in a plain ELF file.
 * Returns NULL, or a text that says what is wrong.
 */
const char *image_find_kernel(const uint8_t *file, uint64_t size,
			      struct packed *p);

/* unpack.c */
/* What the libraries allocate from here is never given back. */
void heap_init(uint64_t start, uint64_t end);
void *malloc(size_t size);
void *calloc(size_t nr, size_t size);
void free(void *p);

/*
 * Unpack exactly p->unpacked_size bytes, which are packed, to out. Returns NULL, or a text that
 * says what is wrong. Needs heap_init().
 */
const char *unpack(const struct packed *p, uint8_t *out);

#endif
