// SPDX-License-Identifier: MIT
// The console: what the hypervisor says, where it goes, and panic.
#ifndef CON_CON_H
#define CON_CON_H

#include "lib/types.h"
#include "x86/panic.h"
#include "x86/regs.h"
#include <stdarg.h>

void vprintk(const char *fmt, va_list ap);

// The registers of a frame, guest's or own.
void show_general(const struct cpu_regs *r);
// For a panic, set by dom/: prints the guest that runs here, if one does, with
// these registers; NULL: with those of its entry.
extern void (*panic_show_guest)(const struct cpu_regs *r);
// Name and offset of the function that holds addr; "?" when unknown.
const char *symbol_lookup(u64 addr, u64 *offset);

// Dom0's text (console_io): raw, to serial and VGA, not into the log ring.
void con_write_guest(const char *text, size_t n);
// Input for Dom0: copies up to n waiting characters, returns how many.
size_t con_read(char *buf, size_t n);
// Called (any context) with VIRQ_CONSOLE when input is there or focus changed;
// set before that.
extern void (*con_input_hook)(u32 virq);

// Log ring for XEN_SYSCTL_readconsole: reads from *index on (an ever growing
// count), at most n bytes; returns how many and moves *index.
size_t log_read(u32 *index, char *buf, size_t n, bool incremental);
void log_clear(void);

// Options (boot command line): each returns false when value is malformed.
bool con_option_console(const char *value);
bool con_option_com1(const char *value);
bool con_option_loglvl(const char *value);
bool con_option_guest_loglvl(const char *value);
extern bool con_noreboot;

void con_init_early(void); // serial with default or given settings
// The text screen, mapped (mmio_map(0xb8000, 0x1000)); NULL: there is none.
void con_vga_start(void *text_buffer);
// Input by interrupt; and output, with SERIAL_RING bytes to keep what waits in
// (NULL: output waits for the device).
#define SERIAL_RING 16384u
void con_init_irq(void *ring);
void con_end_boot(void); // VGA belongs to Dom0 from now on
u16 con_uart_port(void); // the first of the UART's eight; 0: there is none

// Debug keys (xl debug-keys, or Ctrl-A three times on serial).
void debug_key_register(char key, void (*fn)(char key), const char *what);
void debug_key_handle(char key);

// True at most `burst` times per second at one place; for messages that a
// guest can cause again and again where LOG_GUEST is not enough.
bool rate_ok(u64 *state, unsigned int burst);

#endif
