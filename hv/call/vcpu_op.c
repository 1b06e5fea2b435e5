// SPDX-License-Identifier: MIT
// vcpu_op: bringing vcpus up and down, their timers, and the memory areas in
// which the hypervisor tells them things (public header vcpu.h).
#include "access/access.h"
#include "call/call.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "sched/sched.h"
#include "x86/platform.h"

static long op_initialise(struct vcpu *v, u64 arg)
{
	struct vcpu_guest_context *c;
	long r = -EFAULT;

	if (v->info == &dummy_vcpu_info)
		return -EINVAL;
	c = heap_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	if (!copy_struct_from_guest(c, arg)) {
		spin_lock(&v->domain->lock);
		r = v->initialised ? -EEXIST
				   : v->domain->ops->context_set(v, c);
		spin_unlock(&v->domain->lock);
	}
	heap_free(c);
	return r == -ERESTART ? call_again(__HYPERVISOR_vcpu_op,
					   VCPUOP_initialise, v->id, arg)
			      : r;
}

static long op_up(struct vcpu *v, u64 arg)
{
	if (!READ_ONCE(v->initialised))
		return -EINVAL;
	vcpu_up(v);
	return 0;
}

// The last one that goes takes the domain with it.
static long op_down(struct vcpu *v, u64 arg)
{
	struct domain *d = v->domain;
	struct vcpu *other;

	for_each_vcpu(d, other) {
		if (other != v && !(READ_ONCE(other->pause_flags) & VPF_DOWN)) {
			vcpu_down(v);
			return 0;
		}
	}
	domain_shutdown(d, SHUTDOWN_poweroff);
	return 0;
}

static long op_is_up(struct vcpu *v, u64 arg)
{
	return !(READ_ONCE(v->pause_flags) & VPF_DOWN);
}

static long op_get_runstate(struct vcpu *v, u64 arg)
{
	struct vcpu_runstate_info info;

	runstate_get(v, &info);
	return copy_struct_to_guest(arg, &info);
}

static long op_runstate_area(struct vcpu *v, u64 arg)
{
	struct vcpu_register_runstate_memory_area op;
	struct vcpu_runstate_info info;

	if (copy_struct_from_guest(&op, arg))
		return -EFAULT;
	if (!access_ok(op.addr.p, sizeof(info)))
		return -EFAULT;
	v->runstate_gva = op.addr.p;
	// An area that is not there is the guest's own loss. A running vcpu's
	// times end where its state began.
	if (v == current) {
		vcpu_runstate_publish(v);
	} else if (op.addr.p) {
		runstate_get(v, &info);
		copy_struct_to_guest(op.addr.p, &info);
	}
	return 0;
}

static long op_time_area(struct vcpu *v, u64 arg)
{
	struct vcpu_register_time_memory_area op;

	if (copy_struct_from_guest(&op, arg))
		return -EFAULT;
	if (!access_ok(op.addr.p, sizeof(struct vcpu_time_info)))
		return -EFAULT;
	v->time_area_gva = op.addr.p;
	// Another vcpu's is filled when that one gets a CPU.
	if (v == current)
		vcpu_time_update(v, true);
	return 0;
}

static long op_set_periodic(struct vcpu *v, u64 arg)
{
	struct vcpu_set_periodic_timer op;

	if (copy_struct_from_guest(&op, arg))
		return -EFAULT;
	if (op.period_ns < NS_PER_MS || op.period_ns > TIME_NEVER >> 2)
		return -EINVAL;
	return vcpu_set_periodic(v, op.period_ns);
}

static long op_stop_periodic(struct vcpu *v, u64 arg)
{
	return vcpu_set_periodic(v, 0);
}

static long op_set_singleshot(struct vcpu *v, u64 arg)
{
	struct vcpu_set_singleshot_timer op;

	if (v != current)
		return -EINVAL;
	if (copy_struct_from_guest(&op, arg))
		return -EFAULT;
	// VCPU_SSHOTTMR_future has no effect, as on Xen 4.17: a time that has
	// passed fires at once.
	vcpu_set_singleshot(v, op.timeout_abs_ns);
	return 0;
}

static long op_stop_singleshot(struct vcpu *v, u64 arg)
{
	if (v != current)
		return -EINVAL;
	vcpu_stop_singleshot(v);
	return 0;
}

// Moves v's vcpu_info to its new place; the domain's lock is held. Only its
// own vcpu, or one that is down, may be moved: nobody else writes there.
static int info_move(struct vcpu *v, u64 gfn, u32 offset)
{
	struct vcpu_info *to;
	struct page_info *pg;

	if (v->info_page || (v != current && !(v->pause_flags & VPF_DOWN)))
		return -EINVAL;
	if (!mfn_valid(mfn(gfn)))
		return -EINVAL;
	pg = mfn_to_page(mfn(gfn));
	if (page_get_writable(pg, &v->domain->account))
		return -EINVAL;
	to = (struct vcpu_info *)((char *)map_frame(mfn(gfn)) + offset);
	if (v->info == &dummy_vcpu_info) {
		memset(to, 0, sizeof(*to));
		to->evtchn_upcall_mask = 1;
	} else {
		memcpy(to, v->info, sizeof(*to));
	}
	v->info_page = pg;
	__atomic_store_n(&v->info, to, __ATOMIC_SEQ_CST);
	// Events that came to the old place meanwhile are looked for again.
	__atomic_store_n(&to->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&to->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
	return 0;
}

static long op_register_info(struct vcpu *v, u64 arg)
{
	struct vcpu_register_vcpu_info op;
	int r;

	if (copy_struct_from_guest(&op, arg))
		return -EFAULT;
	// Within one page, and aligned: atomic accesses (Xen advisory 327).
	if (op.offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
	    op.offset % _Alignof(struct vcpu_info))
		return -ENXIO;
	spin_lock(&v->domain->lock);
	r = info_move(v, op.mfn, op.offset);
	spin_unlock(&v->domain->lock);
	if (!r)
		vcpu_time_update(v, true);
	return r;
}

static long op_send_nmi(struct vcpu *v, u64 arg)
{
	if (arg)
		return -EINVAL;
	if (!__atomic_exchange_n(&v->nmi_pending, 1, __ATOMIC_SEQ_CST))
		vcpu_kick(v);
	return 0;
}

// For a vcpu of the hardware domain that stays on one CPU.
static long op_get_physid(struct vcpu *v, u64 arg)
{
	struct vcpu_get_physid op = { 0 };
	u32 apic;

	if (!v->domain->is_hardware || cpumask_weight(v->affinity_hard) != 1)
		return -EINVAL;
	apic = cpu_apic_id[v->cpu];
	for (u32 i = 0; i < platform.nr_cpus; i++)
		if (platform.apic_id[i] == apic)
			op.phys_id = (u64)platform.acpi_id[i] << 32 | apic;
	return copy_struct_to_guest(arg, &op);
}

static long (*const ops[])(struct vcpu *v, u64 arg) = {
	[VCPUOP_initialise] = op_initialise,
	[VCPUOP_up] = op_up,
	[VCPUOP_down] = op_down,
	[VCPUOP_is_up] = op_is_up,
	[VCPUOP_get_runstate_info] = op_get_runstate,
	[VCPUOP_register_runstate_memory_area] = op_runstate_area,
	[VCPUOP_set_periodic_timer] = op_set_periodic,
	[VCPUOP_stop_periodic_timer] = op_stop_periodic,
	[VCPUOP_set_singleshot_timer] = op_set_singleshot,
	[VCPUOP_stop_singleshot_timer] = op_stop_singleshot,
	[VCPUOP_register_vcpu_info] = op_register_info,
	[VCPUOP_send_nmi] = op_send_nmi,
	[VCPUOP_get_physid] = op_get_physid,
	[VCPUOP_register_vcpu_time_memory_area] = op_time_area,
};

long call_vcpu_op(u64 cmd, u64 vcpu_id, u64 arg, u64 a4, u64 a5)
{
	struct vcpu *v = domain_vcpu(currd, (u32)vcpu_id);

	if (!v)
		return -ENOENT;
	cmd = (u32)cmd;
	if (cmd >= ARRAY_SIZE(ops))
		return -ENOSYS;
	return ops[index_nospec(cmd, ARRAY_SIZE(ops))](v, arg);
}
