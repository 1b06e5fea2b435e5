// SPDX-License-Identifier: MIT
// IO-APICs (Intel 82093AA data sheet): an index and a data register each.
#include "x86/apic.h"
#include "lib/errno.h"
#include "x86/panic.h"
#include "x86/platform.h"
#include "x86/spinlock.h"

#define WINDOW_INDEX 0
#define WINDOW_DATA  (0x10 / 4)
#define REG_VERSION  1
#define REG_RTE(n)   (0x10 + 2 * (n))
#define RTE_MODE     0x700u
#define RTE_MODE_SMI 0x200u

static struct spinlock lock = SPINLOCK_INIT(RANK_IOAPIC);
static u32 lines[MAX_IOAPICS]; // 0: not usable

static u32 reg_read(u32 i, u32 reg)
{
	volatile u32 *r = platform.ioapic[i].regs;

	r[WINDOW_INDEX] = reg;
	return r[WINDOW_DATA];
}

static void reg_write(u32 i, u32 reg, u32 v)
{
	volatile u32 *r = platform.ioapic[i].regs;

	r[WINDOW_INDEX] = reg;
	r[WINDOW_DATA] = v;
}

// The IO-APIC of a GSI, or nr_ioapics; *line is its line there.
static u32 find(unsigned int gsi, u32 *line)
{
	u32 i;

	for (i = 0; i < platform.nr_ioapics; i++) {
		*line = gsi - platform.ioapic[i].gsi_base;
		if (*line < lines[i])
			break;
	}
	return i;
}

bool ioapic_has(unsigned int gsi)
{
	u32 line;

	return find(gsi, &line) < platform.nr_ioapics;
}

void ioapic_write(unsigned int gsi, bool high, u32 v)
{
	u32 line, i = find(gsi, &line);

	SPIN_GUARD_IRQ(&lock);
	if (i < platform.nr_ioapics)
		reg_write(i, REG_RTE(line) + high, v);
}

int ioapic_read(u64 maddr, u32 reg, u32 *v)
{
	for (u32 i = 0; i < platform.nr_ioapics; i++) {
		if (platform.ioapic[i].maddr != maddr || !lines[i])
			continue;
		SPIN_GUARD_IRQ(&lock);
		*v = reg_read(i, reg & 0xff);
		return 0;
	}
	return -ENODEV;
}

void ioapic_show(void)
{
	for (u32 i = 0; i < platform.nr_ioapics; i++) {
		u32 base = platform.ioapic[i].gsi_base, low;

		printk("IO-APIC %u: %u lines from GSI %u\n", i, lines[i], base);
		for (u32 n = 0; n < lines[i]; n++) {
			SPIN_GUARD_IRQ(&lock);
			low = reg_read(i, REG_RTE(n));
			if (!(low & RTE_MASKED))
				printk("  GSI %u: vector %#x, APIC id %u%s\n",
				       base + n, low & 0xff,
				       reg_read(i, REG_RTE(n) + 1) >> 24,
				       low & RTE_LEVEL ? ", level" : "");
		}
	}
}

unsigned int __init ioapic_init(void)
{
	unsigned int end = 0;

	for (u32 i = 0; i < platform.nr_ioapics; i++) {
		if (!platform.ioapic[i].regs)
			continue;
		lines[i] = (reg_read(i, REG_VERSION) >> 16 & 0xff) + 1;
		end = MAX(end, platform.ioapic[i].gsi_base + lines[i]);
		// The firmware keeps its lines for system management.
		for (u32 n = 0; n < lines[i]; n++)
			if ((reg_read(i, REG_RTE(n)) & RTE_MODE) !=
			    RTE_MODE_SMI)
				reg_write(i, REG_RTE(n), RTE_MASKED);
	}
	return end;
}
