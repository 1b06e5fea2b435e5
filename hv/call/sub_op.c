// SPDX-License-Identifier: MIT
// Sub-operations of hypercalls, out of their tables.
#include "access/access.h"
#include "call/call.h"
#include "dom/domain.h"

long sub_op_run(const struct sub_op *op, u64 gva)
{
	u64 arg[32]; // more than any size can be
	bool out;
	long rc;

	if (!op->fn)
		return -ENOSYS;
	if ((op->flags & SUB_HARDWARE && !currd->is_hardware) ||
	    (op->flags & SUB_CONTROL && !currd->is_control))
		return -EPERM;
	if (op->size && copy_from_guest(arg, gva, op->size))
		return -EFAULT;
	rc = op->fn(arg);
	// -ENFILE has the right number of vectors with it.
	out = op->flags & SUB_OUT_ANY ||
	      (op->flags & SUB_OUT && (!rc || rc == -ENFILE));
	return out && copy_to_guest(gva, arg, op->size) ? -EFAULT : rc;
}

long sub_op_call(const struct sub_op *ops, u32 n, u64 nr, u64 gva)
{
	nr = (u32)nr;
	return nr < n ? sub_op_run(&ops[index_nospec(nr, n)], gva) : -ENOSYS;
}
