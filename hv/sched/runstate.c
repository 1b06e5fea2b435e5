// SPDX-License-Identifier: MIT
// How vcpus spend their time, and what guests are told about time: runstate
// area, vcpu_time_info, wallclock (public headers vcpu.h and xen.h).
#include "dom/shared.h"
#include "dom/trace.h"
#include "lib/string.h"
#include "sched/private.h"
#include "x86/cpuid.h"
#include "x86/time.h"

#define VERSION_OFFSET offsetof(struct vcpu_time_info, version)

u32 runstate_off_cpu(const struct vcpu *v)
{
	if (READ_ONCE(v->pause_flags) & VPF_BLOCKED)
		return RUNSTATE_blocked;
	return vcpu_runnable(v) ? RUNSTATE_runnable : RUNSTATE_offline;
}

void runstate_change(struct vcpu *v, u32 state, u64 now)
{
	struct vcpu_time_use *use = &v->use;

	if (use->state == state)
		return;
	TRACE(TRC_SCHED_RUNSTATE_CHANGE | use->state << 8 | state << 4,
	      TRACE_VCPU(v));
	// CPUs' clocks may differ a little: time never runs backwards here.
	if (now > use->since) {
		use->time[use->state] += now - use->since;
		use->since = now;
	}
	use->state = state;
}

static void copy_use(const struct vcpu *v, struct vcpu_runstate_info *out)
{
	memset(out, 0, sizeof(*out));
	out->state = (int)v->use.state;
	out->state_entry_time = v->use.since;
	memcpy(out->time, v->use.time, sizeof(out->time));
}

void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out)
{
	struct run_queue *q;
	u64 flags, now;

	q = queue_lock(v, &flags);
	now = time_now();
	copy_use(v, out);
	queue_unlock(q, flags);
	if (now > out->state_entry_time)
		out->time[out->state] += now - out->state_entry_time;
}

const void *runstate_shape(const struct vcpu *v,
			   struct vcpu_runstate_info *info, u64 *size)
{
	u32 *words = (u32 *)info;

	*size = sizeof(*info);
	if (!v->domain->pv32)
		return info;
	*size -= sizeof(*words);
	words[1] = words[0];
	return words + 1;
}

u64 vcpu_cpu_time(struct vcpu *v)
{
	struct vcpu_runstate_info info;

	runstate_get(v, &info);
	return info.time[RUNSTATE_running];
}

// Guest addresses mean those of the guest's kernel. False: it has no tables
// to look them up in.
static bool view_begin(struct vcpu *v)
{
	return v->domain->ops->copy_out &&
	       (!v->domain->ops->kernel_view_begin ||
		v->domain->ops->kernel_view_begin(v));
}

static void view_end(struct vcpu *v)
{
	if (v->domain->ops->kernel_view_end)
		v->domain->ops->kernel_view_end(v);
}

// A guest that asked for it sees a mark while the copy is in progress.
static void publish_runstate(struct vcpu *v)
{
	int (*copy_out)(u64, const void *, u64) = v->domain->ops->copy_out;
	u64 gva = v->runstate_gva, mark, size;
	struct vcpu_runstate_info info;
	const void *from;

	copy_use(v, &info);
	from = runstate_shape(v, &info, &size);
	if (!(v->domain->vm_assist & BIT(VMASST_TYPE_runstate_update_flag))) {
		copy_out(gva, from, size);
		return;
	}
	mark = gva + (u64)((char *)&info.state_entry_time - (const char *)from);
	info.state_entry_time |= XEN_RUNSTATE_UPDATE;
	if (copy_out(mark, &info.state_entry_time, 8))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (copy_out(gva, from, size))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	info.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
	copy_out(mark, &info.state_entry_time, 8);
}

void vcpu_runstate_publish(struct vcpu *v)
{
	if (!v->runstate_gva || !view_begin(v))
		return;
	publish_runstate(v);
	view_end(v);
}

// A guest may be older than this machine's clock, or younger than its last time
// stamp: what lies between is signed.
u64 domain_tsc_at(const struct domain *d, u64 ns)
{
	s64 since = (s64)(ns - d->vtsc_offset_ns), ms = NS_PER_MS;

	return (u64)(since / ms) * d->tsc_khz +
	       (u64)(since % ms * d->tsc_khz / ms);
}

// The guest of an emulated TSC reads that one: its scale follows from the
// frequency alone.
static void emulated_scale(const struct domain *d, struct vcpu_time_info *t)
{
	struct time_scale scale;

	t->tsc_timestamp = domain_tsc_at(d, t->system_time);
	time_rate(&scale, NS_PER_S, (u64)d->tsc_khz * 1000);
	t->tsc_to_system_mul = scale.mul;
	t->tsc_shift = scale.shift;
}

// The guest's own copy: odd version, body, even version.
static void publish_time_area(struct vcpu *v, struct vcpu_time_info *t)
{
	int (*copy_out)(u64, const void *, u64) = v->domain->ops->copy_out;
	u64 gva = v->time_area_gva;
	u32 even = t->version;

	t->version = even - 1;
	if (copy_out(gva + VERSION_OFFSET, &t->version, 4))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (copy_out(gva, t, sizeof(*t)))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	t->version = even;
	copy_out(gva + VERSION_OFFSET, &t->version, 4);
}

void vcpu_time_update(struct vcpu *v, bool force)
{
	const struct time_scale *scale = time_scale_this_cpu();
	struct vcpu_time_info t = { 0 }, *shown = &v->info->time;

	if (v->info == &dummy_vcpu_info)
		return;
	t.tsc_timestamp = scale->tsc_base;
	t.system_time = scale->ns_base;
	t.tsc_to_system_mul = scale->mul;
	t.tsc_shift = scale->shift;
	t.flags = cpu_has(ITSC) ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
	if (v->domain->vtsc)
		emulated_scale(v->domain, &t);
	if (!force && shown->tsc_timestamp == t.tsc_timestamp &&
	    shown->system_time == t.system_time &&
	    shown->tsc_to_system_mul == t.tsc_to_system_mul)
		return;

	// The guest can write here too: its version is only ever made even.
	t.version = READ_ONCE(shown->version) | 1;
	WRITE_ONCE(shown->version, t.version);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*shown = t;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(shown->version, ++t.version);

	if (v != current || !v->time_area_gva || !view_begin(v))
		return;
	publish_time_area(v, &t);
	view_end(v);
}

void sched_scale_changed(void)
{
	if (current && !current->is_idle)
		vcpu_time_update(current, false);
}

static struct spinlock wallclock_lock = SPINLOCK_INIT(RANK_SCHED_GLOBAL);

void domain_wallclock_update(struct domain *d)
{
	u32 *words, *high, nsec, version; // words: version, seconds, ns
	u64 flags, seconds;

	if (!d->shared)
		return;
	words = d->pv32 ? &shared_info32(d)->wc_version
			: &d->shared->wc_version;
	high = d->pv32 ? &shared_info32(d)->arch.wc_sec_hi
		       : &d->shared->wc_sec_hi;
	flags = spin_lock_irqsave(&wallclock_lock);
	wallclock_get(&seconds, &nsec);
	seconds += (u64)d->time_offset_s;
	version = READ_ONCE(words[0]) | 1;
	WRITE_ONCE(words[0], version);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(words[1], (u32)seconds);
	WRITE_ONCE(words[2], nsec);
	WRITE_ONCE(*high, (u32)(seconds >> 32));
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(words[0], version + 1);
	spin_unlock_irqrestore(&wallclock_lock, flags);
}

void guest_time_out(struct vcpu *v)
{
	timer_stop(&v->periodic);
	vcpu_runstate_publish(v);
}

void guest_time_on(struct vcpu *v)
{
	timer_stop(&v->poll_timer);
	vcpu_periodic_work(v);
}

void guest_time_in(struct vcpu *v)
{
	// A copy of the guest's own may have been registered meanwhile.
	vcpu_time_update(v, v->time_area_gva);
	vcpu_runstate_publish(v);
	guest_time_on(v);
}
