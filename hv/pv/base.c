// SPDX-License-Identifier: MIT
// Base tables, the two modes of a 64-bit guest, segment bases.
#include "lib/errno.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "pv/private.h"
#include "x86/tlb.h"

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

#define BASE32_ENTRY (PTE_P | PTE_W | PTE_U | PTE_A)

// User tables do not show the M2P to programs, unless they are the kernel's too.
static void m2p_show(mfn_t m, bool on)
{
	u64 *t = map_frame(m);

	t[SLOT_M2P] = on ? hv_l4[SLOT_M2P] : 0;
	unmap_frame(t);
}

int pv_new_base(struct vcpu *v, gfn_t gfn, bool user)
{
	u64 *cr3 = user ? &v->hot.cr3_user : &v->hot.cr3_kernel;
	u64 old = user ? *cr3 : pv_base(v);
	bool pv32 = v->hot.pv32;
	mfn_t m = mfn(gfn_val(gfn));
	int rc;

	// 0 stands for no tables.
	if (user ? pv32 : !mfn_val(m))
		return -EINVAL;
	if (mfn_val(m) == old >> PAGE_SHIFT) {
		if (!user && v == current)
			tlb_switch_cr3(*cr3);
		return 0;
	}
	if (mfn_val(m)) {
		rc = table_get(v->domain, m, pv32 ? PGT_L3 : PGT_L4);
		if (rc)
			return rc;
		if (!pv32)
			m2p_show(m, !user || mfn_to_maddr(m) == pv_base(v));
	}
	if (unlikely(pv32)) {
		WRITE_ONCE(v->pv->l4[0], pte_make(m, BASE32_ENTRY));
		m = virt_to_mfn(v->pv->l4);
	}
	*cr3 = mfn_to_maddr(m);
	if (unlikely(vcpu_isolated(v)) && v == current)
		isolation_forget();
	// Translations of old user tables go with the guest's own flush, as for
	// any entry it changes; before a frame is used anew, its stamp sees to
	// them.
	if (!user) {
		pv_clear_ldt(v);
		if (v == current && v->hot.mode_kernel)
			tlb_switch_cr3(*cr3);
	}
	if (old)
		table_put_deferred(mfn_to_page(maddr_to_mfn(old)));
	return 0;
}
