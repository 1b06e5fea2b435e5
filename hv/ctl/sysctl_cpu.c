// SPDX-License-Identifier: MIT
// sysctl: the processors: their number, places, features, idle time.
#include "access/access.h"
#include "con/con.h"
#include "ctl/private.h"
#include "dom/policy.h"
#include "evtchn/evtchn.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "sched/sched.h"
#include "x86/cpuid.h"
#include "x86/insn.h"
#include "x86/smp.h"
#include "x86/softirq.h"

// Low bits of an APIC id that number the threads of a core and all threads of
// a socket (Intel SDM vol. 3, 9.9; AMD APM vol. 3, E.5).
struct id_bits {
	u32 thread, socket;
};

// Bits to number n things.
static u32 bits_for(u32 n)
{
	return n > 1 ? 32 - (u32)__builtin_clz(n - 1) : 0;
}

static struct id_bits apic_id_bits(void)
{
	struct id_bits b = { 0, 0 };
	u32 r[4], cores = 1;

	if (cpu_host.max_basic >= 0xb) {
		cpuid(0xb, 0, r);
		if (r[1]) {
			b.thread = r[0] & 31;
			cpuid(0xb, 1, r);
			b.socket = r[1] ? r[0] & 31 : b.thread;
			return b;
		}
	}
	if (!cpu_has(HTT))
		return b;
	if (cpu_host.vendor == CPU_AMD && cpu_host.max_ext >= 0x80000008) {
		cpuid(0x80000008, 0, r);
		cores = (r[2] & 0xff) + 1;
	} else if (cpu_host.max_basic >= 4) {
		cpuid(4, 0, r);
		cores = (r[0] >> 26) + 1;
	}
	cpuid(1, 0, r);
	b.socket = bits_for(MAX(r[1] >> 16 & 0xff, cores));
	b.thread = b.socket - bits_for(cores);
	return b;
}

// Online CPUs whose APIC id equals CPU 0's from this bit on.
static u32 count_like_first(u32 bit)
{
	unsigned int cpu;
	u32 n = 0;

	for_each_cpu_in(cpu, cpu_online) {
		n += cpu_apic_id[cpu] >> bit == cpu_apic_id[0] >> bit;
	}
	return n;
}

long sysctl_physinfo(struct sub *s, struct xen_sysctl_physinfo *a)
{
	const struct id_bits b = apic_id_bits();

	memset(a, 0, sizeof(*a));
	a->threads_per_core = MAX(count_like_first(b.thread), 1u);
	a->cores_per_socket = count_like_first(b.socket) / a->threads_per_core;
	a->nr_cpus = cpumask_weight(cpu_online);
	a->max_cpu_id = nr_cpus - 1;
	a->nr_nodes = 1;
	a->cpu_khz = (u32)tsc_khz();
	a->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 |
			  XEN_SYSCTL_PHYSCAP_gnttab_v2;
	a->total_pages = frames_total_count();
	a->free_pages = frames_free_count();
	a->outstanding_pages = frames_claimed();
	a->max_mfn = max_mfn - 1;
	memcpy(a->hw_cap, cpu_host.features, sizeof(a->hw_cap));
	return 0;
}

long sysctl_cputopoinfo(struct sub *s, struct xen_sysctl_cputopoinfo *a)
{
	const struct id_bits b = apic_id_bits();
	u64 gva = handle_gva(a->cputopo);

	a->num_cpus = gva ? MIN(a->num_cpus, nr_cpus) : nr_cpus;
	for (u32 i = 0; gva && i < a->num_cpus; i++) {
		u32 id = cpu_apic_id[i];
		struct xen_sysctl_cputopo t = {
			.core = (id >> b.thread) &
				(u32)(BIT(b.socket - b.thread) - 1),
			.socket = id >> b.socket,
		};

		if (!cpumask_test(cpu_online, i))
			memset(&t, 0xff, sizeof(t)); // XEN_INVALID_*

		if (copy_struct_to_guest(gva + i * sizeof(t), &t))
			return -EFAULT;
	}
	return 0;
}

long sysctl_getcpuinfo(struct sub *s, struct xen_sysctl_getcpuinfo *a)
{
	struct xen_sysctl_cpuinfo info;

	a->nr_cpus = MIN(a->max_cpus, nr_cpus);
	for (u32 i = 0; i < a->nr_cpus; i++) {
		info.idletime =
			cpumask_test(cpu_online, i) ? cpu_idle_time(i) : 0;
		if (copy_struct_to_guest(handle_gva(a->info) + i * sizeof(info),
					 &info))
			return -EFAULT;
	}
	return 0;
}

// CPUs that a call waits for which will be issued again.
static cpumask_t cpu_switching;

// Its vcpus, and this call if it is one of theirs, go elsewhere first.
static long cpu_empty(u32 cpu)
{
	long rc = -ENODEV;

	if (cpumask_test(sched_pools[0].cpus | sched_free.cpus, cpu))
		rc = sched_cpu_leave(cpu);
	return !rc && cpu == smp_cpu_id() ? -ERESTART : rc;
}

static long cpu_request(u32 cpu, bool on, bool again)
{
	long rc = on ? 0 : cpu_empty(cpu);

	// One that never ran is not waiting for this.
	if (on && !again && !cpumask_test(smp_parked, cpu))
		rc = -EINVAL;
	if (!rc) {
		cpu_switching |= cpumask_of(cpu);
		smp_park_set(cpu, !on);
	}
	return rc;
}

long cpu_switch(u32 cpu, bool on)
{
	bool again;
	long rc = 0;

	if (cpu >= nr_cpus || (!cpu && !on))
		return -EINVAL;
	again = cpumask_test(cpu_switching, cpu);
	if (cpumask_test(cpu_online, cpu) != on)
		rc = cpu_request(cpu, on, again);
	else if (!again)
		rc = -EEXIST;
	while (!rc && cpumask_test(READ_ONCE(cpu_online), cpu) != on) {
		if (preempt_check())
			rc = -ERESTART;
		cpu_relax();
	}
	if (rc)
		return rc;
	cpu_switching &= ~cpumask_of(cpu);
	if (!on) {
		timers_take(cpu);
		pirqs_leave(cpu);
	}
	printk(LOG_INFO "CPU %u is %s\n", cpu, on ? "online" : "offline");
	virq_send_global(VIRQ_PCPU_STATE);
	return 0;
}

// Frequencies and idle states are the firmware's.
long sysctl_pm_op(struct sub *s, struct xen_sysctl_pm_op *a)
{
	if (a->cmd == XEN_SYSCTL_pm_op_get_max_cstate) {
		a->u.get_max_cstate = XEN_SYSCTL_CX_UNLIMITED;
		return 0;
	}
	if ((a->cmd & PM_PARA_CATEGORY_MASK) == CPUFREQ_PARA)
		return -EINVAL;
	return a->cmd >= XEN_SYSCTL_pm_op_set_sched_opt_smt &&
			       a->cmd <= XEN_SYSCTL_pm_op_disable_turbo
		       ? -EOPNOTSUPP
		       : -ENOSYS;
}

long sysctl_get_cpu_featureset(struct sub *s,
			       struct xen_sysctl_cpu_featureset *a)
{
	static const u8 kinds[] = {
		[XEN_SYSCTL_cpu_featureset_raw] = XEN_SYSCTL_cpu_policy_raw,
		[XEN_SYSCTL_cpu_featureset_host] = XEN_SYSCTL_cpu_policy_host,
		[XEN_SYSCTL_cpu_featureset_pv] =
			XEN_SYSCTL_cpu_policy_pv_default,
		[XEN_SYSCTL_cpu_featureset_hvm] =
			XEN_SYSCTL_cpu_policy_hvm_default,
		[XEN_SYSCTL_cpu_featureset_pv_max] =
			XEN_SYSCTL_cpu_policy_pv_max,
		[XEN_SYSCTL_cpu_featureset_hvm_max] =
			XEN_SYSCTL_cpu_policy_hvm_max,
	};
	u64 gva = handle_gva(a->features);
	u32 n = gva ? MIN(a->nr_features, (u32)CPU_WORDS) : CPU_WORDS;
	struct policy *p;
	long rc;

	if (gva) {
		if (a->index >= ARRAY_SIZE(kinds))
			return -EINVAL;
		p = heap_alloc(sizeof(*p));
		if (!p)
			return -ENOMEM;
		rc = policy_system(
			kinds[index_nospec(a->index, ARRAY_SIZE(kinds))], p);
		if (!rc)
			rc = copy_to_guest(gva, p->features,
					   n * sizeof(*p->features));
		heap_free(p);
		if (rc)
			return rc;
	}
	a->nr_features = n;
	s->copy_back = true;
	return n < CPU_WORDS ? -ENOBUFS : 0;
}

long sysctl_get_cpu_policy(struct sub *s, struct xen_sysctl_cpu_policy *a)
{
	struct xen_domctl_cpu_policy x = {
		.nr_leaves = a->nr_leaves,
		.nr_msrs = a->nr_msrs,
		.leaves = a->leaves,
		.msrs = a->msrs,
	};
	int rc = a->_rsvd ? -EINVAL : policy_copy_out(NULL, a->index, &x);

	a->nr_leaves = x.nr_leaves;
	a->nr_msrs = x.nr_msrs;
	return rc;
}
