// SPDX-License-Identifier: MIT
// boot/acpi.c without a machine. table_map(), which shows physical memory, is
// the includer's.
#ifndef UNIT_ACPI_MACHINE_H
#define UNIT_ACPI_MACHINE_H

#include <stdlib.h>
#include <string.h>
#define HOST_TEST
#include "lib/types.h"

// Stand-ins for headers that touch the machine; no CPUID, no mappings.
#define X86_INSN_H
#define MM_ALLOC_H
#define MSR_APIC_BASE 0x1b
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	(void)leaf, (void)sub;
	memset(r, 0, 16);
}
static inline u64 rdmsr(u32 msr)
{
	return msr;
}
static inline void *mmio_map(u64 maddr, u64 size)
{
	(void)size;
	return (void *)maddr;
}
static const void *table_map(u64 maddr, u64 size);
#include "../../hv/boot/acpi.c"
#include "unit.h"

void printk(const char *fmt, ...)
{
	(void)fmt;
}

#endif
