// SPDX-License-Identifier: MIT
// Ports and PCI configuration space of the hardware domain.
#include "machine/machine.h"

#define PCI_INDEX 0xcf8
#define PCI_DATA  0xcfc
#define CMOS_YEAR 0x09

u32 port_read(u16 port, unsigned int size)
{
	u32 value = 0;

	if (size == 1)
		__asm__ volatile("inb %w1, %b0" : "+a"(value) : "Nd"(port));
	else if (size == 2)
		__asm__ volatile("inw %w1, %w0" : "+a"(value) : "Nd"(port));
	else
		__asm__ volatile("inl %w1, %0" : "+a"(value) : "Nd"(port));
	return value;
}

void port_write(u16 port, unsigned int size, u32 value)
{
	if (size == 1)
		__asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port));
	else if (size == 2)
		__asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
}

void iopl_set(u32 iopl)
{
	struct physdev_set_iopl op = { iopl };

	CHECK_EQ(physdev(PHYSDEVOP_set_iopl, &op), 0);
}

static void config_select(u8 devfn, u8 reg)
{
	port_write(PCI_INDEX, 4, 0x80000000u | devfn << 8u | (reg & 0xfc));
}

u32 config_read(u8 devfn, u8 reg, unsigned int size)
{
	config_select(devfn, reg);
	return port_read((u16)(PCI_DATA + (reg & 3)), size);
}

void config_write(u8 devfn, u8 reg, unsigned int size, u32 value)
{
	config_select(devfn, reg);
	port_write((u16)(PCI_DATA + (reg & 3)), size, value);
}

u8 capability(u8 devfn, u8 id)
{
	u8 at = (u8)config_read(devfn, 0x34, 1);

	for (int i = 0; at && i < 48; i++) {
		u32 head = config_read(devfn, at, 2);

		if ((head & 0xff) == id)
			return at;
		at = (u8)(head >> 8);
	}
	return 0;
}

u64 bar_address(u8 devfn, unsigned int bar)
{
	return config_read(devfn, (u8)(0x10 + 4 * bar), 4) & ~0xfu;
}

void memory_enable(u8 devfn)
{
	config_write(devfn, 4, 2, config_read(devfn, 4, 2) | 6);
}

// Ports that the hypervisor keeps: all ones, and a write changes nothing.
TEST(refused_ports)
{
	static const u16 ports[] = { 0x20,  0x21,  0xa0,  0xa1,	 0x40,	0x41,
				     0x3f8, 0x3f9, 0x3fb, 0x3fd, 0x3ff, 0x608 };

	iopl_set(1);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		u32 value = 0;

		CATCH(value = port_read(ports[i], 1));
		if (trap_last.regs.vector != NO_TRAP || value != 0xff)
			check_failed(__FILE__, __LINE__,
				     "port 0x%x: trap %lu, 0x%x", ports[i],
				     trap_last.regs.vector, value);
		CATCH(port_write(ports[i], 1, value));
		if (trap_last.regs.vector != NO_TRAP)
			check_failed(__FILE__, __LINE__,
				     "write to port 0x%x: trap %lu", ports[i],
				     trap_last.regs.vector);
	}
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x20, 2), 0xffff));
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x20, 4), 0xffffffff));
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x1f, 2) >> 8, 0xff));
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x3f6, 4) >> 16, 0xffff));
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x608, 4), 0xffffffff));
	// This line is still printed, so the UART is as it was.
	port_write(0x3fb, 1, 0x80);
	port_write(0x3f8, 1, 0xff);
	iopl_set(0);
}

// The ends of the port space do not wrap around.
TEST(last_ports)
{
	iopl_set(1);
	CHECK_NO_TRAP(port_read(0xffff, 1));
	CHECK_NO_TRAP(port_read(0xfffe, 2));
	CHECK_NO_TRAP(port_read(0xfffc, 4));
	iopl_set(0);
}

TEST(free_ports)
{
	iopl_set(1);
	CHECK_NO_TRAP(port_write(0x80, 1, 0x55));
	CHECK_NO_TRAP(port_read(0x80, 1));
	// The second UART is nobody's: its scratch register keeps a value.
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x60, 1) <= 0xff, 1));
	CHECK_NO_TRAP(CHECK_EQ(port_read(0x64, 1) & 0x10, 0x10));
	// Keyboard controller's status and data beside each other.
	CHECK_NO_TRAP(port_read(0x62, 2));
	// Reset control is Dom0's (1: no reset yet).
	CHECK_NO_TRAP(port_write(0xcf9, 1, 2));
	CHECK_NO_TRAP(CHECK_EQ(port_read(0xcf9, 1), 2));
	CHECK_NO_TRAP(port_write(0xcf9, 1, 0));
	iopl_set(0);
}

// The speaker's counter and gate are the guest's, the rest of the PIT is not.
TEST(pit_channel_2)
{
	u32 gate;

	iopl_set(1);
	gate = port_read(0x61, 1);
	port_write(0x61, 1, (gate & ~3u) | 1);
	CHECK_EQ(port_read(0x61, 1) & 3, 1);
	port_write(0x61, 1, gate & ~3u);
	CHECK_EQ(port_read(0x61, 1) & 3, 0);
	port_write(0x43, 1, 0xb0); // channel 2, both bytes, mode 0
	port_write(0x42, 1, 0xff);
	port_write(0x42, 1, 0xff);
	port_read(0x42, 1); // the low half
	CHECK(port_read(0x42, 1) > 0x80);
	CHECK_EQ(port_read(0x43, 1), 0);
	iopl_set(0);
}

TEST(real_time_clock)
{
	u32 year, saved;

	iopl_set(1);
	port_write(0x70, 1, CMOS_YEAR);
	CHECK_EQ(port_read(0x70, 1), CMOS_YEAR);
	year = port_read(0x71, 1);
	CHECK(year >= 0x20 && year < 0x99);
	port_write(0x70, 1, 0x80 | CMOS_YEAR);
	CHECK_EQ(port_read(0x70, 1), 0x80 | CMOS_YEAR);
	CHECK_EQ(port_read(0x71, 1), year);
	// A byte of the battery's memory; index and data as one word.
	port_write(0x70, 1, 0x7f);
	saved = port_read(0x71, 1);
	port_write(0x71, 1, saved ^ 0x5a);
	CHECK_EQ(port_read(0x71, 1), saved ^ 0x5a);
	port_write(0x70, 2, saved << 8 | 0x7e);
	CHECK_EQ(port_read(0x70, 2) & 0xff, 0x7e);
	port_write(0x70, 2, saved << 8 | 0x7f);
	CHECK_EQ(port_read(0x71, 1), saved);
	iopl_set(0);
}

static long user_in(long port)
{
	return (long)port_read((u16)port, 1);
}

static long user_in_word(long port)
{
	return (long)port_read((u16)port, 2);
}

static long user_flags(long x)
{
	__asm__ volatile("cli; sti");
	return x;
}

// What the kernel lets its programs do, and what that does not reach.
TEST(iopl)
{
	static const struct {
		u32 iopl;
		bool kernel, user;
	} cases[] = { { 0, false, false },
		      { 1, true, false },
		      { 2, true, false },
		      { 3, true, true } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		iopl_set(cases[i].iopl);
		CHECK_TRAP(user_in(0x80), cases[i].kernel ? NO_TRAP : 13,
			   trap_last.regs.error);
		CHECK_TRAP(user_call(user_in, 0x80),
			   cases[i].user ? NO_TRAP : 13, trap_last.regs.error);
		CHECK_TRAP(user_call(user_flags, 0),
			   cases[i].user ? NO_TRAP : 13, trap_last.regs.error);
	}
	CHECK_NO_TRAP(CHECK_EQ(user_call(user_in, 0x20), 0xff));
	iopl_set(0);
}

TEST(io_bitmap)
{
	struct physdev_set_iobitmap map = { 0 };
	static u8 bitmap[8192];

	memset(bitmap, 0xff, sizeof(bitmap));
	bitmap[0x80 / 8] = 0xfc; // 0x80 and 0x81
	bitmap[0x20 / 8] = 0xfe;
	bitmap[0xfff8 / 8] = 0x7f; // 0xffff
	set_xen_guest_handle(map.bitmap, bitmap);
	map.nr_ports = 65536;
	CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &map), 0);
	CHECK_NO_TRAP(user_call(user_in, 0x80));
	CHECK_NO_TRAP(user_call(user_in, 0x81));
	CHECK_NO_TRAP(user_call(user_in_word, 0x80));
	CHECK_TRAP(user_call(user_in_word, 0x81), 13, 0);
	CHECK_TRAP(user_call(user_in, 0x82), 13, 0);
	CHECK_TRAP(user_call(user_in_word, 0x7f), 13, 0);
	// The kernel is asked the same; the hypervisor's port stays shut.
	CHECK_NO_TRAP(CHECK_EQ(user_in(0x20), 0xff));
	CHECK_NO_TRAP(CHECK_EQ(user_call(user_in, 0x20), 0xff));
	CHECK_TRAP(user_in(0x21), 13, 0);
	CHECK_NO_TRAP(user_call(user_in, 0xffff));
	CHECK_TRAP(user_call(user_in_word, 0xffff), 13, 0);
	// A bitmap that cannot be read lets nothing through.
	map.nr_ports = 256;
	set_xen_guest_handle(map.bitmap, (u8 *)window(0));
	CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &map), 0);
	CHECK_TRAP(user_call(user_in, 0x80), 13, 0);
	set_xen_guest_handle(map.bitmap, (u8 *)NOT_OURS);
	CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &map),
		 WIDTH == 64 ? -EINVAL : 0);
	CHECK_TRAP(user_call(user_in, 0x80), 13, 0);
	map.nr_ports = 0;
	set_xen_guest_handle(map.bitmap, (u8 *)NULL);
	CHECK_EQ(physdev(PHYSDEVOP_set_iobitmap, &map), 0);
}

static u16 string_in[4];

TEST(string_port_instructions)
{
	uptr count = 4;
	void *to = string_in;

	iopl_set(1);
	CHECK_NO_TRAP(__asm__ volatile("rep insw"
				       : "+c"(count), "+D"(to)
				       : "d"(0x20)
				       : "memory"));
	CHECK_EQ(count, 0);
	CHECK_EQ(to, string_in + 4);
	CHECK_EQ(string_in[3], 0xffff);
	to = window(0);
	CHECK_TRAP(__asm__ volatile("insb"
				    : "+D"(to)
				    : "d"(0x80)
				    : "memory"),
		   14, 2);
	CHECK_EQ(trap_last.cr2, to);
	iopl_set(0);
}

TEST(pci_configuration)
{
	u32 saved, bar;

	iopl_set(1);
	CHECK_EQ(config_read(0, 0, 2), 0x8086);
	CHECK_EQ(config_read(0, 0, 4), 0x12378086);
	CHECK_EQ(config_read(0, 2, 2), 0x1237);
	CHECK_EQ(config_read(0, 3, 1), 0x12);
	CHECK_EQ(config_read(0xf8, 0, 4), 0xffffffff);
	// The index is the guest's own; without its enable bit nothing answers.
	port_write(PCI_INDEX, 4, 0x80000000);
	CHECK_EQ(port_read(PCI_INDEX, 4), 0x80000000);
	port_write(PCI_INDEX, 4, 0);
	CHECK_EQ(port_read(PCI_INDEX, 4), 0);
	CHECK_EQ(port_read(PCI_DATA, 4), 0xffffffff);
	// Crossing the end of the data window.
	port_write(PCI_INDEX, 4, 0x80000000);
	CHECK_NO_TRAP(CHECK_EQ(port_read(PCI_DATA + 3, 2) & 0xff, 0x12));
	// A base address can be measured and put back.
	saved = config_read(NIC_DEVFN, 0x10, 4);
	CHECK(saved);
	config_write(NIC_DEVFN, 0x10, 4, 0xffffffff);
	bar = config_read(NIC_DEVFN, 0x10, 4);
	config_write(NIC_DEVFN, 0x10, 4, saved);
	CHECK_EQ(bar, 0xfffe0000);
	CHECK_EQ(config_read(NIC_DEVFN, 0x10, 4), saved);
	iopl_set(0);
}
