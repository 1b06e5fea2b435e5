// SPDX-License-Identifier: MIT
// Model-specific registers, the vendor, and the context that starts another vcpu.
#ifndef LIB_CPU_H
#define LIB_CPU_H

#include "lib/guest.h"

// The name of a register in the headers' structures.
#ifdef __x86_64__
#define REGISTER(name) r##name
#else
#define REGISTER(name) e##name
#endif

static inline u64 read_msr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}

static inline void write_msr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
}

// As the hypervisor answers it, EAX to EDX.
static inline void cpuid_forced(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

static inline bool cpu_is_intel(void)
{
	u32 a = 0, b, c, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return b == 0x756e6547;
}

// A vcpu that runs fn in guest kernel mode on the tables of start_info, with
// this library's entry points. Both stacks are given by their ends.
static inline void context_make(struct vcpu_guest_context *c, void (*fn)(void),
				void *stack_end, void *trap_stack_end)
{
	memset(c, 0, sizeof(*c));
	c->flags = VGCF_in_kernel;
	c->user_regs.REGISTER(ip) = (uptr)vcpu_entry;
	c->user_regs.REGISTER(si) = (uptr)fn;
	c->user_regs.REGISTER(sp) = (uptr)stack_end;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->user_regs.REGISTER(flags) = 0x202;
	c->kernel_ss = FLAT_KERNEL_SS;
	c->kernel_sp = (uptr)trap_stack_end;
	c->event_callback_eip = (uptr)event_entry;
	c->failsafe_callback_eip = (uptr)failsafe_entry;
#ifdef __x86_64__
	c->syscall_callback_eip = (uptr)syscall_entry;
#else
	c->user_regs.ds = c->user_regs.es = FLAT_USER_DS;
	c->event_callback_cs = c->failsafe_callback_cs = FLAT_KERNEL_CS;
#endif
	c->ctrlreg[3] =
		xen_pfn_to_cr3(virt_to_mfn((void *)start_info->pt_base));
}

#endif
