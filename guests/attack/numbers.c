// SPDX-License-Identifier: MIT
// Numbers that stand for a vcpu, a place, a register: those that there are not.
#include "attack/attack.h"
#include "lib/cpu.h"

#define FS_BASE 0xc0000100u
#define EFER	0xc0000080u
#define PAT	0x277u

// Two vcpus are there; 128 is all that a domain may have.
static const u32 no_vcpu[] = { 2,   31,	 32,	     63,	 64,	    127,
			       128, 129, 0x7fffffff, 0x80000000, 0xffffffff };

TEST(vcpu_numbers)
{
	static struct vcpu_runstate_info info;
	u64 *page = page_alloc();

	for (unsigned int i = 0; i < ARRAY_SIZE(no_vcpu); i++) {
		u32 id = no_vcpu[i];
		struct evtchn_bind_ipi ipi = { .vcpu = id };
		struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER,
						 .vcpu = id };
		struct evtchn_init_control control = {
			.control_gfn = virt_to_mfn(page), .vcpu = id
		};
		struct evtchn_bind_vcpu bind = { .port = 1, .vcpu = id };

		for (unsigned int op = 0; op < 16; op++)
			CHECK_EQ(vcpu_op(op, id, &info), -ENOENT);
		CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &ipi), -ENOENT);
		CHECK_EQ(event_op(EVTCHNOP_bind_virq, &virq), -ENOENT);
		CHECK_EQ(event_op(EVTCHNOP_init_control, &control), -ENOENT);
		CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &bind), -ENOENT);
	}
	CHECK(page_exchange(page));
	page_free(page);
}

// A bitmap names vcpus that are not there: those that are get the flush.
TEST(vcpu_bitmaps)
{
	static u64 bits[64];
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_MULTI };

	memset(bits, 0xff, sizeof(bits));
	set_xen_guest_handle(op.arg2.vcpumask, (void *)bits);
	CHECK_EQ(mmuext_one(&op), 0);
	op.cmd = MMUEXT_INVLPG_MULTI;
	for (u32 bit = 0; bit < WIDTH; bit++) {
		op.arg1.linear_addr = (uptr)1 << bit;
		CHECK_EQ(mmuext_one(&op), 0);
	}
}

// Atomic accesses to what is not aligned may fault: no such place is taken.
TEST(vcpu_info_offsets)
{
	struct vcpu_register_vcpu_info r;
	u64 *page = page_alloc();

	for (u32 offset = 0; offset < 2 * PAGE_SIZE; offset++) {
		if (offset % sizeof(uptr) == 0 &&
		    offset <= PAGE_SIZE - sizeof(struct vcpu_info))
			continue;
		r = (struct vcpu_register_vcpu_info){ virt_to_mfn(page), offset,
						      0 };
		CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &r), -ENXIO);
	}
	r.offset = ~0u;
	CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_info, 1, &r), -ENXIO);
	for (int i = 0; i < 512; i++)
		CHECK_EQ(page[i], 0);
	CHECK(page_exchange(page));
	page_free(page);
}

// What a breakpoint's mask could do: reach the hypervisor from a guest address.
static bool is_mask(u32 msr)
{
	return msr == 0xc0011027 || (msr >= 0xc0011019 && msr <= 0xc001101b);
}

static void try_msr(u32 msr)
{
	u64 value = 0;

	// Segment bases: this vcpu's own.
	if (msr >= FS_BASE && msr < FS_BASE + 3)
		return;
	if (CATCH(value = read_msr(msr)))
		CHECK_EQ(trap_last.regs.vector, 13);
	if (CATCH(write_msr(msr, ~0ull)))
		CHECK_EQ(trap_last.regs.vector, 13);
	else if (is_mask(msr))
		check_failed("mask", (int)msr, "can be written");
	else
		CATCH(write_msr(msr, value));
}

TEST(all_msrs)
{
	static const struct {
		u32 first, n;
	} ranges[] = { { 0, 0x1400 },	      { 0x40000000, 0x200 },
		       { 0xc0000000, 0x400 }, { 0xc0010000, 0x300 },
		       { 0xc0011000, 0x100 }, { 0x80000000, 4 },
		       { 0xfffffffc, 4 } };
	u64 efer = read_msr(EFER), pat = read_msr(PAT);

	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++)
		for (u32 n = 0; n < ranges[i].n; n++)
			try_msr(ranges[i].first + n);
	CHECK_EQ(read_msr(EFER), efer);
	CHECK_EQ(read_msr(PAT), pat);
}

// An undo that began because its tables were given back.
TEST(tables_given_back)
{
	u64 *page = page_alloc(), *l1 = page_alloc(), *l2 = page_alloc();
	u64 *all[] = { page, l1, l2 };
	xen_pfn_t frames[3], pfn;
	struct xen_memory_reservation r = { .domid = DOMID_SELF };

	l1[0] = make_entry(virt_to_mfn(page), PTE_RW | PTE_U);
	l2[0] = make_entry(virt_to_mfn(l1), PTE_TABLE);
	CHECK_EQ(page_set_ro(l1), 0);
	CHECK_EQ(page_set_ro(l2), 0);
	CHECK_EQ(pin_table(2, l2), 0);
	for (int i = 0; i < 3; i++) {
		frames[i] = (xen_pfn_t)virt_to_mfn(all[i]);
		CHECK_EQ(update_va(all[i], 0, UVMF_INVLPG | UVMF_ALL), 0);
	}
	r.nr_extents = 3;
	set_xen_guest_handle(r.extent_start, frames);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 3);
	// A pin keeps the table until it is gone.
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, frames[2], 0), 0);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, frames[2], 0), -EINVAL);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(update_va(window(4), make_entry(frames[i], PTE_RO),
				   UVMF_INVLPG),
			 -EBUSY);
	for (int i = 0; i < 3; i++) {
		pfn = (xen_pfn_t)virt_to_pfn(all[i]);
		r.nr_extents = 1;
		set_xen_guest_handle(r.extent_start, &pfn);
		CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
		p2m()[virt_to_pfn(all[i])] = pfn;
		CHECK_EQ(page_set_rw(all[i]), 0);
		page_free(all[i]);
	}
}
