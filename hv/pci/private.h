// SPDX-License-Identifier: MIT
// Devices, inside. pci_lock guards everything but what a comment exempts.
#ifndef PCI_PRIVATE_H
#define PCI_PRIVATE_H

#include "pci/pci.h"
#include "lib/errno.h"

#define PCI_COMMAND	   0x04
#define PCI_COMMAND_MEMORY 0x2
#define PCI_STATUS	   0x06
#define PCI_STATUS_CAPS	   0x10
#define PCI_BAR0	   0x10
#define PCI_CAPABILITIES   0x34
#define PCI_CAP_MSI	   0x05
#define PCI_CAP_MSIX	   0x11

// Capability + 2: the control word.
#define MSI_ENABLE	 0x0001
#define MSI_MMC_SHIFT	 1	// 3 bits: vectors it has, as a power of two
#define MSI_MME		 0x0070 // and those in use
#define MSI_MME_SHIFT	 4
#define MSI_64BIT	 0x0080
#define MSI_MASKABLE	 0x0100
#define MSIX_ENABLE	 0x8000
#define MSIX_MASK_ALL	 0x4000
#define MSIX_TABLE_SIZE	 0x07ff // entries - 1
#define MSIX_ENTRY_BYTES 16

// Made once and never freed, so that the list may be walked without a lock.
struct pci_dev {
	struct pci_dev *next;
	u16 bdf;
	bool present;
	bool virtual_function;
	u8 msi, msix;	    // offsets of the capabilities, 0: none
	u16 vectors;	    // that are mapped, of either kind
	bool msi_on;	    // the vector is the MSI capability's
	bool msix_readonly; // the frames below are read-only; read unlocked
	mfn_t table_frames[2], pba_frames[2]; // first and last
	u64 table_maddr;
	u32 *table; // mapping of table_maddr
};

extern struct spinlock pci_lock; // RANK_PCI
extern struct pci_dev *pci_devices;

struct pci_dev *pci_find(u16 seg, u16 bdf); // NULL: none, or removed
// A guest's write to dev's configuration space: false when it is to be
// dropped; *val may be changed.
bool msi_filter_write(const struct pci_dev *dev, unsigned int reg,
		      unsigned int size, u32 *val);
void msi_init(void);

#endif
