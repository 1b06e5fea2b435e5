// SPDX-License-Identifier: MIT
// The address map (docs/design.md). The hole that the 64-bit PV ABI gives to
// the hypervisor is L4 slots 256 to 271. Also read by assembly and linker.
#ifndef X86_LAYOUT_H
#define X86_LAYOUT_H

#define HV_START     0xffff800000000000 // slot 256: M2P, guests read it
#define M2P_START    0xffff800000000000
#define PERDOM_START 0xffff820000000000 // slot 260: one L3 per domain
#define FRAMES_START 0xffff828000000000 // slot 261: frame table
#define M2P_RW_START 0xffff829000000000 // the M2P once more, writable
#define MMIO_START   0xffff82b000000000 // device registers, uncached
#define MMIO_END     0xffff82c000000000
#define IMAGE_START  0xffff82d000000000 // hypervisor image
#define STACKS_START 0xffff82d040000000 // per-CPU stacks, RIP-relative
#define STACKS_END   0xffff82d040400000 // of MAX_CPUS
#define DIRECT_START 0xffff830000000000 // slots 262-271: all RAM

#define SLOT_M2P     256
#define SLOT_PERDOM  260
#define SLOT_IMAGE   261
#define SLOT_DIRECT  262
#define SLOT_END     272

// Frames beyond this have no record: 5 TiB of direct map.
#define MAX_MFN 0x50000000

// One CPU's stacks: an aligned block, so that RSP finds it by masking. Every
// other page is a guard; see docs/entry.md.
#define STACK_SIZE	0x10000
#define STACK_PAGE_DF	1
#define STACK_PAGE_MC	3
#define STACK_PAGE_NMI	5
#define STACK_PAGE_DB	7
#define STACK_PAGE_MAIN 12 // up to page 15, cpu_info at its top

// A register's place in thunk.S, half of it before the code.
#define THUNK_SLOT 64

// Reserved end of each guest GDT: public header arch-x86/xen.h.
#define GDT_GUEST_PAGES 14
#define SEL_HV_CS	0xe008
#define SEL_HV_DS	0xe010
#define SEL_RING1_CS	0xe019
#define SEL_RING1_DS	0xe021
#define SEL_RING3_CS32	0xe023
#define SEL_RING3_DS	0xe02b
#define SEL_RING3_CS64	0xe033
// The same places while the guest's kernel is a 32-bit one.
#define SEL32_RING3_CS 0xe02b
#define SEL32_RING3_DS 0xe033
#define SEL_TSS	       0xe040
#define SEL_LDT	       0xe050

// Per-vcpu window in slot 260: 16 pages of GDT, then 16 pages of LDT.
#define PERDOM_VCPU_SHIFT 17
#define PERDOM_GDT(vcpu)  (PERDOM_START + ((u64)(vcpu) << PERDOM_VCPU_SHIFT))
#define PERDOM_LDT(vcpu)  (PERDOM_GDT(vcpu) + 0x10000)

#endif
