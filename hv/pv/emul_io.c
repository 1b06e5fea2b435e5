// SPDX-License-Identifier: MIT
// Port I/O of PV guests. First the guest's own rule (IOPL, I/O bitmap) says
// whether its code may do it, then the domain's set of ports decides what the
// access reaches: the machine, one of the few mediated devices, or nothing.
#include "pv/emul.h"
#include "access/access.h"
#include "lib/rangeset.h"
#include "pci/pci.h"
#include "x86/insn.h"

#define PORT_PIT_CH2   0x42
#define PORT_PIT_MODE  0x43
#define PORT_SPEAKER   0x61
#define PORT_RTC_INDEX 0x70
#define PORT_RTC_DATA  0x71
#define PORT_PCI_INDEX 0xcf8
#define PORT_PCI_DATA  0xcfc

#define REP_MAX	       256 // elements moved in one exit

// Index and data of the RTC are one access; PIT and speaker share a register.
static struct spinlock legacy_lock = SPINLOCK_INIT(RANK_RTC);

bool emul_iopl_allows(const struct vcpu *v)
{
	u32 cpl = 3;

	if (pv_kernel_mode(v))
		cpl = !(v->domain->vm_assist &
			BIT(VMASST_TYPE_architectural_iopl));
	return v->pv->iopl >= cpl << 12;
}

static bool bitmap_allows(struct vcpu *v, u16 port, unsigned int bytes)
{
	u16 bits = 0xffff;
	bool ok;

	if (v->pv->iobitmap_ports <= (u32)port + bytes ||
	    !pv_kernel_view_begin(v))
		return false;
	ok = !copy_struct_from_guest(&bits, v->pv->iobitmap + port / 8);
	pv_kernel_view_end(v);
	return ok && !(bits >> port % 8 & ((1u << bytes) - 1));
}

// Does the access go to the machine as it is?
static bool is_direct(struct domain *d, u32 port, unsigned int bytes)
{
	bool has;

	if (port == PORT_PCI_INDEX && bytes == 4)
		return false;
	if (port <= PORT_RTC_DATA && port + bytes > PORT_RTC_INDEX)
		return false;
	spin_lock(&d->lock);
	has = rangeset_has(d->io_ports, port, port + bytes - 1);
	spin_unlock(&d->lock);
	return has;
}

static u32 machine_read(u16 port, unsigned int bytes)
{
	return bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
}

static void machine_write(u16 port, unsigned int bytes, u32 value)
{
	if (bytes == 1)
		outb(port, (u8)value);
	else if (bytes == 2)
		outw(port, (u16)value);
	else
		outl(port, value);
}

// Only channel 2, with its gate and the speaker, is not the hypervisor's.
static u32 pit_read(struct domain *d, u16 port)
{
	if (!d->is_hardware || port == PORT_PIT_MODE)
		return ~0u;
	return inb(port);
}

static void pit_write(struct domain *d, u16 port, u8 value)
{
	u64 flags;

	if (!d->is_hardware)
		return;
	flags = spin_lock_irqsave(&legacy_lock);
	if (port == PORT_PIT_CH2)
		outb(port, value);
	else if (port == PORT_SPEAKER)
		outb(port, (inb(port) & ~3) | (value & 3));
	else if ((value & 0xc0) == 0x80)
		outb(port, value);
	else if ((value & 0xc8) == 0xc8) // read back: channel 2 alone
		outb(port, value & 0xf8);
	spin_unlock_irqrestore(&legacy_lock, flags);
}

static u32 rtc_read_port(struct domain *d, u16 port)
{
	u64 flags;
	u32 value;

	if (!d->is_hardware)
		return ~0u;
	if (port == PORT_RTC_INDEX)
		return d->pv->rtc_index;
	flags = spin_lock_irqsave(&legacy_lock);
	outb(PORT_RTC_INDEX, d->pv->rtc_index & 0x7f);
	value = inb(PORT_RTC_DATA);
	spin_unlock_irqrestore(&legacy_lock, flags);
	return value;
}

static void rtc_write_port(struct domain *d, u16 port, u8 value)
{
	u64 flags;

	if (!d->is_hardware)
		return;
	if (port == PORT_RTC_INDEX) {
		d->pv->rtc_index = value;
		return;
	}
	flags = spin_lock_irqsave(&legacy_lock);
	outb(PORT_RTC_INDEX, d->pv->rtc_index & 0x7f);
	outb(PORT_RTC_DATA, value);
	spin_unlock_irqrestore(&legacy_lock, flags);
}

// How many of an access's bytes one device takes at once.
static unsigned int part_size(u32 port, unsigned int bytes)
{
	unsigned int n;

	if (port == PORT_PCI_INDEX && bytes == 4)
		return 4;
	if ((port & ~3u) != PORT_PCI_DATA)
		return 1;
	n = MIN(bytes, 4 - (port & 3));
	return port & 1 ? 1 : n == 3 ? 2 : n;
}

static u32 part_read(struct domain *d, u32 port, unsigned int size)
{
	u32 value = ~0u;

	switch (port) {
	case PORT_PIT_CH2:
	case PORT_PIT_MODE:
	case PORT_SPEAKER:
		return pit_read(d, (u16)port);
	case PORT_RTC_INDEX:
	case PORT_RTC_DATA:
		return rtc_read_port(d, (u16)port);
	case PORT_PCI_INDEX:
		return size == 4 ? d->pv->pci_cf8 : ~0u;
	}
	if ((port & ~3u) == PORT_PCI_DATA &&
	    pci_conf_guest_read(d, d->pv->pci_cf8, port & 3, size, &value))
		value = ~0u;
	return value;
}

static void part_write(struct domain *d, u32 port, unsigned int size, u32 value)
{
	switch (port) {
	case PORT_PIT_CH2:
	case PORT_PIT_MODE:
	case PORT_SPEAKER:
		pit_write(d, (u16)port, (u8)value);
		return;
	case PORT_RTC_INDEX:
	case PORT_RTC_DATA:
		rtc_write_port(d, (u16)port, (u8)value);
		return;
	case PORT_PCI_INDEX:
		if (size == 4)
			d->pv->pci_cf8 = value;
		return;
	}
	if ((port & ~3u) == PORT_PCI_DATA)
		pci_conf_guest_write(d, d->pv->pci_cf8, port & 3, size, value);
}

static u32 guest_read(struct domain *d, u32 port, unsigned int bytes)
{
	u64 value = 0, part;
	unsigned int size;

	if (is_direct(d, port, bytes))
		return machine_read((u16)port, bytes);
	for (unsigned int at = 0; at < bytes; at += size) {
		size = part_size(port + at, bytes - at);
		part = part_read(d, port + at, size);
		value |= (part & (BIT(8 * size) - 1)) << 8 * at;
	}
	return (u32)value;
}

static void guest_write(struct domain *d, u32 port, unsigned int bytes,
			u32 value)
{
	unsigned int size;

	if (is_direct(d, port, bytes)) {
		machine_write((u16)port, bytes, value);
		return;
	}
	for (unsigned int at = 0; at < bytes; at += size) {
		size = part_size(port + at, bytes - at);
		part_write(d, port + at, size, value >> 8 * at);
	}
}

static void port_in(struct domain *d, struct cpu_regs *regs, u16 port, u8 width)
{
	u64 value = guest_read(d, port, width);

	if (width == 4)
		regs->rax = value;
	else if (width == 2)
		regs->rax = (regs->rax & ~0xffffUL) | value;
	else
		regs->rax = (regs->rax & ~0xffUL) | value;
}

// A register of a string instruction moves on: with 32-bit addresses the
// upper half becomes zero.
static void step(u64 *reg, s64 by, bool addr32)
{
	*reg += (u64)by;
	if (addr32)
		*reg = (u32)*reg;
}

// One element of ins or outs; false: the guest has a page fault now.
static bool string_element(struct vcpu *v, struct cpu_regs *regs, u16 port,
			   const struct insn *i)
{
	bool in = i->kind == INSN_INS;
	u64 *reg = in ? &regs->rdi : &regs->rsi;
	u64 addr = i->addr32 ? (u32)*reg : *reg;
	u32 value = 0;
	int rc;

	if (!in && i->segment != SEG_FLAT)
		addr += i->segment == SEG_FS ? pv_fs_base() : pv_gs_base();
	if (in) {
		value = guest_read(v->domain, port, i->width);
		rc = copy_to_guest(addr, &value, i->width);
	} else {
		rc = copy_from_guest(&value, addr, i->width);
	}
	if (rc) {
		pv_inject_page_fault(addr, in ? 6 : 4);
		return false;
	}
	if (!in)
		guest_write(v->domain, port, i->width, value);
	step(reg, regs->rflags & FLAG_DF ? -(s64)i->width : i->width,
	     i->addr32);
	return true;
}

static enum emul_result port_string(struct vcpu *v, struct cpu_regs *regs,
				    u16 port, const struct insn *i)
{
	if (!i->rep)
		return string_element(v, regs, port, i) ? EMUL_DONE
							: EMUL_AGAIN;
	for (unsigned int n = 0; n < REP_MAX; n++) {
		if (!(i->addr32 ? (u32)regs->rcx : regs->rcx))
			return EMUL_DONE;
		if (!string_element(v, regs, port, i))
			return EMUL_AGAIN;
		step(&regs->rcx, -1, i->addr32);
	}
	return EMUL_AGAIN;
}

enum emul_result emul_port(struct vcpu *v, struct cpu_regs *regs,
			   const struct insn *i)
{
	u16 port = i->immediate ? i->port : (u16)regs->rdx;

	if (!emul_iopl_allows(v) && !bitmap_allows(v, port, i->width))
		return EMUL_REFUSED;
	// The last ports have nobody behind them that could wrap around.
	if ((u32)port + i->width > 0x10000)
		return EMUL_REFUSED;
	switch (i->kind) {
	case INSN_IN:
		port_in(v->domain, regs, port, i->width);
		return EMUL_DONE;
	case INSN_OUT:
		guest_write(v->domain, port, i->width, (u32)regs->rax);
		return EMUL_DONE;
	default:
		return port_string(v, regs, port, i);
	}
}
