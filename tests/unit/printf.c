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
	static const char *const lengths[] = { "", "l", "z" };
	char fmt[40], *p, type;
	u64 v;

	for (unsigned i = 0; i < 300000; i++) {
		v = ((u64)rand() << 33 ^ (u64)rand()) >> rand() % 64;
		v = rand() % 8 ? v : -(u64)(rand() % 3);
		p = fmt + sprintf(fmt, "<%%");
		type = "dux"[rand() % 3];
		if (type == 'x' && rand() % 2)
			*p++ = '#';
		if (rand() % 2)
			*p++ = '0';
		if (rand() % 2)
			p += sprintf(p, "%d", 1 + rand() % 30);
		p += sprintf(p, "%s%c>", lengths[rand() % 3], type);
		SAME(sizeof(want), fmt, v);
		if (unit_bad)
			return;
	}
}

static void texts(void)
{
	SAME(200, "%s|%s|%%", "abc", "");
	SAME(200, "%c|%c%c", 'x', 'y', 'z');
	SAME(200, "%016lx %#x %03lu", 0x123UL, 0u, 7UL);
	CHECK(!hv_snprintf(got, 200, "%s", (char *)NULL));
	CHECK(hv_snprintf(got, 200, "50%") == 3 && !strcmp(got, "50%"));
}

static void cuts(void)
{
	for (size_t n = 1; n < 12; n++)
		SAME(n, "%s %d", "hello", 1234);
	got[0] = 'x';
	CHECK(hv_snprintf(got, 0, "%d", 12) == 2 && got[0] == 'x');
}

UNIT_MAIN(UNIT(integers), UNIT(texts), UNIT(cuts))
