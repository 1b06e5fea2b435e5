// SPDX-License-Identifier: MIT
// Reset and power-off (ACPI 6.4, 4.8.3.2 and 4.8.3.6).
#include "lib/errno.h"
#include "x86/panic.h"
#include "x86/platform.h"
#include "x86/segment.h"
#include "x86/smp.h"
#include "x86/time.h"

#define PM1_SLP_EN    0x2000u
#define PM1_WAK_STS   0x8000u
#define ATTEMPT_US    50000 // until the next way of resetting is tried
#define POWER_OFF_US  500000
#define PORT_RESET    0xcf9 // chip set's: 2 prepares a hard reset, 6 does it
#define PORT_KEYBOARD 0x64
#define PULSE_RESET   0xfe

void machine_reboot(void)
{
	const struct desc_ptr none = { 0, 0 };

	console_sync();
	irq_disable();
	smp_stop_others();
	if (platform.reset_port) {
		outb(platform.reset_port, platform.reset_value);
		udelay(ATTEMPT_US);
	}
	outb(PORT_RESET, 2);
	outb(PORT_RESET, 6);
	udelay(ATTEMPT_US);
	outb(PORT_KEYBOARD, PULSE_RESET);
	udelay(ATTEMPT_US);
	// No table for the fault, nor for the fault in its delivery.
	lidt(&none);
	__builtin_trap();
}

// To both of a pair of registers; the second may be missing.
static void pm1_write(u32 port_a, u16 a, u32 port_b, u16 b)
{
	if (port_a)
		outw((u16)port_a, a);
	if (port_b)
		outw((u16)port_b, b);
}

int power_enter_sleep(u32 sleep_state, u16 pm1a, u16 pm1b)
{
	const struct platform *p = &platform;
	u32 port_b;

	if (!sleep_state || sleep_state > 5)
		return -EINVAL;
	if (!p->pm1a_control || (pm1b && !p->pm1b_control))
		return -EPERM;
	if (!(pm1a & PM1_SLP_EN) || (pm1b && !(pm1b & PM1_SLP_EN)))
		return -EINVAL;
	if (sleep_state < 4)
		return -EOPNOTSUPP;
	printk("entering sleep state S%u\n", sleep_state);
	console_sync();
	irq_disable();
	smp_stop_others();
	port_b = pm1b ? p->pm1b_control : 0;
	pm1_write(p->pm1a_event, PM1_WAK_STS, p->pm1b_event, PM1_WAK_STS);
	pm1_write(p->pm1a_control, (u16)(pm1a & ~PM1_SLP_EN), port_b,
		  (u16)(pm1b & ~PM1_SLP_EN));
	pm1_write(p->pm1a_control, pm1a, port_b, pm1b);
	udelay(POWER_OFF_US);
	printk(LOG_ERR "the machine did not go to sleep: halted\n");
	machine_halt();
}
