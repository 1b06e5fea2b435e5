// SPDX-License-Identifier: MIT
// Changing an entry of a table in use.
#ifndef PV_PGMOD_H
#define PV_PGMOD_H

#include "dom/domain.h"

// pg is locked (page_lock) and of any table type; offset is the entry's in
// bytes, 8-aligned. `from` owns the frames that new L1 entries map. With
// keep_ad accessed and dirty bits of the old entry stay. 0, -EINVAL, -EPERM,
// -EBUSY, -ERESTART (issue again).
int table_entry_set(struct page_info *pg, unsigned int offset, u64 entry,
		    bool keep_ad, struct vcpu *v, struct domain *from);
// The same, only when the entry still is *expected; else -EAGAIN.
int table_entry_cmpxchg(struct page_info *pg, unsigned int offset, u64 expected,
			u64 entry, struct vcpu *v);

// MMUEXT_(UN)PIN_TABLE.
int table_pin(struct domain *d, gfn_t gfn, u64 type);
int table_unpin(struct domain *d, gfn_t gfn);
// Machine address of the L1 entry for va in the kernel tables of v; 0: none.
u64 pv_l1e_maddr(const struct vcpu *v, u64 va);
// 0, or -ERESTART: an undo of this vcpu is still to be finished.
int pv_settle(struct vcpu *v);

#endif
