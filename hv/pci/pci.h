// SPDX-License-Identifier: MIT
// PCI: configuration space (segment 0), the list of devices, MSI and MSI-X
// for guests that drive devices. PCI Local Bus 3.0 ch. 6.
#ifndef PCI_PCI_H
#define PCI_PCI_H

#include "dom/domain.h"

extern const struct domain_unit pci_unit;
void pci_init(void); // at boot: finds the devices, debug key M

#define PCI_BDF(bus, devfn) ((u16)((bus) << 8 | (devfn)))

// One register of size 1, 2 or 4, naturally aligned; any context.
u32 pci_read(u16 bdf, unsigned int reg, unsigned int size);
void pci_write(u16 bdf, unsigned int reg, unsigned int size, u32 value);

// The hardware domain's accesses through ports 0xcf8 (its value) and 0xcfc +
// off. What the hypervisor has set up for MSI is silently kept; of others
// nothing is written, and they read all ones.
u32 pci_conf_guest_read(struct domain *d, u32 cf8, unsigned int off,
			unsigned int size);
void pci_conf_guest_write(struct domain *d, u32 cf8, unsigned int off,
			  unsigned int size, u32 val);

// Part of an MSI-X table in use, or of its pending bits: guests may map the
// frame for reading only. No lock needed.
bool pci_mfn_is_readonly(mfn_t m);

// What Dom0 tells about devices; -ENODEV when there is none (or no such
// segment).
int pci_device_add(u16 seg, u16 bdf, bool virtual_function);
int pci_device_remove(u16 seg, u16 bdf);
int pci_msi_restore(u16 seg, u16 bdf);
// -EBUSY while MSI-X vectors are mapped.
int pci_msix_prepare(u16 seg, u16 bdf, bool prepare);

struct pci_msi_request {
	u16 seg, bdf;
	u32 entry;	// MSI-X
	u32 vectors;	// MSI: a power of two up to 32
	u64 table_base; // MSI-X: address of the table's BAR; 0: MSI
};
// Gives d interrupts of a device as *pirq (negative: any number) and those
// that follow. -ENODEV, -EINVAL (no such entry, or a number for several
// vectors), -EEXIST, -ENOSPC, -ENXIO (the table is not decoded), -ENOMEM,
// -ENFILE (the device has fewer vectors: rq->vectors tells).
int pci_msi_map(struct domain *d, struct pci_msi_request *rq, int *pirq);
// Undoes it, or pirq_map_gsi(). -EINVAL: not mapped; -EBUSY: goes with the
// first vector of its device.
int pci_pirq_unmap(struct domain *d, int pirq);

#endif
