// SPDX-License-Identifier: MIT
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "lib/guest.h"

// The devices beside QEMU's own (tests/boot/pv.py): MSI with one vector that
// can be masked, MSI-X with five entries, MSI with 16 vectors, and QEMU's
// teaching device.
#define BRIDGE_DEVFN (10 << 3)
#define NIC_DEVFN    (11 << 3)
#define XHCI_DEVFN   (12 << 3)
#define EDU_DEVFN    (13 << 3)
#define CAP_MSI	     0x05
#define CAP_MSIX     0x11

// A pointer that a guest may not give. A 32-bit kernel may give any, and what it
// cannot read itself is a fault (docs/pv32.md).
#ifdef __x86_64__
#define NOT_OURS HYPERVISOR_VIRT_START
#else
#define NOT_OURS 0xffe00000
#endif

// ports.c: accesses of 1, 2 or 4 bytes, as the guest's kernel makes them.
u32 port_read(u16 port, unsigned int size);
void port_write(u16 port, unsigned int size, u32 value);
void iopl_set(u32 iopl);

u32 config_read(u8 devfn, u8 reg, unsigned int size);
void config_write(u8 devfn, u8 reg, unsigned int size, u32 value);
u8 capability(u8 devfn, u8 id); // its offset, 0: none
u64 bar_address(u8 devfn, unsigned int bar);
// The device answers on its memory BARs.
void memory_enable(u8 devfn);

// physdev.c
long physdev(unsigned int op, void *arg);

#endif
