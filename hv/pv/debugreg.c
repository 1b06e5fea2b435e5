// SPDX-License-Identifier: MIT
// Debug registers of PV guests: only guest addresses, no reserved bits, no
// general detect (AMD APM vol. 2, 13.1.1).
#include "lib/errno.h"
#include "pv/private.h"

#define DR7_RESERVED 0xffffffff0000d800UL
#define DR7_GD	     BIT(13)
#define DR6_RESERVED 0xffffffff00001000UL

void debugregs_load(const struct vcpu *v)
{
	const u64 *dr = v->pv->dr;

	if (!(dr[7] & DR7_ENABLED))
		return;
	write_dr0(dr[0]);
	write_dr1(dr[1]);
	write_dr2(dr[2]);
	write_dr3(dr[3]);
	write_dr6(DR6_ONES);
	write_dr7(dr[7]);
}

// -EINVAL, -EPERM: what DR7 may not be.
static int control_check(const struct vcpu *v, u64 value)
{
	if (value >> 32)
		return -EINVAL;
	if (value & DR7_GD)
		return -EPERM;
	// Type 2 is I/O only with CR4.DE.
	for (unsigned int i = 0; i < 4; i++)
		if (value >> (2 * i) & 3 && (value >> (16 + 4 * i) & 3) == 2 &&
		    !(v->pv->cr4 & CR4_DE))
			return -EPERM;
	return 0;
}

// DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. 8: no register.
static unsigned int number(const struct vcpu *v, unsigned int n)
{
	if (n == 4 || n == 5)
		return v->pv->cr4 & CR4_DE ? 8 : n + 2;
	return MIN(n, 8u);
}

int pv_set_debugreg(struct vcpu *v, unsigned int reg, u64 value)
{
	u64 *dr = v->pv->dr;
	int rc;

	reg = number(v, reg);
	switch (reg) {
	case 0 ... 3:
		if (!va_is_guest(value))
			return -EPERM;
		dr[reg] = value;
		break;
	case 6:
		if (value >> 32)
			return -EINVAL;
		dr[6] = (value & ~DR6_RESERVED) | DR6_ONES;
		return 0;
	case 7:
		rc = control_check(v, value);
		if (rc)
			return rc;
		dr[7] = (value & ~DR7_RESERVED) | DR7_ONE;
		if (v == current)
			write_dr7(DR7_ONE);
		break;
	default:
		return -ENODEV;
	}
	if (v == current)
		debugregs_load(v);
	return 0;
}

bool pv_get_debugreg(const struct vcpu *v, unsigned int reg, u64 *value)
{
	reg = number(v, reg);
	if (reg < 8)
		*value = v->pv->dr[reg];
	return reg < 8;
}
