// SPDX-License-Identifier: MIT
// Debug registers of PV guests: only guest addresses, no reserved bits, no
// general detect (AMD APM vol. 2, 13.1.1).
#include "access/access.h"
#include "lib/errno.h"
#include "pv/private.h"
#include "x86/insn.h"

#define DR7_ENABLED  0xffUL
#define DR7_RESERVED 0xffffffff0000d800UL
#define DR7_GD	     BIT(13)
#define DR7_ONE	     0x400UL
#define DR6_RESERVED 0xffffffff00001000UL
#define DR6_ONES     0xffff0ff0UL

static void (*const write_address[4])(u64) = { write_dr0, write_dr1, write_dr2,
					       write_dr3 };

void debugregs_load(struct vcpu *v)
{
	const struct pv_vcpu *pv = v->pv;

	if (!(pv->dr7 & DR7_ENABLED))
		return;
	for (unsigned int i = 0; i < 4; i++)
		write_address[i](pv->dr[i]);
	write_dr6(DR6_ONES);
	write_dr7(pv->dr7);
}

static int control_set(struct vcpu *v, u64 value)
{
	if (value >> 32)
		return -EINVAL;
	if (value & DR7_GD)
		return -EPERM;
	value = (value & ~DR7_RESERVED) | DR7_ONE;
	// Type 2 is I/O only with CR4.DE.
	for (unsigned int i = 0; i < 4; i++)
		if (value >> (2 * i) & 3 && (value >> (16 + 4 * i) & 3) == 2 &&
		    !(v->pv->cr4 & CR4_DE))
			return -EPERM;
	v->pv->dr7 = value;
	if (v != current)
		return 0;
	if (value & DR7_ENABLED)
		debugregs_load(v);
	else
		write_dr7(DR7_ONE);
	return 0;
}

unsigned int pv_debugreg_number(const struct vcpu *v, unsigned int n)
{
	if (n == 4 || n == 5)
		return v->pv->cr4 & CR4_DE ? 8 : n + 2;
	return n;
}

int pv_set_debugreg(struct vcpu *v, unsigned int reg, u64 value)
{
	struct pv_vcpu *pv = v->pv;

	reg = pv_debugreg_number(v, reg);
	switch (reg) {
	case 0 ... 3:
		if (!va_canonical(value) || !va_is_guest(value))
			return -EPERM;
		pv->dr[reg] = value;
		if (v == current && (pv->dr7 & DR7_ENABLED))
			write_address[reg](value);
		return 0;
	case 6:
		if (value >> 32)
			return -EINVAL;
		pv->dr6 = (value & ~DR6_RESERVED) | DR6_ONES;
		return 0;
	case 7:
		return control_set(v, value);
	default:
		return -ENODEV;
	}
}

u64 pv_get_debugreg(struct vcpu *v, unsigned int reg)
{
	const struct pv_vcpu *pv = v->pv;

	if (reg > 7)
		return 0;
	return reg < 4 ? pv->dr[reg] : reg & 1 ? pv->dr7 : pv->dr6;
}

int pv_set_iopl(struct vcpu *v, u32 iopl)
{
	if (iopl > 3)
		return -EINVAL;
	v->pv->iopl = iopl << 12;
	return 0;
}

int pv_set_iobitmap(struct vcpu *v, u64 gva, u32 ports)
{
	if (ports > 65536 || !access_ok(gva, ports / 8))
		return -EINVAL;
	v->pv->iobitmap = gva;
	v->pv->iobitmap_ports = ports;
	return 0;
}
