// SPDX-License-Identifier: MIT
// Start of the guest, its notes for the loader, and the entry points that
// the hypervisor calls.
#include <xen/elfnote.h>
#include <xen/features.h>
#include "lib/vectors.h"

#define HYPERVISOR_IRET 23

	.macro note_text type, text
	.balign 4
	.long 4, 9f - 8f, \type
	.asciz "Xen"
8:	.asciz "\text"
9:	.balign 4
	.endm

	.macro note_number type, value
	.balign 4
	.long 4, 8, \type
	.asciz "Xen"
	.quad \value
	.endm

	.section .note.xen, "a", @note
	note_text XEN_ELFNOTE_GUEST_OS, "ringlet-guest"
	note_text XEN_ELFNOTE_GUEST_VERSION, "1"
	note_text XEN_ELFNOTE_XEN_VERSION, "xen-3.0"
	note_text XEN_ELFNOTE_LOADER, "generic"
	note_text XEN_ELFNOTE_FEATURES, "pae_pgdir_above_4gb"
	note_number XEN_ELFNOTE_SUPPORTED_FEATURES, (1 << XENFEAT_dom0)
	note_number XEN_ELFNOTE_VIRT_BASE, guest_start
	note_number XEN_ELFNOTE_ENTRY, guest_entry
	note_number XEN_ELFNOTE_HYPERCALL_PAGE, hypercall_page

	.section .text.page, "ax"
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096

	.text
	.globl guest_entry
guest_entry:
	cld
	leaq boot_stack_end(%rip), %rsp
	xorl %ebp, %ebp
	movq %rsi, %rdi
	call guest_main
	ud2

// Another vcpu: its stack is set, its argument is in rdi, its code in rsi.
	.globl vcpu_entry
vcpu_entry:
	xorl %ebp, %ebp
	call *%rsi
	ud2

// The bounce frame is rcx, r11, [error code], rip, cs, rflags, rsp, ss.
// Bring every kind to the layout of struct regs.
	.macro entry number, error=0
	.balign 32
	popq %rcx
	popq %r11
	.if !\error
	pushq $0
	.endif
	pushq $(\number)
	jmp entry_common
	.endm

	.globl trap_entries
	.balign 32
trap_entries:
	.set i, 0
	.rept 32
	.if (VECTORS_WITH_ERROR >> i) & 1
	entry i, 1
	.else
	entry i
	.endif
	.set i, i + 1
	.endr

	.globl soft_entry, event_entry, syscall_entry, failsafe_entry
	.balign 32
soft_entry:
	popq %rcx
	popq %r11
	pushq $0
	pushq $VECTOR_SOFT
	jmp entry_common
event_entry:
	popq %rcx
	popq %r11
	pushq $0
	pushq $VECTOR_EVENT
	jmp entry_common
syscall_entry:
	popq %rcx
	popq %r11
	pushq $0
	pushq $VECTOR_SYSCALL
	jmp entry_common
// Its frame has ds, es, fs and gs between r11 and rip.
failsafe_entry:
	popq %rcx
	popq %r11
	popq failsafe_selectors(%rip)
	popq failsafe_selectors+8(%rip)
	popq failsafe_selectors+16(%rip)
	popq failsafe_selectors+24(%rip)
	pushq $0
	pushq $VECTOR_FAILSAFE
	jmp entry_common

entry_common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $-16, %rsp
	call trap_dispatch
	movq %rbp, %rsp
	movq %rsp, %rdi
// Continue with the registers at rdi: the hypercall wants `flags` in the
// place of the error code, and pops the scratch registers itself.
	.globl regs_resume
regs_resume:
	movq %rdi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	leaq 8(%rsp), %rsp
	jmp hypercall_page + HYPERVISOR_IRET * 32

// int jump_set(struct jump *) and void jump_to(struct jump *)
	.globl jump_set, jump_to
jump_set:
	movq %rbx, (%rdi)
	movq %rbp, 8(%rdi)
	movq %r12, 16(%rdi)
	movq %r13, 24(%rdi)
	movq %r14, 32(%rdi)
	movq %r15, 40(%rdi)
	movq %rsp, 48(%rdi)
	movq (%rsp), %rax
	movq %rax, 56(%rdi)
	xorl %eax, %eax
	ret
jump_to:
	movq (%rdi), %rbx
	movq 8(%rdi), %rbp
	movq 16(%rdi), %r12
	movq 24(%rdi), %r13
	movq 32(%rdi), %r14
	movq 40(%rdi), %r15
	movq 48(%rdi), %rsp
	movq 56(%rdi), %rax
	movq %rax, (%rsp)
	movl $1, %eax
	ret

// Where a routine in guest user mode returns to: its result goes to the
// kernel with a system call of its own.
	.globl user_return
user_return:
	movq %rax, %rdi
	movl $USER_RETURN, %eax
	syscall
	ud2

	.bss
	.balign 4096
	.skip 16384
boot_stack_end:
