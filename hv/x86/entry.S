// SPDX-License-Identifier: MIT
// Every way into the hypervisor and out of it. Frames have the layout of
// struct cpu_regs. docs/entry.md: which stack, which GS.
#include "x86/layout.h"
#include "x86/regs.h"
#include "offsets.h"

	.section .text.entry, "ax"

// CLAC, turned into a NOP at boot where the CPU has no SMAP.
	.macro CLAC
661:	.byte 0x0f, 0x01, 0xca
	.pushsection .smap_sites, "a"
	.balign 4
	.long 661b - .
	.popsection
	.endm

// A jump that isolate_entries() sends to another place (docs/xpti.md).
	.macro JUMP to, isolated
	{disp32} jmp \to
662:	.pushsection .isolate_sites, "a"
	.balign 4
	.long 662b - .
	.long \isolated - .
	.popsection
	.endm

// The hypervisor's tables, where the guest had its own. Any stack of this CPU;
// RAX is lost.
	.macro LOAD_HV_CR3
	mov %rsp, %rax
	or $(STACK_SIZE - 1), %rax
	mov CI_CR3_HV - CI_SIZE + 1(%rax), %rax
	test %rax, %rax
	jz 663f
	mov %rax, %cr3
663:
	.endm

	.macro LOAD_HV_CR3_KEEP
	push %rax
	LOAD_HV_CR3
	pop %rax
	.endm

	.macro PUSH_REGS
	.irp r, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
	push %\r
	.endr
	.endm

// What a guest left in registers is not for code that the CPU only guesses to
// be next (docs/speculation.md).
	.macro CLEAR regs:vararg
	.irp r, \regs
	xor %\r, %\r
	.endr
	.endm

	.macro SAVE_REGS
	cld
	PUSH_REGS
	CLEAR rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
	CLEAR rbx, rbp, r12, r13, r14, r15
	.endm

	.macro RESTORE_REGS
	.irp r, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
	pop %\r
	.endr
	.endm

// The head of each syscall, once per CPU: nothing but its address tells which
// CPU this is. The guest's RSP goes to its place in the frame; GS stays as it is.
	.macro SYSCALL_HEADS name, tail, isolated
	.globl \name
	.hidden \name
\name:
	.set rsp_at, STACKS_START - IMAGE_START + STACK_SIZE - CI_SIZE + REGS_RSP
	.rept MAX_CPUS
	.balign 4
	mov %rsp, __image_start + rsp_at(%rip)
	lea __image_start + rsp_at(%rip), %rsp
	JUMP \tail, \isolated
	.set rsp_at, rsp_at + STACK_SIZE
	.endr
	.endm

	.macro SYSCALL_FRAME cs, event
	movq $SEL_RING3_DS, REGS_SS-REGS_RSP(%rsp)
	push %r11
	pushq $\cs
	push %rcx
	pushq $0
	movl $\event, 4(%rsp)
	.endm

	.macro RETURN_SYSRET
	RESTORE_REGS
	mov 8(%rsp), %rcx	// rip
	mov 24(%rsp), %r11	// rflags
	mov 32(%rsp), %rsp
	sysretq
	.endm

	SYSCALL_HEADS entry_syscall, 1f, 3f
1:	SYSCALL_FRAME SEL_RING3_CS64, EV_SYSCALL
4:	PUSH_REGS
	mov CI_VCPU(%rsp), %rbx
	CLEAR rbp, r11, r12, r13, r14, r15
	cmpq $0, VCPU_MODE(%rbx)
	je 5f
	// The guest's arguments become a C function's; RAX is its first victim.
	mov %r10, %rcx
	mov %rax, %r9
	CLEAR r10
	sti
	call hypercall
	mov %rax, REGS_RAX(%rsp)
#ifdef DEBUG
	call assert_call_ended
#endif
	// What hypercall_done() finds where there is nothing to do.
	cli
	mov CI_SOFTIRQ(%rsp), %eax
	or VCPU_EXIT(%rbx), %eax
	or VCPU_NMI(%rbx), %eax
	jnz 8f
	mov VCPU_INFO(%rbx), %rax
	cmpb $0, INFO_PENDING(%rax)
	jne 9f
6:	cmpl $EV_SYSCALL, REGS_VECTOR(%rsp)
	jne leave_iret
	cmpl $0xffff8000, REGS_RIP + 4(%rsp)
	jae 7f
	cmpl $0x8000, REGS_RIP + 4(%rsp)
	jae 8f
7:	RETURN_SYSRET

5:	CLEAR rax, rcx, rdx, rsi, r8, r9, r10
	mov %rsp, %rdi
	call guest_syscall
	jmp 10f

9:	cmpb $0, INFO_MASK(%rax)
	jne 6b
8:	mov %rsp, %rdi
	call hypercall_done
10:	test %eax, %eax
	jz 7b
	sub $1, %eax
	jz leave_to_guest
	jmp leave_iret

2:	sti
	SAVE_REGS
	mov %rsp, %rdi
	call guest_sysenter
	jmp leave_to_guest

3:	SYSCALL_FRAME SEL_RING3_CS64, EV_SYSCALL
	LOAD_HV_CR3_KEEP
	jmp 4b

sysenter_isolated:
	LOAD_HV_CR3_KEEP
	jmp 2b

	SYSCALL_HEADS entry_syscall32, 1f, 3f
1:	SYSCALL_FRAME SEL_RING3_CS32, EV_SYSCALL32
	jmp 2b
3:	SYSCALL_FRAME SEL_RING3_CS32, EV_SYSCALL32
	jmp sysenter_isolated

// SYSENTER keeps neither RIP nor RSP: the callback's contract says so.
	.globl entry_sysenter
	.hidden entry_sysenter
entry_sysenter:
	pushq $SEL_RING3_DS
	pushq $0
	pushfq
	pushq $SEL_RING3_CS32
	pushq $0
	pushq $0
	movl $EV_SYSENTER, 4(%rsp)
	// NT, TF and AC came in with the guest's flags.
	pushq $2
	popfq
	orl $0x200, REGS_RFLAGS-REGS_RIP+8(%rsp)
	JUMP 2b, sysenter_isolated

	.globl entry_resume_guest
	.hidden entry_resume_guest
entry_resume_guest:
	mov %rsp, %rdi
	or $(STACK_SIZE - 1), %rdi
	sub $(CI_SIZE - 1), %rdi
	mov %rdi, %rsp
leave_to_guest:
	cli
	mov %rsp, %rdi
	call guest_exit_work
	cmpl $EV_SYSCALL, REGS_VECTOR(%rsp)
	jne leave_iret
	// sysret only where the guest's frame is one that it can restore, and
	// never to an address that is not canonical: Intel's processors would
	// fault in ring 0 on the guest's stack.
	mov REGS_RIP(%rsp), %rax
	mov %rax, %rdx
	shl $16, %rdx
	sar $16, %rdx
	cmp %rax, %rdx
	jne leave_iret
	RETURN_SYSRET

leave_iret:
	RESTORE_REGS
	add $8, %rsp
	.globl entry_iret_to_guest
	.hidden entry_iret_to_guest
entry_iret_to_guest:
	iretq

	.globl stack_reset_jump
	.hidden stack_reset_jump
stack_reset_jump:
	mov %rdi, %rax
	or $(STACK_SIZE - 1), %rsp
	sub $(CI_SIZE - 1), %rsp
	// As if called: the ABI wants 16-byte alignment before the return address.
	and $-16, %rsp
	push $0
	jmp __x86_indirect_thunk_rax

// Exceptions, interrupts: the stub pushed error code and vector as one word.
trap_common:
	SAVE_REGS
	CLAC
	mov %rsp, %rdi
	call trap_dispatch
trap_return:
	testb $3, REGS_CS(%rsp)
	jnz leave_to_guest
	RESTORE_REGS
	add $8, %rsp
	iretq

// From the hypervisor only a refused IRET comes on the guest's tables.
trap_isolated:
	push %rax
	testb $3, REGS_CS-REGS_VECTOR+8+4(%rsp)
	jnz 1f
	lea entry_iret_to_guest(%rip), %rax
	cmp %rax, REGS_RIP-REGS_VECTOR+8+4(%rsp)
	jne 2f
1:	LOAD_HV_CR3
2:	pop %rax
	jmp trap_common

// On a stack of their own. Out of a guest they move to the main stack and leave
// as any trap does; out of the hypervisor they return as they came.
trap_ist_common:
	SAVE_REGS
	CLAC
	mov %rsp, %rdi
	testb $3, REGS_CS(%rsp)
	jz 2f
ist_from_guest:
	mov %rsp, %rsi
	mov %rsp, %rdi
	or $(STACK_SIZE - 1), %rdi
	sub $(CI_SIZE - 1), %rdi
	mov %rdi, %rsp
	mov $(REGS_SIZE / 8), %ecx
	rep movsq
	mov %rsp, %rdi
	cmpl $1, REGS_VECTOR(%rsp)
	jne 1f
	call trap_dispatch
	jmp leave_to_guest
1:	call trap_ist
	jmp leave_to_guest
2:	call trap_ist
	RESTORE_REGS
	add $8, %rsp
	iretq

// They may come between any two instructions on the way in or out.
trap_ist_isolated:
	SAVE_REGS
	CLAC
	mov %cr3, %r12
	LOAD_HV_CR3
	mov %rsp, %rdi
	testb $3, REGS_CS(%rsp)
	jnz ist_from_guest
	call trap_ist
	mov %r12, %cr3
	RESTORE_REGS
	add $8, %rsp
	iretq

	.macro STUB vector
	.balign 16
	// 8, 10-14, 17, 21, 29, 30 come with an error code.
	.if \vector >= 32 || !((0x60227d00 >> (\vector & 31)) & 1)
	pushq $0
	.endif
	movl $\vector, 4(%rsp)
	.if (\vector == 1) || (\vector == 2) || (\vector == 8) || (\vector == 18)
	JUMP trap_ist_common, trap_ist_isolated
	.else
	JUMP trap_common, trap_isolated
	.endif
	.endm

	.globl entry_stubs
	.hidden entry_stubs
	.balign 16
entry_stubs:
	.set v, 0
	.rept 256
	STUB v
	.set v, v + 1
	.endr
