// SPDX-License-Identifier: MIT
// Port access of a size known at run time: 1, 2 or 4 bytes.
#ifndef X86_IOPORT_H
#define X86_IOPORT_H

#include "x86/insn.h"

static inline u32 port_read(u16 port, unsigned int size)
{
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

static inline void port_write(u16 port, unsigned int size, u32 value)
{
	if (size == 1)
		outb(port, (u8)value);
	else if (size == 2)
		outw(port, (u16)value);
	else
		outl(port, value);
}

#endif
