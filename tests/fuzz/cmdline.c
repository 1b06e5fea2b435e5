// SPDX-License-Identifier: MIT
// The hypervisor's command line, boot/cmdline.c.
#include "fuzz.h"
#include "cmdline_machine.h"

static void fuzz_one(const uint8_t *data, size_t size)
{
	const struct boot_options *o = &boot_options;
	char *line = malloc(size + 1);

	memcpy(line, data, size);
	line[size] = 0;
	parse(line);
	CHECK(o->max_cpus <= MAX_CPUS);
	CHECK(o->dom0_vcpus_min <= 128 && o->dom0_vcpus_max <= 128);
	CHECK(!o->dom0_vcpus_max || o->dom0_vcpus_min <= o->dom0_vcpus_max);
	for (u64 avail = 0; avail <= 1UL << 52; avail = avail * 9 + 1)
		CHECK(dom0_frames(o, avail) <= avail);
	free(line);
}
