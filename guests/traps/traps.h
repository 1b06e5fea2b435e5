// SPDX-License-Identifier: MIT
#ifndef TRAPS_TRAPS_H
#define TRAPS_TRAPS_H

#define FLAG_CF	  0x1ul
#define FLAG_TF	  0x100ul
#define FLAG_IF	  0x200ul
#define FLAG_DF	  0x400ul
#define FLAG_IOPL 0x3000ul
#define FLAG_NT	  0x4000ul
#define FLAG_RF	  0x10000ul
#define FLAG_VM	  0x20000ul
#define FLAG_AC	  0x40000ul
#define FLAG_VIF  0x80000ul
#define FLAG_VIP  0x100000ul
#define FLAG_ID	  0x200000ul

// CS in frames of the kernel's own. Public headers, struct cpu_user_regs: the
// event mask is saved behind the 32 bits of CS, or the 16.
#ifdef __x86_64__
// Its RPL is 0 when the frame was made in kernel mode.
#define KERNEL_CS_IN_FRAME (FLAT_KERNEL_CS & ~3ul)
#define MASK_IN_CS	   (1ul << 32)
#define NON_CANONICAL	   0x8000000000000000
#define HYPERVISOR_ERROR   1 // mapped, and not the guest's
#else
#define KERNEL_CS_IN_FRAME FLAT_KERNEL_CS
#define MASK_IN_CS	   (1ul << 16)
#define HYPERVISOR_ERROR   0
#endif

// Every `int N`, with a return behind it: main.c.
extern u8 int_insn[256][4];
#ifdef __x86_64__
// A page of 32-bit code for user mode: steps.c.
#define LOW_CODE 0x1000ul
void low_map(const void *from, size_t size);
void low_unmap(void);
#endif

// Registers and sizes in assembler text; the second register is one that system
// calls overwrite.
#ifdef __x86_64__
#define WORD	  "8"
#define R_SP	  "%rsp"
#define R_CX	  "%rcx"
#define R_SECOND  "%r11"
#define R_THIRD	  "%r15"
#define r_second  r11
#define r_third	  r15
#define CALL_INSN "syscall"
#else
#define WORD	  "4"
#define R_SP	  "%esp"
#define R_CX	  "%ecx"
#define R_SECOND  "%edx"
#define R_THIRD	  "%esi"
#define r_second  rdx
#define r_third	  rsi
#define CALL_INSN "int $0x80"
#endif

#endif
