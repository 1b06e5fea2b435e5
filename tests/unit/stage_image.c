// SPDX-License-Identifier: MIT
/* Finding the packed kernel in module 0. */
#include <stdlib.h>
#include <string.h>

#include "../../hv/stage/image.c"
#include "unit.h"

#define SETUP 1024 /* boot sector and one setup sector */

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

/* A bzImage header; the payload follows at SETUP + offset. */
static void make_bzimage(uint8_t *f, uint32_t offset, uint32_t length)
{
	f[SETUP_SECTS] = 1;
	f[BOOT_FLAG] = 0x55;
	f[BOOT_FLAG + 1] = 0xaa;
	memcpy(f + HEADER_MAGIC, "HdrS", 4);
	f[VERSION] = 0x0f;
	f[VERSION + 1] = 2;
	put32(f + PAYLOAD_OFFSET, offset);
	put32(f + PAYLOAD_LENGTH, length);
}

static void make_elf(uint8_t *f)
{
	memcpy(f, "\177ELF\2\1\1", 7);
	f[16] = 2;
	f[18] = 62;
}

static void elf_files(void)
{
	uint8_t f[64] = { 0 };
	struct packed p;

	make_elf(f);
	CHECK(is_elf(f, 64));
	CHECK(!is_elf(f, 63));
	CHECK(!image_find_kernel(f, 64, &p));
	CHECK(p.format == PACK_NONE && p.data == f && p.unpacked_size == 64);
	/* Class and machine belong together. */
	f[4] = 1;
	CHECK(!is_elf(f, 64));
	CHECK(image_find_kernel(f, 64, &p) != NULL);
	f[18] = 3;
	CHECK(is_elf(f, 64));
	f[4] = 2;
	CHECK(!is_elf(f, 64));
}

static void bzimage_formats(void)
{
	static const struct {
		const char *magic;
		enum pack_format format;
	} kind[] = {
		{ "\x1f\x8b\x08\0", PACK_GZIP },
		{ "\3757zX", PACK_XZ },
		{ "\x28\xb5\x2f\xfd", PACK_ZSTD },
	};
	uint8_t f[SETUP + 256] = { 0 };
	struct packed p;

	make_bzimage(f, 16, 200);
	put32(f + SETUP + 16 + 196, 65906612);
	for (unsigned i = 0; i < 3; i++) {
		memcpy(f + SETUP + 16, kind[i].magic, 4);
		CHECK(!image_find_kernel(f, sizeof(f), &p));
		CHECK(p.format == kind[i].format && p.size == 200);
		CHECK(p.data == f + SETUP + 16);
		CHECK(p.unpacked_size == 65906612);
	}
	memcpy(f + SETUP + 16, "BZh9", 4);
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "unknown"));
	make_elf(f + SETUP + 16);
	CHECK(!image_find_kernel(f, sizeof(f), &p));
	CHECK(p.format == PACK_NONE && p.unpacked_size == 200);
}

static void bzimage_damaged(void)
{
	uint8_t f[SETUP + 256] = { 0 };
	struct packed p;

	make_bzimage(f, 16, 241);
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "short"));
	make_bzimage(f, UINT32_MAX, UINT32_MAX);
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "short"));
	make_bzimage(f, 0, 200);
	f[SETUP_SECTS] = 0; /* means 4 */
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "short"));
	make_bzimage(f, 0, 3);
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "empty"));
	make_bzimage(f, 0, 200);
	f[VERSION] = 7;
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "older"));
	make_bzimage(f, 0, 200);
	memcpy(f + SETUP, "\3757zX", 4);
	put32(f + SETUP + 196, 0);
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "absurd"));
	put32(f + SETUP + 196, 0xc0000000);
	CHECK(strstr(image_find_kernel(f, sizeof(f), &p), "absurd"));
}

static void plain_files(void)
{
	uint8_t f[64] = { 0x1f, 0x8b, 8 };
	struct packed p;

	put32(f + 60, 4096);
	CHECK(!image_find_kernel(f, 64, &p));
	CHECK(p.format == PACK_GZIP && p.unpacked_size == 4096);
	CHECK(image_find_kernel(f, 0, &p) != NULL);
	CHECK(image_find_kernel(f, 17, &p) != NULL);
	/* Only a bzImage tells the unpacked size of the other formats. */
	memcpy(f, "\3757zX", 4);
	CHECK(strstr(image_find_kernel(f, 64, &p), "neither"));
}

/* No size and no content makes it read outside of the file (ASan). */
static void random_files(void)
{
	struct packed p;

	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned size = rand() % 1400;
		uint8_t *f = malloc(size + 1);

		for (unsigned i = 0; i < size; i++)
			f[i] = rand();
		if (size >= HEADER_END)
			make_bzimage(f, rand() % 900, rand() % 900);
		if (!image_find_kernel(f, size, &p))
			CHECK(p.data >= f && p.size <= size);
		free(f);
	}
}

UNIT_MAIN(UNIT(elf_files), UNIT(bzimage_formats), UNIT(bzimage_damaged),
	  UNIT(plain_files), UNIT(random_files))
