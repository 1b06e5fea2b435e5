// SPDX-License-Identifier: MIT
// Interrupts of devices: physdev_op's rules, MSI and MSI-X.
#include "machine/machine.h"

#define SELF	  DOMID_SELF
#define MANY	  100000
#define NO_DEVICE (31 << 3)

long physdev(unsigned int op, void *arg)
{
	return HC2(__HYPERVISOR_physdev_op, op, arg);
}

static struct physdev_map_pirq map_arg;

static long map(int type, int index, int pirq)
{
	map_arg = (struct physdev_map_pirq){
		.domid = SELF, .type = type, .index = index, .pirq = pirq
	};
	return physdev(PHYSDEVOP_map_pirq, &map_arg);
}

static long map_msi(u8 devfn, int type, int entry, u64 table)
{
	map_arg = (struct physdev_map_pirq){ .domid = SELF,
					     .type = type,
					     .index = -1,
					     .pirq = -1,
					     .devfn = devfn,
					     .entry_nr = entry,
					     .table_base = table };
	return physdev(PHYSDEVOP_map_pirq, &map_arg);
}

static long unmap(int pirq)
{
	struct physdev_unmap_pirq op = { .domid = SELF, .pirq = pirq };

	return physdev(PHYSDEVOP_unmap_pirq, &op);
}

static u32 bind_pirq(u32 pirq, long want)
{
	struct evtchn_bind_pirq bind = { .pirq = pirq };

	CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &bind), want);
	return bind.port;
}

TEST(operations)
{
	static const u8 none[] = { 0, 1, 2, 3, 11, 18, 22, 26 + 7, 200 };
	static u8 arg[128];

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		if (physdev(none[i], arg) != -ENOSYS)
			check_failed(__FILE__, __LINE__, "op %u: %ld", none[i],
				     physdev(none[i], arg));
	}
	CHECK_EQ(physdev(PHYSDEVOP_map_pirq, window(0)), -EFAULT);
	CHECK_EQ(physdev(PHYSDEVOP_eoi, window(0)), -EFAULT);
	CHECK_EQ(physdev(PHYSDEVOP_map_pirq, (void *)NOT_OURS), -EFAULT);
}

TEST(setup_gsi)
{
	static const struct {
		int gsi;
		u8 triggering, polarity;
		int rc;
	} cases[] = {
		{ 20, 1, 1, 0 },	 { 20, 1, 1, -EEXIST },
		{ 20, 0, 0, -EEXIST },	 { 20, 2, 0, -EEXIST },
		{ -1, 1, 1, -EINVAL },	 { 24, 1, 1, -EINVAL },
		{ MANY, 1, 1, -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct physdev_setup_gsi op = { cases[i].gsi,
						cases[i].triggering,
						cases[i].polarity };
		long rc = physdev(PHYSDEVOP_setup_gsi, &op);

		if (rc != cases[i].rc)
			check_failed(__FILE__, __LINE__, "gsi %d, %u, %u: %ld",
				     op.gsi, op.triggering, op.polarity, rc);
	}
}

TEST(map_gsi)
{
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 17, 17), 0);
	CHECK_EQ(map_arg.pirq, 17);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 17, 17), 0);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 17, -1), 0);
	CHECK_EQ(map_arg.pirq, 17);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 17, 18), -EEXIST);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 18, 17), -EEXIST);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, -1, 3), -EINVAL);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 24, 30), -EINVAL);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, MANY, 30), -EINVAL);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 19, MANY), -EINVAL);
	CHECK_EQ(map(MAP_PIRQ_TYPE_UNKNOWN, 19, 19), -EINVAL);
	CHECK_EQ(map(99, 19, 19), -EINVAL);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 19, 40), 0);
	CHECK_EQ(map_arg.pirq, 40);
	CHECK_EQ(unmap(40), 0);
	CHECK_EQ(unmap(40), -EINVAL);
	CHECK_EQ(unmap(17), 0);
	CHECK_EQ(unmap(17), -EINVAL);
	CHECK_EQ(unmap(-1), -EINVAL);
	CHECK_EQ(unmap(MANY), -EINVAL);
	// Lines of the machine itself.
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 0, 0), -EPERM);
	map_arg = (struct physdev_map_pirq){ .domid = 4711,
					     .type = MAP_PIRQ_TYPE_GSI };
	CHECK_EQ(physdev(PHYSDEVOP_map_pirq, &map_arg), -ESRCH);
	struct physdev_unmap_pirq op = { .domid = 4711 };
	CHECK_EQ(physdev(PHYSDEVOP_unmap_pirq, &op), -ESRCH);
}

TEST(bound_gsi)
{
	u32 port;

	bind_pirq(21, -EPERM);
	CHECK_EQ(map(MAP_PIRQ_TYPE_GSI, 21, 21), 0);
	port = bind_pirq(21, 0);
	bind_pirq(21, -EEXIST);
	bind_pirq(MANY, -EINVAL);
	// The binding ends with the mapping, the port stays.
	CHECK_EQ(unmap(21), 0);
	CHECK_EQ(port_close(port), 0);
	bind_pirq(21, -EPERM);
}

TEST(status_and_eoi)
{
	struct physdev_irq_status_query query = { .irq = 9 };
	struct physdev_eoi eoi = { 9 };

	CHECK_EQ(physdev(PHYSDEVOP_irq_status_query, &query), 0);
	CHECK_EQ(query.flags, XENIRQSTAT_needs_eoi);
	query = (struct physdev_irq_status_query){ .irq = 22 };
	CHECK_EQ(physdev(PHYSDEVOP_irq_status_query, &query), 0);
	CHECK_EQ(query.flags, XENIRQSTAT_needs_eoi);
	query.irq = MANY;
	CHECK_EQ(physdev(PHYSDEVOP_irq_status_query, &query), -EINVAL);
	CHECK_EQ(physdev(PHYSDEVOP_eoi, &eoi), -EINVAL);
	eoi.irq = 22;
	CHECK_EQ(physdev(PHYSDEVOP_eoi, &eoi), -EINVAL);
	eoi.irq = MANY;
	CHECK_EQ(physdev(PHYSDEVOP_eoi, &eoi), -EINVAL);
}

TEST(free_pirq)
{
	struct physdev_get_free_pirq op = { .type = MAP_PIRQ_TYPE_GSI };

	CHECK_EQ(physdev(PHYSDEVOP_get_free_pirq, &op), 0);
	CHECK(op.pirq >= 16 && op.pirq < 24);
	CHECK_EQ(unmap((int)op.pirq), -EINVAL);
	op.type = MAP_PIRQ_TYPE_MSI;
	CHECK_EQ(physdev(PHYSDEVOP_get_free_pirq, &op), 0);
	CHECK(op.pirq >= 24);
	op.type = 99;
	CHECK_EQ(physdev(PHYSDEVOP_get_free_pirq, &op), 0);
}

TEST(apic_access)
{
	struct physdev_apic op = { .apic_physbase = 0xfec00000, .reg = 1 };
	struct physdev_irq irq = { .irq = 21 };

	CHECK_EQ(physdev(PHYSDEVOP_apic_read, &op), 0);
	CHECK_EQ(op.value >> 16 & 0xff, 23);
	op.apic_physbase = 0x12345000;
	CHECK_EQ(physdev(PHYSDEVOP_apic_read, &op), -EINVAL);
	CHECK_EQ(physdev(PHYSDEVOP_apic_write, &op), -EINVAL);
	irq.irq = MANY;
	CHECK_EQ(physdev(PHYSDEVOP_alloc_irq_vector, &irq), 0);
}

TEST(devices)
{
	struct physdev_pci_device device = { .devfn = NO_DEVICE };
	struct physdev_pci_device_add add = { .devfn = BRIDGE_DEVFN };
	struct physdev_manage_pci manage = { .devfn = BRIDGE_DEVFN };
	struct physdev_manage_pci_ext ext = { .devfn = BRIDGE_DEVFN,
					      .is_virtfn = 2 };
	struct physdev_pci_mmcfg_reserved window_op = { .address = 0xb0000000 };
	struct physdev_dbgp_op debug = { .op = 77 };

	CHECK_EQ(physdev(PHYSDEVOP_pci_device_add, &add), 0);
	CHECK_EQ(physdev(PHYSDEVOP_manage_pci_add, &manage), 0);
	CHECK_EQ(physdev(PHYSDEVOP_manage_pci_add_ext, &ext), -EINVAL);
	add.flags = XEN_PCI_DEV_VIRTFN;
	add.seg = 0;
	CHECK_EQ(physdev(PHYSDEVOP_pci_device_remove, &device), -ENODEV);
	CHECK_EQ(physdev(PHYSDEVOP_restore_msi_ext, &device), -ENODEV);
	CHECK_EQ(physdev(PHYSDEVOP_prepare_msix, &device), -ENODEV);
	CHECK_EQ(physdev(PHYSDEVOP_release_msix, &device), -ENODEV);
	manage.devfn = NO_DEVICE;
	CHECK_EQ(physdev(PHYSDEVOP_restore_msi, &manage), -ENODEV);
	CHECK_EQ(physdev(PHYSDEVOP_manage_pci_remove, &manage), -ENODEV);
	device.devfn = BRIDGE_DEVFN;
	CHECK_EQ(physdev(PHYSDEVOP_restore_msi_ext, &device), 0);
	CHECK_EQ(physdev(PHYSDEVOP_pci_mmcfg_reserved, &window_op), -ENODEV);
	CHECK_EQ(physdev(PHYSDEVOP_dbgp_op, &debug), 0);
}

TEST(device_without_msix)
{
	struct physdev_pci_device device = { .devfn = BRIDGE_DEVFN };

	if (!on_ringlet())
		test_skip("Xen 4.17 dies");
	CHECK_EQ(physdev(PHYSDEVOP_prepare_msix, &device), -ENODEV);
}

static void device_add(u8 devfn)
{
	struct physdev_pci_device_add add = { .devfn = devfn };

	CHECK_EQ(physdev(PHYSDEVOP_pci_device_add, &add), 0);
}

TEST(msi)
{
	u8 cap;
	int pirq;

	iopl_set(1);
	device_add(BRIDGE_DEVFN);
	cap = capability(BRIDGE_DEVFN, CAP_MSI);
	CHECK(cap);
	CHECK_EQ(map_msi(NO_DEVICE, MAP_PIRQ_TYPE_MSI, 0, 0), -ENODEV);
	CHECK_EQ(map_msi(0, MAP_PIRQ_TYPE_MSI, 0, 0), -ENODEV);
	CHECK_EQ(map_msi(BRIDGE_DEVFN, MAP_PIRQ_TYPE_MSI, 0, 0), 0);
	pirq = map_arg.pirq;
	CHECK(pirq >= 24);
	// The hypervisor's address and data; the guest's enable bit.
	u32 address = config_read(BRIDGE_DEVFN, cap + 4, 4);
	u32 data = config_read(BRIDGE_DEVFN, cap + 12, 2);
	CHECK_EQ(address >> 20, 0xfee);
	CHECK(data & 0xff);
	config_write(BRIDGE_DEVFN, cap + 4, 4, 0xfee01000);
	CHECK_EQ(config_read(BRIDGE_DEVFN, cap + 4, 4), address);
	config_write(BRIDGE_DEVFN, cap + 12, 2, 0x4321);
	CHECK_EQ(config_read(BRIDGE_DEVFN, cap + 12, 2), data);
	config_write(BRIDGE_DEVFN, cap + 2, 2, 0x71);
	CHECK_EQ(config_read(BRIDGE_DEVFN, cap + 2, 2) & 0x71, 1);
	config_write(BRIDGE_DEVFN, cap + 2, 2, 0);
	CHECK_EQ(config_read(BRIDGE_DEVFN, cap + 2, 2) & 1, 0);
	CHECK_EQ(unmap(pirq), 0);
	CHECK_EQ(unmap(pirq), -EINVAL);
	iopl_set(0);
}

// What is mapped has its number; there is no second one.
TEST(msi_twice)
{
	int pirq;

	CHECK_EQ(map_msi(BRIDGE_DEVFN, MAP_PIRQ_TYPE_MSI, 0, 0), 0);
	pirq = map_arg.pirq;
	CHECK_EQ(map_msi(BRIDGE_DEVFN, MAP_PIRQ_TYPE_MSI, 0, 0), -EEXIST);
	if (map_arg.pirq >= 0)
		unmap(map_arg.pirq);
	CHECK_EQ(unmap(pirq), 0);
}

static volatile u32 *map_table(unsigned int n, u64 maddr, u64 flags, long want)
{
	void *w = window(n);

	CHECK_EQ(update_va(w, make_entry(maddr >> 12, flags | PTE_PCD),
			   UVMF_INVLPG),
		 want);
	return (volatile u32 *)((u8 *)w + (maddr & 0xfff));
}

TEST(msix)
{
	volatile u32 *table;
	u64 base, maddr;
	int pirq[2];
	u8 cap;

	iopl_set(1);
	device_add(NIC_DEVFN);
	cap = capability(NIC_DEVFN, CAP_MSIX);
	CHECK(cap);
	base = bar_address(NIC_DEVFN, config_read(NIC_DEVFN, cap + 4, 4) & 7);
	maddr = base + (config_read(NIC_DEVFN, cap + 4, 4) & ~7u);
	memory_enable(NIC_DEVFN);
	// Free for all, as long as nobody uses the table.
	table = map_table(1, maddr, PTE_RW, 0);
	table[0] = 0x1230;
	CHECK_EQ(table[0], 0x1230);
	table[0] = 0;
	window(1);
	CHECK_EQ(map_msi(NIC_DEVFN, MAP_PIRQ_TYPE_MSI, 5, base), -EINVAL);
	CHECK_EQ(map_msi(NIC_DEVFN, MAP_PIRQ_TYPE_MSI, -1, base), -EINVAL);
	CHECK_EQ(map_msi(BRIDGE_DEVFN, MAP_PIRQ_TYPE_MSI, 0, base), -ENODEV);
	CHECK_EQ(map_msi(NIC_DEVFN, MAP_PIRQ_TYPE_MSI, 0, base), 0);
	pirq[0] = map_arg.pirq;
	CHECK_EQ(map_msi(NIC_DEVFN, MAP_PIRQ_TYPE_MSI, 1, base), 0);
	pirq[1] = map_arg.pirq;
	CHECK(pirq[0] != pirq[1]);
	// In use: the table can be read, and a store changes nothing.
	table = map_table(1, maddr, PTE_RW, 0);
	CHECK_EQ(*entry_of(table, 1) & PTE_W, 0);
	CHECK_EQ(table[0] >> 20, 0xfee);
	u32 address = table[0];
	CHECK_TRAP(table[0] = 0x1230, NO_TRAP, 0);
	CHECK_EQ(table[0], address);
	window(1);
	map_table(1, maddr, PTE_RO, 0);
	window(1);
	CHECK_EQ(unmap(pirq[0]), 0);
	CHECK_EQ(unmap(pirq[1]), 0);
	table = map_table(1, maddr, PTE_RW, 0);
	CHECK_EQ(*entry_of(table, 1) & PTE_W, PTE_W);
	window(1);
	iopl_set(0);
}

// A page of one bit a number: whether its interrupt wants an end.
TEST(eoi_page)
{
	struct physdev_pirq_eoi_gmfn op = { .gmfn = ~(xen_pfn_t)0 >> 2 };
	void *page = page_alloc();

	CHECK_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v1, &op), -EINVAL);
	CHECK_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &op), -EINVAL);
	op.gmfn = virt_to_mfn((void *)start_info->pt_base);
	CHECK_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &op), -EINVAL);
	op.gmfn = virt_to_mfn(page);
	CHECK_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &op), 0);
	CHECK_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &op), -EBUSY);
	CHECK_EQ(physdev(PHYSDEVOP_pirq_eoi_gmfn_v1, &op), -EBUSY);
	CHECK_EQ(page_set_ro(page), 0); // it is the guest's still
	CHECK_EQ(pin_table(1, page), -EINVAL);
	CHECK_EQ(page_set_rw(page), 0);
}
