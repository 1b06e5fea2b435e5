// SPDX-License-Identifier: MIT
/* Finds the packed kernel in what the loader gave as module 0. Pure. */
#include "stage/stage.h"

#define SETUP_SECTS	0x1f1
#define BOOT_FLAG	0x1fe
#define HEADER_MAGIC	0x202
#define VERSION		0x206
#define PAYLOAD_OFFSET	0x248
#define PAYLOAD_LENGTH	0x24c
#define HEADER_END	0x250
#define UNPACKED_MAX	(1ULL << 30)
#define ELF_HEADER_SIZE 64

static uint32_t get16(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

/* Is this an ELF file for x86? */
static bool is_elf(const uint8_t *f, uint64_t size)
{
	if (size < ELF_HEADER_SIZE || get32(f) != 0x464c457f)
		return false;
	/* 32 or 64 bits, little endian, executable or shared, that machine */
	return (f[4] == 1 || f[4] == 2) && f[5] == 1 &&
	       (get16(f + 16) == 2 || get16(f + 16) == 3) &&
	       get16(f + 18) == (f[4] == 1 ? 3 : 62);
}

static bool is_bzimage(const uint8_t *f, uint64_t size)
{
	return size >= HEADER_END && get16(f + BOOT_FLAG) == 0xaa55 &&
	       get32(f + HEADER_MAGIC) == 0x53726448;
}

static const char *find_payload(const uint8_t *f, uint64_t size,
				struct packed *p)
{
	uint64_t sects = f[SETUP_SECTS] ? f[SETUP_SECTS] : 4;
	uint64_t start = (sects + 1) * 512 + get32(f + PAYLOAD_OFFSET);
	uint64_t length = get32(f + PAYLOAD_LENGTH);

	if (get16(f + VERSION) < 0x208)
		return "Dom0 kernel: this bzImage is older than Linux 2.6.26; "
		       "use a newer kernel";
	if (start > size || length > size - start)
		return "Dom0 kernel: the bzImage is cut short; copy the file "
		       "again";
	p->data = f + start;
	p->size = length;
	return 0;
}

const char *image_find_kernel(const uint8_t *file, uint64_t size,
			      struct packed *p)
{
	const char *error;

	*p = (struct packed){ file, size, 0, PACK_NONE };
	if (is_bzimage(file, size)) {
		error = find_payload(file, size, p);
		if (error)
			return error;
	}
	if (is_elf(p->data, p->size)) {
		p->unpacked_size = p->size;
		return 0;
	}
	if (p->size < 18)
		return "Dom0 kernel: the file is empty; name a bzImage or an "
		       "ELF kernel as first module";
	if (get16(p->data) == 0x8b1f)
		p->format = PACK_GZIP;
	else if (p->data != file && get32(p->data) == 0x587a37fd)
		p->format = PACK_XZ;
	else if (p->data != file && get32(p->data) == 0xfd2fb528)
		p->format = PACK_ZSTD;
	else if (p->data != file)
		return "Dom0 kernel: packed in an unknown way; build it with "
		       "gzip, xz or zstd";
	else
		return "Dom0 kernel: neither a bzImage nor an x86 ELF "
		       "file; name a Linux kernel as first module";
	/* gzip ends with it, the kernel's build appends it to the others. */
	p->unpacked_size = get32(p->data + p->size - 4);
	if (p->unpacked_size < ELF_HEADER_SIZE ||
	    p->unpacked_size > UNPACKED_MAX)
		return "Dom0 kernel: the packed kernel is damaged (its size "
		       "is absurd); copy the file again";
	return 0;
}
