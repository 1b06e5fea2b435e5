// SPDX-License-Identifier: MIT
// A granted frame in a PV guest's own page tables: by linear address, or by
// the machine address of the entry.
#include "grant/grant.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"

struct place {
	struct page_info *pg; // locked L1 table, reference held
	u64 *entry;
	void *mapped;
};

static void place_close(struct place *p)
{
	unmap_frame(p->mapped);
	page_unlock(p->pg);
	page_put(p->pg);
}

static int place_open(struct place *p, u64 maddr)
{
	mfn_t m = maddr_to_mfn(maddr);

	if (!maddr || (maddr & 7) || !mfn_valid(m))
		return -EINVAL;
	p->pg = mfn_to_page(m);
	if (!page_get(p->pg, &currd->account))
		return -EINVAL;
	if (!page_lock(p->pg)) {
		page_put(p->pg);
		return -EINVAL;
	}
	if ((p->pg->type & PGT_TYPE) != PGT_L1) {
		page_unlock(p->pg);
		page_put(p->pg);
		return -EINVAL;
	}
	p->mapped = map_frame(m);
	p->entry = (u64 *)p->mapped + (maddr & ~PAGE_MASK) / 8;
	return 0;
}

static int place_of(struct place *p, u64 host_addr, u32 flags)
{
	if (flags & GNTMAP_contains_pte)
		return place_open(p, host_addr);
	return place_open(p, guest_l1e_maddr(current, host_addr));
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
	return l1e_adjust(pte_make(frame, e));
}

static int map(u64 host_addr, mfn_t frame, u32 flags)
{
	struct place p;
	u64 old;

	if (place_of(&p, host_addr, flags))
		return GNTST_general_error;
	if (!(flags & GNTMAP_readonly))
		page_mark_foreign(mfn_to_page(frame));
	old = READ_ONCE(*p.entry);
	WRITE_ONCE(*p.entry, grant_entry(frame, flags));
	// The mapping's references are the grant's; the old entry's go.
	l1_put(old, currd);
	place_close(&p);
	return GNTST_okay;
}

// Takes the entry of new_addr over, together with its references.
static int entry_steal(u64 new_addr, u64 *out)
{
	struct place p;

	*out = 0;
	if (!new_addr)
		return GNTST_okay;
	if (place_of(&p, new_addr, 0))
		return GNTST_general_error;
	*out = __atomic_exchange_n(p.entry, 0, __ATOMIC_SEQ_CST);
	place_close(&p);
	return GNTST_okay;
}

static int unmap(u64 host_addr, mfn_t frame, u32 flags, u64 new_addr)
{
	struct place p;
	u64 new = 0, e;
	int rc = GNTST_okay;

	if (new_addr) {
		rc = entry_steal(new_addr, &new);
		if (rc)
			return rc;
	}
	if (place_of(&p, host_addr, flags)) {
		l1_put(new, currd);
		return GNTST_general_error;
	}
	e = READ_ONCE(*p.entry);
	if (!(e & PTE_P) || mfn_val(pte_mfn(e)) != mfn_val(frame) ||
	    !(e & PTE_W) != !!(flags & GNTMAP_readonly))
		rc = GNTST_general_error;
	else
		WRITE_ONCE(*p.entry, new);
	place_close(&p);
	if (rc)
		l1_put(new, currd);
	return rc;
}

static const struct grant_pv_ops ops = { map, unmap };
const struct grant_pv_ops *grant_pv_ops = &ops;
