// SPDX-License-Identifier: MIT
// The register frame that every entry path leaves at the top of a stack.
// Same layout as the first part of struct cpu_user_regs (public header
// arch-x86/xen-x86_64.h), so that guest contexts copy as one block.
#ifndef X86_REGS_H
#define X86_REGS_H

#define EV_SYSCALL   0x100 // sysret may leave: 64-bit, RCX and R11 lost
#define EV_SYSCALL32 0x200
#define EV_SYSENTER  0x300
#define EV_INT80     0x080
#define EV_INT82     0x082 // hypercall of a 32-bit kernel

#define SYSCALL_HEAD_SIZE \
	20 // from one CPU's way in by syscall to the next one's

#ifndef __ASSEMBLY__
#include "lib/types.h"

struct cpu_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	u64 rax, rcx, rdx, rsi, rdi;
	u32 error_code;
	u32 entry_vector; // EV_*, or the vector
	u64 rip;
	u16 cs;
	u16 cs_pad[3];
	u64 rflags;
	u64 rsp;
	u16 ss;
	u16 ss_pad[3];
};

// Rings 1 and 2: supervisor to the page tables, and a guest's.
static inline bool cs_is_ring1(u16 cs)
{
	return (cs + 1) & 2;
}

static inline bool regs_from_guest(const struct cpu_regs *r)
{
	return r->cs & 3;
}

#endif
#endif
