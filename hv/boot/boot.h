// SPDX-License-Identifier: MIT
// What the parts of boot share.
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "lib/handover.h"
#include "lib/types.h"

// A size option of dom0_mem: an amount of memory, or one taken off what there
// is ("-64M").
struct mem_option {
	u64 bytes;
	bool given, less;
};

struct boot_options {
	struct mem_option dom0, dom0_min, dom0_max;
	u32 dom0_vcpus_min, dom0_vcpus_max; // 0: not given
	u32 max_cpus;
	bool sync_console;
};

// Fills `platform` and maps the registers of APICs and HPET. rsdp 0: none was
// found. Needs the boot CPU's page tables and cpuid_init().
void acpi_init(u64 rsdp);

extern struct boot_options boot_options;

// Once before the console is there and once, with warnings, when it is.
void cmdline_parse(const char *line, bool warn);

// Frames of dom0_mem's forms out of `avail` free ones: pure.
u64 dom0_frames(const struct boot_options *o, u64 avail);

// What the hardware domain may reach: everything but what the hypervisor
// drives itself.
struct domain;
void dom0_permissions(struct domain *d);
// Builds Dom0 and makes it runnable; ends in a clear line and a halt when
// that is impossible.
void dom0_build(const struct handover *h);
__noreturn void boot_fail(const char *fmt, ...) __fmt(1, 2);

// Walks the live tables; panics when a frame is writable in one mapping and
// executable in the same or another.
void wx_check(void);

#endif
