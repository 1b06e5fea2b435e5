// SPDX-License-Identifier: MIT
// The image's first bytes (lib/handover.h) and its entry: RDI is the handover's
// physical address, the tables are the boot stage's.
#include "x86/layout.h"
#include "offsets.h"

	.section .header, "ax"
	.quad 0x3154454c474e4952	// "RINGLET1"
	.quad IMAGE_START
	.quad DIRECT_START
	.long __file_size
	.long __image_size
	.quad hv_entry

	.section .init.text, "ax"
	.globl hv_entry
hv_entry:
	lea boot_stack_end(%rip), %rsp
	mov %rdi, %rbx
	call paging_boot
	mov %rbx, %rdi
	test %rax, %rax
	jnz 1f
	movabs $(STACKS_START + STACK_SIZE - CI_SIZE - 8), %rsp
	call hv_start
1:	mov %rax, %rdi
	call hv_start_failed
	ud2

	.section .init.data, "aw"
	.balign 16
	.skip 8192
boot_stack_end:
