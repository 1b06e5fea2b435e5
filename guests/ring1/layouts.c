// SPDX-License-Identifier: MIT
// Hypercalls whose structures, or registers, 32-bit callers have otherwise.
#include "lib/guest.h"

#define MS 1000000ull

TEST(multicall)
{
	static multicall_entry_t batch[3];
	struct xen_feature_info info = { .submap_idx = 0 };

	memset(batch, 0, sizeof(batch));
	batch[0].op = __HYPERVISOR_xen_version;
	batch[1].op = __HYPERVISOR_xen_version;
	batch[1].args[0] = XENVER_get_features;
	batch[1].args[1] = (uptr)&info;
	batch[2].op = 0x80000001;
	CHECK_EQ(HC2(__HYPERVISOR_multicall, batch, 3), 0);
	CHECK_EQ(batch[0].result, 4 << 16 | 17);
	CHECK_EQ(batch[1].result, 0);
	CHECK(info.submap);
	CHECK_EQ(batch[2].result, -ENOSYS);
}

TEST(reservations)
{
	xen_pfn_t frames[4];
	struct xen_memory_reservation r = { .nr_extents = 4,
					    .domid = DOMID_SELF };
	uptr pages = (uptr)memory_op(XENMEM_current_reservation, &r.domid);

	set_xen_guest_handle(r.extent_start, frames);
	CHECK_EQ(memory_op(XENMEM_increase_reservation, &r), 4);
	for (int i = 0; i < 4; i++)
		CHECK(frames[i] && frames[i] < 0x180000);
	CHECK_EQ(memory_op(XENMEM_current_reservation, &r.domid), pages + 4);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 4);
	for (uptr i = 0; i < 4; i++)
		frames[i] = 0x2000 + i;
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 4);
	CHECK_EQ(machine_to_phys_mapping[frames[2]], 0x2002);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 4);
	CHECK_EQ(memory_op(XENMEM_current_reservation, &r.domid), pages);
}

TEST(exchange)
{
	xen_pfn_t in[2], out[2] = { 0x3000, 0x3001 };
	struct xen_memory_exchange x = {
		.in = { .nr_extents = 2, .domid = DOMID_SELF },
		.out = { .nr_extents = 2, .domid = DOMID_SELF },
	};

	set_xen_guest_handle(x.in.extent_start, in);
	set_xen_guest_handle(x.out.extent_start, out);
	CHECK_EQ(memory_op(XENMEM_increase_reservation, &x.in), 2);
	CHECK_EQ(memory_op(XENMEM_exchange, &x), 0);
	CHECK_EQ(x.nr_exchanged, 2);
	CHECK_EQ(machine_to_phys_mapping[out[1]], 0x3001);
	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &x.out), 2);
}

TEST(grants)
{
	static u8 from[64] __page_aligned, to[64] __page_aligned;
	xen_pfn_t frames[2] = { 0, 0x55 };
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
	struct gnttab_query_size size = { .dom = DOMID_SELF };
	struct gnttab_copy copy[2];

	set_xen_guest_handle(setup.frame_list, frames);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &setup, 1), 0);
	CHECK_EQ(setup.status, GNTST_okay);
	CHECK(frames[0]);
	CHECK_EQ(frames[1], 0x55);
	CHECK_EQ(grant_op(GNTTABOP_query_size, &size, 1), 0);
	CHECK_EQ(size.max_nr_frames, 64);
	memset(copy, 0, sizeof(copy));
	memset(from, 7, sizeof(from));
	for (int i = 0; i < 2; i++) {
		copy[i].source.domid = copy[i].dest.domid = DOMID_SELF;
		copy[i].source.u.gmfn = (xen_pfn_t)virt_to_mfn(from);
		copy[i].dest.u.gmfn = (xen_pfn_t)virt_to_mfn(to);
		copy[i].dest.offset = (u16)(i * 32);
		copy[i].len = 16;
	}
	CHECK_EQ(grant_op(GNTTABOP_copy, copy, 2), 0);
	CHECK_EQ(copy[0].status | copy[1].status, GNTST_okay);
	CHECK_EQ(to[15] == 7 && !to[16] && to[32] == 7 && !to[48], 1);
}

TEST(timer_and_poll)
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
	u64 at = system_time() + 5 * MS;
	struct sched_poll poll = { .nr_ports = 1 };
	evtchn_port_t port;

	// Its ticks come by the same port.
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &bind), 0);
	port = bind.port;
	set_xen_guest_handle(poll.ports, &port);
	CHECK_EQ(set_timer(at), 0);
	poll.timeout = at + 2000 * MS;
	CHECK_EQ(sched_op(SCHEDOP_poll, &poll), 0);
	CHECK(system_time() >= at);
	CHECK(system_time() < at + 1000 * MS);
	CHECK_EQ(shared->evtchn_pending[port / 32] >> port % 32 & 1, 1);
	CHECK_EQ(port_close(port), 0);
}

TEST(runstate)
{
	static struct vcpu_runstate_info area, now;
	struct vcpu_register_runstate_memory_area where;
	struct sched_poll poll = { .timeout = system_time() + MS };

	memset(&where, 0xff, sizeof(where));
	where.addr.v = &area;
	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &where), 0);
	sched_op(SCHEDOP_poll, &poll);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, &now), 0);
	CHECK_EQ(now.state, RUNSTATE_running);
	CHECK_EQ(area.state, RUNSTATE_running);
	CHECK_EQ(area.time[RUNSTATE_blocked] > 0, 1);
	CHECK_EQ(area.time[RUNSTATE_blocked] == now.time[RUNSTATE_blocked], 1);
	CHECK_EQ(area.state_entry_time == now.state_entry_time, 1);
	where.addr.v = NULL;
	CHECK_EQ(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &where), 0);
}

static long read_port(long port)
{
	u8 got;

	__asm__ volatile("inb %w1, %0" : "=a"(got) : "d"(port));
	return got;
}

TEST(ports)
{
	static u8 bits[8192];
	struct physdev_set_iopl iopl = { 1 };
	struct physdev_set_iobitmap map = { .nr_ports = 65536 };

	CHECK_TRAP(read_port(0x80), 13, 0);
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK_NO_TRAP(read_port(0x80));
	CHECK_TRAP(user_call(read_port, 0x80), 13, 0);
	memset(bits, 0xff, sizeof(bits));
	bits[0x80 / 8] = 0xfe;
	set_xen_guest_handle(map.bitmap, bits);
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &map), 0);
	CHECK_NO_TRAP(user_call(read_port, 0x80));
	CHECK_TRAP(user_call(read_port, 0x81), 13, 0);
	iopl.iopl = 0;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	map.nr_ports = 0;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &map), 0);
}

TEST(debug_registers)
{
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 0, guest_start), 0);
	CHECK_EQ(HC1(__HYPERVISOR_get_debugreg, 0), (uptr)guest_start);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 0, 0), 0);
}
