// SPDX-License-Identifier: MIT
#include "boot/dom0.h"
#include "con/con.h"
#include "lib/rangeset.h"
#include "x86/cpuid.h"
#include "x86/irq.h"
#include "x86/platform.h"

static __init void ports_refuse(struct domain *d, u16 first, u16 last)
{
	rangeset_remove(d->io_ports, first, last);
}

static __init void frame_refuse(struct domain *d, u64 maddr)
{
	rangeset_remove(d->io_mem, maddr >> PAGE_SHIFT, maddr >> PAGE_SHIFT);
}

__init void dom0_permissions(struct domain *d)
{
	u16 uart, n;

	rangeset_add(d->io_ports, 0, 0xffff);
	ports_refuse(d, 0x20, 0x21); // PIC
	ports_refuse(d, 0xa0, 0xa1);
	ports_refuse(d, 0x40, 0x43); // PIT; channel 2 is mediated
	ports_refuse(d, 0x61, 0x61);
	ports_refuse(d, 0x70, 0x71);   // RTC: mediated
	ports_refuse(d, 0xcf8, 0xcff); // PCI configuration: mediated
	con_uart_ports(&uart, &n);
	if (n)
		ports_refuse(d, uart, (u16)(uart + n - 1));
	if (platform.pm_timer_port)
		ports_refuse(d, (u16)platform.pm_timer_port,
			     (u16)(platform.pm_timer_port + 3));
	rangeset_add(d->io_mem, 0,
		     (1UL << (cpu_host.phys_bits - PAGE_SHIFT)) - 1);
	frame_refuse(d, platform.lapic_maddr);
	for (unsigned int i = 0; i < platform.nr_ioapics; i++)
		frame_refuse(d, platform.ioapic[i].maddr);
	rangeset_add(d->irqs, 0, MAX_IRQS - 1);
}
