// SPDX-License-Identifier: MIT
// Per-CPU data. cpu_info lies at the top of each CPU's stack block and is
// found by masking RSP (any of the CPU's stacks); GS is never used for it.
#ifndef X86_PERCPU_H
#define X86_PERCPU_H

#include "lib/cpumask.h"
#include "x86/insn.h"
#include "x86/layout.h"
#include "x86/regs.h"

struct vcpu;

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} __packed;

struct cpu_info {
	struct cpu_regs regs; // the guest's registers, entry order
	struct vcpu *vcpu;    // who runs here
	u64 percpu_offset;
	u32 softirq_pending; // set from any CPU by atomic or
	u32 all_calls_in_c;  // not 0: entry.S takes no short cut
	u32 cpu;
	u32 held_locks;	 // debug builds: ranks held, see x86/spinlock.c
	bool relaxed;	 // SMEP and SMAP are off, for ring 1
	u16 table_locks; // debug builds: page tables locked
	u64 unused;	 // frames end on 16 bytes
	u64 cr3_hv;	 // what a way in loads, 0: nothing (docs/xpti.md)
	struct tss tss;	 // here, as guests' tables always show this page
};

// The processor aligns RSP to 16 before it pushes a frame.
_Static_assert((sizeof(struct cpu_info) - sizeof(struct cpu_regs)) % 16 == 0,
	       "entry frames end on 16 bytes");

static inline struct cpu_info *cpu_info(void)
{
	return (struct cpu_info *)((read_rsp() | (STACK_SIZE - 1)) + 1 -
				   sizeof(struct cpu_info));
}

#define current	     (cpu_info()->vcpu)
#define currd	     (current->domain)
#define smp_cpu_id() (cpu_info()->cpu)

// Variables of which each CPU has a copy; zero at start.
#define DEFINE_PERCPU(type, name) \
	__section(".percpu") __attribute__((used)) type percpu__##name
#define DECLARE_PERCPU(type, name) extern type percpu__##name

extern u64 percpu_offset[MAX_CPUS];

#define per_cpu(name, cpu)                                     \
	(*(typeof(percpu__##name) *)((char *)&percpu__##name + \
				     percpu_offset[cpu]))
#define this_cpu(name)                                         \
	(*(typeof(percpu__##name) *)((char *)&percpu__##name + \
				     cpu_info()->percpu_offset))

extern cpumask_t cpu_online; // CPUs that run and answer IPIs
extern u32 cpu_apic_id[MAX_CPUS];
extern unsigned int nr_cpus; // CPUs present, online or not

#endif
