// SPDX-License-Identifier: MIT
// lib/printf.c against the C library, with formats made at random.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define HOST_TEST
#include "lib/types.h"

#define vsnprintf hv_vsnprintf
#define snprintf  hv_snprintf
#include "../../hv/lib/printf.c"
#undef vsnprintf
#undef snprintf
#include "unit.h"

static char want[200], got[200];

#define SAME(size, ...)                                            \
	do {                                                       \
		int n_want = snprintf(want, size, __VA_ARGS__);    \
		int n_got = hv_snprintf(got, size, __VA_ARGS__);   \
                                                                   \
		CHECK(n_want == n_got && !strcmp(want, got));      \
		if (n_want != n_got || strcmp(want, got))          \
			printf("  '%s' is not '%s'\n", got, want); \
	} while (0)

static void integers(void)
{
	static const char *const lengths[] = { "", "hh", "h", "l", "ll", "z" };
	char fmt[40], *p;
	u64 v;

	for (unsigned i = 0; i < 300000; i++) {
		v = ((u64)rand() << 33 ^ (u64)rand()) >> rand() % 64;
		v = rand() % 8 ? v : -(u64)(rand() % 3);
		p = fmt + sprintf(fmt, "<%%");
		for (unsigned k = rand() % 3; k; k--)
			*p++ = "-0+ #"[rand() % 5];
		if (rand() % 2)
			p += sprintf(p, "%d", 1 + rand() % 30);
		if (rand() % 3 == 0)
			p += sprintf(p, ".%d", rand() % 25);
		p += sprintf(p, "%s%c>", lengths[rand() % 6],
			     "diuxXo"[rand() % 6]);
		SAME(sizeof(want), fmt, v);
		if (unit_bad)
			return;
	}
}

static void texts(void)
{
	SAME(200, "%s|%10s|%-10s|%.2s|%-6.3s|%%", "abc", "abc", "abc", "abc",
	     "abcdef");
	SAME(200, "%c%5c%-5c|", 'x', 'y', 'z');
	SAME(200, "%*d|%-*d|%*d|%.*s|%.*d", 6, 1, 6, 2, -6, 3, 2, "abc", 4, 5);
	SAME(200, "%p", (void *)0x1234);
	SAME(200, "%.*s", 3, "no end" + 2);
	CHECK(hv_snprintf(got, 200, "%s", (char *)NULL) == 6);
	CHECK(hv_snprintf(got, 200, "50%") == 2 && !strcmp(got, "50"));
}

static void cuts(void)
{
	for (size_t n = 1; n < 12; n++)
		SAME(n, "%s %d", "hello", 1234);
	got[0] = 'x';
	CHECK(hv_snprintf(got, 0, "%d", 12) == 2 && got[0] == 'x');
}

UNIT_MAIN(UNIT(integers), UNIT(texts), UNIT(cuts))
