// SPDX-License-Identifier: MIT
// Interrupts, I/O privileges and PCI devices: public header physdev.h.
#include "access/access.h"
#include "call/call.h"
#include "evtchn/evtchn.h"
#include "pci/pci.h"
#include "pv/pv.h"
#include "x86/ioapic.h"
#include "x86/irq.h"
#include "x86/platform.h"

#define DO(name, type, result) SUB_FN(name, physdev_##type, result)
#define BDF(a)		       PCI_BDF((a)->bus, (a)->devfn)

DO(eoi, eoi, pirq_eoi(currd, a->irq))
DO(eoi_map_v1, pirq_eoi_gmfn, pirq_set_eoi_map(currd, a->gmfn, true))
DO(eoi_map_v2, pirq_eoi_gmfn, pirq_set_eoi_map(currd, a->gmfn, false))

// A guest that does not look at the eoi map is to call eoi always.
static long op_irq_status_query(void *arg)
{
	struct physdev_irq_status_query *a = arg;

	a->flags = XENIRQSTAT_needs_eoi;
	return a->irq < pirq_count(currd) ? 0 : -EINVAL;
}

DO(set_iopl, set_iopl, pv_set_iopl(current, a->iopl))
DO(set_iobitmap, set_iobitmap,
   pv_set_iobitmap(current, handle_gva(a->bitmap), a->nr_ports))

// The lines are the hypervisor's; what it has to know setup_gsi tells, so that
// a write only answers as a read does.
DO(apic, apic, ioapic_read(a->apic_physbase, a->reg, &a->value) ? -EINVAL : 0)

// The vector is a word for apic_write, which does not look at it; a line that
// is there is mapped.
static long op_alloc_irq_vector(void *arg)
{
	struct physdev_irq *a = arg;
	int pirq = (int)a->irq;

	a->vector = a->irq;
	pirq_map_gsi(currd, pirq, &pirq);
	return 0;
}

// No debug port of ours is on USB.
static long op_dbgp(void *arg)
{
	return 0;
}

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

static int pirq_for_domain(u16 domid, struct physdev_map_pirq *map, int unmap)
{
	struct domain *d __domain_ref = domain_get_self_or(domid);

	if (!d)
		return -ESRCH;
	if (!currd->is_control)
		return -EPERM;
	return map ? map_pirq(d, map) : pci_pirq_unmap(d, unmap);
}

DO(map_pirq, map_pirq, pirq_for_domain(a->domid, a, 0))
DO(unmap_pirq, unmap_pirq, pirq_for_domain(a->domid, NULL, a->pirq))

static long op_get_free_pirq(void *arg)
{
	struct physdev_get_free_pirq *a = arg;
	int pirq = pirq_get_free(currd, a->type == MAP_PIRQ_TYPE_GSI);

	a->pirq = (u32)pirq;
	return pirq < 0 ? pirq : 0;
}

DO(setup_gsi, setup_gsi,
   a->gsi < 0 ? -EINVAL
	      : irq_setup_gsi((unsigned int)a->gsi, a->triggering, a->polarity))
DO(manage_pci_add, manage_pci, pci_device_add(0, BDF(a), false))
DO(manage_pci_remove, manage_pci, pci_device_remove(0, BDF(a)))
DO(manage_pci_add_ext, manage_pci_ext,
   a->is_extfn > 1 || a->is_virtfn > 1
	   ? -EINVAL
	   : pci_device_add(0, BDF(a), a->is_virtfn))
DO(restore_msi, restore_msi, pci_msi_restore(0, BDF(a)))
DO(pci_device_add, pci_device_add,
   pci_device_add(a->seg, BDF(a), (a->flags & XEN_PCI_DEV_VIRTFN) != 0))
DO(pci_device_remove, pci_device, pci_device_remove(a->seg, BDF(a)))
DO(restore_msi_ext, pci_device, pci_msi_restore(a->seg, BDF(a)))
DO(prepare_msix, pci_device, pci_msix_prepare(a->seg, BDF(a), true))
DO(release_msix, pci_device, pci_msix_prepare(a->seg, BDF(a), false))

// Configuration space is reached through ports only; what Dom0 reserved
// matters to nobody here. -ENODEV: the firmware's table has no such range.
static long op_mmcfg_reserved(void *arg)
{
	const struct physdev_pci_mmcfg_reserved *a = arg;

	for (u32 i = 0; i < platform.nr_mcfg; i++)
		if (platform.mcfg[i].maddr == a->address &&
		    platform.mcfg[i].segment == a->segment)
			return 0;
	return -ENODEV;
}

#define HW SUB_HARDWARE

static const struct sub_op ops[] = {
#define OP(nr, name, type, flags) SUB_OP(nr, name, physdev_##type, flags)
	OP(PHYSDEVOP_irq_status_query, irq_status_query, irq_status_query,
	   SUB_OUT),
	OP(PHYSDEVOP_set_iopl, set_iopl, set_iopl, 0),
	OP(PHYSDEVOP_set_iobitmap, set_iobitmap, set_iobitmap, 0),
	OP(PHYSDEVOP_apic_read, apic, apic, HW | SUB_OUT),
	OP(PHYSDEVOP_apic_write, apic, apic, HW),
	OP(PHYSDEVOP_alloc_irq_vector, alloc_irq_vector, irq, HW | SUB_OUT),
	OP(PHYSDEVOP_eoi, eoi, eoi, 0),
	OP(PHYSDEVOP_map_pirq, map_pirq, map_pirq, SUB_OUT),
	OP(PHYSDEVOP_unmap_pirq, unmap_pirq, unmap_pirq, 0),
	OP(PHYSDEVOP_manage_pci_add, manage_pci_add, manage_pci, HW),
	OP(PHYSDEVOP_manage_pci_remove, manage_pci_remove, manage_pci, HW),
	OP(PHYSDEVOP_pirq_eoi_gmfn_v1, eoi_map_v1, pirq_eoi_gmfn, 0),
	OP(PHYSDEVOP_restore_msi, restore_msi, restore_msi, HW),
	OP(PHYSDEVOP_manage_pci_add_ext, manage_pci_add_ext, manage_pci_ext,
	   HW),
	OP(PHYSDEVOP_setup_gsi, setup_gsi, setup_gsi, HW),
	OP(PHYSDEVOP_get_free_pirq, get_free_pirq, get_free_pirq, SUB_OUT),
	OP(PHYSDEVOP_pci_mmcfg_reserved, mmcfg_reserved, pci_mmcfg_reserved,
	   HW),
	OP(PHYSDEVOP_pci_device_add, pci_device_add, pci_device_add, HW),
	OP(PHYSDEVOP_pci_device_remove, pci_device_remove, pci_device, HW),
	OP(PHYSDEVOP_restore_msi_ext, restore_msi_ext, pci_device, HW),
	OP(PHYSDEVOP_pirq_eoi_gmfn_v2, eoi_map_v2, pirq_eoi_gmfn, 0),
	OP(PHYSDEVOP_dbgp_op, dbgp, dbgp_op, HW),
	OP(PHYSDEVOP_prepare_msix, prepare_msix, pci_device, HW),
	OP(PHYSDEVOP_release_msix, release_msix, pci_device, HW),
};

// a1: PHYSDEVOP_*, a2: its argument.
long call_physdev_op(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	return sub_op_call(ops, ARRAY_SIZE(ops), a1, a2);
}

// The old form: number and argument in one structure, for the first few.
long call_physdev_op_compat(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u32 op;

	if (copy_from_guest(&op, a1 + offsetof(struct physdev_op, cmd), 4))
		return -EFAULT;
	if (op > PHYSDEVOP_alloc_irq_vector)
		return -ENOSYS;
	return call_physdev_op(op, a1 + offsetof(struct physdev_op, u), 0, 0,
			       0);
}
