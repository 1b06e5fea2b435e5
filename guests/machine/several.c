// SPDX-License-Identifier: MIT
// MSI with several vectors. The device that has them is hard to make send one,
// so the teaching device (QEMU's edu) sends the same messages by DMA.
#include "machine/machine.h"

#define EDU_BUFFER  0x40000
#define EDU_DMA	    0x80 // source, target, count, command: 8 bytes each
#define EDU_RUN	    1
#define EDU_TO_HOST 2

static volatile u64 *edu_dma;
static struct physdev_map_pirq arg;

static long map_several(int count)
{
	arg = (struct physdev_map_pirq){ .domid = DOMID_SELF,
					 .type = MAP_PIRQ_TYPE_MULTI_MSI,
					 .index = -1,
					 .pirq = -1,
					 .devfn = XHCI_DEVFN,
					 .entry_nr = count };
	return physdev(PHYSDEVOP_map_pirq, &arg);
}

static long unmap(int pirq)
{
	struct physdev_unmap_pirq op = { .domid = DOMID_SELF, .pirq = pirq };

	return physdev(PHYSDEVOP_unmap_pirq, &op);
}

static void edu_start(void)
{
	void *w = window(2);

	memory_enable(EDU_DEVFN);
	CHECK_EQ(update_va(w,
			   make_entry(bar_address(EDU_DEVFN, 0) >> 12,
				      PTE_RW | PTE_PCD),
			   UVMF_INVLPG),
		 0);
	edu_dma = (volatile u64 *)((u8 *)w + EDU_DMA);
}

static void edu_copy(u64 from, u64 to, u64 command)
{
	edu_dma[0] = from;
	edu_dma[1] = to;
	edu_dma[2] = 4;
	edu_dma[3] = command | EDU_RUN;
	while (edu_dma[3] & EDU_RUN)
		sched_op(SCHEDOP_yield, NULL);
}

static void edu_write(u64 maddr, u32 value)
{
	static u32 buffer;

	buffer = value;
	edu_copy(virt_to_maddr(&buffer), EDU_BUFFER, 0);
	edu_copy(EDU_BUFFER, maddr, EDU_TO_HOST);
}

static u32 bind(int pirq)
{
	struct evtchn_bind_pirq op = { .pirq = (u32)pirq };

	CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &op), 0);
	return op.port;
}

TEST(several_vectors_numbers)
{
	struct physdev_pci_device_add add = { .devfn = XHCI_DEVFN };

	CHECK_EQ(physdev(PHYSDEVOP_pci_device_add, &add), 0);
	CHECK_EQ(map_several(0), -EDOM);
	CHECK_EQ(map_several(-1), -EDOM);
	CHECK_EQ(map_several(33), -EDOM);
}

TEST(several_vectors_given)
{
	int pirq;

	// The device has 16.
	if (!CHECK_EQ(map_several(32), -ENFILE))
		return;
	CHECK_EQ(arg.entry_nr, 16);
	CHECK_EQ(map_several(3), 0);
	CHECK_EQ(arg.entry_nr, 4);
	pirq = arg.pirq;
	CHECK_EQ(map_several(1), -EEXIST);
	CHECK_EQ(map_several(16), -EEXIST);
	CHECK_EQ(unmap(pirq), 0);
	CHECK_EQ(unmap(pirq), -EINVAL);
	CHECK_EQ(map_several(1), 0);
	CHECK_EQ(unmap(arg.pirq), 0);
}

TEST(several_vectors)
{
	u32 port[4], data;
	u64 address;
	int first;
	u8 cap;

	if (!CHECK_EQ(map_several(4), 0))
		return;
	iopl_set(1);
	edu_start();
	cap = capability(XHCI_DEVFN, CAP_MSI);
	first = arg.pirq;
	CHECK_EQ(unmap(first + 1), -EBUSY);
	CHECK_EQ(config_read(XHCI_DEVFN, cap + 2, 2) & 0x71, 0x20);
	address = config_read(XHCI_DEVFN, cap + 4, 4);
	data = config_read(XHCI_DEVFN, cap + 12, 2);
	CHECK_EQ(data & 3, 0);
	for (int i = 0; i < 4; i++)
		port[i] = bind(first + i);
	event_unmask_all();
	for (u32 i = 0; i < 4; i++) {
		u32 before = event_counts[port[i]];

		edu_write(address, data + i);
		CHECK_EQ(event_counts[port[i]], before + 1);
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(event_counts[port[i]], 1);
	event_mask_all();
	CHECK_EQ(unmap(first), 0);
	CHECK_EQ(config_read(XHCI_DEVFN, cap + 2, 2) & 1, 0);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(port_close(port[i]), 0);
		CHECK_EQ(unmap(first + i), -EINVAL);
	}
	window(2);
	iopl_set(0);
}
