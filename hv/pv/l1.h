// SPDX-License-Identifier: MIT
// An entry of a guest's L1 table: what of it is the hypervisor's, and what it
// holds.
#ifndef PV_L1_H
#define PV_L1_H

#include "lib/errno.h"
#include "pv/private.h"

// Software state of entries as they stand in a validated table of a 64-bit
// guest: its kernel runs in ring 3, so every page is a user page; those that
// the guest meant for its user mode are global, to outlive a mode switch.
// 32-bit kernels run in ring 1: what they say of U and G stands.
static inline u64 l1e_adjust(u64 e, const struct domain *d)
{
	if (!(e & d->l1_adjusted))
		return e;
	if (!(e & PTE_U))
		return (e | PTE_U | PTE_KERNEL) & ~PTE_G;
	return e & PTE_KERNEL ? e & ~PTE_G : e | PTE_G;
}

// Device registers that the hardware domain may read but not write.
bool mmio_is_readonly(mfn_t m);
// What one present L1 entry holds. l1_get returns 0, 1 when the entry must lose
// its write bit (registers of ours that Dom0 may read), or an error; `owner` has
// the table, `from` the frame. l1_get_odd() is for what no reference was had for.
int l1_get_odd(u64 e, struct domain *owner, struct domain *from);
static inline int l1_get(u64 e, struct domain *owner, struct domain *from)
{
	struct page_info *pg = mfn_to_page(pte_mfn(e));
	int rc = 0;

	if (unlikely(e & (PTE_GNTTAB | PTE_CACHE) || from == dom_io ||
		     mfn_val(pte_mfn(e)) >= max_mfn ||
		     !page_get(pg, &from->account)))
		return l1_get_odd(e, owner, from);
	if (!(e & PTE_W))
		return 0;
	if (unlikely(!page_type_again(pg, PGT_WRITABLE) &&
		     page_write_first(pg)))
		rc = -EBUSY;
	if (unlikely(from != owner) && !rc)
		page_mark_foreign(pg);
	return rc;
}

void l1_put(u64 e, struct domain *owner);

#endif
