// SPDX-License-Identifier: MIT
// Numbers that assembly needs: compiled to text, read by the Makefile.
#include "dom/domain.h"
#include "pv/private.h"
#include "x86/percpu.h"

#define OFFSET(name, value) \
	__asm__ volatile("@OFFSET " #name " %0 " : : "i"((long)(value)))

void offsets(void);
void offsets(void)
{
	OFFSET(CI_SIZE, sizeof(struct cpu_info));
	OFFSET(CI_CR3_HV, offsetof(struct cpu_info, cr3_hv));
	OFFSET(CI_VCPU, offsetof(struct cpu_info, vcpu));
	OFFSET(CI_SOFTIRQ, offsetof(struct cpu_info, softirq_pending));
	_Static_assert(
		offsetof(struct cpu_info, softirq_pending) % 8 == 0 &&
			offsetof(struct cpu_info, all_calls_in_c) ==
				offsetof(struct cpu_info, softirq_pending) + 4,
		"read as one word");
	OFFSET(VCPU_EXIT, offsetof(struct vcpu, hot.exit));
	_Static_assert(offsetof(struct vcpu, hot.exit) % 8 == 0 &&
			       offsetof(struct vcpu, hot.nmi_pending) ==
				       offsetof(struct vcpu, hot.exit) + 4,
		       "read as one word");
	OFFSET(VCPU_CB_FLAGS, offsetof(struct vcpu, hot.cb_flags));
	OFFSET(CB_SYSCALL_MASKS_EVENTS, CB_SYSCALL_MASKS_EVENTS);
	OFFSET(VCPU_SHORT_CB, offsetof(struct vcpu, hot.short_cb));
	OFFSET(VCPU_SYSCALL_CB, offsetof(struct vcpu, hot.syscall_cb));
	OFFSET(VCPU_KERNEL_SP, offsetof(struct vcpu, hot.kernel_sp));
	OFFSET(VCPU_CR3_KERNEL, offsetof(struct vcpu, hot.cr3_kernel));
	OFFSET(VCPU_CR3_USER, offsetof(struct vcpu, hot.cr3_user));
	OFFSET(VCPU_GS_USER, offsetof(struct vcpu, hot.gs_base[0]));
	OFFSET(VCPU_GS_KERNEL, offsetof(struct vcpu, hot.gs_base[1]));
	OFFSET(VCPU_NMI_MASKED, offsetof(struct vcpu, nmi_masked));
	OFFSET(VCPU_INFO, offsetof(struct vcpu, info));
	OFFSET(INFO_PENDING, offsetof(struct vcpu_info, evtchn_upcall_pending));
	OFFSET(INFO_MASK, offsetof(struct vcpu_info, evtchn_upcall_mask));
	OFFSET(VCPU_MODE, offsetof(struct vcpu, hot.mode_kernel));
	OFFSET(MAX_CPUS, MAX_CPUS);
	OFFSET(REGS_SIZE, sizeof(struct cpu_regs));
	OFFSET(REGS_R11, offsetof(struct cpu_regs, r11));
	OFFSET(REGS_R10, offsetof(struct cpu_regs, r10));
	OFFSET(REGS_RDX, offsetof(struct cpu_regs, rdx));
	OFFSET(REGS_RCX, offsetof(struct cpu_regs, rcx));
	OFFSET(REGS_RAX, offsetof(struct cpu_regs, rax));
	OFFSET(REGS_RIP, offsetof(struct cpu_regs, rip));
	OFFSET(REGS_CS, offsetof(struct cpu_regs, cs));
	OFFSET(REGS_VECTOR, offsetof(struct cpu_regs, entry_vector));
	OFFSET(REGS_RFLAGS, offsetof(struct cpu_regs, rflags));
	OFFSET(REGS_RSP, offsetof(struct cpu_regs, rsp));
	OFFSET(REGS_SS, offsetof(struct cpu_regs, ss));
	OFFSET(IRET_RAX, offsetof(struct iret_context, rax));
	OFFSET(IRET_R11, offsetof(struct iret_context, r11));
	OFFSET(IRET_RCX, offsetof(struct iret_context, rcx));
	OFFSET(IRET_FLAGS, offsetof(struct iret_context, flags));
	OFFSET(IRET_RIP, offsetof(struct iret_context, rip));
	OFFSET(IRET_CS, offsetof(struct iret_context, cs));
	OFFSET(IRET_RFLAGS, offsetof(struct iret_context, rflags));
	OFFSET(IRET_RSP, offsetof(struct iret_context, rsp));
	OFFSET(IRET_SS, offsetof(struct iret_context, ss));
	_Static_assert(VGCF_in_syscall == EV_SYSCALL, "one becomes the other");
	OFFSET(CALL_IRET, __HYPERVISOR_iret);
	OFFSET(FLAG_IF, FLAG_IF);
	OFFSET(FLAGS_CLEARED, FLAGS_CLEARED);
	OFFSET(FLAGS_NOT_GUESTS, FLAGS_NOT_GUESTS);
}
