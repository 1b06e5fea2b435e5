// SPDX-License-Identifier: MIT
#include "x86/ipi.h"
#include "x86/apic.h"
#include "x86/insn.h"
#include "x86/panic.h"
#include "x86/smp.h"

struct ipi_out {
	void (*fn)(void *data);
	void *data;
	cpumask_t waiting; // who has not finished yet, atomic
};

struct ipi_cpu {
	struct ipi_out out[IPI_KINDS];
	cpumask_t in[IPI_KINDS]; // who has a request for us, atomic
};

static DEFINE_PERCPU(struct ipi_cpu, ipi_cpu);

static const u8 vectors[IPI_KINDS] = {
	[IPI_CALL] = VECTOR_CALL,
	[IPI_FLUSH] = VECTOR_FLUSH,
};

void ipi_answer(enum ipi_kind kind)
{
	cpumask_t self = cpumask_of(smp_cpu_id()), from;
	unsigned int cpu;

	from = __atomic_exchange_n(&this_cpu(ipi_cpu).in[kind], 0,
				   __ATOMIC_ACQUIRE);
	for_each_cpu_in(cpu, from) {
		struct ipi_out *o = &per_cpu(ipi_cpu, cpu).out[kind];

		o->fn(o->data);
		__atomic_fetch_and(&o->waiting, ~self, __ATOMIC_RELEASE);
	}
}

void ipi_request(enum ipi_kind kind, cpumask_t mask, void (*fn)(void *),
		 void *data)
{
	struct ipi_out *o = &this_cpu(ipi_cpu).out[kind];
	cpumask_t self = cpumask_of(smp_cpu_id());
	unsigned int cpu;

	ASSERT(!o->waiting);
	o->fn = fn;
	o->data = data;
	__atomic_store_n(&o->waiting, mask, __ATOMIC_RELEASE);
	for_each_cpu_in(cpu, mask)
		if (!__atomic_fetch_or(&per_cpu(ipi_cpu, cpu).in[kind], self,
				       __ATOMIC_SEQ_CST))
			apic_ipi(cpu_apic_id[cpu], vectors[kind]);
	while (__atomic_load_n(&o->waiting, __ATOMIC_ACQUIRE)) {
		if (kind == IPI_FLUSH)
			ipi_answer(IPI_FLUSH);
		cpu_relax();
	}
}

void smp_call(cpumask_t mask, void (*fn)(void *), void *data)
{
	cpumask_t self = cpumask_of(smp_cpu_id());
	u64 flags;

	if (mask & self) {
		flags = irq_save();
		fn(data);
		irq_restore(flags);
	}
	mask &= READ_ONCE(cpu_online) & ~self;
	if (!mask)
		return;
	ASSERT(irq_enabled());
	ipi_request(IPI_CALL, mask, fn, data);
}

void smp_kick(unsigned int cpu)
{
	apic_ipi(cpu_apic_id[cpu], VECTOR_KICK);
}
