// SPDX-License-Identifier: MIT
// vm_assist: help that a guest asks for; who gives it looks at d->vm_assist.
#include "call/call.h"
#include "dom/domain.h"

// All that a PV guest may switch; the ones for 32-bit kernels do nothing.
#define ASSISTS                                 \
	(BIT(VMASST_TYPE_4gb_segments) |        \
	 BIT(VMASST_TYPE_4gb_segments_notify) | \
	 BIT(VMASST_TYPE_writable_pagetables) | \
	 BIT(VMASST_TYPE_pae_extended_cr3) |    \
	 BIT(VMASST_TYPE_architectural_iopl) |  \
	 BIT(VMASST_TYPE_runstate_update_flag) | BIT(VMASST_TYPE_m2p_strict))

long call_vm_assist(u64 cmd, u64 type, u64 a3, u64 a4, u64 a5)
{
	u64 *word = &currd->vm_assist;
	u32 bit = (u32)type;

	if (bit >= 64 || !(ASSISTS >> bit & 1))
		return -EINVAL;
	switch ((u32)cmd) {
	case VMASST_CMD_enable:
		__atomic_fetch_or(word, BIT(bit), __ATOMIC_SEQ_CST);
		return 0;
	case VMASST_CMD_disable:
		__atomic_fetch_and(word, ~BIT(bit), __ATOMIC_SEQ_CST);
		return 0;
	default:
		return -ENOSYS;
	}
}
