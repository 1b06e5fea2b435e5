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

union physdev_arg {
	struct physdev_eoi eoi;
	struct physdev_pirq_eoi_gmfn eoi_map;
	struct physdev_irq_status_query irq_status_query;
	struct physdev_set_iopl set_iopl;
	struct physdev_set_iobitmap set_iobitmap;
	struct physdev_apic apic;
	struct physdev_irq irq;
	struct physdev_map_pirq map_pirq;
	struct physdev_unmap_pirq unmap_pirq;
	struct physdev_manage_pci manage_pci; // also restore_msi
	struct physdev_manage_pci_ext manage_pci_ext;
	struct physdev_setup_gsi setup_gsi;
	struct physdev_get_free_pirq get_free_pirq;
	struct physdev_pci_mmcfg_reserved mmcfg;
	struct physdev_pci_device_add device_add;
	struct physdev_pci_device device;
	struct physdev_dbgp_op dbgp;
};

// An operation that is one call.
#define DO(name, result)                           \
	static int op_##name(union physdev_arg *a) \
	{                                          \
		return result;                     \
	}

DO(eoi, pirq_eoi(currd, a->eoi.irq))
DO(eoi_map_v1, pirq_set_eoi_map(currd, a->eoi_map.gmfn, true))
DO(eoi_map_v2, pirq_set_eoi_map(currd, a->eoi_map.gmfn, false))

// A guest that does not look at the eoi map is to call eoi always.
static int op_irq_status_query(union physdev_arg *a)
{
	a->irq_status_query.flags = XENIRQSTAT_needs_eoi;
	return a->irq_status_query.irq < pirq_count(currd) ? 0 : -EINVAL;
}

DO(set_iopl, pv_set_iopl(current, a->set_iopl.iopl))
DO(set_iobitmap, pv_set_iobitmap(current, handle_gva(a->set_iobitmap.bitmap),
				 a->set_iobitmap.nr_ports))
DO(apic_read, ioapic_read(a->apic.apic_physbase, a->apic.reg, &a->apic.value)
		      ? -EINVAL
		      : 0)

// The lines are the hypervisor's; what it has to know setup_gsi tells.
DO(apic_write, 0)

// The vector is a word for apic_write, which does not look at it.
static int op_alloc_irq_vector(union physdev_arg *a)
{
	int pirq = (int)a->irq.irq;

	a->irq.vector = 0x20 + (a->irq.irq & 0x7f);
	return pirq_map_gsi(currd, pirq, &pirq);
}

static int map_pirq(struct domain *d, struct physdev_map_pirq *op)
{
	struct pci_msi_request rq = {
		.bdf = PCI_BDF(op->bus & 0xff, op->devfn & 0xff),
		.seg = (u16)((u32)op->bus >> 16),
		.entry = (u32)op->entry_nr,
		.table_base = op->table_base,
	};

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
		if (op->entry_nr != 1) // takes interrupt remapping
			return -EOPNOTSUPP;
		rq.table_base = 0;
		return pci_msi_map(d, &rq, &op->pirq);
	}
	return -EINVAL;
}

static int pirq_for_domain(u16 domid, struct physdev_map_pirq *map, int unmap)
{
	struct domain *d = domain_get_self_or(domid);
	int rc = -EPERM;

	if (!d)
		return -ESRCH;
	if (currd->is_control)
		rc = map ? map_pirq(d, map) : pci_pirq_unmap(d, unmap);
	domain_put(d);
	return rc;
}

DO(map_pirq, pirq_for_domain(a->map_pirq.domid, &a->map_pirq, 0))
DO(unmap_pirq, pirq_for_domain(a->unmap_pirq.domid, NULL, a->unmap_pirq.pirq))

static int op_get_free_pirq(union physdev_arg *a)
{
	int pirq = pirq_get_free(currd,
				 a->get_free_pirq.type == MAP_PIRQ_TYPE_GSI);

	a->get_free_pirq.pirq = (u32)pirq;
	return pirq < 0 ? pirq : 0;
}

DO(setup_gsi,
   a->setup_gsi.gsi < 0
	   ? -EINVAL
	   : irq_setup_gsi((unsigned int)a->setup_gsi.gsi,
			   a->setup_gsi.triggering, a->setup_gsi.polarity))

static u16 device_bdf(const union physdev_arg *a)
{
	return PCI_BDF(a->device.bus, a->device.devfn);
}

static u16 manage_bdf(const union physdev_arg *a)
{
	return PCI_BDF(a->manage_pci.bus, a->manage_pci.devfn);
}

DO(manage_pci_add, pci_device_add(0, manage_bdf(a), false))
DO(manage_pci_remove, pci_device_remove(0, manage_bdf(a)))

static int op_manage_pci_add_ext(union physdev_arg *a)
{
	if (a->manage_pci_ext.is_extfn > 1 || a->manage_pci_ext.is_virtfn > 1)
		return -EINVAL;
	return pci_device_add(0, manage_bdf(a), a->manage_pci_ext.is_virtfn);
}

DO(restore_msi, pci_msi_restore(0, manage_bdf(a)))
DO(pci_device_add,
   pci_device_add(a->device_add.seg, device_bdf(a),
		  (a->device_add.flags & XEN_PCI_DEV_VIRTFN) != 0))
DO(pci_device_remove, pci_device_remove(a->device.seg, device_bdf(a)))
DO(restore_msi_ext, pci_msi_restore(a->device.seg, device_bdf(a)))
DO(prepare_msix, pci_msix_prepare(a->device.seg, device_bdf(a), true))
DO(release_msix, pci_msix_prepare(a->device.seg, device_bdf(a), false))

// Configuration space is reached through ports only; what Dom0 reserved
// matters to nobody here. -ENODEV: the firmware's table has no such range.
static int op_mmcfg_reserved(union physdev_arg *a)
{
	for (u32 i = 0; i < platform.nr_mcfg; i++)
		if (platform.mcfg[i].maddr == a->mmcfg.address &&
		    platform.mcfg[i].segment == a->mmcfg.segment)
			return 0;
	return -ENODEV;
}

// No debug port of ours is on USB.
DO(dbgp, 0)

#define SIZE(member) sizeof(((union physdev_arg *)NULL)->member)
#define IN	     0
#define BOTH	     1 // copied out, too
#define HARDWARE     2 // for the hardware domain only

static const struct {
	int (*fn)(union physdev_arg *a);
	u8 size, flags;
} op_table[] = {
#define OP(nr, name, member, flags) [nr] = { op_##name, SIZE(member), flags }
	OP(PHYSDEVOP_irq_status_query, irq_status_query, irq_status_query,
	   BOTH),
	OP(PHYSDEVOP_set_iopl, set_iopl, set_iopl, IN),
	OP(PHYSDEVOP_set_iobitmap, set_iobitmap, set_iobitmap, IN),
	OP(PHYSDEVOP_apic_read, apic_read, apic, HARDWARE | BOTH),
	OP(PHYSDEVOP_apic_write, apic_write, apic, HARDWARE),
	OP(PHYSDEVOP_alloc_irq_vector, alloc_irq_vector, irq, HARDWARE | BOTH),
	OP(PHYSDEVOP_eoi, eoi, eoi, IN),
	OP(PHYSDEVOP_map_pirq, map_pirq, map_pirq, BOTH),
	OP(PHYSDEVOP_unmap_pirq, unmap_pirq, unmap_pirq, IN),
	OP(PHYSDEVOP_manage_pci_add, manage_pci_add, manage_pci, HARDWARE),
	OP(PHYSDEVOP_manage_pci_remove, manage_pci_remove, manage_pci,
	   HARDWARE),
	OP(PHYSDEVOP_pirq_eoi_gmfn_v1, eoi_map_v1, eoi_map, IN),
	OP(PHYSDEVOP_restore_msi, restore_msi, manage_pci, HARDWARE),
	OP(PHYSDEVOP_manage_pci_add_ext, manage_pci_add_ext, manage_pci_ext,
	   HARDWARE),
	OP(PHYSDEVOP_setup_gsi, setup_gsi, setup_gsi, HARDWARE),
	OP(PHYSDEVOP_get_free_pirq, get_free_pirq, get_free_pirq, BOTH),
	OP(PHYSDEVOP_pci_mmcfg_reserved, mmcfg_reserved, mmcfg, HARDWARE),
	OP(PHYSDEVOP_pci_device_add, pci_device_add, device_add, HARDWARE),
	OP(PHYSDEVOP_pci_device_remove, pci_device_remove, device, HARDWARE),
	OP(PHYSDEVOP_restore_msi_ext, restore_msi_ext, device, HARDWARE),
	OP(PHYSDEVOP_pirq_eoi_gmfn_v2, eoi_map_v2, eoi_map, IN),
	OP(PHYSDEVOP_dbgp_op, dbgp, dbgp, HARDWARE),
	OP(PHYSDEVOP_prepare_msix, prepare_msix, device, HARDWARE),
	OP(PHYSDEVOP_release_msix, release_msix, device, HARDWARE),
};

// The structures that name a device begin alike.
_Static_assert(offsetof(struct physdev_pci_device_add, devfn) ==
		       offsetof(struct physdev_pci_device, devfn),
	       "device_bdf");
_Static_assert(offsetof(struct physdev_manage_pci_ext, devfn) ==
		       offsetof(struct physdev_restore_msi, devfn),
	       "manage_bdf");

// a1: PHYSDEVOP_*, a2: its argument.
long call_physdev_op(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	union physdev_arg arg;
	u32 op = (u32)a1;
	int rc;

	if (op >= ARRAY_SIZE(op_table))
		return -ENOSYS;
	op = (u32)index_nospec(op, ARRAY_SIZE(op_table));
	if (!op_table[op].fn)
		return -ENOSYS;
	if (op_table[op].flags & HARDWARE && !currd->is_hardware)
		return -EPERM;
	if (copy_from_guest(&arg, a2, op_table[op].size))
		return -EFAULT;
	rc = op_table[op].fn(&arg);
	if (!rc && op_table[op].flags & BOTH)
		rc = copy_to_guest(a2, &arg, op_table[op].size);
	return rc;
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
