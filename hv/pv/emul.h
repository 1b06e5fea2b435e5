// SPDX-License-Identifier: MIT
// The parts of privileged-instruction emulation: pv/emulate.c calls them for
// the running vcpu, after decoding.
#ifndef PV_EMUL_H
#define PV_EMUL_H

#include "pv/decode.h"
#include "pv/pv.h"

enum emul_result {
	EMUL_REFUSED, // the guest gets its #GP
	EMUL_DONE,    // go behind the instruction
	EMUL_AGAIN,   // state is consistent, the instruction is executed again
};

// in, out, ins, outs: emul_io.c.
enum emul_result emul_port(struct vcpu *v, struct cpu_regs *regs,
			   const struct insn *i);
// Rule of cli, sti and of ports without a bitmap: IOPL of the guest's mode.
bool emul_iopl_allows(const struct vcpu *v);

// MSRs as the running vcpu sees them, emul_msr.c; false: #GP.
bool emul_rdmsr(struct vcpu *v, u32 msr, u64 *value);
bool emul_wrmsr(struct vcpu *v, u32 msr, u64 value);
// TSC of a domain: the machine's, or system time scaled when it is emulated.
u64 emul_tsc(const struct domain *d);
u64 emul_tsc_aux(const struct vcpu *v);
// True: cpuid in guest user mode is the guest kernel's to emulate.
bool emul_cpuid_faults(const struct vcpu *v);
// Loads what v keeps in MSRs that other vcpus use too (TSC_AUX, CPUID
// faulting): v starts to run on this CPU, interrupts off.
void emul_switch_to(const struct vcpu *v);

#endif
