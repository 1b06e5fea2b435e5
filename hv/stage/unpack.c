// SPDX-License-Identifier: MIT
/* The decompressors of the distribution's libraries, and their heap. */
#include <lzma.h>
#define ZLIB_CONST
#include <zlib.h>
/* The frame's packed size is in zstd's static interface only. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "lib/string.h"
#include "stage/stage.h"

#define GZIP_WINDOW (16 + MAX_WBITS)

static struct {
	uint64_t next, end;
} heap;

void heap_init(uint64_t start, uint64_t end)
{
	heap.next = (start + 15) & ~15ULL;
	heap.end = end;
}

void *malloc(size_t size)
{
	uint64_t p = heap.next;

	if (p > heap.end || size > heap.end - p)
		return NULL;
	heap.next = (p + size + 15) & ~15ULL;
	return (void *)p;
}

void *calloc(size_t nr, size_t size)
{
	void *p = nr && size > SIZE_MAX / nr ? NULL : malloc(nr * size);

	return p ? memset(p, 0, nr * size) : NULL;
}

void free(void *p)
{
	(void)p;
}

static bool unpack_gzip(const struct packed *p, uint8_t *out)
{
	z_stream z = {
		.next_in = p->data,
		.avail_in = p->size,
		.next_out = out,
		.avail_out = p->unpacked_size,
	};

	return inflateInit2(&z, GZIP_WINDOW) == Z_OK &&
	       inflate(&z, Z_FINISH) == Z_STREAM_END && !z.avail_out;
}

static bool unpack_xz(const struct packed *p, uint8_t *out)
{
	uint64_t memlimit = UINT64_MAX;
	size_t in_pos = 0, out_pos = 0;

	return lzma_stream_buffer_decode(&memlimit, 0, NULL, p->data, &in_pos,
					 p->size, out, &out_pos,
					 p->unpacked_size) == LZMA_OK &&
	       out_pos == p->unpacked_size;
}

static bool unpack_zstd(const struct packed *p, uint8_t *out)
{
	/* One frame of today's format only: the rest is the appended size. */
	size_t in = ZSTD_findFrameCompressedSize(p->data, p->size);

	return !ZSTD_isError(in) &&
	       ZSTD_decompress(out, p->unpacked_size, p->data, in) ==
		       p->unpacked_size;
}

const char *unpack(const struct packed *p, uint8_t *out)
{
	static bool (*const unpackers[])(const struct packed *, uint8_t *) = {
		[PACK_GZIP] = unpack_gzip,
		[PACK_XZ] = unpack_xz,
		[PACK_ZSTD] = unpack_zstd,
	};

	return unpackers[p->format](p, out)
		       ? NULL
		       : "Dom0 kernel: unpacking failed; the file is damaged or "
			 "memory is too small";
}
