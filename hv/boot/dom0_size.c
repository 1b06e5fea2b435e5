// SPDX-License-Identifier: MIT
// How much memory Dom0 gets: Xen's dom0_mem rules, as numbers.
#include "boot/boot.h"

#define FRAMES(bytes) ((bytes) >> PAGE_SHIFT)

// Without a size: all but a sixteenth, at most 128 MiB, left for the rest.
static u64 default_frames(u64 avail)
{
	u64 rest = MIN(avail / 16, FRAMES(128UL << 20));

	return avail - rest;
}

static u64 option_frames(const struct mem_option *m, u64 avail)
{
	u64 n = FRAMES(m->bytes);

	if (!m->less)
		return n;
	return n < avail ? avail - n : 0;
}

u64 dom0_frames(const struct boot_options *o, u64 avail)
{
	u64 n = o->dom0.given ? option_frames(&o->dom0, avail)
			      : default_frames(avail);

	if (o->dom0_min.given)
		n = MAX(n, option_frames(&o->dom0_min, avail));
	if (o->dom0_max.given)
		n = MIN(n, option_frames(&o->dom0_max, avail));
	return MIN(n, avail);
}
