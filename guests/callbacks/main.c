// SPDX-License-Identifier: MIT
// Where the hypervisor enters the guest, what a guest may switch on, and calls
// in their old form.
#include "lib/guest.h"
#include <xen/domctl.h>
#include <xen/nmi.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define MS 1000000ul
#ifdef __x86_64__
#define NON_CANONICAL ((void *)0x8000000000000000ul)
#endif

static void restore(void)
{
	CHECK_EQ(callbacks_set(), 0);
}

static long unset_callback(u16 type)
{
	static struct callback_unregister r;

	r = (struct callback_unregister){ .type = type };
	return HC2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &r);
}

TEST(register_callbacks)
{
	static const struct {
		u16 type, flags;
		const u8 *entry;
	} all[] = {
		{ CALLBACKTYPE_event, 0, event_entry },
		{ CALLBACKTYPE_failsafe, 0, failsafe_entry },
		{ CALLBACKTYPE_sysenter, 0, syscall_entry },
		{ CALLBACKTYPE_syscall32, CALLBACKF_mask_events,
		  syscall_entry },
#ifdef __x86_64__
		{ CALLBACKTYPE_syscall, 0, syscall_entry },
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
#ifdef __x86_64__
		CHECK_EQ(set_callback(all[i].type, 0, NON_CANONICAL), -EINVAL);
#endif
		CHECK_EQ(set_callback(all[i].type, all[i].flags, all[i].entry),
			 0);
		CHECK_EQ(unset_callback(all[i].type), -EINVAL);
	}
	CHECK_EQ(set_callback(99, 0, event_entry), -ENOSYS);
	CHECK_EQ(unset_callback(99), -ENOSYS);
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, 7, NULL), -ENOSYS);
	restore();
}

// 32-bit kernels have no such callback: ring1, syscall_callback. For the others
// of this kind: fast.c.
#ifdef __x86_64__
static long system_call(long x)
{
	return x + 1;
}

static volatile bool masked;

static bool look_at_mask(struct regs *regs)
{
	if (regs->vector == VECTOR_SYSCALL)
		masked = vcpu_info_of(0)->evtchn_upcall_mask;
	return false;
}

// The flag tells whether events are masked when the kernel gets there.
TEST(syscall_masks_events)
{
	trap_hook = look_at_mask;
	for (u16 on = 0; on < 2; on++) {
		CHECK_EQ(set_callback(CALLBACKTYPE_syscall,
				      on ? CALLBACKF_mask_events : 0,
				      syscall_entry),
			 0);
		event_unmask_all();
		CHECK_EQ(user_call(system_call, 5), 6);
		CHECK_EQ(masked, on);
		event_mask_all();
	}
	restore();
}

#endif

static volatile unsigned int nmis;

static bool count_nmis(struct regs *regs)
{
	nmis += regs->vector == 2;
	return regs->vector == 2;
}

TEST(nmi)
{
	static struct xennmi_callback c;

	trap_hook = count_nmis;
	nmis = 0;
#ifdef __x86_64__
	c.handler_address = (uptr)NON_CANONICAL;
	CHECK_EQ(HC2(__HYPERVISOR_nmi_op, XENNMI_register_callback, &c),
		 -EINVAL);
	CHECK_EQ(set_callback(CALLBACKTYPE_nmi, 0, NON_CANONICAL), -EINVAL);
#endif
	c.handler_address = (uptr)trap_entries[2];
	CHECK_EQ(HC2(__HYPERVISOR_nmi_op, XENNMI_register_callback, &c), 0);
	CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(nmis, 1);
	CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 77, NULL), -ENOENT);
	CHECK_EQ(HC2(__HYPERVISOR_nmi_op, XENNMI_unregister_callback, NULL), 0);
	CHECK_EQ(HC2(__HYPERVISOR_nmi_op, 2, NULL), -ENOSYS);
	CHECK_EQ(set_callback(CALLBACKTYPE_nmi, 0, trap_entries[2]), 0);
	CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(nmis, 2);
	CHECK_EQ(unset_callback(CALLBACKTYPE_nmi), 0);
}

static long assist(u32 command, uptr type)
{
	return HC2(__HYPERVISOR_vm_assist, command, type);
}

TEST(assists)
{
	static const u32 types[] = { VMASST_TYPE_4gb_segments,
				     VMASST_TYPE_4gb_segments_notify,
				     VMASST_TYPE_writable_pagetables,
				     VMASST_TYPE_pae_extended_cr3,
				     VMASST_TYPE_architectural_iopl,
				     VMASST_TYPE_runstate_update_flag,
				     VMASST_TYPE_m2p_strict };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		CHECK_EQ(assist(VMASST_CMD_enable, types[i]), 0);
		CHECK_EQ(assist(VMASST_CMD_enable, types[i]), 0);
		CHECK_EQ(assist(VMASST_CMD_disable, types[i]), 0);
		CHECK_EQ(assist(7, types[i]), -ENOSYS);
	}
	CHECK_EQ(assist(VMASST_CMD_enable, 31), -EINVAL);
	CHECK_EQ(assist(VMASST_CMD_disable, 63), -EINVAL);
	CHECK_EQ(assist(VMASST_CMD_enable, 64), -EINVAL);
	CHECK_EQ(assist(VMASST_CMD_enable, 0xffffffff), -EINVAL);
}

static volatile long level_seen;

static long privilege(long x)
{
	return x;
}

// With it set, the kernel's frames have the IOPL that it chose.
TEST(architectural_iopl)
{
	struct physdev_set_iopl op = { .iopl = 1 };

	CHECK_EQ(assist(VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0);
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &op), 0);
	CHECK_TRAP(__asm__ volatile("ud2"), 6, 0);
	level_seen = (long)(trap_last.regs.rflags >> 12 & 3);
	CHECK_EQ(level_seen, 1);
	CHECK_EQ(user_call_flags(privilege, 3, 0x1202), 3);
	op.iopl = 0;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &op), 0);
	CHECK_EQ(assist(VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0);
	op.iopl = 4;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &op),
		 -EINVAL);
}

TEST(where_it_runs)
{
	struct vcpu_get_physid id = { 0 };
	struct sched_pin_override pin = { .pcpu = 0 };

	// Where there is one CPU, every vcpu is pinned to it.
	CHECK_EQ(vcpu_op(VCPUOP_get_physid, 0, &id), 0);
	CHECK_EQ(vcpu_op(VCPUOP_get_physid, 0, window(0)), -EFAULT);
	CHECK_EQ(vcpu_op(VCPUOP_get_physid, 77, &id), -ENOENT);
	CHECK_EQ(sched_op(SCHEDOP_pin_override, &pin), 0);
	CHECK_EQ(sched_op(SCHEDOP_pin_override, &pin), -EBUSY);
	pin.pcpu = -1;
	CHECK_EQ(sched_op(SCHEDOP_pin_override, &pin), 0);
	CHECK_EQ(sched_op(SCHEDOP_pin_override, &pin), -EINVAL);
	pin.pcpu = 77;
	CHECK_EQ(sched_op(SCHEDOP_pin_override, &pin), -EINVAL);
}

TEST(other_domains_end)
{
	struct sched_remote_shutdown op = { .domain_id = 77 };
	struct sched_shutdown code = { .reason = SHUTDOWN_reboot };

	CHECK_EQ(sched_op(SCHEDOP_remote_shutdown, &op), -ESRCH);
	op.domain_id = domain_create();
	if (op.domain_id == DOMID_INVALID)
		return;
	op.reason = SHUTDOWN_crash;
	CHECK_EQ(sched_op(SCHEDOP_remote_shutdown, &op), 0);
	domain_destroy(op.domain_id);
	CHECK_EQ(sched_op(SCHEDOP_shutdown_code, &code), 0);
	CHECK_EQ(sched_op(SCHEDOP_shutdown_code, window(0)), -EFAULT);
}

TEST(watchdogs)
{
	struct sched_watchdog dog = { .timeout = 60 };
	long first;

	first = sched_op(SCHEDOP_watchdog, &dog);
	CHECK(first > 0);
	CHECK(sched_op(SCHEDOP_watchdog, &dog) > 0);
	// Xen's answer has 32 bits.
	CHECK_EQ((int)sched_op(SCHEDOP_watchdog, &dog), -ENOSPC);
	dog.id = (u32)first;
	CHECK_EQ(sched_op(SCHEDOP_watchdog, &dog), 0); // once more
	dog.timeout = 0;
	for (dog.id = 1; dog.id <= 2; dog.id++)
		CHECK_EQ(sched_op(SCHEDOP_watchdog, &dog), 0);
	dog.id = 3;
	CHECK_EQ(sched_op(SCHEDOP_watchdog, &dog), -EINVAL);
}

// What kernels called before 2006.
TEST(old_forms)
{
	static struct physdev_op physdev = { .cmd = PHYSDEVOP_set_iopl };
	static struct evtchn_op event = { .cmd = EVTCHNOP_status };
	struct evtchn_bind_ipi bind = { 0 };

	CHECK_EQ(HC2(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0);
	CHECK_EQ(HC2(__HYPERVISOR_sched_op_compat, 99, 0), -ENOSYS);
	CHECK_EQ(HC1(__HYPERVISOR_physdev_op_compat, &physdev), 0);
	physdev.cmd = 77;
	CHECK_EQ(HC1(__HYPERVISOR_physdev_op_compat, &physdev), -ENOSYS);
	CHECK_EQ(HC1(__HYPERVISOR_physdev_op_compat, window(0)), -EFAULT);
	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	event.u.status =
		(struct evtchn_status){ .dom = DOMID_SELF, .port = bind.port };
	CHECK_EQ(HC1(__HYPERVISOR_event_channel_op_compat, &event), 0);
	CHECK_EQ(event.u.status.status, EVTCHNSTAT_ipi);
	CHECK_EQ(port_close(bind.port), 0);
	event.cmd = 77;
	CHECK_EQ(HC1(__HYPERVISOR_event_channel_op_compat, &event), -ENOSYS);
}

// Blocks until there is an event.
TEST(old_block)
{
	struct evtchn_bind_ipi bind = { 0 };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	event_mask_all();
	CHECK_EQ(port_send(bind.port), 0);
	u32 count = event_counts[bind.port];

	CHECK_EQ(HC2(__HYPERVISOR_sched_op_compat, SCHEDOP_block, 0), 0);
	CHECK_EQ(event_counts[bind.port], count + 1);
	CHECK_EQ(port_close(bind.port), 0);
}

TEST(build)
{
	static struct xen_compile_info info;
	static u8 id[64];

	CHECK_EQ(version_op(XENVER_compile_info, &info), 0);
	CHECK(info.compiler[0]);
	CHECK_EQ(version_op(XENVER_compile_info, window(0)), -EFAULT);
	// One that knows its id gives a length, and wants one.
	long rc = version_op(XENVER_build_id, NULL);

	CHECK(rc == (in_domu() ? -EPERM : -ENODATA) || rc == 20);
	CHECK_EQ(version_op(XENVER_build_id, id), in_domu() ? rc : -EINVAL);
}

// What takes a right that Dom0 has.
TEST(rights)
{
	static struct xen_sysctl sysctl = { .cmd = XEN_SYSCTL_sched_id };
	static struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo };
	static struct xen_platform_op platform = { .cmd = XENPF_get_cpuinfo };
	static struct xen_memory_map map;
	long want = in_domu() ? -EPERM : 0;

	sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	platform.interface_version = XENPF_INTERFACE_VERSION;
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &sysctl), want);
	CHECK_EQ(domctl(&op), want);
	CHECK_EQ(HC1(__HYPERVISOR_platform_op, &platform), want);
	CHECK_EQ(memory_op(XENMEM_machine_memory_map, &map), want);
}

TEST(task_switched)
{
	CHECK_EQ(HC1(__HYPERVISOR_fpu_taskswitch, 1), 0);
	CHECK_TRAP(__asm__ volatile("fnop"), 7, 0);
	CHECK_EQ(HC1(__HYPERVISOR_fpu_taskswitch, 0), 0);
	CHECK_NO_TRAP(__asm__ volatile("fnop"));
}
