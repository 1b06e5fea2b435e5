// SPDX-License-Identifier: MIT
// A harness is one function, fuzz_one(), that is given any bytes; what must
// hold whatever they are is a CHECK(). Include this first, the stand-ins of
// tests/unit next. `make fuzz-host` builds it for libFuzzer; with FUZZ_REPLAY
// it is a program that is given files (tests/fuzz/corpus), as the tests run it.
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Instead of the test frame's, which goes on after a failure.
#define UNIT_H
#define CHECK(cond)                                                   \
	do {                                                          \
		if (!(cond)) {                                        \
			fprintf(stderr, "FAIL %s:%d: %s\n", __FILE__, \
				__LINE__, #cond);                     \
			abort();                                      \
		}                                                     \
	} while (0)

static void fuzz_one(const uint8_t *data, size_t size);

// The input as a row of decisions; 0 when it is at its end.
static const uint8_t *fuzz_data;
static size_t fuzz_left;

static inline void fuzz_begin(const uint8_t *data, size_t size)
{
	fuzz_data = data;
	fuzz_left = size;
}

static inline uint64_t fuzz_take(unsigned int bytes)
{
	uint64_t v = 0;

	for (; bytes && fuzz_left; bytes--, fuzz_left--)
		v = v << 8 | *fuzz_data++;
	return v;
}

static inline uint32_t fuzz_below(uint32_t n)
{
	return (uint32_t)(fuzz_take(n <= 256 ? 1 : 4) % n);
}

// As much as there is of n bytes, the rest zero.
static inline void fuzz_fill(void *to, size_t n)
{
	size_t have = n < fuzz_left ? n : fuzz_left;

	memset(to, 0, n);
	memcpy(to, fuzz_data, have);
	fuzz_data += have;
	fuzz_left -= have;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_one(data, size);
	return 0;
}

#ifdef FUZZ_REPLAY
// In memory of just its size, for the sanitizer.
static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0)
		return 1;
	rewind(f);
	data = malloc((size_t)size);
	if (size && (!data || fread(data, (size_t)size, 1, f) != 1))
		return 1;
	fclose(f);
	printf("%s\n", path);
	fflush(stdout);
	fuzz_one(data, (size_t)size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]))
			return 2;
	return argc < 2;
}
#endif

#endif
