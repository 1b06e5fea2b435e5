// SPDX-License-Identifier: MIT
// Where a CPU wakes up: smp.c copies this to a page below 1 MiB and makes its
// first page table in the page behind it. From real mode to the 64-bit mode
// of the hypervisor; position independent.
#include "x86/layout.h"

#define AT(label)  (label - trampoline_start)
#define CR0_BITS   0x80010033 // PG WP NE ET MP PE, caches on
#define CR4_BITS   0x20	      // PAE
#define MSR_EFER   0xc0000080
#define EFER_BITS  0x900      // NXE LME
#define SEL_CODE32 8
#define SEL_DATA   16
#define SEL_CODE64 24

	.section .init.data, "aw"
	.balign 16
	.globl trampoline_start, trampoline_args, trampoline_end
	.hidden trampoline_start, trampoline_args, trampoline_end
	.code16
trampoline_start:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	movzwl %ax, %ebx
	shl $4, %ebx // this page
	leal AT(enter32)(%ebx), %eax
	movl %eax, AT(far32)
	leal AT(enter64)(%ebx), %eax
	movl %eax, AT(far64)
	leal AT(gdt)(%ebx), %eax
	movl %eax, AT(gdtr) + 2
	lgdtl AT(gdtr)
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl *AT(far32)

	.code32
enter32:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $CR4_BITS, %eax
	mov %eax, %cr4
	lea 0x1000(%ebx), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_BITS, %eax
	wrmsr
	mov $CR0_BITS, %eax
	mov %eax, %cr0
	ljmpl *AT(far64)(%ebx)

	.code64
enter64:
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov trampoline_args(%rip), %rsp
	mov trampoline_args + 8(%rip), %rax
	mov trampoline_args + 16(%rip), %edi
	push $0 // as if called
	jmp *%rax

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00af9b000000ffff
gdtr:	.word 31
	.long 0
far32:	.long 0
	.word SEL_CODE32
far64:	.long 0
	.word SEL_CODE64
	.balign 8
trampoline_args: // struct trampoline_args of smp.c
	.skip 24
trampoline_end:
