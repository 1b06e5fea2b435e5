// SPDX-License-Identifier: MIT
// Between the files of con/.
#ifndef CON_PRIVATE_H
#define CON_PRIVATE_H

#include "con/con.h"
#include "x86/layout.h"

// The console's lock. Before CPU 0 has a stack of its own and after a panic it
// is not taken: then there is one writer. Returns what con_leave wants.
u64 con_enter(void);
void con_leave(u64 flags);
extern bool con_panicking; // from now on no lock and no level

// Console lock held: to all devices.
void con_devices_write(const char *text, size_t n);

// The UART. init: programs it, false when there is none; may be repeated.
bool serial_init(void);
void serial_write(const char *text, size_t n);
// Calls fn with each character, interrupts off. Output, if it is not NULL, is
// for what waits to be sent, where the device has an interrupt.
void serial_start_irq(void (*fn)(char c), char *output);
void serial_sync(void); // sends what waits; from now on output waits
u16 serial_port(void);	// 0: none

void vga_write(const char *text, size_t n);
void vga_stop(void);

// On a stack block of a CPU: cpu_info() works, and so locks and time may.
static inline bool on_cpu_stack(void)
{
	u64 sp = (u64)__builtin_frame_address(0);

	return sp >= STACKS_START && sp < STACKS_END;
}

bool image_is_text(u64 addr); // code, that of the boot phase included

#endif
