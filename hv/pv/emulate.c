// SPDX-License-Identifier: MIT
// Instructions that a PV guest may not execute itself. pv/decode.c says what
// an instruction is; here it is checked against the guest's mode and acted
// upon. All of it works on the running vcpu.
#include "access/access.h"
#include "dom/policy.h"
#include "dom/shared.h"
#include "dom/trace.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "pv/private.h"
#include "x86/fpu.h"

#define DR6_STEP       0x4000UL
#define DESC_L	       BIT(53)
#define DESC_D	       BIT(54)
#define CPUID1_XSAVE   BIT(26)
#define CPUID1_OSXSAVE BIT(27)
// A guest's own choice.
#define CR4_GUEST (CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)

u64 *insn_gpr(struct cpu_regs *r, unsigned int n)
{
#define AT(reg) (offsetof(struct cpu_regs, reg) / sizeof(u64))
	static const u8 at[16] = { AT(rax), AT(rcx), AT(rdx), AT(rbx),
				   AT(rsp), AT(rbp), AT(rsi), AT(rdi),
				   AT(r8),  AT(r9),  AT(r10), AT(r11),
				   AT(r12), AT(r13), AT(r14), AT(r15) };

	return (u64 *)r + at[n & 15];
}

static void set_pair(struct cpu_regs *r, u64 value)
{
	r->rax = (u32)value;
	r->rdx = value >> 32;
}

static enum emul_result read_cr(const struct vcpu *v, unsigned int n, u64 *out)
{
	switch (n) {
	case 0:
		*out = (read_cr0() & ~CR0_TS) | v->pv->cr0_ts;
		return EMUL_DONE;
	case 2:
		*out = vcpu_cr2(v);
		return EMUL_DONE;
	case 3:
		*out = pv_base(v);
		if (v->hot.pv32)
			*out = xen_pfn_to_cr3_x86_32(*out >> PAGE_SHIFT);
		return EMUL_DONE;
	case 4:
		*out = v->pv->cr4;
		return EMUL_DONE;
	default:
		return EMUL_REFUSED;
	}
}

static enum emul_result write_cr(struct vcpu *v, unsigned int n, u64 value)
{
	int rc;

	switch (n) {
	case 0:
		if ((value ^ read_cr0()) & ~CR0_TS)
			return EMUL_REFUSED;
		pv_set_ts(v, value & CR0_TS);
		return EMUL_DONE;
	case 2:
		vcpu_cr2_set(v, value);
		return EMUL_DONE;
	case 3:
		value = v->hot.pv32 ? xen_cr3_to_pfn_x86_32(value)
				    : value >> PAGE_SHIFT;
		rc = pv_new_base(v, gfn(value), false);
		return rc == -ERESTART ? EMUL_AGAIN : !rc;
	case 4:
		// Bits outside the policy are dropped, not refused.
		v->pv->cr4 = (value & CR4_GUEST) | (read_cr4() & CR4_SHOWN);
		write_cr4(pv_cr4_real(v));
		return EMUL_DONE;
	default:
		return EMUL_REFUSED;
	}
}

// forced: the guest kernel asks by the forced-emulation prefix. Kernels take
// OSXSAVE in that answer, before they set CR4, for leave to use XSAVE.
static void write_cpuid(const struct vcpu *v, struct cpu_regs *regs,
			bool forced)
{
	u32 leaf = (u32)regs->rax, sub = (u32)regs->rcx, r[4];

	policy_cpuid(v, leaf, sub, r);
	if (leaf == 1 && r[2] & CPUID1_XSAVE &&
	    (v->pv->cr4 & CR4_OSXSAVE || forced))
		r[2] |= CPUID1_OSXSAVE;
	if (leaf == 0xd && !sub && r[0])
		r[1] = policy_xsave_size(v->domain, v->pv->xcr0);
	regs->rax = r[0];
	regs->rbx = r[1];
	regs->rcx = r[2];
	regs->rdx = r[3];
}

static enum emul_result xsetbv(struct vcpu *v, u32 n, u64 value)
{
	if (!(v->pv->cr4 & CR4_OSXSAVE)) {
		pv_inject(6, 0);
		return EMUL_AGAIN;
	}
	if (n || value & ~policy_xcr0_mask(v->domain) || fpu_check_xcr0(value))
		return EMUL_REFUSED;
	v->pv->xcr0 = value;
	fpu_set_xcr0(value);
	return EMUL_DONE;
}

// What only the guest's kernel may do.
static enum emul_result emulate_kernel(struct vcpu *v, struct cpu_regs *regs,
				       const struct insn *i)
{
	u64 *gpr = insn_gpr(regs, i->rm), value = (u32)regs->rax;

	value |= regs->rdx << 32;
	switch (i->kind) {
	case INSN_CLTS:
		pv_set_ts(v, false);
		return EMUL_DONE;
	case INSN_WBINVD:
		// Only who may reach devices has a reason; for others it does
		// nothing.
		if (v->domain->is_hardware)
			wbinvd();
		return EMUL_DONE;
	case INSN_READ_CR:
		return read_cr(v, i->reg, gpr);
	case INSN_WRITE_CR:
		return write_cr(v, i->reg, *gpr);
	case INSN_READ_DR:
		return pv_get_debugreg(v, i->reg, gpr);
	case INSN_WRITE_DR:
		return !pv_set_debugreg(v, i->reg, *gpr);
	case INSN_RDMSR:
		if (!emul_rdmsr(v, (u32)regs->rcx, &value))
			return EMUL_REFUSED;
		set_pair(regs, value);
		return EMUL_DONE;
	case INSN_WRMSR:
		return emul_wrmsr(v, (u32)regs->rcx, value);
	case INSN_XSETBV:
		return xsetbv(v, (u32)regs->rcx, value);
	default:
		return EMUL_REFUSED;
	}
}

static enum emul_result emulate(struct vcpu *v, struct cpu_regs *regs,
				const struct insn *i)
{
	bool kernel = pv_kernel_mode(v);

	switch (i->kind) {
	case INSN_IN ... INSN_OUTS:
		return emul_port(v, regs, i);
	case INSN_CLI_STI:
		// Interrupts of the machine are not the guest's to disable, and
		// the guest's own mask is not touched: popf, which cannot be
		// seen, would not undo it.
		return emul_iopl_allows(v);
	case INSN_CPUID:
		if (!kernel && v->pv->cpuid_faults)
			return EMUL_REFUSED;
		write_cpuid(v, regs, false);
		return EMUL_DONE;
	case INSN_RDTSC:
	case INSN_RDTSCP:
		// Arrives here when the hypervisor makes it trap, or the
		// guest's own CR4.TSD, which is about user mode.
		if (!kernel && v->pv->cr4 & CR4_TSD)
			return EMUL_REFUSED;
		set_pair(regs, emul_tsc(v->domain));
		if (i->kind == INSN_RDTSCP)
			regs->rcx = v->pv->tsc_aux;
		return EMUL_DONE;
	default:
		return kernel ? emulate_kernel(v, regs, i) : EMUL_REFUSED;
	}
}

// What CS makes of the code: false when it is neither 64-bit nor flat 32-bit.
// The descriptor is read where the processor read it.
static bool code_segment(const struct vcpu *v, u16 sel, bool *code64)
{
	u64 table = sel & 4 ? PERDOM_LDT(v->id) : PERDOM_GDT(v->id);
	u64 d = DESC_L, base;

	if ((sel != SEL_RING3_CS64 || v->hot.pv32) &&
	    copy_faultable(&d, (const u64 *)(table + (sel & ~7U)), sizeof(d)))
		return false;
	base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
	*code64 = d & DESC_L;
	return *code64 || (d & DESC_D && !base);
}

bool insn_fetch(const struct vcpu *v, const struct cpu_regs *regs,
		struct insn *i)
{
	u64 rip = regs->rip;
	unsigned int n = MIN(PAGE_SIZE - rip % PAGE_SIZE, (u64)INSN_MAX);
	u8 bytes[INSN_MAX];
	bool code64;

	if (!code_segment(v, regs->cs, &code64) ||
	    copy_from_guest(bytes, rip, n))
		return false;
	if (insn_decode(bytes, n, code64, i))
		return true;
	// It may go on in the next page.
	return n < INSN_MAX &&
	       !copy_from_guest(bytes + n, rip + n, INSN_MAX - n) &&
	       insn_decode(bytes, INSN_MAX, code64, i);
}

static void finish(struct vcpu *v, struct cpu_regs *regs, unsigned int length)
{
	regs->rip += length;
	regs->rflags &= ~FLAG_RF;
	if (regs->rflags & FLAG_TF) {
		v->pv->dr[6] |= DR6_STEP;
		pv_inject(1, 0);
	}
}

// The guest got #GP at regs->rip. True: done, go on with *regs; false: the
// #GP is the guest's.
bool pv_emulate_privileged(struct cpu_regs *regs)
{
	struct vcpu *v = current;
	enum emul_result rc;
	struct insn i;

	// Nothing here faults with a selector in the error code.
	if (regs->error_code || !insn_fetch(v, regs, &i))
		return false;
	rc = emulate(v, regs, &i);
	if (rc != EMUL_REFUSED)
		TRACE(TRC_PV_EMULATE_PRIVOP | TRC_64_FLAG, TRACE_64(regs->rip));
	if (rc == EMUL_DONE)
		finish(v, regs, i.length);
	return rc != EMUL_REFUSED;
}

// The guest got #UD at regs->rip: cpuid behind the forced-emulation prefix
// (public header arch-x86/xen.h, XEN_EMULATE_PREFIX).
bool pv_emulate_invalid_op(struct cpu_regs *regs)
{
	static const u8 forced_cpuid[] = {
		0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2
	};
	struct vcpu *v = current;
	u8 bytes[sizeof(forced_cpuid)];

	// In two parts: an ordinary ud2 may be the last bytes of its page.
	if (copy_from_guest(bytes, regs->rip, 2) ||
	    memcmp(bytes, forced_cpuid, 2) ||
	    copy_from_guest(bytes + 2, regs->rip + 2, sizeof(bytes) - 2) ||
	    memcmp(bytes, forced_cpuid, sizeof(bytes)))
		return false;
	if (!pv_kernel_mode(v) && v->pv->cpuid_faults) {
		regs->rip += 5;
		pv_inject(13, 0);
		return true;
	}
	write_cpuid(v, regs, pv_kernel_mode(v));
	finish(v, regs, sizeof(forced_cpuid));
	return true;
}
