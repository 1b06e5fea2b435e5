// SPDX-License-Identifier: MIT
// Hypercalls of 32-bit kernels whose arguments are others: 64-bit values in two
// registers, selectors beside entry points, structures of their own.
#include "access/access.h"
#include "call/call.h"
#include "pv/pv.h"

static u64 pair(u64 low, u64 high)
{
	return low | high << 32;
}

long call32_stack_switch(u64 ss, u64 sp, u64 a3, u64 a4, u64 a5)
{
	current->hot.kernel_ss = pv_selector(currd, ss);
	current->hot.kernel_sp = sp;
	return 0;
}

long call32_set_callbacks(u64 event_cs, u64 event, u64 failsafe_cs,
			  u64 failsafe, u64 a5)
{
	const struct callback_register r[] = {
		{ CALLBACKTYPE_event, 0, pv32_entry(currd, event_cs, event) },
		{ CALLBACKTYPE_failsafe, 0,
		  pv32_entry(currd, failsafe_cs, failsafe) },
	};

	callback_set(&r[0]);
	return callback_set(&r[1]);
}

long call32_callback_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct {
		u16 type, flags;
		u32 cs, eip;
	} r;

	if (cmd != CALLBACKOP_register)
		return call_callback_op(cmd, arg, 0, 0, 0);
	if (copy_struct_from_guest(&r, arg))
		return -EFAULT;
	// 64-bit kernels' only.
	if (r.type == CALLBACKTYPE_syscall)
		return -ENOSYS;
	return callback_set(&(struct callback_register){
		r.type, r.flags, pv32_entry(currd, r.cs, r.eip) });
}

// The kernel's flat code segment.
long call32_nmi_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	u32 x[2]; // address, padding

	if ((u32)cmd == XENNMI_unregister_callback)
		return nmi_register(0);
	if ((u32)cmd != XENNMI_register_callback)
		return -ENOSYS;
	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	return nmi_register(pv32_entry(currd, SEL_RING1_CS, x[0]));
}

long call32_update_descriptor(u64 maddr, u64 maddr_high, u64 desc,
			      u64 desc_high, u64 a5)
{
	return call_update_descriptor(pair(maddr, maddr_high),
				      pair(desc, desc_high), 0, 0, 0);
}

long call32_set_timer_op(u64 timeout, u64 timeout_high, u64 a3, u64 a4, u64 a5)
{
	return call_set_timer_op(pair(timeout, timeout_high), 0, 0, 0, 0);
}

// Nothing is left to settle when the common part begins, so that it has no
// reason to issue the call again, with its own arguments.
long call32_update_va_mapping(u64 va, u64 val, u64 val_high, u64 flags, u64 a5)
{
	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping, va, val,
				  val_high, flags);
	return call_update_va_mapping(va, pair(val, val_high), flags, 0, 0);
}

long call32_update_va_mapping_otherdomain(u64 va, u64 val, u64 val_high,
					  u64 flags, u64 domid)
{
	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping_otherdomain,
				  va, val, val_high, flags, domid);
	return call_update_va_mapping_otherdomain(va, pair(val, val_high),
						  flags, domid, 0);
}
