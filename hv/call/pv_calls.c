// SPDX-License-Identifier: MIT
// The PV guest's own processor state: traps, callbacks, descriptors, segment
// bases, debug registers, assistance (public headers xen.h, arch-x86/xen*.h,
// callback.h, nmi.h).
#include "access/access.h"
#include "call/call.h"
#include "dom/shared.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pv.h"
#include "pv/tables.h"
#include "x86/desc.h"
#include "x86/insn.h"
#include "x86/pte.h"
#include "x86/segment.h"
#include "x86/tlb.h"

long call_set_trap_table(u64 list, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct trap_info *traps = current->pv->traps, t;
	bool pv32 = currd->pv32;

	if (!list) {
		memset(traps, 0, 256 * sizeof(*traps));
		return 0;
	}
	// At most one entry a vector, and the end mark.
	for (unsigned int i = 0;; i++) {
		if (i && preempt_check())
			return call_again(__HYPERVISOR_set_trap_table, list);
		if (pv32 ? trap32_from_guest(&t, list)
			 : copy_struct_from_guest(&t, list))
			return -EFAULT;
		if (!t.address)
			return 0;
		if (!pv_entry_ok(currd, t.address))
			return -EINVAL;
		t.cs = pv_selector(currd, t.cs);
		traps[t.vector] = t;
		list += pv32 ? sizeof(struct trap_info_x86_32) : sizeof(t);
	}
}

long call_set_gdt(u64 list, u64 entries, u64 a3, u64 a4, u64 a5)
{
	u64 frames[PV_GDT_FRAMES] = { 0 };
	unsigned int n = (unsigned int)((entries + 511) / 512);
	int rc;

	if (entries > PV_GDT_FRAMES * 512)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++)
		if (pfn_from_guest(&frames[i], list, i))
			return -EFAULT;
	rc = pv_set_gdt(current, frames, (unsigned int)entries);
	if (!rc) {
		tlb_flush_local();
		gdt_load(PERDOM_GDT(current->id));
	}
	return rc;
}

long call_stack_switch(u64 ss, u64 sp, u64 a3, u64 a4, u64 a5)
{
	current->hot.kernel_ss = ss | 3;
	current->hot.kernel_sp = sp;
	return 0;
}

long call_fpu_taskswitch(u64 set, u64 a2, u64 a3, u64 a4, u64 a5)
{
	irq_disable();
	pv_set_ts(current, (u32)set);
	irq_enable();
	return 0;
}

long call_set_debugreg(u64 reg, u64 value, u64 a3, u64 a4, u64 a5)
{
	int rc;

	irq_disable();
	rc = pv_set_debugreg(current, (unsigned int)reg, value);
	irq_enable();
	return rc;
}

long call_get_debugreg(u64 reg, u64 a2, u64 a3, u64 a4, u64 a5)
{
	u64 value;

	return pv_get_debugreg(current, (unsigned int)reg, &value) ? (long)value
								   : -ENODEV;
}

// maddr: machine address of the descriptor, 8-aligned, in a page that is a
// descriptor page or one that the guest could write itself.
long call_update_descriptor(u64 maddr, u64 desc, u64 a3, u64 a4, u64 a5)
{
	mfn_t m = maddr_to_mfn(maddr);
	struct page_info *pg;
	int rc;
	u64 *t;

	if ((maddr & 7) || !pv_descriptor_check(&desc, currd->pv32))
		return -EINVAL;
	pg = frame_get(m, &currd->account);
	if (!pg)
		return -EINVAL;
	rc = (READ_ONCE(pg->type) & PGT_TYPE) == PGT_SEGDESC
		     ? table_get(currd, m, PGT_SEGDESC)
		     : page_get_writable(pg, &currd->account);
	if (!rc) {
		t = map_frame(m);
		WRITE_ONCE(t[(maddr & ~PAGE_MASK) / 8], desc);
		unmap_frame(t);
		page_put_writable(pg); // either type: count and reference
	}
	page_put(pg);
	return rc ? -EINVAL : 0;
}

long call_set_segment_base(u64 which, u64 base, u64 a3, u64 a4, u64 a5)
{
	struct vcpu *v = current;
	u64 mine;

	if (which != SEGBASE_GS_USER_SEL && !va_canonical(base))
		return -EINVAL;
	switch (which) {
	case SEGBASE_FS:
		write_fs_base(base);
		return 0;
	case SEGBASE_GS_USER:
		*pv_gs_base_other(v) = base;
		return 0;
	case SEGBASE_GS_KERNEL:
		write_gs_base(base);
		return 0;
	case SEGBASE_GS_USER_SEL:
		// The selector is one register for both modes; its base is the
		// user's, and the kernel keeps its own.
		irq_disable();
		mine = read_gs_base();
		if (!load_gs((u16)base))
			base = 0;
		*pv_gs_base_other(v) = read_gs_base();
		write_gs_base(mine);
		irq_enable();
		return 0;
	default:
		return -EINVAL;
	}
}

// The trap table's entry. Physical NMIs go to Dom0's first vcpu. 0: no handler.
long nmi_register(u64 address)
{
	struct vcpu *v = current;

	if (!pv_entry_ok(v->domain, address))
		return -EINVAL;
	v->pv->traps[2] = (struct trap_info){
		.vector = 2,
		.cs = FLAT_KERNEL_CS,
		.address = address,
	};
	// One may have come before there was a handler.
	if (address && v->id == 0 && v->domain->is_hardware &&
	    shared_nmi_reason(v->domain))
		__atomic_store_n(&v->hot.nmi_pending, 1, __ATOMIC_SEQ_CST);
	return 0;
}

long call_nmi_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct xennmi_callback x = { 0 };

	if ((u32)cmd == XENNMI_register_callback) {
		if (copy_struct_from_guest(&x, arg))
			return -EFAULT;
	} else if ((u32)cmd != XENNMI_unregister_callback) {
		return -ENOSYS;
	}
	return nmi_register(x.handler_address);
}

long callback_set(const struct callback_register *r)
{
	struct vcpu_hot *h = &current->hot;
	u64 *const slots[] = {
		[CALLBACKTYPE_event] = &h->event_cb,
		[CALLBACKTYPE_failsafe] = &h->failsafe_cb,
		[CALLBACKTYPE_syscall] = &h->syscall_cb,
		[CALLBACKTYPE_sysenter] = &h->sysenter_cb,
		[CALLBACKTYPE_syscall32] = &h->syscall32_cb,
	};
	static const u8 flags[ARRAY_SIZE(slots)] = {
		[CALLBACKTYPE_failsafe] = CB_FAILSAFE_MASKS_EVENTS,
		[CALLBACKTYPE_syscall] = CB_SYSCALL_MASKS_EVENTS,
		[CALLBACKTYPE_sysenter] = CB_SYSENTER_MASKS_EVENTS,
		[CALLBACKTYPE_syscall32] = CB_SYSCALL32_MASKS_EVENTS,
	};
	u64 type = index_nospec(r->type, ARRAY_SIZE(slots));

	if (!pv_entry_ok(currd, r->address))
		return -EINVAL;
	if (r->type == CALLBACKTYPE_nmi)
		return current->id ? -EINVAL : nmi_register(r->address);
	if (r->type >= ARRAY_SIZE(slots) || !slots[type])
		return -ENOSYS;
	SPIN_GUARD(&currd->lock);
	*slots[type] = r->address;
	h->cb_flags &= ~flags[type];
	if (r->flags & CALLBACKF_mask_events)
		h->cb_flags |= flags[type];
	pv_short_cuts(currd);
	return 0;
}

static long callback_unset(const struct callback_unregister *r)
{
	switch (r->type) {
	case CALLBACKTYPE_event:
	case CALLBACKTYPE_failsafe:
	case CALLBACKTYPE_syscall:
	case CALLBACKTYPE_sysenter:
	case CALLBACKTYPE_syscall32:
		return -EINVAL;
	case CALLBACKTYPE_nmi:
		return nmi_register(0);
	default:
		return -ENOSYS;
	}
}

long call_callback_op(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	struct callback_register r;
	struct callback_unregister u;

	switch (cmd) {
	case CALLBACKOP_register:
		if (copy_struct_from_guest(&r, arg))
			return -EFAULT;
		return callback_set(&r);
	case CALLBACKOP_unregister:
		if (copy_struct_from_guest(&u, arg))
			return -EFAULT;
		return callback_unset(&u);
	default:
		return -ENOSYS;
	}
}

long call_set_callbacks(u64 event, u64 failsafe, u64 syscall_, u64 a4, u64 a5)
{
	const struct callback_register r[] = {
		{ CALLBACKTYPE_event, 0, event },
		{ CALLBACKTYPE_failsafe, 0, failsafe },
		{ CALLBACKTYPE_syscall, 0, syscall_ },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++)
		callback_set(&r[i]);
	return 0;
}

long call_vm_assist(u64 cmd, u64 type, u64 a3, u64 a4, u64 a5)
{
	u64 *word = &currd->vm_assist;
	u32 bit = (u32)type;

	if (bit >= 64 || !(PV_ASSISTS >> bit & 1))
		return -EINVAL;
	SPIN_GUARD(&currd->lock);
	switch ((u32)cmd) {
	case VMASST_CMD_enable:
		__atomic_fetch_or(word, BIT(bit), __ATOMIC_SEQ_CST);
		break;
	case VMASST_CMD_disable:
		__atomic_fetch_and(word, ~BIT(bit), __ATOMIC_SEQ_CST);
		break;
	default:
		return -ENOSYS;
	}
	pv_short_cuts(currd);
	return 0;
}
