// SPDX-License-Identifier: MIT
// physdev_op: lines, pirqs, devices, ports.
#include "fuzz/fuzz.h"

static u8 eoi_page[PAGE_SIZE] __page_aligned;

static void make_pirq(struct call *c)
{
	*(u32 *)arg(c, 8) = 14 + below(12);
}

static void make_iopl(struct call *c)
{
	*(u32 *)arg(c, 8) = below(5);
}

static void make_bitmap(struct call *c)
{
	struct physdev_set_iobitmap *a = arg(c, sizeof(*a));

	a->bitmap.p = (u8 *)OUT_AREA;
	a->nr_ports = chance(90) ? below(65537) : (u32)odd_value();
}

static void make_apic(struct call *c)
{
	struct physdev_apic *a = arg(c, sizeof(*a));

	a->apic_physbase = chance(80) ? 0xfec00000 : odd_value();
	a->reg = below(64);
}

static void make_vector(struct call *c)
{
	*(u32 *)arg(c, 8) = 16 + below(9);
}

static void make_map(struct call *c)
{
	struct physdev_map_pirq *a = arg(c, sizeof(*a));

	a->domid = DOMID_SELF;
	a->type = chance(80) ? MAP_PIRQ_TYPE_GSI : (int)below(6);
	a->index = 16 + (int)below(8);
	a->pirq = chance(50) ? a->index : -1;
	if (a->type != MAP_PIRQ_TYPE_GSI) {
		a->index = a->pirq = -1;
		a->devfn = (int)below(6) << 3;
		a->entry_nr = (int)below(4);
	}
}

static void make_unmap(struct call *c)
{
	struct physdev_unmap_pirq *a = arg(c, sizeof(*a));

	a->domid = DOMID_SELF;
	a->pirq = 16 + (int)below(chance(90) ? 8 : 200);
}

// Those of the first few places only: one that was told of is never forgotten.
static void make_device(struct call *c)
{
	u8 *a = arg(c, 16);

	a[1] = (u8)(below(6) << 3); // bus, devfn
	if (c->op->cmd == PHYSDEVOP_manage_pci_add_ext)
		((struct physdev_manage_pci_ext *)a)->is_virtfn = below(3);
}

static void make_segment(struct call *c)
{
	struct physdev_pci_device *a = arg(c, sizeof(*a));

	a->devfn = (u8)(below(6) << 3);
}

static void make_add(struct call *c)
{
	struct physdev_pci_device_add *a = arg(c, sizeof(*a) + 8);

	a->seg = (u16)(chance(90) ? 0 : below(5));
	a->devfn = (u8)(below(6) << 3);
	a->flags = below(8);
	if (chance(10))
		c->args[1] = nowhere();
}

static void make_eoi_page(struct call *c)
{
	struct physdev_pirq_eoi_gmfn *a = arg(c, sizeof(*a));

	a->gmfn = chance(50) ? virt_to_mfn(eoi_page) : max_frame + below(2);
}

static void make_gsi(struct call *c)
{
	struct physdev_setup_gsi *a = arg(c, sizeof(*a));

	a->gsi = 16 + (int)below(10);
	a->triggering = a->polarity = 1;
}

static void make_free(struct call *c)
{
	struct physdev_get_free_pirq *a = arg(c, sizeof(*a));

	a->type = (int)below(2);
}

static void make_window(struct call *c)
{
	struct physdev_pci_mmcfg_reserved *a = arg(c, sizeof(*a));

	a->address = 0xb0000000;
	a->end_bus = 255;
}

static void make_debug(struct call *c)
{
	struct physdev_dbgp_op *a = arg(c, sizeof(*a));

	a->op = (u8)below(3);
}

static void make_old(struct call *c)
{
	struct physdev_op *a = arg_in(c, 0, sizeof(*a));

	a->cmd = PHYSDEVOP_irq_status_query;
	a->u.irq_status_query.irq = below(40);
}

void device_reset(void)
{
	struct physdev_set_iopl iopl = { 0 };
	struct physdev_set_iobitmap none = { 0 };

	HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl);
	HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &none);
	for (int i = 14; is_control && i < 300; i++) {
		struct physdev_unmap_pirq op = { DOMID_SELF, i };

		HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &op);
	}
}

#define OP(name, make, flags)                                          \
	{                                                              \
		"physdev:" #name, make, NULL, __HYPERVISOR_physdev_op, \
			PHYSDEVOP_##name, 4, flags                     \
	}

static const struct op ops[] = {
	OP(irq_status_query, make_pirq, OP_CONTROL),
	OP(set_iopl, make_iopl, 0),
	OP(set_iobitmap, make_bitmap, 0),
	OP(apic_read, make_apic, OP_CONTROL),
	OP(apic_write, make_apic, OP_CONTROL),
	OP(alloc_irq_vector, make_vector, OP_CONTROL),
	OP(eoi, make_pirq, 0),
	OP(map_pirq, make_map, OP_CONTROL),
	OP(unmap_pirq, make_unmap, OP_CONTROL),
	OP(manage_pci_add, make_device, OP_CONTROL | OP_EXACT),
	OP(manage_pci_remove, make_device, OP_CONTROL),
	OP(pirq_eoi_gmfn_v1, make_eoi_page, OP_EXACT),
	OP(pirq_eoi_gmfn_v2, make_eoi_page, OP_EXACT),
	OP(restore_msi, make_device, OP_CONTROL),
	OP(manage_pci_add_ext, make_device, OP_CONTROL | OP_EXACT),
	OP(setup_gsi, make_gsi, OP_CONTROL),
	OP(get_free_pirq, make_free, OP_CONTROL),
	OP(pci_mmcfg_reserved, make_window, OP_CONTROL),
	OP(pci_device_add, make_add, OP_CONTROL | OP_EXACT),
	OP(pci_device_remove, make_segment, OP_CONTROL),
	OP(restore_msi_ext, make_segment, OP_CONTROL),
	OP(dbgp_op, make_debug, OP_CONTROL),
	OP(prepare_msix, make_segment, OP_CONTROL),
	OP(release_msix, make_segment, OP_CONTROL),
	{ "physdev:old form", make_old, NULL, __HYPERVISOR_physdev_op_compat, 0,
	  4, OP_CONTROL },
};
const struct op_list device_ops = { ops, ARRAY_SIZE(ops) };
