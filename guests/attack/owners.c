// SPDX-License-Identifier: MIT
// Frame numbers and sizes that there are not; frames and domains of another
// kind.
#include "attack/attack.h"
#include <xen/foreign/x86_32.h>

#define CODE64 0x00affb000000ffffull
#define DATA   0x00cff3000000ffffull
#define TABLE  GRANT_WINDOW

static const uptr huge[] = { 1ul << 28,
#ifdef __x86_64__
			     1ul << 36, 1ul << 39, 1ul << 40, ~0ul >> 12,
#else
			     1ul << 31, ~0ul - 1,
#endif
			     ~0ul };

// All operations that name a frame.
TEST(huge_frames)
{
	static const unsigned int one[] = {
		MMUEXT_PIN_L1_TABLE, MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
		MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE,  MMUEXT_NEW_BASEPTR,
		MMUEXT_CLEAR_PAGE,   MMUEXT_COPY_PAGE
	};
	u64 *page = page_alloc();
	struct mmuext_op copy = { .cmd = MMUEXT_COPY_PAGE };

	for (unsigned int i = 0; i < ARRAY_SIZE(huge); i++) {
		uptr frame = huge[i];

		for (unsigned int j = 0; j < ARRAY_SIZE(one); j++)
			CHECK_EQ(mmuext(one[j], frame, 0), -EINVAL);
		CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, frame, 0), -EINVAL);
		copy.arg1.mfn = (xen_pfn_t)virt_to_mfn(page);
		copy.arg2.src_mfn = frame;
		CHECK_EQ(mmuext_one(&copy), -EINVAL);
		CHECK_EQ(mmu_update_one((u64)frame << 12, 0), -EINVAL);
		CHECK_EQ(mmu_update_one((u64)frame << 12 | MMU_MACHPHYS_UPDATE,
					0),
			 -EINVAL);
		CHECK_EQ(set_gdt(frame, 512), -EINVAL);
		CHECK_EQ(update_descriptor((u64)frame << 12, DATA), -EINVAL);
	}
	CHECK(page_exchange(page));
	page_free(page);
}

static long reservation(unsigned int cmd, xen_pfn_t *list, unsigned int order)
{
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .extent_order = order,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, list);
	return memory_op(cmd, &r);
}

// Orders beyond all memory: 2^order wraps around, or takes for ever.
TEST(huge_orders)
{
	u64 *page = page_alloc();
	xen_pfn_t in = (xen_pfn_t)virt_to_mfn(page), out = 0;
	domid_t self = DOMID_SELF;
	long before = memory_op(XENMEM_current_reservation, &self);

	for (unsigned int i = 19; i < 65; i++) {
		unsigned int order = i < 64 ? i : ~0u;
		struct xen_memory_exchange x = {
			.in = { .nr_extents = 1, .domid = DOMID_SELF },
			.out = { .nr_extents = 1, .domid = DOMID_SELF },
		};

		CHECK_EQ(reservation(XENMEM_increase_reservation, &out, order),
			 0);
		CHECK_EQ(reservation(XENMEM_decrease_reservation, &in, order),
			 0);
		CHECK_EQ(reservation(XENMEM_populate_physmap, &out, order), 0);
		set_xen_guest_handle(x.in.extent_start, &in);
		set_xen_guest_handle(x.out.extent_start, &out);
		x.in.extent_order = order;
		CHECK_EQ(memory_op(XENMEM_exchange, &x), -EPERM);
		x.in.extent_order = 0;
		x.out.extent_order = order;
		CHECK_EQ(memory_op(XENMEM_exchange, &x), -EPERM);
	}
	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), before);
	CHECK(page_exchange(page));
	page_free(page);
}

// The list is good at its beginning; the element that comes next is elsewhere.
TEST(exchange_goes_on_elsewhere)
{
#ifdef __x86_64__
	static const uptr bad[] = { 0x0000800000000000, 0xffff800000000000,
				    0xffff830000000000, 0xffff87fffffffff8 };
#else
	static const uptr bad[] = { 0xfffff000, 0xffffff00, 0xfffffffc };
#endif
	const uptr base = PAGE_SIZE;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		uptr n = (bad[i] - base) / sizeof(xen_pfn_t);
		struct xen_memory_exchange x = {
			.in = { .nr_extents = n + 1, .domid = DOMID_SELF },
			.out = { .nr_extents = n + 1, .domid = DOMID_SELF },
			.nr_exchanged = n,
		};

		set_xen_guest_handle(x.in.extent_start, (xen_pfn_t *)base);
		set_xen_guest_handle(x.out.extent_start, (xen_pfn_t *)base);
		CHECK_EQ(memory_op(XENMEM_exchange, &x), -EFAULT);
		CHECK_EQ(x.nr_exchanged, n);
	}
}

static int16_t transfer(void *page, domid_t to, struct grant_entry_v1 *entry)
{
	struct gnttab_transfer op = { .mfn = (xen_pfn_t)virt_to_mfn(page),
				      .domid = to,
				      .ref = ATTACK_REF };

	entry->domid = 0;
	entry->frame = 0;
	entry->flags = GTF_accept_transfer;
	CHECK_EQ(update_va(page, 0, UVMF_INVLPG | UVMF_ALL), 0);
	CHECK_EQ(grant_op(GNTTABOP_transfer, &op, 1), 0);
	if (op.status == GNTST_okay)
		CHECK_EQ(entry->frame, (u32)op.mfn);
	return op.status;
}

// From a 32-bit kernel's no descriptor comes that a 64-bit kernel must not have.
#ifdef __x86_64__
// A page of descriptors that was checked for a 64-bit kernel goes to a domain
// of a 32-bit one, which must not have 64-bit code: it is looked at anew.
static long context32_with(domid_t id, u64 base, u64 gdt)
{
	static struct vcpu_guest_context_x86_32 c;
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext,
				 .domain = id };

	memset(&c, 0, sizeof(c));
	c.flags = VGCF_in_kernel_X86_32;
	c.user_regs.cs = FLAT_KERNEL_CS_X86_32;
	c.user_regs.ss = FLAT_KERNEL_SS_X86_32;
	c.kernel_ss = FLAT_KERNEL_SS_X86_32;
	c.ctrlreg[3] = xen_pfn_to_cr3_x86_32(base);
	c.gdt_frames[0] = (u32)gdt;
	c.gdt_ents = 512;
	op.u.vcpucontext.ctxt.p = (void *)&c;
	return domctl(&op);
}

// A frame of ours in the place of one that went away.
static void refill(void *page)
{
	xen_pfn_t frame = (xen_pfn_t)virt_to_pfn(page);
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, &frame);
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
	p2m()[virt_to_pfn(page)] = frame;
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}

TEST(descriptors_change_owner)
{
	struct grant_entry_v1 *entry;
	u64 *gdt[2], frame[2], base;
	domid_t id;

	if (!on_ringlet())
		test_skip("Debian's Xen has no 32-bit PV guests");
	id = domain_create_of(32);
	base = domain_page(id, 0);
	entry = grants_of(id) + ATTACK_REF;
	for (int i = 0; i < 2; i++) {
		gdt[i] = page_alloc();
		gdt[i][1] = DATA;
		gdt[i][2] = i ? CODE64 : 0;
		frame[i] = virt_to_mfn(gdt[i]);
		CHECK_EQ(page_set_ro(gdt[i]), 0);
		CHECK_EQ(set_gdt(frame[i], 512), 0);
		CHECK_EQ(set_gdt(0, 0), 0);
		CHECK_EQ(transfer(gdt[i], id, entry), GNTST_okay);
	}
	CHECK_EQ(context32_with(id, base, frame[1]), -EINVAL);
	CHECK_EQ(context32_with(id, base, frame[0]), 0);
	window(TABLE);
	domain_destroy(id);
	refill(gdt[0]);
	refill(gdt[1]);
}
#endif

// A page in use is not the guest's to give; nor is one somebody else has.
TEST(transfer_in_use)
{
	struct grant_entry_v1 *entry;
	u64 *page = page_alloc(), frame = virt_to_mfn(page);
	domid_t id = domain_create();
	struct gnttab_transfer op = { .mfn = (xen_pfn_t)frame,
				      .domid = id,
				      .ref = ATTACK_REF };

	entry = grants_of(id) + ATTACK_REF;
	entry->flags = GTF_accept_transfer;
	// Mapped; a pinned table; in the GDT.
	CHECK_EQ(grant_op(GNTTABOP_transfer, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_page);
	CHECK_EQ(page_set_ro(page), 0);
	CHECK_EQ(pin_table(1, page), 0);
	CHECK_EQ(transfer(page, id, entry), GNTST_bad_page);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, frame, 0), 0);
	CHECK_EQ(set_gdt(frame, 512), 0);
	CHECK_EQ(transfer(page, id, entry), GNTST_bad_page);
	CHECK_EQ(set_gdt(0, 0), 0);
	op.mfn = (xen_pfn_t)domain_page(id, 5);
	CHECK_EQ(grant_op(GNTTABOP_transfer, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_page);
	CHECK_EQ(entry->flags, GTF_accept_transfer);
	CHECK_EQ(page_set_rw(page), 0);
	CHECK(page_exchange(page));
	page_free(page);
	window(TABLE);
	domain_destroy(id);
}

static long ext_for(domid_t id, unsigned int cmd, u64 mfn)
{
	struct mmuext_op op = { .cmd = cmd };

	op.arg1.mfn = (xen_pfn_t)mfn;
	return HC4(__HYPERVISOR_mmuext_op, &op, 1, NULL, id);
}

// Tables of a domain of the other width, and of what is no domain.
TEST(tables_of_another_kind)
{
	u64 *w = window(4), frame, flags = PTE_RW | PTE_U;
	domid_t id;

	for (unsigned int cmd = 0; cmd <= MMUEXT_UNPIN_TABLE; cmd++) {
		CHECK(ext_for(DOMID_IO, cmd, 0xb8) < 0);
		CHECK(ext_for(DOMID_XEN, cmd, 0xb8) < 0);
		CHECK_EQ(ext_for(77, cmd, 0), -ESRCH);
	}
	if (!on_ringlet())
		return;
	id = domain_create_of(32);
	frame = domain_page(id, 0);
	CHECK_EQ(foreign_map(4, id, frame, flags), 0);
	w[4] = 0x122; // beyond the four that count
	window(4);
	CHECK_EQ(ext_for(id, MMUEXT_PIN_L4_TABLE, frame), -EINVAL);
	CHECK_EQ(ext_for(id, MMUEXT_PIN_L3_TABLE, frame), 0);
	CHECK_EQ(foreign_map(4, id, frame, flags), -EBUSY);
	CHECK_EQ(foreign_map(4, id, frame, PTE_RO), 0);
	CHECK_EQ(*(volatile u64 *)&w[4], 0);
	window(4);
	CHECK_EQ(ext_for(id, MMUEXT_UNPIN_TABLE, frame), 0);
	domain_destroy(id);
}
