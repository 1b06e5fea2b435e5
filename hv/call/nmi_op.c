// SPDX-License-Identifier: MIT
// nmi_op: where a vcpu takes NMIs; physical ones go to Dom0's first.
#include "access/access.h"
#include "call/call.h"
#include "pv/pv.h"
#include "x86/pte.h"

static long nmi_register(struct vcpu *v, u64 arg)
{
	struct xennmi_callback x;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	if (!va_canonical(x.handler_address))
		return -EINVAL;
	v->pv->nmi_address = x.handler_address;
	// One may have come before there was a handler.
	if (v->id == 0 && v->domain->is_hardware &&
	    READ_ONCE(v->domain->shared->arch.nmi_reason))
		__atomic_store_n(&v->nmi_pending, 1, __ATOMIC_SEQ_CST);
	return 0;
}

long call_nmi_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	switch ((u32)cmd) {
	case XENNMI_register_callback:
		return nmi_register(current, arg);
	case XENNMI_unregister_callback:
		current->pv->nmi_address = 0;
		return 0;
	default:
		return -ENOSYS;
	}
}
