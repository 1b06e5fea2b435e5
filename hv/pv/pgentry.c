// SPDX-License-Identifier: MIT
// References that one present L1 entry of a guest holds.
#include "lib/errno.h"
#include "pci/pci.h"
#include "pv/l1.h"
#include "x86/platform.h"

bool mmio_is_readonly(mfn_t m)
{
	for (u32 i = 0; i < platform.nr_ioapics; i++)
		if (mfn_eq(m, maddr_to_mfn(platform.ioapic[i].maddr)))
			return true;
	// The HPET is read by firmware's methods; its registers are ours.
	return pci_mfn_is_readonly(m) ||
	       (platform.hpet_maddr &&
		mfn_eq(m, maddr_to_mfn(platform.hpet_maddr)));
}

static int mmio_get(u64 e, struct domain *owner, struct domain *from)
{
	u64 m = mfn_val(pte_mfn(e));

	if (from == dom_io)
		from = currd;
	// The highest number stands for no frame.
	if (!rangeset_has(&from->rights[RIGHT_MEM], m, m))
		return m == PTE_ADDR >> PAGE_SHIFT ? -EINVAL : -EPERM;
	if (from != owner && !rangeset_has(&owner->rights[RIGHT_MEM], m, m))
		return -EPERM;
	if ((e & PTE_W) && mmio_is_readonly(pte_mfn(e)))
		return 1;
	return 0;
}

static bool is_ram(mfn_t m)
{
	return mfn_valid(m) && page_owner(mfn_to_page(m)) != &dom_io->account;
}

int l1_get_odd(u64 e, struct domain *owner, struct domain *from)
{
	if (e & PTE_GNTTAB)
		return -EINVAL;
	if (!is_ram(pte_mfn(e)))
		return mmio_get(e, owner, from);
	// RAM is mapped write-back only: two mappings of one frame with
	// different attributes would not be coherent.
	return e & PTE_CACHE ? -EINVAL : -EBUSY;
}

void l1_put(u64 e, struct domain *owner)
{
	struct page_info *pg = mfn_to_page(pte_mfn(e));
	struct vcpu *v;
	u64 type;

	if (!(e & PTE_P))
		return;
	// RAM that is mapped has an owner.
	if (mfn_val(pte_mfn(e)) >= max_mfn || !pg->owner ||
	    page_is_of(pg, &dom_io->account)) {
		ASSERT(!is_ram(pte_mfn(e)));
		return;
	}
	if (e & PTE_W) {
		page_put_writable(pg);
		return;
	}
	// A segment-descriptor page may stand in an LDT window only while
	// its owner still has it mapped.
	type = READ_ONCE(pg->type);
	if ((type & PGT_TYPE) == PGT_SEGDESC && type & PGT_COUNT &&
	    page_owner(pg) == &owner->account)
		for_each_vcpu(owner, v)
			pv_clear_ldt(v);
	page_put(pg);
}
