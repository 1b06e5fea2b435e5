// SPDX-License-Identifier: MIT
// Message-signalled interrupts (PCI Local Bus 3.0 ch. 6.8). The hypervisor
// writes addresses, data and mask bits; the guest's driver turns the
// capability on and off.
#include "pci/private.h"
#include "con/con.h"
#include "evtchn/evtchn.h"
#include "mm/alloc.h"
#include "x86/irq.h"

// One MSI capability in use, or one MSI-X entry. Lives from before its irqs
// are mapped as pirqs until after they are not.
struct msi {
	struct pci_dev *dev;
	struct domain *d;
	u32 irq;
	u32 entry; // MSI-X
	bool msix, masked;
};

static struct msi *msi_of[MAX_IRQS]; // read without a lock by irq's owner

static unsigned int msi_data_reg(const struct pci_dev *dev, u32 control)
{
	return dev->msi + (control & MSI_64BIT ? 12u : 8u);
}

static u32 msi_control(const struct pci_dev *dev)
{
	return pci_read(dev->bdf, dev->msi + 2u, 2);
}

static void mask_write(const struct msi *m)
{
	const struct pci_dev *dev = m->dev;
	volatile u32 *entry;
	u32 control;

	if (m->msix) {
		entry = dev->table + m->entry * (MSIX_ENTRY_BYTES / 4);
		entry[3] = m->masked;
		return;
	}
	control = msi_control(dev);
	if (control & MSI_MASKABLE)
		pci_write(dev->bdf, msi_data_reg(dev, control) + 4, 4,
			  m->masked);
}

static void message_write(const struct msi *m)
{
	const struct pci_dev *dev = m->dev;
	volatile u32 *entry;
	struct msi_msg msg;
	u32 control;

	irq_msi_message(m->irq, &msg);
	if (m->msix) {
		entry = dev->table + m->entry * (MSIX_ENTRY_BYTES / 4);
		entry[3] = 1; // no message may leave half written
		entry[0] = (u32)msg.address;
		entry[1] = (u32)(msg.address >> 32);
		entry[2] = msg.data;
	} else {
		control = msi_control(dev);
		pci_write(dev->bdf, dev->msi + 4u, 4, (u32)msg.address);
		if (control & MSI_64BIT)
			pci_write(dev->bdf, dev->msi + 8u, 4,
				  (u32)(msg.address >> 32));
		pci_write(dev->bdf, msi_data_reg(dev, control), 2, msg.data);
	}
	mask_write(m);
}

static void pirq_update(unsigned int irq, bool masked)
{
	struct msi *m = irq < MAX_IRQS ? msi_of[irq] : NULL;

	if (!m)
		return;
	m->masked = masked;
	if (masked)
		mask_write(m);
	else
		message_write(m);
}

static void msix_control(const struct pci_dev *dev, u32 control)
{
	pci_write(dev->bdf, dev->msix + 2u, 2, control);
}

static u32 msix_control_read(const struct pci_dev *dev)
{
	return pci_read(dev->bdf, dev->msix + 2u, 2);
}

// Where the table (word 4) or the pending bits (word 8) are; 0: nowhere.
static u64 msix_address(const struct pci_dev *dev, unsigned int word, u64 base)
{
	u32 where = pci_read(dev->bdf, dev->msix + word, 4);
	unsigned int bar = PCI_BAR0 + 4 * (where & 7);
	u32 low;

	if ((where & 7) > 5)
		return 0;
	if (!dev->virtual_function) { // those have no BARs of their own
		low = pci_read(dev->bdf, bar, 4);
		if (low & 1)
			return 0;
		base = low & ~0xfu;
		if ((low & 6) == 4 && (where & 7) < 5)
			base |= (u64)pci_read(dev->bdf, bar + 4, 4) << 32;
	}
	return base ? base + (where & ~7u) : 0;
}

// Finds and maps the table and makes it read-only for guests.
static int msix_open(struct pci_dev *dev, u64 base)
{
	u32 entries = (msix_control_read(dev) & MSIX_TABLE_SIZE) + 1;
	u64 table = msix_address(dev, 4, base);
	u64 pba = msix_address(dev, 8, base);

	if (!dev->virtual_function &&
	    !(pci_read(dev->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return -ENXIO;
	if (!table)
		return -ENXIO;
	if (dev->table_maddr != table) {
		dev->table = mmio_map(table, entries * MSIX_ENTRY_BYTES);
		dev->table_maddr = dev->table ? table : 0;
	}
	if (!dev->table_maddr)
		return -ENOMEM;
	dev->table_first = maddr_to_mfn(table);
	dev->table_last = maddr_to_mfn(table + entries * MSIX_ENTRY_BYTES - 1);
	dev->pba_first = maddr_to_mfn(pba ? pba : table);
	dev->pba_last = maddr_to_mfn((pba ? pba : table) + (entries - 1) / 8);
	__atomic_store_n(&dev->msix_readonly, true, __ATOMIC_RELEASE);
	return 0;
}

static bool msix_entry_used(const struct pci_dev *dev, u32 entry)
{
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++) {
		const struct msi *m = msi_of[irq];

		if (m && m->dev == dev && m->msix && m->entry == entry)
			return true;
	}
	return false;
}

static int msix_check(struct pci_dev *dev, const struct pci_msi_request *rq)
{
	if (!dev->msix)
		return -ENODEV;
	if (rq->entry > (msix_control_read(dev) & MSIX_TABLE_SIZE))
		return -EINVAL;
	if (dev->msi_on || msix_entry_used(dev, rq->entry))
		return -EEXIST;
	return dev->vectors ? 0 : msix_open(dev, rq->table_base);
}

static int msi_check(const struct pci_dev *dev)
{
	if (!dev->msi)
		return -ENODEV;
	return dev->vectors ? -EEXIST : 0;
}

// Masked and, but for its enable bit, ready.
static void msi_program(const struct msi *m)
{
	const struct pci_dev *dev = m->dev;
	u32 control;

	if (m->msix) {
		// The table of some devices is there only while it is enabled.
		control = msix_control_read(dev);
		msix_control(dev, control | MSIX_ENABLE | MSIX_MASK_ALL);
		message_write(m);
		msix_control(dev, control);
		return;
	}
	control = msi_control(dev) & ~(u32)(MSI_ENABLE | MSI_MME);
	pci_write(dev->bdf, dev->msi + 2u, 2, control);
	message_write(m);
}

static int msi_create(struct pci_dev *dev, const struct pci_msi_request *rq,
		      struct msi *m)
{
	int rc;

	m->dev = dev;
	m->msix = rq->table_base != 0;
	m->entry = rq->entry;
	m->masked = true;
	rc = m->msix ? msix_check(dev, rq) : msi_check(dev);
	if (rc)
		return rc;
	rc = irq_alloc_msi(1);
	if (rc < 0)
		return rc;
	m->irq = (u32)rc;
	msi_of[m->irq] = m;
	dev->vectors++;
	dev->msi_on = !m->msix;
	msi_program(m);
	return 0;
}

static void msi_destroy(struct msi *m)
{
	m->masked = true;
	mask_write(m);
	if (!m->msix)
		pci_write(m->dev->bdf, m->dev->msi + 2u, 2,
			  msi_control(m->dev) & ~(u32)MSI_ENABLE);
	msi_of[m->irq] = NULL;
	m->dev->msi_on = false;
	irq_free_msi(m->irq, 1);
	if (!--m->dev->vectors)
		m->dev->msix_readonly = false;
	heap_free(m);
}

int pci_msi_map(struct domain *d, const struct pci_msi_request *rq, int *pirq)
{
	struct msi *m = heap_alloc(sizeof(*m));
	struct pci_dev *dev;
	int rc = -ENODEV;

	if (!m)
		return -ENOMEM;
	m->d = d;
	spin_lock(&pci_lock);
	dev = pci_find(rq->seg, rq->bdf);
	if (dev)
		rc = msi_create(dev, rq, m);
	if (rc) {
		heap_free(m);
	} else {
		rc = pirq_map_msi(d, m->irq, pirq);
		if (rc)
			msi_destroy(m);
	}
	spin_unlock(&pci_lock);
	return rc;
}

int pci_pirq_unmap(struct domain *d, int pirq)
{
	int irq, rc;

	spin_lock(&pci_lock);
	irq = pirq < 0 ? -1 : pirq_irq(d, (u32)pirq);
	rc = pirq_unmap(d, pirq);
	if (irq >= 0 && msi_of[irq])
		msi_destroy(msi_of[irq]);
	spin_unlock(&pci_lock);
	return rc;
}

int pci_msi_restore(u16 seg, u16 bdf)
{
	const struct pci_dev *dev;
	int rc = 0;

	spin_lock(&pci_lock);
	dev = pci_find(seg, bdf);
	if (!dev)
		rc = -ENODEV;
	for (u32 irq = nr_gsis; dev && irq < MAX_IRQS; irq++) {
		const struct msi *m = msi_of[irq];

		if (!m || m->dev != dev)
			continue;
		msi_program(m);
		if (m->msix)
			msix_control(dev,
				     (msix_control_read(dev) | MSIX_ENABLE) &
					     ~(u32)MSIX_MASK_ALL);
		else
			pci_write(bdf, dev->msi + 2u, 2,
				  msi_control(dev) | MSI_ENABLE);
	}
	spin_unlock(&pci_lock);
	return rc;
}

int pci_msix_prepare(u16 seg, u16 bdf, bool prepare)
{
	struct pci_dev *dev;
	int rc = 0;

	spin_lock(&pci_lock);
	dev = pci_find(seg, bdf);
	if (!dev || !dev->msix)
		rc = -ENODEV;
	else if (dev->vectors)
		rc = -EBUSY;
	else if (prepare)
		rc = msix_open(dev, 0);
	else
		dev->msix_readonly = false;
	spin_unlock(&pci_lock);
	return rc;
}

bool msi_filter_write(const struct pci_dev *dev, unsigned int reg,
		      unsigned int size, u32 *val)
{
	unsigned int end = dev->msi + 24u;
	u32 control;

	// An MSI-X capability's other words are read-only anyway.
	if (!dev->msi_on)
		return true;
	control = msi_control(dev);
	if (!(control & MSI_64BIT))
		end -= 4;
	if (!(control & MSI_MASKABLE))
		end -= 10;
	if (reg >= end || reg + size <= dev->msi + 2u)
		return true;
	if (reg != dev->msi + 2u || size != 2)
		return false;
	*val = (control & ~(u32)MSI_ENABLE) | (*val & MSI_ENABLE);
	return true;
}

// A domain that dies leaves no device that could interrupt for it.
static int domain_relinquish(struct domain *d)
{
	spin_lock(&pci_lock);
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++) {
		struct msi *m = msi_of[irq];

		if (!m || m->d != d)
			continue;
		pirq_unmap(d, pirq_of_irq(d, irq));
		msi_destroy(m);
	}
	spin_unlock(&pci_lock);
	return 0;
}

const struct domain_unit pci_unit = {
	.name = "PCI",
	.relinquish = domain_relinquish,
};

static void key_msi(char key)
{
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++) {
		const struct msi *m = msi_of[irq];

		if (m)
			printk("  irq %u: %02x:%02x.%u MSI%s %u, d%u%s\n", irq,
			       m->dev->bdf >> 8, m->dev->bdf >> 3 & 31,
			       m->dev->bdf & 7, m->msix ? "-X" : "", m->entry,
			       m->d->id, m->masked ? ", masked" : "");
	}
}

void __init msi_init(void)
{
	pirq_msi_update = pirq_update;
	debug_key_register('M', key_msi, "message-signalled interrupts");
}
