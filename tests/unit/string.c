// SPDX-License-Identifier: MIT
// lib/string.c against the C library.
#include <stdlib.h>
#include <string.h>
#define HOST_TEST
#include "lib/types.h"

// Under other names, so that the sanitizers keep theirs.
#define memcmp	hv_memcmp
#define strlen	hv_strlen
#define strnlen hv_strnlen
#define strcmp	hv_strcmp
#define strncmp hv_strncmp
#define strchr	hv_strchr
#include "../../hv/lib/string.c"
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#include "unit.h"

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

// Two short texts of few letters, so that equal and near ones are common.
static void compares(void)
{
	char a[24], b[24];
	size_t n;

	for (unsigned i = 0; i < 200000; i++) {
		for (unsigned k = 0; k < sizeof(a) - 1; k++) {
			a[k] = "aab\xf0"[rand() & 3];
			b[k] = rand() % 16 ? a[k] : "aab\xf0"[rand() & 3];
		}
		a[sizeof(a) - 1] = b[sizeof(b) - 1] = 0;
		a[rand() % 24] = b[rand() % 24] = 0;
		n = (size_t)rand() % 24;
		CHECK(sign(hv_memcmp(a, b, n)) == sign(memcmp(a, b, n)));
		CHECK(sign(hv_strcmp(a, b)) == sign(strcmp(a, b)));
		CHECK(sign(hv_strncmp(a, b, n)) == sign(strncmp(a, b, n)));
		CHECK(hv_strlen(a) == strlen(a));
		CHECK(hv_strnlen(a, n) == strnlen(a, n));
		CHECK(hv_strchr(a, 'b') == strchr(a, 'b'));
		CHECK(hv_strchr(a, 0) == strchr(a, 0));
	}
}

static void str_copies(void)
{
	char to[4] = "xyz";

	CHECK(str_copy(to, "abc", 4) && !strcmp(to, "abc"));
	CHECK(!str_copy(to, "abcd", 4) && !strcmp(to, "abc"));
	CHECK(str_copy(to, "", 1) && !strcmp(to, ""));
	CHECK(!str_copy(to, "a", 1) && !strcmp(to, ""));
}

static void numbers(void)
{
	const char *end;

	CHECK(str_to_u64("123,", &end) == 123 && *end == ',');
	CHECK(str_to_u64("0x3F8", &end) == 0x3f8 && !*end);
	CHECK(str_to_u64("0x", &end) == 0 && *end == 'x');
	CHECK(str_to_u64("0755", &end) == 0755 && !*end);
	CHECK(str_to_u64("08", &end) == 0 && *end == '8');
	CHECK(str_to_u64("0", &end) == 0);
	CHECK(str_to_u64("18446744073709551615", &end) == ~0UL);
	end = NULL;
	CHECK(str_to_u64("k", &end) == 0 && *end == 'k');
	CHECK(str_to_size("4", &end) == 4096 && !*end);
	CHECK(str_to_size("4B,", &end) == 4 && *end == ',');
	CHECK(str_to_size("4k", &end) == 4096 && !*end);
	CHECK(str_to_size("512M", &end) == 512UL << 20 && !*end);
	CHECK(str_to_size("1g", &end) == 1UL << 30);
	CHECK(str_to_size("0x2T", &end) == 2UL << 40 && !*end);
	CHECK(str_to_size("5,", &end) == 5 << 10 && *end == ',');
	CHECK(str_to_size("g", &end) == 0 && *end == 'g');
}

UNIT_MAIN(UNIT(compares), UNIT(str_copies), UNIT(numbers))
