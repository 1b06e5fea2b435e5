// SPDX-License-Identifier: MIT
// Layouts of 32-bit callers: sizes as the public headers have them with -m32,
// fields where a structure of both widths has them.
#define RAM_FRAMES 1024UL
#include "machine.h"
#include "../../hv/call/compat.c"
#include <xen/platform.h>

int copy_from_guest(void *dst, u64 gva, u64 len)
{
	abort();
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	abort();
}

void *heap_alloc(size_t size)
{
	abort();
}

void heap_free(void *p)
{
	abort();
}

static const struct {
	enum layout32 layout;
	u32 narrow, wide;
} sizes[] = {
	{ LAYOUT32_long, 4, sizeof(struct physdev_pirq_eoi_gmfn) },
	{ LAYOUT32_long_int, 8, sizeof(struct physdev_set_iobitmap) },
	{ LAYOUT32_int_long, 8, sizeof(struct xen_memory_map) },
	{ LAYOUT32_domain_long, 8, sizeof(struct xen_remove_from_physmap) },
	{ LAYOUT32_longs, 12, sizeof(struct xen_machphys_mapping) },
	{ LAYOUT32_apic, 12, sizeof(struct physdev_apic) },
	{ LAYOUT32_memtype, 20, sizeof(struct xenpf_read_memtype) },
	{ LAYOUT32_map_pirq, 36, sizeof(struct physdev_map_pirq) },
	{ LAYOUT32_poll, 16, sizeof(struct sched_poll) },
	{ LAYOUT32_runstate, 44, sizeof(struct vcpu_runstate_info) },
	{ LAYOUT32_timer, 12, sizeof(struct vcpu_set_singleshot_timer) },
	{ LAYOUT32_reservation, 20, sizeof(struct xen_memory_reservation) },
	{ LAYOUT32_exchange, 44, sizeof(struct xen_memory_exchange) },
	{ LAYOUT32_mfn_list, 12, sizeof(struct xen_machphys_mfn_list) },
	{ LAYOUT32_foreign_map, 12, sizeof(struct xen_foreign_memory_map) },
	{ LAYOUT32_physmap, 16, sizeof(struct xen_add_to_physmap) },
	{ LAYOUT32_physmap_batch, 20, sizeof(struct xen_add_to_physmap_batch) },
	{ LAYOUT32_device_map, 16,
	  sizeof(struct xen_reserved_device_memory_map) },
	{ LAYOUT32_access, 24, sizeof(struct xen_mem_access_op) },
	{ LAYOUT32_resource, 28, sizeof(struct xen_mem_acquire_resource) },
	{ LAYOUT32_pod, 36, sizeof(struct xen_pod_target) },
	{ LAYOUT32_setup_table, 16, sizeof(struct gnttab_setup_table) },
	{ LAYOUT32_status_frames, 12, sizeof(struct gnttab_get_status_frames) },
	{ LAYOUT32_transfer, 16, sizeof(struct gnttab_transfer) },
	{ LAYOUT32_copy, 24, sizeof(struct gnttab_copy) },
	{ LAYOUT32_multicall, 32, sizeof(struct multicall_entry) },
	{ LAYOUT32_start_info, 1112, sizeof(struct start_info) },
};

// Every byte of the narrow one comes back from the wide one, which is filled to
// its last field and not past its end.
static void all_layouts(void)
{
	static u8 narrow[2048], wide[2048], back[2048];

	CHECK(ARRAY_SIZE(sizes) == ARRAY_SIZE(layouts) - 1);
	for (u32 i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 n = compat_size(sizes[i].layout), changed = 0, end = 0;

		CHECK(n == sizes[i].narrow);
		memset(narrow, 0xa5, sizeof(narrow));
		memset(wide, 0, sizeof(wide));
		memset(back, 0, sizeof(back));
		compat_widen(sizes[i].layout, wide, narrow);
		compat_narrow(sizes[i].layout, wide, back);
		for (u32 at = 0; at < sizeof(wide); at++) {
			changed += back[at] == 0xa5;
			end = wide[at] ? at + 1 : end;
		}
		CHECK(changed <= n && changed + 12 > n);
		CHECK(end <= sizes[i].wide && end + 12 > sizes[i].wide);
	}
}

static void one_of_each_shape(void)
{
	const u32 copy[6] = { 0x11, 0x220033, 0x44, 0x550066, 0x770088, 0x99 };
	const u32 pirq[9] = { 0x7ff0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct start_info_x86_32 small;
	struct gnttab_copy c = { 0 };
	struct physdev_map_pirq p = { 0 };
	struct start_info s = { 0 };

	compat_widen(LAYOUT32_copy, &c, copy);
	CHECK(c.source.u.gmfn == 0x11 && c.source.domid == 0x33 &&
	      c.source.offset == 0x22);
	CHECK(c.dest.u.gmfn == 0x44 && c.dest.domid == 0x66 && c.len == 0x88 &&
	      c.flags == 0x77 && c.status == 0x99);
	compat_widen(LAYOUT32_map_pirq, &p, pirq);
	CHECK(p.domid == 0x7ff0 && p.type == 1 && p.entry_nr == 6 &&
	      p.table_base == 0x800000007);
	s.nr_pages = 5;
	s.store_evtchn = 6;
	s.console.domU.evtchn = 7;
	s.pt_base = 8;
	s.mod_len = 9;
	s.cmd_line[1023] = 10;
	s.nr_p2m_frames = 11;
	compat_narrow(LAYOUT32_start_info, &s, &small);
	CHECK(small.nr_pages == 5 && small.store_evtchn == 6 &&
	      small.console.domU.evtchn == 7 && small.pt_base == 8 &&
	      small.mod_len == 9 && small.cmd_line[1023] == 10 &&
	      small.nr_p2m_frames == 11);
}

UNIT_MAIN(UNIT(all_layouts), UNIT(one_of_each_shape))
