// SPDX-License-Identifier: MIT
// Port I/O of PV guests. First the guest's own rule (IOPL, I/O bitmap) says
// whether its code may do it, then the domain's set of ports decides what the
// access reaches: the machine, one of the few mediated devices, or nothing.
#include "access/access.h"
#include "lib/errno.h"
#include "pci/pci.h"
#include "pv/private.h"

#define PORT_PIT_CH2   0x42
#define PORT_PIT_MODE  0x43
#define PORT_SPEAKER   0x61
#define PORT_RTC_INDEX 0x70
#define PORT_RTC_DATA  0x71
#define PORT_PCI_INDEX 0xcf8
#define PORT_PCI_DATA  0xcfc

#define REP_MAX	       256 // elements moved in one exit

int pv_set_iopl(struct vcpu *v, u32 iopl)
{
	if (iopl > 3)
		return -EINVAL;
	v->pv->iopl = iopl << 12;
	return 0;
}

int pv_set_iobitmap(struct vcpu *v, u64 gva, u32 ports)
{
	if (ports > 65536 || !access_ok(gva, ports / 8))
		return -EINVAL;
	v->pv->iobitmap = gva;
	v->pv->iobitmap_ports = ports;
	return 0;
}

bool emul_iopl_allows(const struct vcpu *v)
{
	u32 cpl = 3;

	if (pv_kernel_mode(v))
		cpl = !(v->domain->vm_assist &
			BIT(VMASST_TYPE_architectural_iopl));
	return v->pv->iopl >= cpl << 12;
}

// What cannot be read is forbidden; the second byte may lie behind the end.
static bool bitmap_allows(struct vcpu *v, u16 port, unsigned int bytes)
{
	u8 bits[2];
	u64 at = v->pv->iobitmap + port / 8;

	if (v->pv->iobitmap_ports < (u32)port + bytes ||
	    !pv_kernel_view_begin(v))
		return false;
	for (unsigned int i = 0; i < 2; i++)
		if (copy_from_guest(&bits[i], at + i, 1))
			bits[i] = 0xff;
	pv_kernel_view_end(v);
	return !((bits[0] | bits[1] << 8) >> port % 8 & ((1 << bytes) - 1));
}

// Does the access go to the machine as it is?
static bool is_direct(struct domain *d, u32 port, unsigned int bytes)
{
	if (port == PORT_PCI_INDEX && bytes == 4)
		return false;
	if (port <= PORT_RTC_DATA && port + bytes > PORT_RTC_INDEX)
		return false;
	SPIN_GUARD(&d->lock);
	return rangeset_has(&d->rights[RIGHT_PORTS], port, port + bytes - 1);
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
	if (port == PORT_PCI_INDEX)
		return size == 4 ? d->pv->pci_cf8 : ~0u;
	if ((port & ~3u) == PORT_PCI_DATA)
		return pci_conf_guest_read(d, d->pv->pci_cf8, port & 3, size);
	switch (port) {
	case PORT_PIT_MODE:
		return 0;
	case PORT_PIT_CH2:
	case PORT_SPEAKER:
		return d->is_hardware ? inb((u16)port) : 0;
	case PORT_RTC_INDEX:
		return d->is_hardware ? d->pv->rtc_index : ~0u;
	}
	if (!d->is_hardware || port != PORT_RTC_DATA)
		return ~0u;
	SPIN_GUARD_IRQ(&rtc_lock);
	outb(PORT_RTC_INDEX, d->pv->rtc_index & 0x7f);
	return inb(PORT_RTC_DATA);
}

static void part_write(struct domain *d, u32 port, unsigned int size, u32 value)
{
	u8 byte = (u8)value;

	if (port == PORT_PCI_INDEX && size == 4)
		d->pv->pci_cf8 = value;
	else if ((port & ~3u) == PORT_PCI_DATA)
		pci_conf_guest_write(d, d->pv->pci_cf8, port & 3, size, value);
	if (!d->is_hardware)
		return;
	SPIN_GUARD_IRQ(&rtc_lock);
	switch (port) {
	case PORT_RTC_INDEX:
		d->pv->rtc_index = byte;
		break;
	case PORT_RTC_DATA:
		outb(PORT_RTC_INDEX, d->pv->rtc_index & 0x7f);
		fallthrough;
	case PORT_PIT_CH2:
		outb((u16)port, byte);
		break;
	case PORT_SPEAKER:
		outb(PORT_SPEAKER, (inb(PORT_SPEAKER) & ~3) | (byte & 3));
		break;
	case PORT_PIT_MODE:
		// Only channel 2, with its gate, is not the hypervisor's.
		if ((byte & 0xc0) == 0x80)
			outb(PORT_PIT_MODE, byte);
		else if ((byte & 0xc8) == 0xc8) // read back: that one alone
			outb(PORT_PIT_MODE, byte & 0xf8);
		break;
	}
}

// What is read: 0 for a write.
static u32 port_access(struct domain *d, u32 port, unsigned int bytes, bool out,
		       u32 value)
{
	u64 part, got = 0;
	unsigned int size;

	if (is_direct(d, port, bytes)) {
		if (!out)
			return port_read((u16)port, bytes);
		port_write((u16)port, bytes, value);
		return 0;
	}
	for (unsigned int at = 0; at < bytes; at += size) {
		size = part_size(port + at, bytes - at);
		if (out) {
			part_write(d, port + at, size, value >> 8 * at);
			continue;
		}
		part = part_read(d, port + at, size);
		got |= (part & (BIT(8 * size) - 1)) << 8 * at;
	}
	return (u32)got;
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

	if (!in && i->segment != SEG_FLAT)
		addr += i->segment == SEG_FS ? read_fs_base() : read_gs_base();
	if (in)
		value = port_access(v->domain, port, i->width, false, 0);
	if (in ? copy_to_guest(addr, &value, i->width)
	       : copy_from_guest(&value, addr, i->width)) {
		pv_inject_page_fault(addr, in ? 6 : 4);
		return false;
	}
	if (!in)
		port_access(v->domain, port, i->width, true, value);
	step(reg, regs->rflags & FLAG_DF ? -(s64)i->width : i->width,
	     i->addr32);
	return true;
}

static enum emul_result port_string(struct vcpu *v, struct cpu_regs *regs,
				    u16 port, const struct insn *i)
{
	for (unsigned int n = 0; n < REP_MAX; n++) {
		if (i->rep && !(i->addr32 ? (u32)regs->rcx : regs->rcx))
			return EMUL_DONE;
		if (!string_element(v, regs, port, i))
			return EMUL_AGAIN;
		if (!i->rep)
			return EMUL_DONE;
		step(&regs->rcx, -1, i->addr32);
	}
	return EMUL_AGAIN;
}

enum emul_result emul_port(struct vcpu *v, struct cpu_regs *regs,
			   const struct insn *i)
{
	u16 port = i->has_imm ? (u8)i->imm : (u16)regs->rdx;
	u64 got, keep; // keep: bytes of RAX that stay

	if (!emul_iopl_allows(v) && !bitmap_allows(v, port, i->width))
		return EMUL_REFUSED;
	// The last ports have nobody behind them that could wrap around.
	if (port + i->width > 0x10000)
		return EMUL_REFUSED;
	if (i->kind == INSN_INS || i->kind == INSN_OUTS)
		return port_string(v, regs, port, i);
	got = port_access(v->domain, port, i->width, i->kind == INSN_OUT,
			  (u32)regs->rax);
	if (i->kind == INSN_IN) {
		keep = i->width == 4 ? 0 : ~(BIT(8 * i->width) - 1);
		regs->rax = (regs->rax & keep) | got;
	}
	return EMUL_DONE;
}
