// SPDX-License-Identifier: MIT
// What entry.S and the trap code call and are called by. docs/entry.md says
// which stack and which GS each vector may find.
#ifndef X86_ENTRY_H
#define X86_ENTRY_H

#include "x86/regs.h"

// How a system call or a page fault leaves. SYSRET, IRET: nothing is left to do.
enum way_out {
	OUT_SYSRET,
	OUT_WORK, // guest_exit_work() first
	OUT_IRET
};
_Static_assert(OUT_SYSRET == 0 && OUT_WORK == 1, "entry.S relies on it");

// Continues in fn on this CPU's empty main stack.
__noreturn void stack_reset_jump(void (*fn)(void));
// Leaves to the guest whose registers lie in cpu_info()->regs.
__noreturn void entry_resume_guest(void);

// Implemented above this room: pv/ takes what happened in a guest.
void guest_trap(struct cpu_regs *regs); // vector < 0x20, or int 0x80
// A hypercall of a 64-bit kernel, interrupts on: its arguments and number.
u64 hypercall(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 nr);
// After it, where entry.S sees that something may be left to do, interrupts off:
// how to leave. OUT_WORK may have them on.
enum way_out guest_way_out(struct cpu_regs *regs);
// EV_SYSCALL of guest user mode, where entry.S does not bounce it by itself,
// interrupts off; or tried to and could not write the frame: the kernel's tables
// are loaded then, and events masked.
void guest_syscall(struct cpu_regs *regs);
void guest_syscall_failed(struct cpu_regs *regs);
enum way_out guest_page_fault(struct cpu_regs *regs);
void guest_sysenter(struct cpu_regs *regs);    // EV_SYSENTER, EV_SYSCALL32
void guest_hypercall32(struct cpu_regs *regs); // EV_INT82, out of ring 1
// Last thing before the guest runs, interrupts off: nothing may be left to do
// when it returns.
void guest_exit_work(struct cpu_regs *regs);
// IRET to the guest refused its frame; the registers are in cpu_info()->regs.
void guest_iret_failed(u8 vector, u32 error_code);

// After an interrupt in the hypervisor, interrupts off.
void guest_interrupted(void);
// A physical NMI, in NMI context: tell Dom0 later.
void guest_nmi(void);

// C side of entry.S.
void trap_dispatch(struct cpu_regs *regs);
void trap_ist(struct cpu_regs *regs);

// Ring 1's pages are the supervisor's: SMEP and SMAP are off while it runs, and
// on again before anything of the guest's is touched.
void ring1_entered(void);
void ring1_leave(void); // interrupts off, from here on until the guest runs

#endif
