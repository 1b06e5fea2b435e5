// SPDX-License-Identifier: MIT
/* The stage's memory functions against the C library's. */
#include <stdlib.h>
#include <string.h>

/* Under other names, so that the sanitizers keep theirs. */
#define memcpy	stage_memcpy
#define memmove stage_memmove
#define memset	stage_memset
#define memcmp	stage_memcmp
#include "../../hv/stage/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#include "unit.h"

#define MAX 1300

static uint8_t want[MAX], got[MAX];

static void fill(void)
{
	for (unsigned i = 0; i < MAX; i++)
		want[i] = got[i] = rand();
}

static void copies(void)
{
	for (unsigned n = 0; n < 600; n++) {
		fill();
		memcpy(want + 640, want + n % 7, n);
		CHECK(stage_memcpy(got + 640, got + n % 7, n) == got + 640);
		CHECK(!memcmp(want, got, MAX));
	}
}

static void move_both(unsigned to, unsigned from, unsigned n)
{
	fill();
	memmove(want + to, want + from, n);
	stage_memmove(got + to, got + from, n);
	CHECK(!memcmp(want, got, MAX));
}

static void moves(void)
{
	for (unsigned n = 0; n < 600; n++)
		for (unsigned from = 280; from < 320; from++)
			move_both(300, from, n);
}

static void sets(void)
{
	for (unsigned n = 0; n < 300; n++) {
		fill();
		memset(want + 3, n, n);
		CHECK(stage_memset(got + 3, n, n) == got + 3);
		CHECK(!memcmp(want, got, MAX));
	}
}

static void compares(void)
{
	CHECK(stage_memcmp("abc", "abd", 2) == 0);
	CHECK(stage_memcmp("abc", "abd", 3) < 0);
	CHECK(stage_memcmp("\xff", "\1", 1) > 0);
}

UNIT_MAIN(UNIT(copies), UNIT(moves), UNIT(sets), UNIT(compares))
