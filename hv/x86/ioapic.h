// SPDX-License-Identifier: MIT
#ifndef X86_IOAPIC_H
#define X86_IOAPIC_H

#include "lib/types.h"

#define RTE_ACTIVE_LOW 0x02000u
#define RTE_LEVEL      0x08000u
#define RTE_MASKED     0x10000u

// Masks all lines; returns the number of the highest GSI + 1.
unsigned int ioapic_init(void);
bool ioapic_has(unsigned int gsi);
// Writes a line's entry: vector and RTE_* flags, target by APIC id.
void ioapic_route(unsigned int gsi, u32 low, u8 apic_id);
// The low half alone.
void ioapic_change(unsigned int gsi, u32 low);
// Register of the IO-APIC at maddr, for PHYSDEVOP_apic_read. -ENODEV.
int ioapic_read(u64 maddr, u32 reg, u32 *v);
void ioapic_show(void); // the lines that are not masked

#endif
