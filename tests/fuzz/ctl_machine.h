// SPDX-License-Identifier: MIT
// What ctl/ calls of other rooms: counted where it has two halves, answered by
// the input where it may fail.
#ifndef FUZZ_CTL_MACHINE_H
#define FUZZ_CTL_MACHINE_H

static struct domain *doms[2];
static unsigned int pauses;

static long answer(void)
{
	static const s16 answers[] = { 0,	0,	 0,	 0,
				       -EINVAL, -ENOMEM, -EBUSY, -ERESTART };

	return answers[fuzz_below(ARRAY_SIZE(answers))];
}

#define ANSWERS(type, name, ...)       \
	type name(__VA_ARGS__)         \
	{                              \
		return (type)answer(); \
	}
#define GIVES(type, name, value, ...) \
	type name(__VA_ARGS__)        \
	{                             \
		return (value);       \
	}
#define DOES(what, name, ...)  \
	void name(__VA_ARGS__) \
	{                      \
		what;          \
	}

ANSWERS(int, domain_kill, struct domain *d)
ANSWERS(int, domain_pause_by_controller, struct domain *d)
ANSWERS(int, domain_unpause_by_controller, struct domain *d)
ANSWERS(int, vcpu_create, struct domain *d, unsigned int id, struct vcpu **v)
ANSWERS(int, virq_set_handler, struct domain *d, u32 virq)
ANSWERS(int, sched_set_hard_affinity, struct vcpu *v, cpumask_t mask)
ANSWERS(int, sched_set_soft_affinity, struct vcpu *v, cpumask_t mask)
ANSWERS(int, sched_pin_override, struct vcpu *v, int cpu)
ANSWERS(int, sched_domain_set, struct domain *d, u16 weight, u16 cap)
ANSWERS(int, sched_cpu_leave, unsigned int cpu)
ANSWERS(int, sched_domain_move, struct domain *d, struct cpupool *to)
ANSWERS(int, pv_hypercall_page_set, struct domain *d, u64 gmfn)
ANSWERS(int, pv_set_address_size, struct domain *d, u32 bits)
ANSWERS(int, power_enter_sleep, u32 state, u16 a, u16 b)
ANSWERS(int, trace_set_size, u32 pages)
ANSWERS(int, trace_switch, bool on)
DOES(, calls_trace, bool on)
ANSWERS(int, fpu_check_xcr0, u64 xcr0)
ANSWERS(long, vcpu_context_load, struct vcpu *v, u64 gva, bool tools)
GIVES(u64, vcpu_cpu_time, 0, struct vcpu *v)
GIVES(u64, cpu_idle_time, cpu, unsigned int cpu)
GIVES(u64, tsc_khz, 3000000, void)
GIVES(u64, time_now, fuzz_take(8), void)
GIVES(u64, frames_free_count, 77, void)
GIVES(u64, frames_total_count, RAM_FRAMES, void)
GIVES(u64, frames_claimed, 1, void)
GIVES(u32, sched_pool_id, 0, const struct domain *d)
GIVES(cpumask_t, sched_pool_cpus, 3, const struct domain *d)
GIVES(u32, sched_pool_domains, 1, const struct cpupool *p)
GIVES(u32, pirq_count, 256, const struct domain *d)
GIVES(int, pirq_irq, pirq < 40 ? (int)pirq : -1, struct domain *d, u32 pirq)
GIVES(u32, pci_read, fuzz_below(65536), u16 bdf, unsigned int reg,
      unsigned int size)
DOES(pauses++, domain_pause, struct domain *d)
DOES(pauses--, domain_unpause, struct domain *d)
DOES(pauses++, vcpu_pause, struct vcpu *v)
DOES(pauses--, vcpu_unpause, struct vcpu *v)
DOES(d->ref++, domain_get, struct domain *d)
DOES(d->ref--, domain_put, struct domain *d)
DOES(, domain_resume, struct domain *d)
DOES(, domain_wallclock_update, struct domain *d)
DOES(, virq_send_global, u32 virq)
DOES(, wallclock_set, u64 sec, u32 nsec, u64 system_time)
DOES(, vcpu_send_nmi, struct vcpu *v)
DOES(, timers_take, unsigned int cpu)
DOES(, softirq_register, enum softirq nr, void (*fn)(void))
DOES(, sched_cpu_move, unsigned int cpu, struct cpupool *to)
DOES(, log_clear, void)
DOES(, debug_key_handle, char key)
DOES(, pirqs_leave, unsigned int cpu)
DOES(, emul_switch_to, const struct vcpu *v)
DOES(, frames_free, struct page_info *pg, unsigned int order)
DOES(, frames_add, mfn_t first, u64 n)
DOES(, frames_claim_use, struct page_account *who, u64 n)
DOES(, printk, const char *fmt, ...)

void smp_park_set(unsigned int cpu, bool parked)
{
	cpu_online = parked ? cpu_online & ~cpumask_of(cpu)
			    : cpu_online | cpumask_of(cpu);
	smp_parked = ~cpu_online & 3;
}

bool spin_trylock(struct spinlock *l)
{
	spin_lock(l);
	return true;
}

int sched_domain_get(struct domain *d, u16 *weight, u16 *cap)
{
	*weight = 256;
	*cap = 0;
	return (int)answer();
}

struct cpupool *sched_pool(u32 id)
{
	return id < MAX_POOLS && sched_pools[id].exists ? &sched_pools[id]
							: NULL;
}

int sched_pool_create(u32 id)
{
	return id < MAX_POOLS ? (int)id : -ENOSPC;
}

u64 trace_info_mfn(u32 *bytes)
{
	*bytes = 4096;
	return 5;
}

const struct time_scale *time_scale_this_cpu(void)
{
	static const struct time_scale scale = { .mul = 1u << 31, .shift = 1 };

	return &scale;
}

bool emul_rdmsr(struct vcpu *v, u32 msr, u64 *value)
{
	*value = fuzz_take(2);
	return *value != 1;
}

bool emul_wrmsr(struct vcpu *v, u32 msr, u64 value)
{
	return value != 1;
}

int fpu_set_xsave(struct fpu_state *s, const void *image, u32 size)
{
	CHECK(size <= fpu_state_size);
	memcpy(s, image, size);
	return (int)answer();
}

size_t log_read(u32 *index, char *buf, size_t n, bool incremental)
{
	size_t some = fuzz_below((u32)n + 1);

	memset(buf, 'x', some);
	*index += (u32)some;
	return some;
}

struct domain *domain_get_from(u32 id)
{
	struct domain *d = id < 2 ? doms[id] : NULL;

	if (d)
		d->ref++;
	return d;
}

struct domain *domain_get_by_id(u16 id)
{
	return domain_get_from(id);
}

int domain_create(const struct domain_config *cfg, struct domain **out)
{
	*out = doms[1];
	return (int)answer();
}

#endif
