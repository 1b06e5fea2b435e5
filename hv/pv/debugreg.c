// SPDX-License-Identifier: MIT
// Debug registers of PV guests: only guest addresses, no reserved bits, no
// general detect (AMD APM vol. 2, 13.1.1).
#include "lib/errno.h"
#include "pv/private.h"
#include "x86/insn.h"

#define DR7_ENABLED  0xffUL
#define DR7_RESERVED 0xffffffff0000d800UL
#define DR7_GD	     BIT(13)
#define DR6_RESERVED 0xffffffff00001000UL
#define DR6_ONES     0xffff0ff0UL

static void address_write(unsigned int reg, u64 value)
{
	switch (reg) {
	case 0:
		write_dr0(value);
		break;
	case 1:
		write_dr1(value);
		break;
	case 2:
		write_dr2(value);
		break;
	default:
		write_dr3(value);
	}
}

void debugregs_load(struct vcpu *v)
{
	const struct pv_vcpu *pv = v->pv;

	if (!(pv->dr7 & DR7_ENABLED))
		return;
	for (unsigned int i = 0; i < 4; i++)
		address_write(i, pv->dr[i]);
	write_dr6(DR6_ONES);
	write_dr7(pv->dr7);
}

static int control_set(struct vcpu *v, u64 value)
{
	struct pv_vcpu *pv = v->pv;

	if (value >> 32)
		return -EINVAL;
	if (value & DR7_GD)
		return -EPERM;
	value = (value & ~DR7_RESERVED) | 0x400;
	// Type 2 is I/O only with CR4.DE.
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int type = value >> (16 + 4 * i) & 3;

		if (!(value >> (2 * i) & 3))
			continue;
		if (type == 2 && !(v->pv->cr4 & CR4_DE))
			return -EPERM;
	}
	pv->dr7 = value;
	if (v != current)
		return 0;
	if (value & DR7_ENABLED)
		debugregs_load(v);
	else
		write_dr7(0x400);
	return 0;
}

int pv_set_debugreg(struct vcpu *v, unsigned int reg, u64 value)
{
	struct pv_vcpu *pv = v->pv;

	switch (reg) {
	case 0 ... 3:
		if (!va_canonical(value) || !va_is_guest(value))
			return -EPERM;
		pv->dr[reg] = value;
		if (v == current && (pv->dr7 & DR7_ENABLED))
			address_write(reg, value);
		return 0;
	case 4:
		if (pv->cr4 & CR4_DE)
			return -ENODEV;
		fallthrough;
	case 6:
		if (value >> 32)
			return -EINVAL;
		pv->dr6 = (value & ~DR6_RESERVED) | DR6_ONES;
		return 0;
	case 5:
		if (pv->cr4 & CR4_DE)
			return -ENODEV;
		fallthrough;
	case 7:
		return control_set(v, value);
	default:
		return -ENODEV;
	}
}

u64 pv_get_debugreg(struct vcpu *v, unsigned int reg)
{
	const struct pv_vcpu *pv = v->pv;

	switch (reg) {
	case 0 ... 3:
		return pv->dr[reg];
	case 4:
	case 6:
		return pv->dr6;
	case 5:
	case 7:
		return pv->dr7;
	default:
		return 0;
	}
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
	if (ports > 65536)
		return -EINVAL;
	v->pv->iobitmap = gva;
	v->pv->iobitmap_ports = ports;
	return 0;
}
