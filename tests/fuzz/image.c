// SPDX-License-Identifier: MIT
// Module 0 of the boot stage: the bzImage's header, stage/image.c, and what
// unpacks the kernel in it, stage/unpack.c with the distribution's libraries.
#include "fuzz.h"
#include "../../hv/stage/image.c"
#define ZLIB_CONST
#include <zlib.h>

// The stage gives back nothing; here it goes with the next input.
static uint8_t arena[1 << 16] __attribute__((aligned(16)));
static size_t arena_used;

static voidpf arena_alloc(voidpf unused, uInt n, uInt size)
{
	size_t at = arena_used;

	arena_used += ((size_t)n * size + 15) & ~(size_t)15;
	CHECK(arena_used <= sizeof(arena));
	return arena + at;
}

static void arena_free(voidpf unused, voidpf p)
{
}

#undef inflateInit2
#define inflateInit2(z, bits)                                \
	((z)->zalloc = arena_alloc, (z)->zfree = arena_free, \
	 inflateInit2_((z), (bits), ZLIB_VERSION, (int)sizeof(z_stream)))
// The other libraries use the host's heap, the stage's is looked at apart.
#define malloc stage_malloc
#define calloc stage_calloc
#define free   stage_free
#include "../../hv/stage/unpack.c"
#undef malloc
#undef calloc
#undef free

#define UNPACKED_MOST 0x100000 // of one input, for speed

static void check_heap(const uint8_t *data, size_t size)
{
	uint64_t start, end, last = 0;

	fuzz_begin(data, size);
	start = fuzz_take(4);
	end = fuzz_take(1) & 1 ? start + fuzz_take(2) : fuzz_take(4);
	heap_init(start, end);
	for (unsigned int i = 0; i < 8; i++) {
		uint64_t want = fuzz_take(i & 1 ? 8 : 2);
		uint64_t p = (uint64_t)stage_malloc(want);

		CHECK(!p || (p >= start && p % 16 == 0 && p <= end));
		CHECK(!p || (want <= end - p && (!i || p >= last)));
		last = p ? p + want : last;
	}
}

static void fuzz_one(const uint8_t *data, size_t size)
{
	struct packed p;
	const char *why = image_find_kernel(data, size, &p);
	uint8_t *out;

	check_heap(data, size);
	if (why)
		return;
	CHECK(p.data >= data && p.size <= size);
	CHECK((size_t)(p.data - data) <= size - p.size);
	CHECK(p.unpacked_size >= ELF_HEADER_SIZE || p.format == PACK_NONE);
	if (p.format == PACK_NONE || p.unpacked_size > UNPACKED_MOST)
		return;
	arena_used = 0;
	out = malloc(p.unpacked_size);
	CHECK(out);
	unpack(&p, out);
	free(out);
}
