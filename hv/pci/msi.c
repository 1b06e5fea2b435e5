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
// are mapped as pirqs until after they are not. Vectors of one capability have
// one address: all go where the first one goes.
struct msi {
	struct pci_dev *dev;
	struct domain *d;
	u32 irq, count; // the first one, and how many: 1 for MSI-X
	u32 entry;	// MSI-X
	u32 masked;	// a bit for each irq
	bool msix;
};

static struct msi *msi_of[MAX_IRQS]; // read without a lock by irq's owner

// The control word of a capability.
static u32 control_read(const struct pci_dev *dev, u8 cap)
{
	return pci_read(dev->bdf, cap + 2u, 2);
}

static void control_write(const struct pci_dev *dev, u8 cap, u32 control)
{
	pci_write(dev->bdf, cap + 2u, 2, control);
}

static unsigned int msi_data_reg(const struct pci_dev *dev, u32 control)
{
	return dev->msi + (control & MSI_64BIT ? 12u : 8u);
}

static volatile u32 *msix_entry(const struct msi *m)
{
	return m->dev->table + m->entry * (MSIX_ENTRY_BYTES / 4);
}

static void mask_write(const struct msi *m)
{
	const struct pci_dev *dev = m->dev;
	u32 control;

	if (m->msix) {
		msix_entry(m)[3] = m->masked;
		return;
	}
	control = control_read(dev, dev->msi);
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
		entry = msix_entry(m);
		entry[3] = 1; // no message may leave half written
		entry[0] = (u32)msg.address;
		entry[1] = (u32)(msg.address >> 32);
		entry[2] = msg.data;
	} else {
		control = control_read(dev, dev->msi);
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
	if (masked) {
		m->masked |= 1u << (irq - m->irq);
		mask_write(m);
	} else {
		m->masked &= ~(1u << (irq - m->irq));
		message_write(m);
	}
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
	u32 last = control_read(dev, dev->msix) & MSIX_TABLE_SIZE;
	u64 size = (last + 1) * MSIX_ENTRY_BYTES;
	u64 table = msix_address(dev, 4, base);
	u64 pba = msix_address(dev, 8, base);

	if (!table ||
	    (!dev->virtual_function &&
	     !(pci_read(dev->bdf, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY)))
		return -ENXIO;
	if (dev->table_maddr != table) {
		dev->table = mmio_map(table, size);
		dev->table_maddr = dev->table ? table : 0;
	}
	if (!dev->table_maddr)
		return -ENOMEM;
	if (!pba)
		pba = table;
	dev->table_frames[0] = maddr_to_mfn(table);
	dev->table_frames[1] = maddr_to_mfn(table + size - 1);
	dev->pba_frames[0] = maddr_to_mfn(pba);
	dev->pba_frames[1] = maddr_to_mfn(pba + last / 8);
	__atomic_store_n(&dev->msix_readonly, true, __ATOMIC_RELEASE);
	return 0;
}

static int msix_check(struct pci_dev *dev, const struct pci_msi_request *rq)
{
	if (!dev->msix)
		return -ENODEV;
	if (rq->entry > (control_read(dev, dev->msix) & MSIX_TABLE_SIZE))
		return -EINVAL;
	if (dev->msi_on)
		return -EEXIST;
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++) {
		const struct msi *m = msi_of[irq];

		if (m && m->dev == dev && m->entry == rq->entry)
			return -EEXIST;
	}
	return dev->vectors ? 0 : msix_open(dev, rq->table_base);
}

static int msi_check(const struct pci_dev *dev, struct pci_msi_request *rq)
{
	u32 most;

	if (!dev->msi)
		return -ENODEV;
	if (dev->vectors)
		return -EEXIST;
	most = 1u << (control_read(dev, dev->msi) >> MSI_MMC_SHIFT & 7);
	if (rq->vectors <= most)
		return 0;
	rq->vectors = most;
	return -ENFILE;
}

// Masked; enabled only when the capability's state is gone and restored.
static void msi_program(const struct msi *m, bool enable)
{
	const struct pci_dev *dev = m->dev;
	u8 cap = m->msix ? dev->msix : dev->msi;
	u32 control = control_read(dev, cap), on;

	if (m->msix) {
		on = (control & ~(u32)MSIX_MASK_ALL) | MSIX_ENABLE;
		// The table of some devices is there only while it is enabled.
		control_write(dev, cap, on | MSIX_MASK_ALL);
	} else {
		control &= ~(u32)(MSI_ENABLE | MSI_MME);
		control |= (u32)__builtin_ctz(m->count) << MSI_MME_SHIFT;
		on = control | MSI_ENABLE;
		control_write(dev, cap, control);
	}
	message_write(m);
	control_write(dev, cap, enable ? on : control);
}

static void msi_destroy(struct msi *m)
{
	struct pci_dev *dev = m->dev;

	m->masked = (u32)(BIT(m->count) - 1);
	mask_write(m);
	if (!m->msix)
		control_write(dev, dev->msi,
			      control_read(dev, dev->msi) & ~(u32)MSI_ENABLE);
	for (u32 i = 0; i < m->count; i++)
		msi_of[m->irq + i] = NULL;
	dev->msi_on = false;
	irq_free_msi(m->irq, m->count);
	dev->vectors -= (u16)m->count;
	if (!dev->vectors)
		dev->msix_readonly = false;
	heap_free(m);
}

static void msi_unmap(struct msi *m)
{
	for (u32 i = 0; i < m->count; i++)
		pirq_unmap(m->d, pirq_of_irq(m->d, m->irq + i));
	msi_destroy(m);
}

int pci_msi_map(struct domain *d, struct pci_msi_request *rq, int *pirq)
{
	bool msix = rq->table_base != 0;
	u32 count = msix ? 1 : rq->vectors;
	struct pci_dev *dev;
	struct msi *m;
	int rc;

	SPIN_GUARD(&pci_lock);
	dev = pci_find(rq->seg, rq->bdf);
	if (!dev)
		return -ENODEV;
	rc = msix ? msix_check(dev, rq) : msi_check(dev, rq);
	if (rc)
		return rc;
	m = heap_alloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	rc = irq_alloc_msi(count);
	if (rc < 0) {
		heap_free(m);
		return rc;
	}
	*m = (struct msi){ dev,	  d,	     (u32)rc,
			   count, rq->entry, (u32)(BIT(count) - 1),
			   msix };
	for (u32 i = 0; i < count; i++)
		msi_of[m->irq + i] = m;
	dev->vectors += (u16)count;
	dev->msi_on = !msix;
	msi_program(m, false);
	rc = pirq_map_irqs(d, (int)m->irq, count, pirq);
	if (rc)
		msi_destroy(m);
	return rc;
}

int pci_pirq_unmap(struct domain *d, int pirq)
{
	struct msi *m;
	int irq;

	SPIN_GUARD(&pci_lock);
	irq = pirq < 0 ? -1 : pirq_irq(d, (u32)pirq);
	m = irq < 0 ? NULL : msi_of[irq];
	if (!m)
		return pirq_unmap(d, pirq);
	if (m->irq != (u32)irq)
		return -EBUSY;
	msi_unmap(m);
	return 0;
}

int pci_msi_restore(u16 seg, u16 bdf)
{
	const struct pci_dev *dev;

	SPIN_GUARD(&pci_lock);
	dev = pci_find(seg, bdf);
	if (!dev)
		return -ENODEV;
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++) {
		const struct msi *m = msi_of[irq];

		if (m && m->dev == dev && m->irq == irq)
			msi_program(m, true);
	}
	return 0;
}

int pci_msix_prepare(u16 seg, u16 bdf, bool prepare)
{
	struct pci_dev *dev;

	SPIN_GUARD(&pci_lock);
	dev = pci_find(seg, bdf);
	if (!dev || !dev->msix)
		return -ENODEV;
	if (dev->vectors)
		return -EBUSY;
	if (prepare)
		return msix_open(dev, 0);
	dev->msix_readonly = false;
	return 0;
}

bool msi_filter_write(const struct pci_dev *dev, unsigned int reg,
		      unsigned int size, u32 *val)
{
	unsigned int end = dev->msi + 24u;
	u32 control;

	// An MSI-X capability's other words are read-only anyway.
	if (!dev->msi_on)
		return true;
	control = control_read(dev, dev->msi);
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
	SPIN_GUARD(&pci_lock);
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++)
		if (msi_of[irq] && msi_of[irq]->d == d)
			msi_unmap(msi_of[irq]);
	return 0;
}

const struct domain_unit pci_unit = {
	.relinquish = domain_relinquish,
};

static void key_msi(char key)
{
	for (u32 irq = nr_gsis; irq < MAX_IRQS; irq++) {
		const struct msi *m = msi_of[irq];

		if (m)
			printk("  irq %u: %02x:%02x.%u MSI%s %u, d%u%s\n", irq,
			       m->dev->bdf >> 8, m->dev->bdf >> 3 & 31,
			       m->dev->bdf & 7, m->msix ? "-X" : "",
			       m->entry + irq - m->irq, m->d->id,
			       m->masked >> (irq - m->irq) & 1 ? ", masked"
							       : "");
	}
}

void __init msi_init(void)
{
	pirq_msi_update = pirq_update;
	debug_key_register('M', key_msi, "message-signalled interrupts");
}
