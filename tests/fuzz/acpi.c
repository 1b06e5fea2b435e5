// SPDX-License-Identifier: MIT
// The firmware's ACPI tables, boot/acpi.c. The input is physical memory from
// RSDP_AT on; checksums are made right when a table is looked at, as a
// mutation would hardly do it.
#include "fuzz.h"
#include "acpi_machine.h"

#define RSDP_AT	 0x1000
#define MAPS_MAX 4096

static const u8 *memory;
static size_t memory_size;
static void *maps[MAPS_MAX];
static unsigned int nr_maps;

static void sum_fix(u8 *t, size_t at, size_t n)
{
	u8 sum = 0;

	t[at] = 0;
	for (size_t i = 0; i < n; i++)
		sum = (u8)(sum + t[i]);
	t[at] = (u8)-sum;
}

// A copy of just that size. What is cut off is not there.
static const void *table_map(u64 maddr, u64 size)
{
	u64 at = maddr - RSDP_AT;
	u8 *t;

	if (at >= memory_size || size > memory_size - at || nr_maps == MAPS_MAX)
		return NULL;
	t = malloc(size);
	memcpy(t, memory + at, size);
	if (size >= ACPI_RSDP_SIZE && !memcmp(t, "RSD PTR ", 8)) {
		sum_fix(t, 8, RSDP_V1);
		sum_fix(t, 32, MIN(field(t, size, 20, 4), size));
	} else if (size >= ACPI_HEADER) {
		sum_fix(t, 9, size);
	}
	maps[nr_maps++] = t;
	return t;
}

static void fuzz_one(const u8 *data, size_t size)
{
	struct platform *p = &platform;

	memory = data;
	memory_size = size;
	*p = (struct platform){ 0 };
	acpi_init(RSDP_AT);
	CHECK(p->nr_cpus && p->nr_cpus <= MAX_CPUS);
	CHECK(p->nr_ioapics <= MAX_IOAPICS && p->nr_mcfg <= MAX_MCFG);
	CHECK(p->nr_overrides <= MAX_OVERRIDES);
	for (u32 i = 0; i < p->nr_overrides; i++)
		CHECK(p->override[i].isa < 16);
	for (u32 i = 0; i < p->nr_mcfg; i++)
		CHECK(p->mcfg[i].bus_start <= p->mcfg[i].bus_end);
	for (u32 i = 0; i < p->nr_cpus; i++)
		for (u32 k = 0; k < i; k++)
			CHECK(p->apic_id[i] != p->apic_id[k]);
	CHECK(p->pm1a_event <= 0xffff && p->pm_timer_port <= 0xffff);
	while (nr_maps)
		free(maps[--nr_maps]);
}
