// SPDX-License-Identifier: MIT
// A guest's page tables, as the rest of the hypervisor changes them.
#ifndef PV_TABLES_H
#define PV_TABLES_H

#include "dom/domain.h"
#include "mm/alloc.h"

// Reference and type of a frame of tables or segment descriptors, validated;
// -EINVAL, or -ERESTART when it stopped half way and the call is to be issued
// again (nothing held).
int table_get(struct domain *d, mfn_t m, u64 type);
// MMUEXT_(UN)PIN_TABLE.
int table_pin(struct domain *d, gfn_t gfn, u64 type);
int table_unpin(struct domain *d, gfn_t gfn);
// Changes an entry. pg is locked and of any table type; offset is
// the entry's in bytes, 8-aligned. `from` owns the frames that new L1 entries
// map. With keep_ad accessed and dirty bits of the old entry stay. With
// expected only when the entry still is that, else -EAGAIN. 0, -EINVAL,
// -EPERM, -EBUSY, -ERESTART (issue again).
int table_entry_set(struct page_info *pg, unsigned int offset, u64 entry,
		    bool keep_ad, const u64 *expected, struct domain *from);
// d's L1 table in which the entry at maddr is, locked (table_lock), and the entry;
// or that for va in the kernel tables of v, which runs. NULL: there is none.
struct page_info *l1_lock(const struct domain *d, u64 maddr, u64 **entry);
// l1_entry_of: where that is, found without a lock; 0: nowhere.
u64 l1_entry_of(const struct vcpu *v, u64 va);
struct page_info *l1_lock_va(const struct vcpu *v, u64 va, u64 **entry);
static inline void l1_unlock(struct page_info *pg, u64 *entry)
{
	unmap_frame(entry);
	page_unlock(pg);
}
// The hot case: an entry of owner's L1 table, which is locked, whatever it is.
int l1_replace(u64 *entry, u64 want, struct domain *owner, struct domain *from);

#endif
