// SPDX-License-Identifier: MIT
/*
 * Memory functions for the stage and its libraries. liblzma copies one match
 * per call, mostly a few bytes: short copies avoid the start-up cost of REP.
 */
#include <stdint.h>

#include "stage/string.h"

#define REP_FROM 256

typedef uint16_t u16u __attribute__((may_alias, aligned(1)));
typedef uint32_t u32u __attribute__((may_alias, aligned(1)));
typedef uint64_t u64u __attribute__((may_alias, aligned(1)));
typedef uint64_t vec2 __attribute__((vector_size(16)));
typedef vec2 vec2u __attribute__((may_alias, aligned(1)));

/* Everything is loaded before anything is stored: overlap is harmless. */
static void copy_short(uint8_t *d, const uint8_t *s, size_t n)
{
	if (n >= 8) {
		uint64_t head = *(const u64u *)s;
		uint64_t tail = *(const u64u *)(s + n - 8);

		*(u64u *)d = head;
		*(u64u *)(d + n - 8) = tail;
	} else if (n >= 4) {
		uint32_t head = *(const u32u *)s;
		uint32_t tail = *(const u32u *)(s + n - 4);

		*(u32u *)d = head;
		*(u32u *)(d + n - 4) = tail;
	} else if (n >= 2) {
		uint16_t head = *(const u16u *)s;
		uint8_t tail = s[n - 1];

		*(u16u *)d = head;
		d[n - 1] = tail;
	} else if (n) {
		*d = *s;
	}
}

/* Upwards; right for overlapping areas too if dst is below src. */
void *memcpy(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;
	size_t words = n / 8;
	vec2 tail;

	if (n <= 16) {
		copy_short(d, s, n);
		return dst;
	}
	tail = *(const vec2u *)(s + n - 16);
	if (n < REP_FROM) {
		for (size_t i = 0; i < n - 16; i += 16)
			*(vec2u *)(d + i) = *(const vec2u *)(s + i);
	} else {
		void *to = dst;

		asm volatile("rep movsq"
			     : "+D"(to), "+S"(src), "+c"(words)
			     :
			     : "memory");
	}
	*(vec2u *)(d + n - 16) = tail;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = (uint8_t *)dst + n - 1;
	const uint8_t *s = (const uint8_t *)src + n - 1;

	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src, n);
	asm volatile("std; rep movsb; cld"
		     : "+D"(d), "+S"(s), "+c"(n)
		     :
		     : "memory");
	return dst;
}

void *memset(void *dst, int byte, size_t n)
{
	void *to = dst;
	size_t words = n / 8, rest = n % 8;
	uint64_t value = 0x0101010101010101ULL * (uint8_t)byte;

	asm volatile("rep stosq"
		     : "+D"(to), "+c"(words)
		     : "a"(value)
		     : "memory");
	asm volatile("rep stosb"
		     : "+D"(to), "+c"(rest)
		     : "a"(value)
		     : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}
