// SPDX-License-Identifier: MIT
// Descriptor tables, stacks and control registers of a CPU.
#ifndef X86_DESC_H
#define X86_DESC_H

#include "x86/percpu.h"

extern u64 hv_cr3; // page tables without any guest; PGE semantics as guests'
extern u64 hv_cr4; // CR4 as each CPU has it while the hypervisor is entered

// Top of a CPU's main stack: where its cpu_info begins.
#define cpu_stack_top(cpu) \
	(STACKS_START + ((u64)(cpu) + 1) * STACK_SIZE - sizeof(struct cpu_info))

// Gives CPU its stack block and per-CPU area (mm/, before the CPU is started);
// 0 or -ENOMEM.
int cpu_prepare(unsigned int cpu);
// Fills a CPU's TSS, GDT page and cpu_info; its stack block is mapped.
void desc_prepare_cpu(unsigned int cpu, u64 *gdt_page);
// On the CPU, its stack loaded: tables, MSRs, control registers.
void cpu_init_this(unsigned int cpu);
// Feature choices of the command line, before the boot CPU's init.
extern bool opt_smep, opt_smap;

extern const void *const desc_idt; // a page of its own

// The page of a CPU that stands at GDT selectors 0xe000 and up, direct map; for
// the guests' windows too (pv/).
DECLARE_PERCPU(u64 *, gdt_page);
// GDT as the idle CPU has it / as a guest's window; limit behind the CPU's page.
void gdt_load(u64 base);
void gdt_load_idle(void);
// Makes this CPU's flat segments those of a 32-bit kernel, or back: its vcpu
// runs here next, or does no more.
void gdt_set_pv32(bool on);
// LDT descriptor of this CPU; entries 0: none.
void ldt_load(u64 base, unsigned int entries);

#endif
