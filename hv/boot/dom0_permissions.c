// SPDX-License-Identifier: MIT
#include "boot/boot.h"
#include "con/con.h"
#include "dom/domain.h"
#include "x86/cpuid.h"
#include "x86/irq.h"
#include "x86/platform.h"

// PIC, PIT (channel 2 is mediated), and mediated: RTC, PCI configuration.
static __initdata const struct {
	u16 first, last;
} ports[] = { { 0x20, 0x21 }, { 0x40, 0x43 }, { 0x61, 0x61 },
	      { 0x70, 0x71 }, { 0xa0, 0xa1 }, { 0xcfc, 0xcff } };

// Where stores become interrupts, or reach HyperTransport's own functions.
#define MSI_FIRST 0xfee00000UL
#define MSI_LAST  0xfeefffffUL
#define HT_FIRST  0xfd00000000UL
#define HT_LAST	  0xffffffffffUL

static __init void memory_refuse(struct domain *d, u64 first, u64 last)
{
	rangeset_remove(&d->rights[RIGHT_MEM], first >> PAGE_SHIFT,
			last >> PAGE_SHIFT);
}

__init void dom0_permissions(struct domain *d)
{
	struct rangeset *io = &d->rights[RIGHT_PORTS];
	u32 timer = platform.pm_timer_port;
	u16 uart = con_uart_port();

	rangeset_add(io, 0, 0xffff);
	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++)
		rangeset_remove(io, ports[i].first, ports[i].last);
	if (uart)
		rangeset_remove(io, uart, uart + 7u);
	if (timer)
		rangeset_remove(io, timer, timer + 3);
	rangeset_add(&d->rights[RIGHT_MEM], 0,
		     (1UL << (cpu_host.phys_bits - PAGE_SHIFT)) - 1);
	memory_refuse(d, platform.lapic_maddr, platform.lapic_maddr);
	memory_refuse(d, MSI_FIRST, MSI_LAST);
	if (cpu_host.vendor == CPU_AMD && cpu_host.family < 0x17)
		memory_refuse(d, HT_FIRST, HT_LAST);
	rangeset_add(&d->rights[RIGHT_IRQS], 1, MAX_IRQS - 1); // 0 is the PIT's
}
