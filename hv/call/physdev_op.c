// SPDX-License-Identifier: MIT
// Interrupts, I/O privileges and PCI devices: public header physdev.h.
#include "call/call.h"
#include "evtchn/evtchn.h"
#include "pci/pci.h"
#include "pv/pv.h"
#include "x86/apic.h"
#include "x86/irq.h"
#include "x86/platform.h"

#define BDF(a) PCI_BDF((a)->bus, (a)->devfn)

static int map_pirq(struct domain *d, struct physdev_map_pirq *op)
{
	struct pci_msi_request rq = {
		.bdf = PCI_BDF(op->bus & 0xff, op->devfn & 0xff),
		.seg = (u16)((u32)op->bus >> 16),
		.entry = (u32)op->entry_nr,
		.vectors = 1,
		.table_base = op->table_base,
	};
	int rc;

	switch (op->type) {
	case MAP_PIRQ_TYPE_GSI:
		return pirq_map_gsi(d, op->index, &op->pirq);
	case MAP_PIRQ_TYPE_MSI:
		rq.seg = 0;
		fallthrough;
	case MAP_PIRQ_TYPE_MSI_SEG:
		return pci_msi_map(d, &rq, &op->pirq);
	case MAP_PIRQ_TYPE_MULTI_MSI:
		if (op->entry_nr <= 0 || op->entry_nr > 32)
			return -EDOM;
		while (rq.vectors < rq.entry)
			rq.vectors *= 2;
		rq.table_base = 0;
		rc = pci_msi_map(d, &rq, &op->pirq);
		op->entry_nr = (int)rq.vectors;
		return rc;
	}
	return -EINVAL;
}

#define SUB_TABLE      "call/physdev.def"
#define SUB_NR(name)   PHYSDEVOP_##name
#define SUB_TYPE(type) struct physdev_##type
#include "call/sub_ops.inc"

// A guest that does not look at the eoi map is to call eoi always.
static long op_irq_status_query(struct sub *s,
				struct physdev_irq_status_query *a)
{
	a->flags = XENIRQSTAT_needs_eoi;
	return a->irq < pirq_count(currd) ? 0 : -EINVAL;
}

static long op_apic_read(struct sub *s, struct physdev_apic *a)
{
	return ioapic_read(a->apic_physbase, a->reg, &a->value) ? -EINVAL : 0;
}

// The vector is a word for apic_write, which does not look at it; a line that
// is there is mapped.
static long op_alloc_irq_vector(struct sub *s, struct physdev_irq *a)
{
	int pirq = (int)a->irq;

	a->vector = a->irq;
	pirq_map_gsi(currd, pirq, &pirq);
	return 0;
}

static long op_get_free_pirq(struct sub *s, struct physdev_get_free_pirq *a)
{
	int pirq = pirq_get_free(currd, a->type == MAP_PIRQ_TYPE_GSI);

	a->pirq = (u32)pirq;
	return pirq < 0 ? pirq : 0;
}

// Configuration space is reached through ports only; what Dom0 reserved
// matters to nobody here. -ENODEV: the firmware's table has no such range.
static long op_pci_mmcfg_reserved(struct sub *s,
				  struct physdev_pci_mmcfg_reserved *a)
{
	if (a->flags & ~(u32)XEN_PCI_MMCFG_RESERVED)
		return -EINVAL;
	for (u32 i = 0; i < platform.nr_mcfg; i++)
		if (platform.mcfg[i].maddr == a->address &&
		    platform.mcfg[i].segment == a->segment)
			return 0;
	return -ENODEV;
}

// a1: PHYSDEVOP_*, a2: its argument.
long call_physdev_op(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct sub s;

	s.gva = a2;
	return sub_op_call(ops, ARRAY_SIZE(ops), a1, &s);
}

// The old form: number and argument in one structure, for the first few.
long call_physdev_op_compat(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sub_op_compat(a1,
			     currd->pv32 ? 4 : offsetof(struct physdev_op, u),
			     PHYSDEVOP_alloc_irq_vector, call_physdev_op);
}
