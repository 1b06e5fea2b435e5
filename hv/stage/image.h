// SPDX-License-Identifier: MIT
#ifndef STAGE_IMAGE_H
#define STAGE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

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

/* Is this an ELF file for 64-bit x86? */
bool image_is_elf64(const uint8_t *file, uint64_t size);

#endif
