/* SPDX-License-Identifier: MIT */
/*
 * Boot headers and the way from 32-bit protected mode into long mode. All
 * three boot protocols enter with paging off, flat segments and interrupts
 * off: multiboot 1 and 2 at start with their magic in EAX, PVH at start_pvh
 * without one. EBX points to the loader's information.
 */
#include "stage/entry.h"

#define CODE64	0x08
#define DATA	0x10

#define CR0_BITS	0x80010033	/* PG WP NE ET MP PE */
#define CR4_BITS	0x620		/* OSXMMEXCPT OSFXSR PAE */
#define MSR_EFER	0xc0000080
#define EFER_BITS	0x900		/* NXE LME */
#define MSR_FS_BASE	0xc0000100
#define CPUID_NX_LM	0x20100000	/* of leaf 0x80000001, EDX */
#define PTE_TABLE	0x63		/* D A W P */
#define PTE_2M		0xe3		/* PS D A W P */

#define MB1_FLAGS	3		/* page-aligned modules, memory map */
#define MB2_MAGIC	0xe85250d6

	.section .head, "ax"
	.code32
	.balign 4
	.long 0x1badb002, MB1_FLAGS, -(0x1badb002 + MB1_FLAGS)

	.balign 8
mb2:	.long MB2_MAGIC, 0, mb2_end - mb2, -(MB2_MAGIC + (mb2_end - mb2))
	/* Wanted: command line, modules, memory map. Welcome: see below. */
	.short 1, 0
	.long 20, 1, 3, 6
	.balign 8
	.short 1, 1			/* framebuffer, ACPI old and new */
	.long 20, 8, 14, 15
	.balign 8
	.short 4, 1			/* text console is understood */
	.long 12, 2
	.balign 8
	.short 6, 0			/* page-aligned modules */
	.long 8
	.short 0, 0
	.long 8
mb2_end:

	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18			/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long start_pvh

	.text
	.globl start
start_pvh:
	mov $BOOT_MAGIC_PVH, %eax
start:	cli
	cld
	mov $stack_top, %esp
	mov %eax, %ebp
	mov %ebx, %esi

	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb no_long_mode
	mov $0x80000001, %eax
	cpuid
	not %edx
	test $CPUID_NX_LM, %edx
	jnz no_long_mode

	mov $boot_pd, %edi		/* 4 GiB one to one */
	mov $PTE_2M, %eax
1:	mov %eax, (%edi)
	add $8, %edi
	add $0x200000, %eax
	jnc 1b
	mov $boot_pd + PTE_TABLE, %eax
	mov $boot_pdpt, %edi
	mov $4, %ecx
1:	mov %eax, (%edi)
	add $8, %edi
	add $0x1000, %eax
	loop 1b
	movl $boot_pdpt + PTE_TABLE, boot_pml4

	mov $CR4_BITS, %eax
	mov %eax, %cr4
	mov $boot_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_BITS, %eax
	wrmsr
	mov $CR0_BITS, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $CODE64, $start64

no_long_mode:
	mov $no_long_mode_text, %edi
/*
 * die(text): show the text in EDI on VGA and COM1, and halt. It must not
 * return. Every instruction here has the same encoding and meaning in 32-bit
 * and 64-bit mode, and both come here.
 */
	.globl die
die:	mov %edi, %esi
	mov $0xb8000, %edi
	mov $0x3fb, %edx		/* 115200 baud, 8 bits, 1 stop bit */
	mov $0x83, %al
	out %al, %dx
	mov $0x3f8, %edx
	mov $1, %al
	out %al, %dx
	mov $0x3f9, %edx
	mov $0, %al
	out %al, %dx
	mov $0x3fb, %edx
	mov $3, %al
	out %al, %dx
1:	lodsb
	test %al, %al
	jz halt
	mov $0x0f, %ah
	stosw
	mov %eax, %ebx
	mov $0x3fd, %edx
	mov $100000, %ecx		/* there may be no UART at all */
2:	in %dx, %al
	test $0x20, %al
	jnz 3f
	sub $1, %ecx
	jnz 2b
3:	mov %ebx, %eax
	mov $0x3f8, %edx
	out %al, %dx
	jmp 1b
	.globl halt
halt:	cli
	hlt
	jmp halt

	.code64
start64:
	mov $DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $MSR_FS_BASE, %ecx		/* the canary is at %fs:0x28 */
	mov $canary_block, %eax
	xor %edx, %edx
	wrmsr
	mov %ebp, %edi
	mov %esi, %esi
	call stage_main
	mov $handover, %edi
	cld
	jmp *%rax

	.section .rodata
no_long_mode_text:
	.asciz "Ringlet needs a 64-bit x86 CPU with NX (execute disable); see the firmware setup. "

	.balign 8
gdt:	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
gdt_end:
	.short 0, 0, 0
gdt_pointer:
	.short gdt_end - gdt - 1
	.quad gdt			/* 32-bit mode reads four bytes of it */

	.globl hv_blob
	.balign 16
hv_blob:
	.incbin HV_BLOB

	.bss
	.globl boot_pml4, boot_pdpt
	.balign 4096
boot_pml4:
	.skip 4096
boot_pdpt:
	.skip 4096
boot_pd:
	.skip 4 * 4096
	.skip STACK_SIZE
stack_top:
canary_block:
	.skip 64

	.section .note.GNU-stack, "", @progbits
