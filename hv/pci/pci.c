// SPDX-License-Identifier: MIT
#include "pci/private.h"
#include "mm/alloc.h"
#include "x86/insn.h"

#define PORT_ADDRESS	  0xcf8
#define PORT_DATA	  0xcfc
#define CF8_ENABLE	  BIT(31)

#define PCI_HEADER_TYPE	  0x0e
#define PCI_SECONDARY_BUS 0x19
#define HEADER_BRIDGE	  0x01
#define HEADER_MULTI	  0x80

struct spinlock pci_lock = SPINLOCK_INIT(RANK_PCI);
struct pci_dev *pci_devices;
static struct spinlock config_lock = SPINLOCK_INIT(RANK_PCI_CONFIG);

static u32 config_read(u32 cf8, unsigned int off, unsigned int size)
{
	SPIN_GUARD_IRQ(&config_lock);
	outl(PORT_ADDRESS, cf8);
	return port_read((u16)(PORT_DATA + off), size);
}

static void config_write(u32 cf8, unsigned int off, unsigned int size, u32 val)
{
	SPIN_GUARD_IRQ(&config_lock);
	outl(PORT_ADDRESS, cf8);
	port_write((u16)(PORT_DATA + off), size, val);
}

u32 pci_read(u16 bdf, unsigned int reg, unsigned int size)
{
	return config_read(CF8_ENABLE | (u32)bdf << 8 | (reg & 0xfc), reg & 3,
			   size);
}

void pci_write(u16 bdf, unsigned int reg, unsigned int size, u32 value)
{
	config_write(CF8_ENABLE | (u32)bdf << 8 | (reg & 0xfc), reg & 3, size,
		     value);
}

struct pci_dev *pci_find(u16 seg, u16 bdf)
{
	struct pci_dev *dev = seg ? NULL : READ_ONCE(pci_devices);

	while (dev && (dev->bdf != bdf || !dev->present))
		dev = dev->next;
	return dev;
}

u32 pci_conf_guest_read(struct domain *d, u32 cf8, unsigned int off,
			unsigned int size)
{
	if (!d->is_hardware || !(cf8 & CF8_ENABLE) || off + size > 4)
		return ~0u;
	return config_read(cf8, off, size);
}

void pci_conf_guest_write(struct domain *d, u32 cf8, unsigned int off,
			  unsigned int size, u32 val)
{
	const struct pci_dev *dev;

	if (!d->is_hardware || !(cf8 & CF8_ENABLE) || off + size > 4)
		return;
	SPIN_GUARD(&pci_lock);
	dev = pci_find(0, (u16)(cf8 >> 8));
	// Bits 24 to 27 are extended registers on AMD: no MSI there.
	if (!dev || cf8 & 0x0f000000 ||
	    msi_filter_write(dev, (cf8 & 0xfc) + off, size, &val))
		config_write(cf8, off, size, val);
}

static void capabilities_find(struct pci_dev *dev)
{
	u8 pos;

	dev->msi = dev->msix = 0;
	if (!(pci_read(dev->bdf, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return;
	pos = pci_read(dev->bdf, PCI_CAPABILITIES, 1) & 0xfc;
	// 48 fit in; a device that links them into a ring is cut off.
	for (int i = 0; pos >= 0x40 && i < 48; i++) {
		u32 head = pci_read(dev->bdf, pos, 2);

		if ((head & 0xff) == PCI_CAP_MSI)
			dev->msi = pos;
		else if ((head & 0xff) == PCI_CAP_MSIX)
			dev->msix = pos;
		pos = head >> 8 & 0xfc;
	}
}

int pci_device_add(u16 seg, u16 bdf, bool virtual_function)
{
	struct pci_dev *dev;

	if (seg)
		return -ENODEV;
	SPIN_GUARD(&pci_lock);
	for (dev = pci_devices; dev && dev->bdf != bdf; dev = dev->next)
		;
	if (!dev) {
		dev = heap_alloc(sizeof(*dev));
		if (!dev)
			return -ENOMEM;
		dev->bdf = bdf;
		dev->next = pci_devices;
		__atomic_store_n(&pci_devices, dev, __ATOMIC_RELEASE);
	}
	if (!dev->present) {
		dev->present = true;
		dev->virtual_function = virtual_function;
		capabilities_find(dev);
	}
	return 0;
}

// Its interrupts stay until they are unmapped. -EBUSY while there are any.
int pci_device_remove(u16 seg, u16 bdf)
{
	struct pci_dev *dev;

	SPIN_GUARD(&pci_lock);
	dev = pci_find(seg, bdf);
	if (!dev)
		return -ENODEV;
	if (dev->vectors)
		return -EBUSY;
	dev->present = dev->msix_readonly = false;
	return 0;
}

static bool within(mfn_t m, const mfn_t frames[2])
{
	return mfn_val(m) >= mfn_val(frames[0]) &&
	       mfn_val(m) <= mfn_val(frames[1]);
}

bool pci_mfn_is_readonly(mfn_t m)
{
	const struct pci_dev *dev = READ_ONCE(pci_devices);

	for (; dev; dev = dev->next)
		if (READ_ONCE(dev->msix_readonly) &&
		    (within(m, dev->table_frames) ||
		     within(m, dev->pba_frames)))
			return true;
	return false;
}

// The functions of one slot; a bridge's secondary bus joins the set.
static void __init slot_scan(u16 bdf, u64 *buses)
{
	unsigned int functions = 1;

	for (unsigned int fn = 0; fn < functions; fn++) {
		u16 at = (u16)(bdf + fn);
		u8 header, bus;

		if ((pci_read(at, 0, 4) & 0xffff) == 0xffff)
			continue;
		header = (u8)pci_read(at, PCI_HEADER_TYPE, 1);
		if (header & HEADER_MULTI)
			functions = 8;
		if ((header & ~HEADER_MULTI) == HEADER_BRIDGE) {
			bus = (u8)pci_read(at, PCI_SECONDARY_BUS, 1);
			buses[bus / 64] |= BIT(bus % 64);
		}
		pci_device_add(0, at, false);
	}
}

// Bus 0 and what its bridges lead to; other roots' devices Dom0 tells of.
void __init pci_init(void)
{
	u64 buses[4] = { 1 };

	// A bridge's secondary bus has a higher number than its own.
	for (unsigned int bus = 0; bus < 256; bus++)
		if (buses[bus / 64] >> bus % 64 & 1)
			for (unsigned int slot = 0; slot < 32; slot++)
				slot_scan(PCI_BDF(bus, slot << 3), buses);
	msi_init();
}
