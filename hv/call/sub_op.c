// SPDX-License-Identifier: MIT
// Sub-operations of hypercalls, out of their tables.
#include "access/access.h"
#include "call/call.h"
#include "dom/domain.h"

static __noinline bool may_call(u32 flags)
{
	return (!(flags & SUB_HARDWARE) || currd->is_hardware) &&
	       (!(flags & SUB_CONTROL) || currd->is_control);
}

static __noinline long run_on_domain(const struct sub_op *op, struct sub *s,
				     void *arg)
{
	struct domain *d __domain_ref = domain_get_self_or(*(u16 *)arg);

	if (!d)
		return -ESRCH;
	if (!currd->is_control && (op->flags & SUB_MANAGED || d != currd))
		return -EPERM;
	s->d = d;
	return op->fn(s, arg);
}

long sub_op_run(const struct sub_op *op, struct sub *s)
{
	u64 arg[32]; // more than any size can be
	long rc;

	if (!op->fn)
		return -ENOSYS;
	if (op->flags & (SUB_HARDWARE | SUB_CONTROL) && !may_call(op->flags))
		return -EPERM;
	if (op->flags & SUB_SELF && s->v != current)
		return -EINVAL;
	if (op->size && compat_from_guest(op->layout32, arg, s->gva, op->size))
		return -EFAULT;
	s->copy_back = op->flags & SUB_OUT_ANY;
	rc = op->flags & (SUB_DOMAIN | SUB_MANAGED) ? run_on_domain(op, s, arg)
						    : op->fn(s, arg);
	if (!s->copy_back && (rc || !(op->flags & SUB_OUT)))
		return rc;
	return compat_to_guest(op->layout32, s->gva, arg, op->size) ? -EFAULT
								    : rc;
}

long sub_op_compat(u64 gva, u64 offset, u32 last, hypercall_t *call)
{
	u32 op;

	if (copy_struct_from_guest(&op, gva))
		return -EFAULT;
	return op <= last ? call(op, gva + offset, 0, 0, 0) : -ENOSYS;
}
