// SPDX-License-Identifier: MIT
// Every hypercall that takes a pointer, with pointers that cannot be used.
#include "lib/guest.h"
#include <xen/domctl.h>
#include <xen/nmi.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define BAD ((uptr)0xbadbadbadbadbad0) // stands for the pointer

// Pointers that are not the guest's, of two kinds: into what is the hypervisor's,
// and to no memory at all. A 32-bit kernel has the M2P, which it may read and
// nobody writes by a pointer of its; the end of it is mapped nowhere. Header
// xen-x86_32.h: "Virtual addresses beyond this are not modifiable by guest OSes."
#ifdef __x86_64__
static const uptr hypervisors[] = { 0xffff830000000000,
				    HYPERVISOR_VIRT_END - 8 };
static const uptr nowhere[] = { 0x8000000000000000, 0x0000800000000000 };
#else
static const uptr hypervisors[] = { 0xffa00000, 0xfffff000 };
static const uptr nowhere[] = { 0xffffff00, 8 };
#endif

// A hypercall with BAD in one place. The four results are for memory with
// nothing mapped, the hypervisor's, an address that is none, and the last
// address there is (the access would wrap around).
struct pointer_case {
	const char *name;
	uptr nr, args[4];
	long unmapped, hypervisor, nowhere, wrapping;
};

#define FAULTS -EFAULT, -EFAULT, -EFAULT, -EFAULT
// These answer how many extents they did.
#define NOTHING_DONE 0, 0, 0, 0

static struct pointer_case cases[] = {
	{ "set_trap_table", __HYPERVISOR_set_trap_table, { BAD }, FAULTS },
	{ "mmu_update",
	  __HYPERVISOR_mmu_update,
	  { BAD, 1, 0, DOMID_SELF },
	  FAULTS },
	{ "set_gdt", __HYPERVISOR_set_gdt, { BAD, 1 }, FAULTS },
	{ "platform_op", __HYPERVISOR_platform_op, { BAD }, FAULTS },
#ifdef __x86_64__
	{ "set_segment_base",
	  __HYPERVISOR_set_segment_base,
	  { 7, BAD },
	  -EINVAL,
	  -EINVAL,
	  -EINVAL,
	  -EINVAL },
#endif
	{ "memory_op current_reservation",
	  __HYPERVISOR_memory_op,
	  { XENMEM_current_reservation, BAD },
	  FAULTS },
	{ "memory_op increase",
	  __HYPERVISOR_memory_op,
	  { XENMEM_increase_reservation, BAD },
	  NOTHING_DONE },
	{ "memory_op decrease",
	  __HYPERVISOR_memory_op,
	  { XENMEM_decrease_reservation, BAD },
	  NOTHING_DONE },
	{ "memory_op populate",
	  __HYPERVISOR_memory_op,
	  { XENMEM_populate_physmap, BAD },
	  NOTHING_DONE },
	{ "memory_op exchange",
	  __HYPERVISOR_memory_op,
	  { XENMEM_exchange, BAD },
	  FAULTS },
	{ "memory_op machphys_mfn_list",
	  __HYPERVISOR_memory_op,
	  { XENMEM_machphys_mfn_list, BAD },
	  FAULTS },
	{ "memory_op machphys_mapping",
	  __HYPERVISOR_memory_op,
	  { XENMEM_machphys_mapping, BAD },
	  FAULTS },
	{ "memory_op memory_map",
	  __HYPERVISOR_memory_op,
	  { XENMEM_memory_map, BAD },
	  FAULTS },
	{ "memory_op machine_memory_map",
	  __HYPERVISOR_memory_op,
	  { XENMEM_machine_memory_map, BAD },
	  FAULTS },
	{ "memory_op add_to_physmap",
	  __HYPERVISOR_memory_op,
	  { XENMEM_add_to_physmap, BAD },
	  FAULTS },
	{ "multicall", __HYPERVISOR_multicall, { BAD, 1 }, FAULTS },
	{ "event_channel_op_compat",
	  __HYPERVISOR_event_channel_op_compat,
	  { BAD },
	  FAULTS },
	{ "xen_version extraversion",
	  __HYPERVISOR_xen_version,
	  { XENVER_extraversion, BAD },
	  FAULTS },
	{ "xen_version get_features",
	  __HYPERVISOR_xen_version,
	  { XENVER_get_features, BAD },
	  FAULTS },
	{ "console write",
	  __HYPERVISOR_console_io,
	  { CONSOLEIO_write, 8, BAD },
	  FAULTS },
	{ "grant map",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_map_grant_ref, BAD, 1 },
	  FAULTS },
	{ "grant unmap",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_unmap_grant_ref, BAD, 1 },
	  FAULTS },
	{ "grant setup",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_setup_table, BAD, 1 },
	  FAULTS },
	{ "grant copy",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_copy, BAD, 1 },
	  FAULTS },
	{ "grant query_size",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_query_size, BAD, 1 },
	  FAULTS },
	{ "grant set_version",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_set_version, BAD, 1 },
	  FAULTS },
	{ "grant get_version",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_get_version, BAD, 1 },
	  FAULTS },
	{ "grant get_status_frames",
	  __HYPERVISOR_grant_table_op,
	  { GNTTABOP_get_status_frames, BAD, 1 },
	  FAULTS },
	{ "vcpu initialise",
	  __HYPERVISOR_vcpu_op,
	  { VCPUOP_initialise, 0, BAD },
	  FAULTS },
	{ "vcpu runstate info",
	  __HYPERVISOR_vcpu_op,
	  { VCPUOP_get_runstate_info, 0, BAD },
	  FAULTS },
	{ "vcpu register runstate",
	  __HYPERVISOR_vcpu_op,
	  { VCPUOP_register_runstate_memory_area, 0, BAD },
	  FAULTS },
	{ "vcpu periodic timer",
	  __HYPERVISOR_vcpu_op,
	  { VCPUOP_set_periodic_timer, 0, BAD },
	  FAULTS },
	{ "vcpu singleshot timer",
	  __HYPERVISOR_vcpu_op,
	  { VCPUOP_set_singleshot_timer, 0, BAD },
	  FAULTS },
	{ "vcpu register info",
	  __HYPERVISOR_vcpu_op,
	  { VCPUOP_register_vcpu_info, 0, BAD },
	  FAULTS },
	{ "mmuext_op",
	  __HYPERVISOR_mmuext_op,
	  { BAD, 1, 0, DOMID_SELF },
	  FAULTS },
	{ "nmi_op",
	  __HYPERVISOR_nmi_op,
	  { XENNMI_register_callback, BAD },
	  FAULTS },
	{ "sched shutdown",
	  __HYPERVISOR_sched_op,
	  { SCHEDOP_shutdown, BAD },
	  FAULTS },
	{ "sched poll", __HYPERVISOR_sched_op, { SCHEDOP_poll, BAD }, FAULTS },
	{ "sched watchdog",
	  __HYPERVISOR_sched_op,
	  { SCHEDOP_watchdog, BAD },
	  FAULTS },
	{ "callback register",
	  __HYPERVISOR_callback_op,
	  { CALLBACKOP_register, BAD },
	  FAULTS },
	{ "event alloc_unbound",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_alloc_unbound, BAD },
	  FAULTS },
	{ "event bind_virq",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_bind_virq, BAD },
	  FAULTS },
	{ "event send",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_send, BAD },
	  FAULTS },
	{ "event status",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_status, BAD },
	  FAULTS },
	{ "event close",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_close, BAD },
	  FAULTS },
	{ "event unmask",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_unmask, BAD },
	  FAULTS },
	{ "event init_control",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_init_control, BAD },
	  FAULTS },
	{ "event expand_array",
	  __HYPERVISOR_event_channel_op,
	  { EVTCHNOP_expand_array, BAD },
	  FAULTS },
	{ "physdev irq_status",
	  __HYPERVISOR_physdev_op,
	  { PHYSDEVOP_irq_status_query, BAD },
	  FAULTS },
	{ "physdev set_iopl",
	  __HYPERVISOR_physdev_op,
	  { PHYSDEVOP_set_iopl, BAD },
	  FAULTS },
	{ "physdev map_pirq",
	  __HYPERVISOR_physdev_op,
	  { PHYSDEVOP_map_pirq, BAD },
	  FAULTS },
	{ "sysctl", __HYPERVISOR_sysctl, { BAD }, FAULTS },
	{ "domctl", __HYPERVISOR_domctl, { BAD }, FAULTS },
};

static long call_with(const struct pointer_case *c, uptr pointer)
{
	uptr a[4];

	for (int i = 0; i < 4; i++)
		a[i] = c->args[i] == BAD ? pointer : c->args[i];
	return hypercall5(c->nr, a[0], a[1], a[2], a[3], 0);
}

// A DomU has no right to it, or nothing is there for it, whatever the pointer is.
static bool of_dom0(const struct pointer_case *c)
{
	static const uptr calls[] = { __HYPERVISOR_platform_op,
				      __HYPERVISOR_sysctl, __HYPERVISOR_domctl,
				      __HYPERVISOR_console_io };

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (c->nr == calls[i])
			return true;
	return c->nr == __HYPERVISOR_memory_op &&
	       (c->args[0] == XENMEM_machine_memory_map ||
		c->args[0] == XENMEM_memory_map);
}

static void check(const struct pointer_case *c, const char *kind, uptr pointer,
		  long want)
{
	long rc = call_with(c, pointer);

	if (in_domu() && of_dom0(c)) {
		CHECK(rc < 0);
		return;
	}

	if (rc != want)
		check_failed(c->name, 0, "%s pointer: %ld, not %ld", kind, rc,
			     want);
}

TEST(unmapped)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i], "unmapped", (uptr)window(0),
		      cases[i].unmapped);
}

TEST(hypervisor)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t j = 0; j < ARRAY_SIZE(hypervisors); j++)
			check(&cases[i], "hypervisor's", hypervisors[j],
			      cases[i].hypervisor);
}

TEST(non_canonical)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t j = 0; j < ARRAY_SIZE(nowhere); j++)
			check(&cases[i], "no address", nowhere[j],
			      cases[i].nowhere);
}

#ifndef __x86_64__
// The M2P can be read; an answer is not written there.
TEST(m2p)
{
	static const struct {
		uptr nr, args[3];
	} writes[] = {
		{ __HYPERVISOR_xen_version,
		  { XENVER_extraversion, HYPERVISOR_VIRT_START } },
		{ __HYPERVISOR_xen_version,
		  { XENVER_capabilities, HYPERVISOR_VIRT_START } },
		{ __HYPERVISOR_memory_op,
		  { XENMEM_machphys_mapping, HYPERVISOR_VIRT_START } },
		{ __HYPERVISOR_vcpu_op,
		  { VCPUOP_get_runstate_info, 0, HYPERVISOR_VIRT_START } },
	};
	u32 first = (u32)machine_to_phys_mapping[0];

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		CHECK_EQ(hypercall5(writes[i].nr, writes[i].args[0],
				    writes[i].args[1], writes[i].args[2], 0, 0),
			 -EFAULT);
	CHECK_EQ(machine_to_phys_mapping[0], first);
}

// A list whose end lies behind 4 GiB: what an index reaches there is not what
// stands at the beginning of the address space.
TEST(behind_the_end)
{
	u32 done = 7;

	for (uptr at = 0xfffff000; at; at += 0x100) {
		CHECK_EQ(HC4(__HYPERVISOR_mmu_update, at, 0x7fffffff, &done,
			     DOMID_SELF),
			 -EFAULT);
		CHECK_EQ(done, 0);
		CHECK_EQ(HC2(__HYPERVISOR_multicall, at, ~0u), -EFAULT);
	}
}
#endif

TEST(wrapping)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(&cases[i], "wrapping", ~0ul - 3, cases[i].wrapping);
}

// A structure that begins on the last bytes before a page that is not there.
TEST(crossing)
{
	u8 *w = window(0), *page = page_alloc();

	// Window 1 follows window 0.
	CHECK_EQ((uptr)window(1), (uptr)w + PAGE_SIZE);
	update_va(w, make_entry(virt_to_mfn(page), PTE_RW), UVMF_INVLPG);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		check(&cases[i], "crossing", (uptr)w + PAGE_SIZE - 1,
		      cases[i].unmapped);
	}
	window(0);
	page_free(page);
}

// Results are written back only where the guest itself could write.
TEST(read_only_results)
{
	u64 *page = page_alloc();
	struct evtchn_alloc_unbound *alloc = (void *)page;

	alloc->dom = DOMID_SELF;
	alloc->remote_dom = DOMID_SELF;
	page_set_ro(page);
	CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, alloc), -EFAULT);
	CHECK_EQ(version_op(XENVER_extraversion, page), -EFAULT);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, page), -EFAULT);
	CHECK_EQ(version_op(XENVER_capabilities, machine_to_phys_mapping),
		 -EFAULT);
	page_set_rw(page);
	page_free(page);
}

TEST(unaligned_pointers)
{
	static u8 space[64];
	struct evtchn_status status = { .dom = DOMID_SELF, .port = 1 };

	memcpy(space + 3, &status, sizeof(status));
	CHECK_EQ(event_op(EVTCHNOP_status, space + 3), 0);
	CHECK_EQ(vcpu_op(VCPUOP_get_runstate_info, 0, space + 5), 0);
	CHECK_EQ(version_op(XENVER_extraversion, space + 1), 0);
}

// Handles inside of structures.
TEST(inner_handles)
{
#ifdef __x86_64__
	static const uptr bad[] = { HYPERVISOR_VIRT_START, 0xffff830000000000,
				    0x8000000000000000, ~0xful };
#else
	static const uptr bad[] = { 0xfffff000, ~0xful };
#endif
	static struct multicall_entry batch[1];
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };
	struct xen_machphys_mfn_list list = { .max_extents = 1 };
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
	struct sched_poll poll = { .nr_ports = 1 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r.extent_start.p = (void *)bad[i];
		CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 0);
		CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 0);
		list.extent_start.p = (void *)bad[i];
		CHECK_EQ(memory_op(XENMEM_machphys_mfn_list, &list), -EFAULT);
		setup.frame_list.p = (void *)bad[i];
		// Checked before the work, or met while writing the result.
		bool early = WIDTH == 64 && i < 3;

		CHECK_EQ(grant_op(GNTTABOP_setup_table, &setup, 1),
			 early ? -EFAULT : 0);
		CHECK_EQ(setup.status, early ? 0 : GNTST_bad_virt_addr);
		poll.ports.p = (void *)bad[i];
		CHECK_EQ(sched_op(SCHEDOP_poll, &poll), -EFAULT);
		batch[0].op = __HYPERVISOR_xen_version;
		batch[0].args[0] = XENVER_extraversion;
		batch[0].args[1] = bad[i];
		CHECK_EQ(HC2(__HYPERVISOR_multicall, batch, 1), 0);
		CHECK_EQ(batch[0].result, -EFAULT);
	}
}

TEST(unknown_hypercalls)
{
	static const uptr unknown[] = {
		11,	   27,	39,  45,  47,	55,   56,	  63,
		64,	   100, 127, 128, 1000, ~0ul, 0xffffffff, 1ul << 31,
#ifdef __x86_64__
		1ul << 32,
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		long rc = hypercall5(unknown[i], 0, 0, 0, 0, 0);

		if (rc != -ENOSYS)
			check_failed("hypercall", (int)unknown[i],
				     "%ld, not -ENOSYS", rc);
	}
}

static const struct {
	const char *name;
	uptr nr;
	long result;
	long wide; // of numbers with more than 20 bits
} sub_ops[] = {
	{ "memory_op", __HYPERVISOR_memory_op, -ENOSYS, -ENOSYS },
	{ "event_channel_op", __HYPERVISOR_event_channel_op, -ENOSYS, -ENOSYS },
	{ "xen_version", __HYPERVISOR_xen_version, -ENOSYS, -ENOSYS },
	{ "console_io", __HYPERVISOR_console_io, -ENOSYS, -ENOSYS },
	{ "grant_table_op", __HYPERVISOR_grant_table_op, -ENOSYS, -EINVAL },
	{ "vm_assist", __HYPERVISOR_vm_assist, -ENOSYS, -ENOSYS },
	{ "vcpu_op", __HYPERVISOR_vcpu_op, -ENOSYS, -ENOSYS },
	{ "sched_op", __HYPERVISOR_sched_op, -ENOSYS, -ENOSYS },
	{ "callback_op", __HYPERVISOR_callback_op, -ENOSYS, -ENOSYS },
	{ "nmi_op", __HYPERVISOR_nmi_op, -ENOSYS, -ENOSYS },
	{ "physdev_op", __HYPERVISOR_physdev_op, -ENOSYS, -ENOSYS },
	{ "sched_op_compat", __HYPERVISOR_sched_op_compat, -ENOSYS, -ENOSYS },
};

TEST(unknown_operations)
{
	static const uptr numbers[] = { 62, 255, 0x7fffffff, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(sub_ops); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(numbers); j++) {
			long rc = HC3(sub_ops[i].nr, numbers[j], 0, 0);

			long want = j < 2 ? sub_ops[i].result : sub_ops[i].wide;

			if (rc != want)
				check_failed(sub_ops[i].name, (int)numbers[j],
					     "%ld, not %ld", rc, want);
		}
	}
}

TEST(control_versions)
{
	static struct xen_domctl domctl = { .cmd = 9999 };
	static struct xen_sysctl sysctl = { .cmd = 9999 };
	static struct xen_platform_op platform = { .cmd = 9999 };

	CHECK_EQ(HC1(__HYPERVISOR_domctl, &domctl), -EACCES);
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &sysctl), -EACCES);
	CHECK_EQ(HC1(__HYPERVISOR_platform_op, &platform), -EACCES);
	domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	platform.interface_version = XENPF_INTERFACE_VERSION;
	CHECK_EQ(HC1(__HYPERVISOR_domctl, &domctl), -ENOSYS);
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &sysctl), -ENOSYS);
	CHECK_EQ(HC1(__HYPERVISOR_platform_op, &platform), -ENOSYS);
	domctl.cmd = XEN_DOMCTL_pausedomain;
	domctl.domain = 77;
	CHECK_EQ(HC1(__HYPERVISOR_domctl, &domctl), -ESRCH);
	domctl.domain = 0;
	CHECK_EQ(HC1(__HYPERVISOR_domctl, &domctl), -EINVAL);
	domctl.cmd = XEN_DOMCTL_destroydomain;
	CHECK_EQ(HC1(__HYPERVISOR_domctl, &domctl), -EINVAL);
}
