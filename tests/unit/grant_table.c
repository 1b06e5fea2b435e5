// SPDX-License-Identifier: MIT
/* Grant tables with the real reference counts of mm/page.c: three domains map,
 * unmap, copy, transfer and change versions at random; in the end every
 * domain is destroyed in turn and no frame, reference or domain is left. */
#include "grant_guests.h"

static u32 chance(u32 n)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (u32)(x >> 20) % n;
}
/* A table grows by all that is wanted, or not at all. */
static void refused_growth(u32 version)
{
	u32 had, status, used;

	for (u16 i = 0; i < DOMAINS; i++)
		make(i);
	current = &vcpus[0];
	CHECK(!grant_set_version(version));
	had = grant_size(dom[0]).frames;
	status = dom[0]->grant->status.n;
	used = used_frames;
	for (most_frames = used; grant_setup(dom[0], 4); most_frames++) {
		CHECK(used_frames == used && most_frames < used + 8);
		CHECK(dom[0]->grant->status.n == status);
		CHECK(grant_size(dom[0]).frames == had);
	}
	CHECK(most_frames > used && grant_size(dom[0]).frames == 4);
	most_frames = FRAMES;
	destroy_all();
}

static void refused(void)
{
	areas_make();
	for (u32 i = 0; i < 20; i++)
		refused_growth(1 + i % 2);
}

static void storm(void)
{
	for (u32 round = 0; round < 100; round++) {
		memset(mapped, 0, sizeof(mapped));
		for (u16 i = 0; i < DOMAINS; i++)
			make(i);
		for (u32 i = 0; i < 4000; i++)
			step_all();
		destroy_all();
	}
}

UNIT_MAIN(UNIT(refused), UNIT(storm))