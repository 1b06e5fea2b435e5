// SPDX-License-Identifier: MIT
// Grants, the whole of grant/ with mm/page.c: the input says what three
// domains do; in the end nothing of them is left.
#include "fuzz.h"
#include "grant_guests.h"

static u32 chance(u32 n)
{
	return fuzz_below(n);
}

static void fuzz_one(const u8 *data, size_t size)
{
	static bool made;

	if (!made)
		areas_make();
	made = true;
	memset(mapped, 0, sizeof(mapped));
	fuzz_begin(data, size);
	for (u16 i = 0; i < DOMAINS; i++)
		make(i);
	while (fuzz_left)
		step_all();
	destroy_all();
}
