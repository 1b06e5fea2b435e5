// SPDX-License-Identifier: MIT
// The firmware's ACPI tables: found, checked, read into struct platform.
#ifndef BOOT_ACPI_H
#define BOOT_ACPI_H

#include "x86/platform.h"

// Fills `platform` and maps the registers of APICs and HPET. rsdp 0: none was
// found. Needs the boot CPU's page tables and cpuid_init().
void acpi_init(u64 rsdp);

// The parser, on byte buffers that hold all of a table (acpi_parse.c). Nothing
// outside of [table, table + size) is read, whatever the table says.

#define ACPI_HEADER	36 // bytes that all tables begin with
#define ACPI_RSDP_SIZE	36
#define ACPI_TABLE_MAX	0x400000 // longer ones are not believed
#define ACPI_SIGNATURE4 4

// The root table's address out of an RSDP; *is_xsdt tells its kind. -EINVAL:
// signature or checksum wrong. size: bytes that can be read, 20 or more.
int acpi_rsdp_decode(const u8 *rsdp, size_t size, u64 *root, bool *is_xsdt);
// Length as the header of a table says it; 0 when it cannot be right.
u32 acpi_table_length(const u8 *table, size_t size);
bool acpi_table_valid(const u8 *table, size_t size, const char *signature);
// Address of entry n of an XSDT or RSDT; 0 past its end.
u64 acpi_root_entry(const u8 *root, size_t size, bool is_xsdt, u32 n);

void acpi_madt_decode(struct platform *p, const u8 *madt, size_t size);
void acpi_fadt_decode(struct platform *p, const u8 *fadt, size_t size);
void acpi_hpet_decode(struct platform *p, const u8 *hpet, size_t size);
void acpi_mcfg_decode(struct platform *p, const u8 *mcfg, size_t size);

#endif
