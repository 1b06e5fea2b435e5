// SPDX-License-Identifier: MIT
// What ties log, devices, input and options together.
#include "con/private.h"
#include "lib/abi.h"
#include "lib/string.h"
#include "x86/softirq.h"
#include "x86/spinlock.h"

#define CTRL_A	   1
#define INPUT_SIZE 128u // a power of two
#define CHUNK	   128u // characters of a guest under one hold of the lock

struct input {
	char c[INPUT_SIZE];
	u32 head, tail; // counts of characters in and out
};

static struct spinlock lock = SPINLOCK_INIT(RANK_CONSOLE);

// Console lock.
static bool locked; // the lock is held (and not passed by)
static struct input dom0_input, key_input;

static bool use_serial = true, use_vga = true, keep_vga;
static bool dom0_has_input;  // focus; changed by the input interrupt only
static unsigned int ctrl_as; // typed in a row
void (*con_input_hook)(u32 virq);
bool con_panicking;

u64 con_enter(void)
{
	u64 flags = irq_save();

	if (on_cpu_stack() && !con_panicking) {
		spin_lock(&lock);
		locked = true;
	}
	return flags;
}

void con_leave(u64 flags)
{
	if (locked && !con_panicking) {
		locked = false;
		spin_unlock(&lock);
	}
	irq_restore(flags);
}

void con_devices_write(const char *text, size_t n)
{
	if (use_serial)
		serial_write(text, n);
	if (use_vga)
		vga_write(text, n);
}

void con_write_guest(const char *text, size_t n)
{
	size_t chunk;
	u64 flags;

	for (; n; text += chunk, n -= chunk) {
		chunk = MIN(n, (size_t)CHUNK);
		flags = con_enter();
		con_devices_write(text, chunk);
		con_leave(flags);
	}
}

void console_sync(void)
{
	u64 flags = con_enter();

	serial_sync();
	con_leave(flags);
}

static void input_put(struct input *in, char c)
{
	u64 flags = con_enter();

	// Full: what is typed last is lost.
	if (in->head - in->tail < INPUT_SIZE)
		in->c[in->head++ % INPUT_SIZE] = c;
	con_leave(flags);
}

static size_t input_get(struct input *in, char *buf, size_t n)
{
	u64 flags = con_enter();
	size_t i;

	for (i = 0; i < n && in->tail != in->head; i++)
		buf[i] = in->c[in->tail++ % INPUT_SIZE];
	con_leave(flags);
	return i;
}

size_t con_read(char *buf, size_t n)
{
	return input_get(&dom0_input, buf, n);
}

static void set_focus(bool dom0)
{
	dom0_has_input = dom0;
	printk("*** Serial input goes to %s now (type Ctrl-A three times to "
	       "change that)\n",
	       dom0 ? "Dom0" : "Ringlet");
	con_input_hook(VIRQ_CONSOLE);
}

// Keys are handled outside of the interrupt: they print a lot and take locks.
static void run_keys(void)
{
	char c;

	while (input_get(&key_input, &c, 1))
		debug_key_handle(c);
}

static void deliver(char c)
{
	if (dom0_has_input) {
		input_put(&dom0_input, c);
		con_input_hook(VIRQ_CONSOLE);
	} else {
		input_put(&key_input, c);
		softirq_raise(SOFTIRQ_CONSOLE);
	}
}

static void input(char c)
{
	if (c == CTRL_A) {
		if (++ctrl_as == 3) {
			ctrl_as = 0;
			set_focus(!dom0_has_input);
		}
		return;
	}
	for (; ctrl_as; ctrl_as--)
		deliver(CTRL_A);
	deliver(c);
}

bool con_option_console(const char *value)
{
	bool serial = false, vga = false, keep = false;
	const char *s = value;
	size_t n;

	for (;; s += n + 1) {
		for (n = 0; s[n] && s[n] != ','; n++)
			;
		if (n == 4 && !strncmp(s, "com1", n))
			serial = true;
		else if (n == 3 && !strncmp(s, "vga", n))
			vga = true;
		else if (n == 4 && !strncmp(s, "keep", n))
			keep = true;
		else if (n != 4 || strncmp(s, "none", n))
			return false;
		if (!s[n])
			break;
	}
	use_serial = serial;
	use_vga = vga;
	keep_vga = keep;
	return true;
}

void con_init_early(void)
{
	if (use_serial)
		serial_init();
}

void con_init_irq(void *ring)
{
	softirq_register(SOFTIRQ_CONSOLE, run_keys);
	if (use_serial && serial_port())
		serial_start_irq(input, ring);
}

void con_end_boot(void)
{
	u64 flags;

	set_focus(true);
	if (keep_vga)
		return;
	flags = con_enter();
	vga_stop();
	con_leave(flags);
}

u16 con_uart_port(void)
{
	return use_serial ? serial_port() : 0;
}
