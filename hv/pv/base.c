// SPDX-License-Identifier: MIT
// Base tables, the two modes of a 64-bit guest, segment bases.
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/pgmod.h"
#include "pv/private.h"
#include "x86/cpuid.h"
#include "x86/desc.h"
#include "x86/insn.h"
#include "x86/segment.h"
#include "x86/tlb.h"

u64 pv_fs_base(void)
{
	return cpu_has(FSGSBASE) ? rdfsbase() : rdmsr(MSR_FS_BASE);
}

u64 pv_gs_base(void)
{
	return cpu_has(FSGSBASE) ? rdgsbase() : rdmsr(MSR_GS_BASE);
}

// Both: base is canonical.
void pv_set_fs_base(u64 base)
{
	if (cpu_has(FSGSBASE))
		wrfsbase(base);
	else
		wrmsr(MSR_FS_BASE, base);
}

void pv_set_gs_base(u64 base)
{
	if (cpu_has(FSGSBASE))
		wrgsbase(base);
	else
		wrmsr(MSR_GS_BASE, base);
}

void pv_set_gs_base_other(struct vcpu *v, u64 base)
{
	if (pv_kernel_mode(v))
		v->pv->gs_base_user = base;
	else
		v->pv->gs_base_kernel = base;
}

// Kernel and user see their own GS base and tables. Global entries are the
// guest's user pages only, the same in both views: they may stay in the TLB.
void pv_toggle_mode(struct vcpu *v)
{
	u64 gs = pv_gs_base();

	if (v->hot.mode_kernel) {
		v->pv->gs_base_kernel = gs;
		pv_set_gs_base(v->pv->gs_base_user);
		v->hot.mode_kernel = 0;
		write_cr3(v->hot.cr3_user);
	} else {
		v->pv->gs_base_user = gs;
		pv_set_gs_base(v->pv->gs_base_kernel);
		v->hot.mode_kernel = 1;
		write_cr3(v->hot.cr3_kernel);
	}
}

bool pv_kernel_view_begin(struct vcpu *v)
{
	if (!v->hot.cr3_kernel)
		return false;
	if (!v->hot.mode_kernel)
		write_cr3(v->hot.cr3_kernel);
	return true;
}

void pv_kernel_view_end(struct vcpu *v)
{
	if (!v->hot.mode_kernel)
		write_cr3(v->hot.cr3_user);
}

// User tables do not show the M2P to programs.
static void m2p_show(const struct vcpu *v, mfn_t m, bool on)
{
	u64 *t = map_frame(m);

	t[SLOT_M2P] = on ? v->domain->pv->m2p_slot : 0;
	unmap_frame(t);
}

int pv_new_base(struct vcpu *v, gfn_t gfn)
{
	mfn_t m = mfn(gfn_val(gfn));
	u64 old = v->pv->kernel_mfn;
	int rc;

	// 0 stands for no tables in our own records.
	if (!mfn_val(m))
		return -EINVAL;
	if (old == mfn_val(m)) {
		if (v == current)
			tlb_switch_cr3(v->hot.cr3_kernel);
		return 0;
	}
	rc = table_get(v->domain, m, PGT_L4, false);
	if (rc == -EAGAIN)
		rc = -ERESTART;
	if (rc)
		return rc;
	m2p_show(v, m, true);
	pv_clear_ldt(v);
	v->pv->kernel_mfn = mfn_val(m);
	v->hot.cr3_kernel = mfn_to_maddr(m);
	if (v == current && v->hot.mode_kernel)
		tlb_switch_cr3(v->hot.cr3_kernel);
	if (old)
		table_put_deferred(mfn_to_page(mfn(old)));
	return 0;
}

int pv_new_user_base(struct vcpu *v, gfn_t gfn)
{
	mfn_t m = mfn(gfn_val(gfn));
	u64 old = v->pv->user_mfn;
	int rc;

	if (mfn_val(m) && old != mfn_val(m)) {
		rc = table_get(v->domain, m, PGT_L4, false);
		if (rc == -EAGAIN)
			rc = -ERESTART;
		if (rc)
			return rc;
		m2p_show(v, m, false);
	}
	if (old == mfn_val(m))
		return 0;
	v->pv->user_mfn = mfn_val(m);
	v->hot.cr3_user = mfn_to_maddr(m);
	// Translations of the old one go with the guest's own flush, as for any
	// entry it changes; before a frame is used anew, its stamp sees to them.
	if (old)
		table_put_deferred(mfn_to_page(mfn(old)));
	return 0;
}
