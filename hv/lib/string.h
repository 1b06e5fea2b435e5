// SPDX-License-Identifier: MIT
// Memory, strings, formatted text, bitmaps, parsing of numbers.
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "lib/types.h"
#include <stdarg.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
#ifndef HOST_TEST
// Let the compiler turn small constant sizes into moves.
#define memcpy(d, s, n)	 __builtin_memcpy(d, s, n)
#define memmove(d, s, n) __builtin_memmove(d, s, n)
#define memset(d, c, n)	 __builtin_memset(d, c, n)
#endif
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

// Copies at most size - 1 bytes and always ends dst with a NUL (size > 0);
// returns false when src was cut.
bool str_copy(char *dst, const char *src, size_t size);

// Like C's printf, but only %c %d %s %u %x %% with #, 0, a width and l or z, in
// this order. Returns the length the whole text would have.
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int snprintf(char *buf, size_t size, const char *fmt, ...) __fmt(3, 4);

// Number in base 10, 0x16 or 0octal; *end is where it stopped (== s: none).
u64 str_to_u64(const char *s, const char **end);

// Size with suffix B, K (the default without one), M, G or T, as Xen's
// command line has them; result in bytes.
u64 str_to_size(const char *s, const char **end);

#endif
