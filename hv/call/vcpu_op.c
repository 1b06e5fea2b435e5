// SPDX-License-Identifier: MIT
// vcpu_op: bringing vcpus up and down, their timers, and the memory areas in
// which the hypervisor tells them things (public header vcpu.h).
#include "access/access.h"
#include "call/call.h"
#include "dom/shared.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "sched/sched.h"
#include "x86/platform.h"

#define SUB_TABLE      "call/vcpu.def"
#define SUB_NR(name)   VCPUOP_##name
#define SUB_TYPE(type) struct vcpu_##type
#include "call/sub_ops.inc"

long vcpu_context_load(struct vcpu *v, u64 gva, bool tools)
{
	struct vcpu_guest_context *c __heap_ref = heap_alloc(sizeof(*c));
	long rc;

	if (!c)
		return -ENOMEM;
	rc = v->domain->pv32 ? context32_from_guest(c, v->domain, gva)
			     : copy_struct_from_guest(c, gva);
	if (rc)
		return rc;
	SPIN_GUARD(&v->domain->lock);
	if (v->initialised && !tools)
		return -EEXIST;
	rc = v->domain->ops->context_set(v, c);
	if (!rc && tools && c->flags & VGCF_online)
		vcpu_up(v);
	else if (!rc && tools)
		vcpu_down(v);
	return rc;
}

void vcpu_send_nmi(struct vcpu *v)
{
	if (!__atomic_exchange_n(&v->hot.nmi_pending, 1, __ATOMIC_SEQ_CST))
		vcpu_kick(v);
}

static long op_initialise(struct sub *s, struct vcpu_none *a)
{
	long r;

	if (s->v->info == &dummy_vcpu_info)
		return -EINVAL;
	r = vcpu_context_load(s->v, s->gva, false);
	return r == -ERESTART ? call_again(__HYPERVISOR_vcpu_op,
					   VCPUOP_initialise, s->v->id, s->gva)
			      : r;
}

static long op_up(struct sub *s, struct vcpu_none *a)
{
	if (!READ_ONCE(s->v->initialised))
		return -EINVAL;
	vcpu_up(s->v);
	return 0;
}

// The last one that goes takes the domain with it.
static long op_down(struct sub *s, struct vcpu_none *a)
{
	struct vcpu *v = s->v, *other;
	struct domain *d = v->domain;

	for_each_vcpu(d, other) {
		if (other != v && !(READ_ONCE(other->pause_flags) & VPF_DOWN)) {
			vcpu_down(v);
			return 0;
		}
	}
	domain_shutdown(d, SHUTDOWN_poweroff);
	return 0;
}

static long op_register_runstate_memory_area(
	struct sub *s, struct vcpu_register_runstate_memory_area *a)
{
	struct vcpu_runstate_info info;
	const void *from;
	u64 size;

	if (!access_ok(a->addr.p, 1))
		return -EFAULT;
	s->v->runstate_gva = a->addr.p;
	// An area that is not there is the guest's own loss. A running vcpu's
	// times end where its state began.
	if (s->v == current) {
		vcpu_runstate_publish(s->v);
	} else if (a->addr.p) {
		runstate_get(s->v, &info);
		from = runstate_shape(s->v, &info, &size);
		copy_to_guest(a->addr.p, from, size);
	}
	return 0;
}

static long op_register_vcpu_time_memory_area(
	struct sub *s, struct vcpu_register_time_memory_area *a)
{
	if (!access_ok(a->addr.p, 1))
		return -EFAULT;
	s->v->time_area_gva = a->addr.p;
	// Another vcpu's is filled when that one gets a CPU.
	if (s->v == current)
		vcpu_time_update(s->v, true);
	return 0;
}

static long op_set_periodic_timer(struct sub *s,
				  struct vcpu_set_periodic_timer *a)
{
	if (a->period_ns < NS_PER_MS || a->period_ns > TIME_NEVER >> 2)
		return -EINVAL;
	vcpu_set_periodic(s->v, a->period_ns);
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
	pg = frame_get_writable(mfn(gfn), &v->domain->account);
	if (!pg)
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
	vcpu_select_all(v);
	return 0;
}

static long op_register_vcpu_info(struct sub *s,
				  struct vcpu_register_vcpu_info *a)
{
	struct vcpu *v = s->v;
	int r;

	// Within one page, and aligned: atomic accesses (Xen advisory 327).
	if (a->offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
	    a->offset % (currd->pv32 ? 4 : _Alignof(struct vcpu_info)))
		return -ENXIO;
	spin_lock(&v->domain->lock);
	r = info_move(v, a->mfn, a->offset);
	spin_unlock(&v->domain->lock);
	if (!r)
		vcpu_time_update(v, true);
	return r;
}

static long op_send_nmi(struct sub *s, struct vcpu_none *a)
{
	if (s->gva)
		return -EINVAL;
	vcpu_send_nmi(s->v);
	return 0;
}

// For a vcpu of the hardware domain that stays on one CPU.
static long op_get_physid(struct sub *s, struct vcpu_none *a)
{
	struct vcpu_get_physid op = { 0 };
	struct vcpu *v = s->v;
	u32 apic;

	if (!v->domain->is_hardware ||
	    cpumask_weight(v->affinity_hard & cpu_online) != 1)
		return -EINVAL;
	apic = cpu_apic_id[v->cpu];
	for (u32 i = 0; i < platform.nr_cpus; i++)
		if (platform.apic_id[i] == apic)
			op.phys_id = (u64)platform.acpi_id[i] << 32 | apic;
	return copy_struct_to_guest(s->gva, &op);
}

long call_vcpu_op(u64 cmd, u64 vcpu_id, u64 arg, u64 a4, u64 a5)
{
	struct sub s;

	s.gva = arg;
	s.v = domain_vcpu(currd, (u32)vcpu_id);
	return s.v ? sub_op_call(ops, ARRAY_SIZE(ops), cmd, &s) : -ENOENT;
}
