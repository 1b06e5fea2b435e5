// SPDX-License-Identifier: MIT
// What only 32-bit kernels have: arguments that are translated, while another
// vcpu changes them; the end of their address space, and what lies there.
#include "attack/attack.h"

#ifndef __x86_64__
#define TIME   (200 * MS)
#define BEHIND 4090u // 16 bytes from here on do not fit the page

static struct gnttab_copy copies[8];
static u8 *from, *to;

static void copy_all(void)
{
	CHECK_EQ(grant_op(GNTTABOP_copy, copies, ARRAY_SIZE(copies)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(copies); i++)
		if (copies[i].status && copies[i].status != GNTST_bad_copy_arg)
			check_failed("copy", (int)i, "%d", copies[i].status);
	for (unsigned int i = 16; i < PAGE_SIZE; i++)
		if (to[i])
			check_failed("byte", (int)i, "was written");
}

static void change_copies(void)
{
	static u32 n;
	struct gnttab_copy *c = &copies[n++ % ARRAY_SIZE(copies)];

	*(volatile u16 *)&c->dest.offset = n & 16 ? BEHIND : 0;
	*(volatile u16 *)&c->source.offset = n & 32 ? BEHIND : 0;
	*(volatile u16 *)&c->len = n & 8 ? 16 : 0xffff;
}

// What was translated is what is checked, and used.
TEST(copies_change)
{
	from = page_alloc();
	to = page_alloc();
	memset(from, 0x5a, PAGE_SIZE);
	for (unsigned int i = 0; i < ARRAY_SIZE(copies); i++) {
		copies[i].source.domid = copies[i].dest.domid = DOMID_SELF;
		copies[i].source.u.gmfn = (xen_pfn_t)virt_to_mfn(from);
		copies[i].dest.u.gmfn = (xen_pfn_t)virt_to_mfn(to);
		copies[i].len = 16;
	}
	// On a busy machine a turn may meet no copy that is right.
	for (int i = 0; i < 10 && to[0] != 0x5a; i++)
		race(copy_all, change_copies, TIME);
	CHECK_EQ(to[0], 0x5a);
	CHECK(page_exchange(from));
	CHECK(page_exchange(to));
	page_free(from);
	page_free(to);
}

static struct multicall_entry list[8];
static long pagesize, version;

static void call_all(void)
{
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, ARRAY_SIZE(list)), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++) {
		long got = (long)list[i].result;

		if (got != pagesize && got != version && got != -ENOSYS)
			check_failed("call", (int)i, "%ld", got);
	}
}

static void change_calls(void)
{
	static u32 n;
	volatile struct multicall_entry *e = &list[n++ % ARRAY_SIZE(list)];

	e->op = n & 16 ? 1000 : __HYPERVISOR_xen_version;
	e->args[0] = n & 8 ? XENVER_pagesize : XENVER_version;
}

TEST(calls_change)
{
	pagesize = version_op(XENVER_pagesize, NULL);
	version = version_op(XENVER_version, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		list[i].op = __HYPERVISOR_xen_version;
	race(call_all, change_calls, TIME);
}

static struct xen_memory_reservation reservation;
static xen_pfn_t frames[4], m2p_frame;

// None of the frames is the guest's to give.
static void give_back(void)
{
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &reservation), 0);
}

static void change_reservation(void)
{
	static u32 n;

	n++;
	*(volatile xen_ulong_t *)&reservation.nr_extents =
		n & 1 ? 4 : 0x3fffffff;
	*(volatile unsigned int *)&reservation.extent_order =
		n & 2 ? 0 : 31 + (n & 4);
	// One byte changes: a copy may be made byte by byte.
	*(volatile xen_pfn_t *)&frames[0] =
		m2p_frame | (n & 8 ? 0xff000000ul : 0);
}

TEST(reservation_changes)
{
	domid_t self = DOMID_SELF;
	long before = memory_op(XENMEM_current_reservation, &self);

	m2p_frame = (xen_pfn_t)((*entry_of((void *)HYPERVISOR_VIRT_START, 2) &
				 PTE_FRAME) >>
				12);
	frames[0] = m2p_frame;
	reservation.nr_extents = 1;
	reservation.domid = DOMID_SELF;
	set_xen_guest_handle(reservation.extent_start, frames);
	race(give_back, change_reservation, TIME);
	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), before);
}

// Areas that the hypervisor writes when it likes: a bad place is no reason to
// write elsewhere, nor to fail.
TEST(area_at_the_end)
{
	static const uptr bad[] = { HYPERVISOR_VIRT_START, 0xfffff000,
				    0xffffffe0, 0xfffffffc };
	struct vcpu_register_runstate_memory_area where;
	struct vcpu_register_time_memory_area time;
	u32 first = (u32)machine_to_phys_mapping[0];

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		memset(&where, 0, sizeof(where));
		memset(&time, 0, sizeof(time));
		where.addr.p = time.addr.p = bad[i];
		vcpu_op(VCPUOP_register_runstate_memory_area, 0, &where);
		vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time);
		sched_op(SCHEDOP_poll, &poll);
		where.addr.p = time.addr.p = 0;
		CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0,
				 &where),
			 0);
		CHECK_EQ(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				 &time),
			 0);
	}
	CHECK_EQ(machine_to_phys_mapping[0], first);
}

static void jump(uptr at)
{
	__asm__ volatile("jmp *%0" : : "r"(at));
}

// The M2P is data; behind it is nothing, for code neither.
TEST(code_at_the_end)
{
	CHECK_TRAP(jump(HYPERVISOR_VIRT_START), 14, 0x11);
	CHECK_EQ(trap_last.cr2, HYPERVISOR_VIRT_START);
	CHECK_TRAP(jump(0xfffffffe), 14, 0x10);
	CHECK_EQ(trap_last.cr2, 0xfffffffe);
}
#endif
