// SPDX-License-Identifier: MIT
// Strings and numbers. memcpy, memmove and memset are in x86/mem.S.
#include "lib/string.h"

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n; p++, q++, n--)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

size_t strlen(const char *s)
{
	return strnlen(s, ~0UL);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; a++, b++, n--)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, ~0UL);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)(uintptr_t)s; // C's own signature
}

bool str_copy(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(src, size - 1);

	memcpy(dst, src, n);
	dst[n] = 0;
	return !src[n];
}

// Value of a digit in any base up to 16; 255 for what is none.
static u8 digit(char c)
{
	if (c >= '0' && c <= '9')
		return (u8)(c - '0');
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return (u8)(c - 'a' + 10);
	return 255;
}

u64 str_to_u64(const char *s, const char **end)
{
	u8 base = 10;
	u64 v = 0;

	if (s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (s[0] == '0') {
		base = 8;
	}
	for (; digit(*s) < base; s++)
		v = v * base + digit(*s);
	*end = s;
	return v;
}

u64 str_to_size(const char *s, const char **end)
{
	static const char suffixes[] = "bkmgt";
	const char *at, *suffix;
	u64 v = str_to_u64(s, &at);
	unsigned int shift = 10;

	suffix = at != s && *at ? strchr(suffixes, *at | 0x20) : NULL;
	if (suffix) {
		shift = 10 * (unsigned int)(suffix - suffixes);
		at++;
	}
	*end = at;
	return v << shift;
}
