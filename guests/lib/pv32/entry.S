// SPDX-License-Identifier: MIT
// As lib/entry.S, for a 32-bit kernel in ring 1.
#include <xen/elfnote.h>
#include <xen/features.h>
#include "lib/vectors.h"

#define HYPERVISOR_IRET 23
#define DATA 0xe033 // FLAT_RING3_DS, for both modes

	.macro note_text type, text
	.balign 4
	.long 4, 9f - 8f, \type
	.asciz "Xen"
8:	.asciz "\text"
9:	.balign 4
	.endm

	.macro note_number type, value
	.balign 4
	.long 4, 4, \type
	.asciz "Xen"
	.long \value
	.endm

	.section .note.xen, "a", @note
	note_text XEN_ELFNOTE_GUEST_OS, "ringlet-guest"
	note_text XEN_ELFNOTE_GUEST_VERSION, "1"
	note_text XEN_ELFNOTE_XEN_VERSION, "xen-3.0"
	note_text XEN_ELFNOTE_LOADER, "generic"
	note_text XEN_ELFNOTE_PAE_MODE, "yes"
	note_text XEN_ELFNOTE_FEATURES, "pae_pgdir_above_4gb"
	note_number XEN_ELFNOTE_SUPPORTED_FEATURES, (1 << XENFEAT_dom0)
	note_number XEN_ELFNOTE_VIRT_BASE, guest_start
	note_number XEN_ELFNOTE_PADDR_OFFSET, 0
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
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl $boot_stack_end, %esp
	xorl %ebp, %ebp
	pushl %esi
	call guest_main
	ud2

// Another vcpu: its stack is set, its code is in esi.
	.globl vcpu_entry
vcpu_entry:
	xorl %ebp, %ebp
	call *%esi
	ud2

// The bounce frame is [error code], eip, cs, eflags, and out of ring 3 esp, ss.
	.macro entry number, error=0
	.balign 32
	.if !\error
	pushl $0
	.endif
	pushl $(\number)
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
	pushl $0
	pushl $VECTOR_SOFT
	jmp entry_common
event_entry:
	pushl $0
	pushl $VECTOR_EVENT
	jmp entry_common
syscall_entry:
	pushl $0
	pushl $VECTOR_SYSCALL
	jmp entry_common
// Its frame has ds, es, fs and gs before eip.
failsafe_entry:
	popl %ss:failsafe_selectors
	popl %ss:failsafe_selectors+4
	popl %ss:failsafe_selectors+8
	popl %ss:failsafe_selectors+12
	pushl $0
	pushl $VECTOR_FAILSAFE
	jmp entry_common

entry_common:
	pushl %eax
	pushl %ecx
	pushl %edx
	pushl %ebx
	pushl %ebp
	pushl %esi
	pushl %edi
	cld
	// Ring 3 may have come with any data segments.
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %esp, %ebp
	andl $-16, %esp
	subl $12, %esp
	pushl %ebp
	call trap_dispatch
	movl %ebp, %esp
	pushl %esp
	pushl $0
// Continue with the registers at the argument: the hypercall pops eax and the
// processor's frame, the stack pointer at it.
	.globl regs_resume
regs_resume:
	movl 4(%esp), %esp
	popl %edi
	popl %esi
	popl %ebp
	popl %ebx
	popl %edx
	popl %ecx
	popl %eax
	leal 8(%esp), %esp
	cmpb $0, native_iret
	jne 1f
	jmp hypercall_page + HYPERVISOR_IRET * 32
1:	iretl

// int jump_set(struct jump *) and void jump_to(struct jump *)
	.globl jump_set, jump_to
jump_set:
	movl 4(%esp), %ecx
	movl %ebx, (%ecx)
	movl %ebp, 4(%ecx)
	movl %esi, 8(%ecx)
	movl %edi, 12(%ecx)
	movl %esp, 16(%ecx)
	movl (%esp), %eax
	movl %eax, 20(%ecx)
	xorl %eax, %eax
	ret
jump_to:
	movl 4(%esp), %ecx
	movl (%ecx), %ebx
	movl 4(%ecx), %ebp
	movl 8(%ecx), %esi
	movl 12(%ecx), %edi
	movl 16(%ecx), %esp
	movl 20(%ecx), %eax
	movl %eax, (%esp)
	movl $1, %eax
	ret

// Where a routine in guest user mode returns to: its result goes to the
// kernel with a software interrupt.
	.globl user_return
user_return:
	movl %eax, %edi
	movl $USER_RETURN, %eax
	int $VECTOR_SOFT
	ud2

	.bss
	.balign 4096
	.skip 16384
boot_stack_end:
