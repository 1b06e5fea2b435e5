// SPDX-License-Identifier: MIT
// Every way into the hypervisor and out of it. Frames have the layout of
// struct cpu_regs. docs/entry.md: which stack, which GS.
#include "x86/layout.h"
#include "x86/regs.h"
#include "offsets.h"

	.section .text.entry, "ax"

// STAC and CLAC, turned into NOPs at boot where the CPU has no SMAP.
	.macro SMAP_SITE byte
661:	.byte 0x0f, 0x01, \byte
	.pushsection .smap_sites, "a"
	.balign 4
	.long 661b - .
	.popsection
	.endm

	.macro STAC
	SMAP_SITE 0xcb
	.endm

	.macro CLAC
	SMAP_SITE 0xca
	.endm

// An instruction that may fault (x86/faultable.h).
	.macro MAY_FAULT to, insn:vararg
664:	\insn
	.pushsection .extable, "a"
	.balign 4
	.long 664b - .
	.long \to - .
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

	.macro CLEAR_ALL
	CLEAR rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
	CLEAR rbx, rbp, r12, r13, r14, r15
	.endm

	.macro SAVE_REGS
	cld
	PUSH_REGS
	CLEAR_ALL
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
	.balign 4
\name:
	.set rsp_at, STACKS_START - IMAGE_START + STACK_SIZE - CI_SIZE + REGS_RSP
	.set head_at, 0
	.rept MAX_CPUS
	.org \name + head_at, 0xcc
	mov %rsp, __image_start + rsp_at(%rip)
	lea __image_start + rsp_at(%rip), %rsp
	JUMP \tail, \isolated
	.set rsp_at, rsp_at + STACK_SIZE
	.set head_at, head_at + SYSCALL_HEAD_SIZE
	.endr
	.endm

// From where RSP's place is, down to the place of RIP.
	.macro SYSCALL_BEGIN cs
	push %r11
	pushq $\cs
	push %rcx
	.endm

// The rest of the frame. Of what syscall left in RCX and R11 only the copies in
// there are needed.
	.macro SYSCALL_REST event
	movq $SEL_RING3_DS, REGS_SS-REGS_RIP(%rsp)
	pushq $0
	movl $\event, 4(%rsp)
	.irp r, rdi, rsi, rdx
	push %\r
	.endr
	pushq REGS_RIP-REGS_RDX(%rsp)
	.irp r, rax, r8, r9, r10
	push %\r
	.endr
	pushq REGS_RFLAGS-REGS_R10(%rsp)
	.irp r, rbx, rbp, r12, r13, r14, r15
	push %\r
	.endr
	.endm

	.macro RETURN_SYSRET
	RESTORE_REGS
	mov 8(%rsp), %rcx	// rip
	mov 24(%rsp), %r11	// rflags
	mov 32(%rsp), %rsp
	sysretq
	.endm

// A place in the frame, or in what lies behind it, while RSP is at that of RIP.
#define AT_RIP(field) (field - REGS_RIP)(%rsp)

	SYSCALL_HEADS entry_syscall, 1f, 3f
1:	SYSCALL_BEGIN SEL_RING3_CS64
4:	mov AT_RIP(CI_VCPU), %rcx
	cmpq $0, VCPU_MODE(%rcx)
	je short_syscall
	cmp $CALL_IRET, %rax
	je short_iret
entry_hypercall:
	SYSCALL_REST EV_SYSCALL
	mov %rcx, %rbx
	CLEAR rbp, r11, r12, r13, r14, r15
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
	// What guest_way_out() finds where there is nothing to do.
	cli
	mov CI_SOFTIRQ(%rsp), %eax
	or VCPU_EXIT(%rbx), %rax
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

9:	cmpb $0, INFO_MASK(%rax)
	jne 6b
8:	mov %rsp, %rdi
	call guest_way_out
10:	test %eax, %eax
	jz 7b
	sub $1, %eax
	jz leave_to_guest
	jmp leave_iret

sysenter_tail:
	sti
	SAVE_REGS
	mov %rsp, %rdi
	call guest_sysenter
	jmp leave_to_guest

3:	SYSCALL_BEGIN SEL_RING3_CS64
	LOAD_HV_CR3_KEEP
	jmp 4b

// A page fault of a guest's, of all traps by far the most frequent one.
page_fault_common:
	SAVE_REGS
	CLAC
	mov %rsp, %rdi
	testb $3, REGS_CS(%rsp)
	jz trap_in_c
	call guest_page_fault
	jmp 10b

// The short cuts: no other register of the guest's than these three is touched,
// and no C function called. What they are not for goes the long way: it sees
// nothing of what they did, but for the places of RIP and RFLAGS that an iret
// was to fill.

// The upper halves of the guest kernel's addresses: of a frame, and of a stack
// below which is one.
#define KERNEL_FRAME 0xffff8800
#define KERNEL_STACK 0xffff8801

// RCX has the vcpu: GS base and tables of guest user mode become its kernel's, or
// the other way round.
	.macro CHANGE_MODE mode, gs_from, gs_to, cr3, spare
	rdgsbase \spare
	mov \spare, \gs_from(%rcx)
	mov \gs_to(%rcx), \spare
	wrgsbase \spare
	movq $\mode, VCPU_MODE(%rcx)
	mov \cr3(%rcx), \spare
	mov \spare, %cr3
	.endm

	.macro GIVE_UP to
	SYSCALL_REST EV_SYSCALL
	CLEAR_ALL
	mov %rsp, %rdi
	call \to
	jmp leave_to_guest
	.endm

// Of a system call out of guest user mode: the frame goes on the guest kernel's
// stack, events are masked where it wants that, and its callback is next.
short_syscall:
	mov AT_RIP(CI_SOFTIRQ), %r11
	or VCPU_EXIT(%rcx), %r11
	jnz 7f
	cmpq $0, VCPU_SHORT_CB(%rcx)
	je 7f
	cmpl $KERNEL_STACK, VCPU_KERNEL_SP + 4(%rcx)
	jb 7f
	mov VCPU_INFO(%rcx), %r11
	cmpb $0, INFO_MASK(%r11)
	jne 7f
	testb $CB_SYSCALL_MASKS_EVENTS, VCPU_CB_FLAGS(%rcx)
	jz 5f
	movb $1, INFO_MASK(%r11)
6:	CHANGE_MODE 1, VCPU_GS_USER, VCPU_GS_KERNEL, VCPU_CR3_KERNEL, %r11
	mov VCPU_KERNEL_SP(%rcx), %r11
	// -1, where the CPU only guesses that the check was passed.
	cmpl $KERNEL_STACK, VCPU_KERNEL_SP + 4(%rcx)
	sbb %rcx, %rcx
	or %rcx, %r11
	and $-16, %r11
	sub $(7 * 8), %r11
	STAC
	MAY_FAULT 8f, movq $SEL_RING3_DS, 48(%r11)
	MAY_FAULT 8f, movq $SEL_RING3_CS64, 24(%r11)
	mov AT_RIP(REGS_RIP), %rcx
	MAY_FAULT 8f, mov %rcx, (%r11)
	MAY_FAULT 8f, mov %rcx, 16(%r11)
	mov AT_RIP(REGS_RFLAGS), %rcx
	MAY_FAULT 8f, mov %rcx, 8(%r11)
	MAY_FAULT 8f, mov %rcx, 32(%r11)
	mov AT_RIP(REGS_RSP), %rcx
	MAY_FAULT 8f, mov %rcx, 40(%r11)
	CLAC
	mov AT_RIP(CI_VCPU), %rcx
	// Canonical, and not 0: but for the vcpu itself nobody changes it.
	mov VCPU_SYSCALL_CB(%rcx), %rcx
	mov %r11, AT_RIP(REGS_RSP)
	mov AT_RIP(REGS_RFLAGS), %r11
	and $~FLAGS_CLEARED, %r11
	mov AT_RIP(REGS_RSP), %rsp
	sysretq

5:	cmpb $0, INFO_PENDING(%r11)
	je 6b
7:	GIVE_UP guest_syscall
8:	CLAC
	GIVE_UP guest_syscall_failed

// The iret hypercall, to where events are not masked. All is read before
// anything is changed. A frame across the end of the address space goes on at 0.
short_iret:
	mov AT_RIP(CI_SOFTIRQ), %r11
	or VCPU_EXIT(%rcx), %r11
	jnz entry_hypercall
	cmpq $0, VCPU_SHORT_CB(%rcx)
	je entry_hypercall
	mov AT_RIP(REGS_RSP), %r11
	// As above, and of the register itself: what this load was guessed to
	// find may not be what a second one does.
	mov %r11, %rax
	shr $32, %rax
	cmp $KERNEL_FRAME, %eax
	sbb %rax, %rax
	jb 9f
	or %rax, %r11
	STAC
	MAY_FAULT 8f, mov IRET_RFLAGS(%r11), %rax
	test $FLAG_IF, %eax
	jz 8f
	and $~FLAGS_NOT_GUESTS, %rax
	or $2, %rax
	mov %rax, AT_RIP(REGS_RFLAGS)
	MAY_FAULT 8f, mov IRET_RIP(%r11), %rax
	mov %rax, AT_RIP(REGS_RIP)
	MAY_FAULT 8f, movzwl IRET_SS(%r11), %eax
	or $3, %eax
	mov %rax, AT_RIP(REGS_SS)
	MAY_FAULT 8f, mov IRET_FLAGS(%r11), %eax
	mov %eax, AT_RIP(REGS_VECTOR)
	MAY_FAULT 8f, mov IRET_RCX(%r11), %rax
	mov %rax, AT_RIP(REGS_RCX)
	MAY_FAULT 8f, mov IRET_R11(%r11), %rax
	mov %rax, AT_RIP(REGS_R11)
	MAY_FAULT 8f, mov IRET_RAX(%r11), %rax
	mov %rax, AT_RIP(REGS_RAX)
	MAY_FAULT 8f, movzwl IRET_CS(%r11), %eax
	MAY_FAULT 8f, mov IRET_RSP(%r11), %r11
	CLAC
	mov %rax, AT_RIP(REGS_CS)
	not %eax
	test $3, %al
	mov VCPU_INFO(%rcx), %rax
	jnz 2f

	// To guest user mode.
	cmpq $0, VCPU_CR3_USER(%rcx)
	je 9f
	cmpb $0, INFO_PENDING(%rax)
	jne 9f
	movb $0, INFO_MASK(%rax)
	movb $0, VCPU_NMI_MASKED(%rcx)
	mov %r11, AT_RIP(REGS_RSP)
	CHANGE_MODE 0, VCPU_GS_KERNEL, VCPU_GS_USER, VCPU_CR3_USER, %rax
	// VGCF_in_syscall: RCX and R11 are lost.
	testb $EV_SYSCALL >> 8, AT_RIP(REGS_VECTOR + 1)
	jz 3f
	cmpw $SEL_RING3_CS64, AT_RIP(REGS_CS)
	jne 3f
	cmpl $0xffff8000, AT_RIP(REGS_RIP + 4)
	jae 1f
	cmpl $0x8000, AT_RIP(REGS_RIP + 4)
	jae 3f
1:	mov AT_RIP(REGS_RAX), %rax
	mov AT_RIP(REGS_RIP), %rcx
	mov AT_RIP(REGS_RFLAGS), %r11
	mov AT_RIP(REGS_RSP), %rsp
	sysretq

	// To its kernel.
2:	cmpb $0, INFO_PENDING(%rax)
	jne 9f
	movb $0, INFO_MASK(%rax)
	movb $0, VCPU_NMI_MASKED(%rcx)
	mov %r11, AT_RIP(REGS_RSP)
	orb $3, AT_RIP(REGS_CS)
3:	mov AT_RIP(REGS_RAX), %rax
	mov AT_RIP(REGS_RCX), %rcx
	mov AT_RIP(REGS_R11), %r11
	jmp entry_iret_to_guest

8:	CLAC
9:	mov $CALL_IRET, %eax
	movq $SEL_RING3_CS64, AT_RIP(REGS_CS)
	jmp entry_hypercall

sysenter_isolated:
	LOAD_HV_CR3_KEEP
	jmp sysenter_tail

	.macro SYSCALL32_FRAME
	movq $SEL_RING3_DS, REGS_SS-REGS_RSP(%rsp)
	SYSCALL_BEGIN SEL_RING3_CS32
	pushq $0
	movl $EV_SYSCALL32, 4(%rsp)
	.endm

	SYSCALL_HEADS entry_syscall32, 1f, 3f
1:	SYSCALL32_FRAME
	jmp sysenter_tail
3:	SYSCALL32_FRAME
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
	JUMP sysenter_tail, sysenter_isolated

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
trap_in_c:
	call trap_dispatch
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
	.elseif \vector == 14
	JUMP page_fault_common, trap_isolated
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
