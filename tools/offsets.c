// SPDX-License-Identifier: MIT
// Numbers that assembly needs: compiled to text, read by the Makefile.
#include "dom/domain.h"
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
	OFFSET(VCPU_EXIT, offsetof(struct vcpu, hot.exit));
	OFFSET(VCPU_NMI, offsetof(struct vcpu, hot.nmi_pending));
	OFFSET(VCPU_INFO, offsetof(struct vcpu, info));
	OFFSET(INFO_PENDING, offsetof(struct vcpu_info, evtchn_upcall_pending));
	OFFSET(INFO_MASK, offsetof(struct vcpu_info, evtchn_upcall_mask));
	OFFSET(VCPU_MODE, offsetof(struct vcpu, hot.mode_kernel));
	OFFSET(MAX_CPUS, MAX_CPUS);
	OFFSET(REGS_SIZE, sizeof(struct cpu_regs));
	OFFSET(REGS_RAX, offsetof(struct cpu_regs, rax));
	OFFSET(REGS_RIP, offsetof(struct cpu_regs, rip));
	OFFSET(REGS_CS, offsetof(struct cpu_regs, cs));
	OFFSET(REGS_VECTOR, offsetof(struct cpu_regs, entry_vector));
	OFFSET(REGS_RFLAGS, offsetof(struct cpu_regs, rflags));
	OFFSET(REGS_RSP, offsetof(struct cpu_regs, rsp));
	OFFSET(REGS_SS, offsetof(struct cpu_regs, ss));
}
