// SPDX-License-Identifier: MIT
// Instructions that a PV guest may not execute itself. pv/decode.c says what
// an instruction is; here it is checked against the guest's mode and acted
// upon. All of it works on the running vcpu.
#include "pv/emul.h"
#include "access/access.h"
#include "dom/policy.h"
#include "dom/trace.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "x86/faultable.h"
#include "x86/fpu.h"
#include "x86/insn.h"

#define DR6_STEP       0x4000UL
#define DESC_L	       BIT(53)
#define CPUID1_XSAVE   BIT(26)
#define CPUID1_OSXSAVE BIT(27)
#define DESC_D	       BIT(54)
// A guest's own choice, and the hypervisor's that guests see whatever they write.
#define CR4_GUEST (CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)
#define CR4_SHOWN (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

// One instruction on its way through the handlers.
struct emul {
	struct vcpu *v;
	struct cpu_regs *regs;
	struct insn insn;
};

typedef enum emul_result emul_handler_t(struct emul *e);

static u64 *gpr(struct cpu_regs *r, unsigned int n)
{
	static const u8 at[16] = {
		offsetof(struct cpu_regs, rax), offsetof(struct cpu_regs, rcx),
		offsetof(struct cpu_regs, rdx), offsetof(struct cpu_regs, rbx),
		offsetof(struct cpu_regs, rsp), offsetof(struct cpu_regs, rbp),
		offsetof(struct cpu_regs, rsi), offsetof(struct cpu_regs, rdi),
		offsetof(struct cpu_regs, r8),	offsetof(struct cpu_regs, r9),
		offsetof(struct cpu_regs, r10), offsetof(struct cpu_regs, r11),
		offsetof(struct cpu_regs, r12), offsetof(struct cpu_regs, r13),
		offsetof(struct cpu_regs, r14), offsetof(struct cpu_regs, r15),
	};

	return (u64 *)((char *)r + at[n & 15]);
}

static void set_pair(struct cpu_regs *r, u64 value)
{
	r->rax = (u32)value;
	r->rdx = value >> 32;
}

static u64 get_pair(const struct cpu_regs *r)
{
	return (u64)(u32)r->rdx << 32 | (u32)r->rax;
}

// Interrupts of the machine are not the guest's to disable, and the guest's
// own mask is not touched: popf, which cannot be seen, would not undo it.
static enum emul_result do_cli_sti(struct emul *e)
{
	return emul_iopl_allows(e->v) ? EMUL_DONE : EMUL_REFUSED;
}

static enum emul_result do_port(struct emul *e)
{
	return emul_port(e->v, e->regs, &e->insn);
}

static enum emul_result do_clts(struct emul *e)
{
	pv_set_ts(e->v, false);
	return EMUL_DONE;
}

// Only who may reach devices has a reason; for others it does nothing.
static enum emul_result do_wbinvd(struct emul *e)
{
	if (e->v->domain->is_hardware)
		wbinvd();
	return EMUL_DONE;
}

static enum emul_result do_read_cr(struct emul *e)
{
	const struct pv_vcpu *pv = e->v->pv;
	u64 *out = gpr(e->regs, e->insn.gpr);

	switch (e->insn.control) {
	case 0:
		*out = (read_cr0() & ~CR0_TS) | (pv->cr0_ts ? CR0_TS : 0);
		break;
	case 2:
		*out = vcpu_info(e->v, arch.cr2);
		break;
	case 3:
		*out = mfn_to_maddr(mfn(pv->kernel_mfn));
		break;
	case 4:
		*out = pv->cr4;
		break;
	default:
		return EMUL_REFUSED;
	}
	return EMUL_DONE;
}

static enum emul_result write_base(struct vcpu *v, u64 value)
{
	int rc = pv_new_base(v, gfn(value >> PAGE_SHIFT));

	if (rc == -ERESTART || rc == -EINTR)
		return EMUL_AGAIN;
	return rc ? EMUL_REFUSED : EMUL_DONE;
}

static enum emul_result do_write_cr(struct emul *e)
{
	u64 value = *gpr(e->regs, e->insn.gpr);
	struct vcpu *v = e->v;

	switch (e->insn.control) {
	case 0:
		if ((value ^ read_cr0()) & ~CR0_TS)
			return EMUL_REFUSED;
		pv_set_ts(v, value & CR0_TS);
		break;
	case 2:
		vcpu_info(v, arch.cr2) = value;
		break;
	case 3:
		return write_base(v, value);
	case 4:
		// Bits outside the policy are dropped, not refused.
		v->pv->cr4 = (value & CR4_GUEST & pv_cr4_allowed(v->domain)) |
			     (read_cr4() & CR4_SHOWN);
		write_cr4(pv_cr4_real(v));
		break;
	default:
		return EMUL_REFUSED;
	}
	return EMUL_DONE;
}

static enum emul_result do_read_dr(struct emul *e)
{
	unsigned int n = pv_debugreg_number(e->v, e->insn.control);

	if (n > 7)
		return EMUL_REFUSED;
	*gpr(e->regs, e->insn.gpr) = pv_get_debugreg(e->v, n);
	return EMUL_DONE;
}

static enum emul_result do_write_dr(struct emul *e)
{
	u64 value = *gpr(e->regs, e->insn.gpr);

	return pv_set_debugreg(e->v, e->insn.control, value) ? EMUL_REFUSED
							     : EMUL_DONE;
}

static enum emul_result do_rdmsr(struct emul *e)
{
	u64 value;

	if (!emul_rdmsr(e->v, (u32)e->regs->rcx, &value))
		return EMUL_REFUSED;
	set_pair(e->regs, value);
	return EMUL_DONE;
}

static enum emul_result do_wrmsr(struct emul *e)
{
	return emul_wrmsr(e->v, (u32)e->regs->rcx, get_pair(e->regs))
		       ? EMUL_DONE
		       : EMUL_REFUSED;
}

static enum emul_result do_rdtsc(struct emul *e)
{
	// Arrives here when the hypervisor makes it trap, or the guest's own
	// CR4.TSD, which is about user mode.
	if (!pv_kernel_mode(e->v) && e->v->pv->cr4 & CR4_TSD)
		return EMUL_REFUSED;
	set_pair(e->regs, emul_tsc(e->v->domain));
	if (e->insn.kind == INSN_RDTSCP)
		e->regs->rcx = (u32)emul_tsc_aux(e->v);
	return EMUL_DONE;
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

static enum emul_result do_cpuid(struct emul *e)
{
	if (!pv_kernel_mode(e->v) && emul_cpuid_faults(e->v))
		return EMUL_REFUSED;
	write_cpuid(e->v, e->regs, false);
	return EMUL_DONE;
}

static enum emul_result do_xsetbv(struct emul *e)
{
	u64 value = get_pair(e->regs);

	if (!(e->v->pv->cr4 & CR4_OSXSAVE)) {
		pv_inject(6, 0);
		return EMUL_AGAIN;
	}
	if ((u32)e->regs->rcx || value & ~policy_xcr0_mask(e->v->domain) ||
	    fpu_check_xcr0(value))
		return EMUL_REFUSED;
	e->v->pv->xcr0 = value;
	fpu_set_xcr0(value);
	return EMUL_DONE;
}

static const struct {
	emul_handler_t *fn;
	bool kernel_only;
} handlers[INSN_KINDS] = {
	[INSN_IN... INSN_OUTS] = { do_port, false },
	[INSN_CLI... INSN_STI] = { do_cli_sti, false },
	[INSN_CLTS] = { do_clts, true },
	[INSN_WBINVD] = { do_wbinvd, true },
	[INSN_READ_CR] = { do_read_cr, true },
	[INSN_READ_DR] = { do_read_dr, true },
	[INSN_WRITE_CR] = { do_write_cr, true },
	[INSN_WRITE_DR] = { do_write_dr, true },
	[INSN_WRMSR] = { do_wrmsr, true },
	[INSN_RDTSC] = { do_rdtsc, false },
	[INSN_RDMSR] = { do_rdmsr, true },
	[INSN_CPUID] = { do_cpuid, false },
	[INSN_XSETBV] = { do_xsetbv, true },
	[INSN_RDTSCP] = { do_rdtsc, false },
};

// What CS makes of the code: false when it is neither 64-bit nor flat 32-bit.
// The descriptor is read where the processor read it.
static bool code_segment(const struct vcpu *v, u16 sel, bool *code64)
{
	u64 table = sel & 4 ? PERDOM_LDT(v->id) : PERDOM_GDT(v->id);
	u64 d, base;

	if (!read_u64_faultable(&d, (const u64 *)(table + (sel & ~7U))))
		return false;
	base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
	*code64 = d & DESC_L;
	return *code64 || (d & DESC_D && !base);
}

// Fetches no more than is needed of the page behind rip's.
static bool fetch_and_decode(struct emul *e)
{
	u64 rip = e->regs->rip;
	unsigned int n = MIN(PAGE_SIZE - rip % PAGE_SIZE, (u64)INSN_MAX);
	u8 bytes[INSN_MAX];
	enum decode_result rc;
	bool code64;

	if (!code_segment(e->v, e->regs->cs, &code64) ||
	    copy_from_guest(bytes, rip, n))
		return false;
	rc = insn_decode(bytes, n, code64, &e->insn);
	if (rc == DECODE_MORE && n < INSN_MAX) {
		if (copy_from_guest(bytes + n, rip + n, INSN_MAX - n))
			return false;
		rc = insn_decode(bytes, INSN_MAX, code64, &e->insn);
	}
	return rc == DECODE_OK;
}

static void finish(struct vcpu *v, struct cpu_regs *regs, unsigned int length)
{
	regs->rip += length;
	regs->rflags &= ~FLAG_RF;
	if (regs->rflags & FLAG_TF) {
		v->pv->dr6 |= DR6_STEP;
		pv_inject(1, 0);
	}
}

// The guest got #GP at regs->rip. True: done, go on with *regs; false: the
// #GP is the guest's.
bool pv_emulate_privileged(struct cpu_regs *regs)
{
	struct emul e = { .v = current, .regs = regs };
	enum emul_result rc;

	// Nothing here faults with a selector in the error code.
	if (regs->error_code || !fetch_and_decode(&e))
		return false;
	if (!handlers[e.insn.kind].fn ||
	    (handlers[e.insn.kind].kernel_only && !pv_kernel_mode(e.v)))
		return false;
	rc = handlers[e.insn.kind].fn(&e);
	TRACE(TRC_PV_EMULATE_PRIVOP | TRC_64_FLAG, TRACE_64(regs->rip));
	if (rc == EMUL_DONE)
		finish(e.v, regs, e.insn.length);
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
	if (!pv_kernel_mode(v) && emul_cpuid_faults(v)) {
		regs->rip += 5;
		pv_inject(13, 0);
		return true;
	}
	write_cpuid(v, regs, pv_kernel_mode(v));
	finish(v, regs, sizeof(forced_cpuid));
	return true;
}
