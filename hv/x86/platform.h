// SPDX-License-Identifier: MIT
// What the firmware's tables say about the machine: filled by boot/acpi.c,
// read by the machine's drivers.
#ifndef X86_PLATFORM_H
#define X86_PLATFORM_H

#include "lib/cpumask.h"

#define MAX_IOAPICS   16
#define MAX_OVERRIDES 16
#define MAX_MCFG      8

struct platform {
	u64 lapic_maddr;
	void *lapic; // its registers, mapped uncached
	u32 nr_cpus; // enabled ones, the boot CPU first
	u32 apic_id[MAX_CPUS];
	u32 acpi_id[MAX_CPUS];
	u32 nr_ioapics;
	struct {
		u64 maddr;
		void *regs; // mapped uncached
		u32 gsi_base;
	} ioapic[MAX_IOAPICS];
	u32 nr_overrides; // ISA lines that are wired otherwise
	struct override {
		u8 isa;
		u32 gsi;
		bool level, active_low;
	} override[MAX_OVERRIDES];
	u32 nr_mcfg;
	struct {
		u64 maddr;
		u16 segment;
		u8 bus_start, bus_end;
	} mcfg[MAX_MCFG];
	u64 hpet_maddr;	   // 0: none
	void *hpet;	   // mapped uncached
	u32 pm_timer_port; // 0: none
	bool pm_timer_32bit;
	u32 pm1a_control, pm1b_control; // ports; 0: none
	u32 pm1a_event, pm1b_event;
	u8 reset_value;
	u16 reset_port; // 0: none
	u8 rtc_century; // CMOS register; 0: none
	bool no_vga, no_rtc;
	u64 rsdp;
};

extern struct platform platform;

#endif
