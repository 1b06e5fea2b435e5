// SPDX-License-Identifier: MIT
// A 16550 UART (National Semiconductor PC16550D data sheet); port I/O only, so
// that it works before anything else does. Output waits for the device until
// there is a ring for what it cannot take yet, which interrupts then empty.
#include "con/private.h"
#include "lib/string.h"
#include "x86/insn.h"
#include "x86/irq.h"
#include "x86/time.h"

#define REG_DATA    0 // with DLAB: divisor, low byte
#define REG_IER	    1 // with DLAB: divisor, high byte
#define REG_FCR	    2 // read: IIR
#define REG_LCR	    3
#define REG_MCR	    4
#define REG_LSR	    5

#define IER_RX	    0x01
#define IER_TX	    0x02
#define FCR_ENABLE  0x07 // and both FIFOs cleared
#define IIR_FIFO    0xc0
#define LCR_DLAB    0x80
#define MCR_RUN	    0x0b // DTR, RTS, and OUT2 that lets interrupts out
#define LSR_RX	    0x01
#define LSR_TX_FREE 0x20

#define FIFO_SIZE   16
#define DEFAULT_CLK 1843200
#define MAX_INPUT   64 // characters in one interrupt
#define POLL_NS	    (20 * NS_PER_MS)
// 1 us or more each: longer than a full FIFO at 300 baud.
#define MAX_TX_READS 5000000

static struct {
	u16 port;
	u8 irq;	  // 0: poll
	u8 lcr;	  // data bits, parity, stop bits
	u32 baud; // 0: as the firmware left it
	u32 clock;
} uart = {
	.port = 0x3f8,
	.irq = 4,
	.lcr = 3,
	.baud = 115200,
	.clock = DEFAULT_CLK,
};

static bool present;
static u8 fifo; // characters the device takes when it is empty
static u8 room; // characters it takes now without a look at it
static char last;
static char *ring;     // SERIAL_RING bytes; NULL: wait
static u32 head, tail; // counts of characters in and out
static void (*receive)(char c);
static struct timer poll_timer;

static void set(u16 reg, u8 v)
{
	outb((u16)(uart.port + reg), v);
}

static u8 get(u16 reg)
{
	return inb((u16)(uart.port + reg));
}

// "8n1": false when it is none.
static bool parse_format(const char *s, u8 *lcr)
{
	static const char parities[] = "noems";
	static const u8 bits[] = { 0x00, 0x08, 0x18, 0x28, 0x38 };
	const char *parity;

	if (s[0] < '5' || s[0] > '8' || !s[1] ||
	    !(parity = strchr(parities, s[1])) || (s[2] != '1' && s[2] != '2'))
		return false;
	*lcr = (u8)((s[0] - '5') | bits[parity - parities] |
		    (s[2] == '2' ? 4 : 0));
	return true;
}

static bool parse_baud(const char **s)
{
	const char *end;

	if (!strncmp(*s, "auto", 4)) {
		uart.baud = 0;
		*s += 4;
		return true;
	}
	uart.baud = (u32)str_to_u64(*s, &end);
	if (end != *s && *end == '/')
		uart.clock = (u32)str_to_u64(end + 1, &end);
	*s = end;
	return uart.baud && uart.clock / 16 >= uart.baud;
}

// BAUD[/CLOCK][,DPS[,PORT[,IRQ]]]; an empty part leaves what was.
static bool parse(const char *s)
{
	u64 v;

	if (*s && *s != ',' && !parse_baud(&s))
		return false;
	if (*s == ',' && *++s && *s != ',') {
		if (!parse_format(s, &uart.lcr))
			return false;
		s += 3;
	}
	if (*s == ',' && *++s && *s != ',') {
		v = str_to_u64(s, &s);
		if (!v || v > 0xfff8)
			return false;
		uart.port = (u16)v;
	}
	if (*s == ',' && *++s) {
		v = str_to_u64(s, &s);
		if (v > 255)
			return false;
		uart.irq = (u8)v;
	}
	return !*s;
}

bool con_option_com1(const char *value)
{
	typeof(uart) before = uart;

	if (parse(value))
		return true;
	uart = before;
	return false;
}

bool serial_init(void)
{
	u32 divisor;

	present = false;
	set(REG_IER, 0);
	if (get(REG_LSR) == 0xff || get(REG_IER) != 0)
		return false;
	if (uart.baud) {
		divisor = uart.clock / 16 / uart.baud;
		set(REG_LCR, uart.lcr | LCR_DLAB);
		set(REG_DATA, (u8)divisor);
		set(REG_IER, (u8)(divisor >> 8));
	}
	set(REG_LCR, uart.lcr);
	set(REG_FCR, FCR_ENABLE);
	fifo = (get(REG_FCR) & IIR_FIFO) == IIR_FIFO ? FIFO_SIZE : 1;
	set(REG_MCR, MCR_RUN);
	room = 0;
	present = true;
	return true;
}

u16 serial_port(void)
{
	return present ? uart.port : 0;
}

// One look: does the device take a character? Until it does, with wait.
static bool can_send(bool wait)
{
	u32 reads = 0;
	u8 lsr;

	while (present && !room) {
		lsr = get(REG_LSR);
		if (lsr & LSR_TX_FREE && lsr != 0xff)
			room = fifo;
		else if (lsr == 0xff || ++reads > MAX_TX_READS)
			present = false; // it went away: never wait again
		else if (!wait)
			return false;
		else
			udelay(1);
	}
	return present;
}

static void send(char c)
{
	set(REG_DATA, (u8)c);
	room--;
}

// What the ring holds, as far as the device takes it; all of it, with wait.
static void drain(bool wait)
{
	while (head != tail && can_send(wait))
		send(ring[tail++ % SERIAL_RING]);
}

static void put(char c)
{
	if (head - tail == SERIAL_RING && can_send(true))
		send(ring[tail++ % SERIAL_RING]);
	if (head == tail && can_send(!ring))
		send(c);
	else if (ring && present)
		ring[head++ % SERIAL_RING] = c;
	last = c;
}

// Off and on makes a new edge if there is more to read, or room.
static void set_interrupts(void)
{
	set(REG_IER, 0);
	set(REG_IER, head != tail ? IER_RX | IER_TX : IER_RX);
}

void serial_write(const char *text, size_t n)
{
	bool idle = head == tail;

	drain(false);
	for (size_t i = 0; present && i < n; i++) {
		if (text[i] == '\n' && last != '\r')
			put('\r');
		put(text[i]);
	}
	if (idle && head != tail)
		set_interrupts();
}

void serial_sync(void)
{
	drain(true);
	ring = NULL;
}

static void take_input(void)
{
	u32 n;
	u8 lsr;

	for (n = 0; n < MAX_INPUT; n++) {
		lsr = get(REG_LSR);
		if (lsr == 0xff || !(lsr & LSR_RX))
			return;
		receive((char)get(REG_DATA));
	}
}

static void on_irq(unsigned int irq, void *data)
{
	u64 flags;

	take_input();
	flags = con_enter();
	drain(false);
	set_interrupts();
	con_leave(flags);
	if (irq_is_level(irq))
		irq_eoi(irq);
}

static void on_poll(void *data)
{
	u64 flags = irq_save();

	take_input();
	irq_restore(flags);
	timer_set(&poll_timer, time_now() + POLL_NS);
}

void serial_start_irq(void (*fn)(char c), char *output)
{
	u32 gsi;

	receive = fn;
	if (uart.irq) {
		gsi = irq_of_isa(uart.irq);
		if (!irq_request(gsi, on_irq, NULL)) {
			set(REG_IER, IER_RX);
			irq_unmask(gsi);
			ring = output;
			return;
		}
		printk(LOG_WARN "serial: no interrupt %u, polling instead\n",
		       uart.irq);
	}
	timer_init(&poll_timer, on_poll, NULL, 0);
	timer_set(&poll_timer, time_now() + POLL_NS);
}
