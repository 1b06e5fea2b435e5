// SPDX-License-Identifier: MIT
// A granted frame in a PV guest's own page tables: by linear address, or by
// the machine address of the entry.
#include "grant/grant.h"
#include "mm/alloc.h"
#include "pv/l1.h"

struct place {
	struct page_info *pg; // locked L1 table
	u64 *entry;
};

// What pv->grant_key is for an address, and otherwise.
#define KEY(va)	  (((va) >> 21) + 1)
#define KEY_EMPTY (~0UL) // none yet
#define KEY_ALONE 0UL	 // no batch, nothing is kept

void grant_pv_batch(bool begins)
{
	current->pv->grant_key = begins ? KEY_EMPTY : KEY_ALONE;
}

// Neighbouring addresses are one after the other in a batch. Another vcpu may
// take the table away meanwhile: l1_lock() finds out whether it still is one,
// if for other addresses.
static u64 entry_of(u64 va)
{
	struct pv_vcpu *pv = current->pv;
	u64 maddr;

	if (KEY(va) == pv->grant_key)
		return pv->grant_l1 + pte_index(va, 1) * 8;
	maddr = l1_entry_of(current, va);
	if (maddr && pv->grant_key != KEY_ALONE) {
		pv->grant_key = KEY(va);
		pv->grant_l1 = maddr & PAGE_MASK;
	}
	return maddr;
}

static __forced_inline bool place_open(struct place *p, u64 host_addr,
				       u32 flags)
{
	u64 maddr = host_addr;

	if (!(flags & GNTMAP_contains_pte))
		maddr = entry_of(host_addr);
	else if (host_addr & 7)
		maddr = 0;
	p->pg = l1_lock(currd, maddr, &p->entry);
	if (unlikely(!p->pg) && current->pv->grant_key != KEY_ALONE)
		grant_pv_batch(true);
	return p->pg;
}

static u64 grant_entry(mfn_t frame, u32 flags)
{
	u64 e = PTE_P | PTE_A | PTE_D;
	u64 avail = flags >> _GNTMAP_guest_avail0;

	if (flags & GNTMAP_application_map)
		e |= PTE_U;
	if (!(flags & GNTMAP_readonly))
		e |= PTE_W;
	// The guest's own software bits of the entry.
	e |= (avail << 9 & PTE_AVAIL);
	return l1e_adjust(pte_make(frame, e), currd);
}

int grant_pv_map(u64 host_addr, mfn_t frame, u32 flags)
{
	struct place p;
	u64 old;

	if (!place_open(&p, host_addr, flags))
		return GNTST_general_error;
	if (!(flags & GNTMAP_readonly))
		page_mark_foreign(mfn_to_page(frame));
	old = READ_ONCE(*p.entry);
	WRITE_ONCE(*p.entry, grant_entry(frame, flags));
	// The mapping's references are the grant's; the old entry's go.
	if (unlikely(old))
		l1_put(old, currd);
	l1_unlock(p.pg, p.entry);
	return GNTST_okay;
}

// Takes the entry of new_addr over, if there is one, with its references.
int grant_pv_unmap(u64 host_addr, mfn_t frame, u32 flags, u64 new_addr)
{
	int rc = GNTST_general_error;
	struct place p;
	u64 new = 0, e;

	if (new_addr) {
		if (!place_open(&p, new_addr, 0))
			return rc;
		new = __atomic_exchange_n(p.entry, 0, __ATOMIC_SEQ_CST);
		l1_unlock(p.pg, p.entry);
	}
	if (place_open(&p, host_addr, flags)) {
		e = READ_ONCE(*p.entry);
		if (e & PTE_P && mfn_eq(pte_mfn(e), frame) &&
		    !(e & PTE_W) == !!(flags & GNTMAP_readonly)) {
			WRITE_ONCE(*p.entry, new);
			rc = GNTST_okay;
		}
		l1_unlock(p.pg, p.entry);
	}
	if (rc)
		l1_put(new, currd);
	return rc;
}
