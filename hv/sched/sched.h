// SPDX-License-Identifier: MIT
// Who runs where: blocking, waking, pausing, the scheduling policy, context
// switch, runstate.
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "dom/domain.h"

void sched_init(void); // registers its domain unit and softirq; boot CPU
void sched_init_cpu(unsigned int cpu); // before the CPU schedules
// Makes the idle vcpu of a CPU `current` and never comes back.
__noreturn void sched_start_idle(void);

// Blocks current until an event is pending (checked after setting the flag so
// that none is lost); the switch happens on the way out.
void vcpu_block_current(void);
void vcpu_unblock(struct vcpu *v); // any context
void sched_yield(void);		   // SCHEDOP_yield of current

// Wakes v if nothing holds it back any more / takes it off when something
// does. Called after pause_flags changed.
void sched_wake(struct vcpu *v);
void sched_sleep(struct vcpu *v);      // returns at once
void sched_sleep_sync(struct vcpu *v); // returns when it is off its CPU

void vcpu_pause(struct vcpu *v); // waits; not for current
void vcpu_unpause(struct vcpu *v);
void domain_pause(struct domain *d); // waits; not for currd
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
int domain_pause_by_controller(struct domain *d);
int domain_unpause_by_controller(struct domain *d); // -EINVAL: not paused
void vcpu_up(struct vcpu *v);
void vcpu_down(struct vcpu *v);

// Affinity: -EINVAL for a set without CPUs of the pool. Soft is a wish.
int sched_set_hard_affinity(struct vcpu *v, cpumask_t mask);
int sched_set_soft_affinity(struct vcpu *v, cpumask_t mask);
// Temporary pin (SCHEDOP_pin_override): cpu < 0 ends it.
int sched_pin_override(struct vcpu *v, int cpu);

// Weight and cap of a domain as credit2 has them (cap in percent, 0 none).
int sched_domain_get(struct domain *d, u16 *weight, u16 *cap);
int sched_domain_set(struct domain *d, u16 weight, u16 cap);
bool sched_option(const char *value); // sched=; false: not a name we know

// CPU pools (docs/scheduling.md). They change under the control lock.
#define MAX_POOLS 64
#define POOL_ANY  (~0u)
struct cpupool {
	cpumask_t cpus;
	u32 ratelimit_us; // 0: none
	bool exists;
};
extern struct cpupool sched_pools[MAX_POOLS];
extern struct cpupool sched_free;   // of the CPUs that no pool has
struct cpupool *sched_pool(u32 id); // NULL: no such pool
u32 sched_pool_id(const struct domain *d);
cpumask_t sched_pool_cpus(const struct domain *d);
u32 sched_pool_domains(const struct cpupool *p);
// The number of a new pool, id or any; -EEXIST, -ENOSPC.
int sched_pool_create(u32 id);
void sched_cpu_move(unsigned int cpu, struct cpupool *to);
// To no pool. -EBUSY: the last one of a pool with domains; -EADDRINUSE: a
// vcpu has its temporary pin there.
int sched_cpu_leave(unsigned int cpu);
// Not currd. With all settings back to default. -ENOENT: without a CPU.
int sched_domain_move(struct domain *d, struct cpupool *to);

// Runstate of v at this moment (any vcpu).
void runstate_get(struct vcpu *v, struct vcpu_runstate_info *out);
// The same as v's guest lays it out, in the place that info is: 32-bit kernels
// have no hole behind the state.
const void *runstate_shape(const struct vcpu *v,
			   struct vcpu_runstate_info *info, u64 *size);
u64 vcpu_cpu_time(struct vcpu *v); // ns in RUNSTATE_running
u64 cpu_idle_time(unsigned int cpu);

// True when v's state is on another CPU: makes it saved into memory so that
// the caller (which paused v) may read it.
void sched_sync_vcpu(struct vcpu *v);

// What the guest of an emulated TSC reads at a time of the hypervisor's.
u64 domain_tsc_at(const struct domain *d, u64 ns);

// Time areas of the guest (public header vcpu.h, xen.h vcpu_time_info).
void vcpu_time_update(struct vcpu *v, bool force); // v is current, or paused
void vcpu_runstate_publish(struct vcpu *v);	   // current only
void domain_wallclock_update(struct domain *d);
// vcpu timers: VCPUOP_set_periodic_timer and friends, SCHEDOP_poll timeout.
void vcpu_set_periodic(struct vcpu *v, u64 period_ns);
void vcpu_set_singleshot(struct vcpu *v, u64 when);
void vcpu_stop_singleshot(struct vcpu *v);
// SCHEDOP_poll's deadline, for current; ends when it runs again.
void vcpu_set_poll_timer(struct vcpu *v, u64 when);
void vcpu_timers_init(struct vcpu *v);
void vcpu_timers_exit(struct vcpu *v);
// SCHEDOP_watchdog: id 0 takes a free one and returns its id; -ENOSPC, -EINVAL.
int domain_watchdog_set(struct domain *d, u32 id, u32 seconds);
// The event that a vcpu timer sends: set by evtchn/ at boot.
extern void (*sched_send_virq)(struct vcpu *v, u32 virq);
// True when an unmasked event is pending for v (no lock needed).
static inline bool vcpu_event_pending(const struct vcpu *v)
{
	return READ_ONCE(v->info->evtchn_upcall_pending) &&
	       !READ_ONCE(v->info->evtchn_upcall_mask);
}

// An event became pending for v, by an atomic operation: unblocks it and, when it
// runs elsewhere, makes its CPU look (interrupt). Who blocks does it the other way
// round: marks itself, then looks for events.
void vcpu_kick_other(struct vcpu *v);
static inline void vcpu_kick(struct vcpu *v)
{
	if (v != current || READ_ONCE(v->pause_flags) & VPF_BLOCKED)
		vcpu_kick_other(v);
}

#endif
