// SPDX-License-Identifier: MIT
// Grant tables (public header grant_table.h), v1 and v2. Operations are the
// current domain's, take structures that were copied in, and return their status
// (GNTST_*).
#ifndef GRANT_GRANT_H
#define GRANT_GRANT_H

#include "dom/domain.h"

extern const struct domain_unit grant_unit;

// domctl/acquire_resource and tools: the shared or status frame, growing the
// table as needed; 0 or -EINVAL.
int grant_frame_get(struct domain *d, u32 idx, bool status, mfn_t *out);
int grant_map(struct gnttab_map_grant_ref *op);
int grant_copy(struct gnttab_copy *op);
int grant_transfer(struct gnttab_transfer *op);
int grant_swap(struct gnttab_swap_grant_ref *op);

// Unmapping has two halves, so that one TLB flush serves a batch: begin for
// each operation, grant_unmap_flush(), end for each.
struct grant_unmap {
	struct domain *owner; // NULL: nothing is to be done
	struct grant_mapping *mapping;
	struct page_info *page;
	u32 handle, ref;
	u8 parts;
	bool write;
};
// Addresses as the caller gave them, 0: none. GNTST_*.
int grant_unmap_begin(struct grant_unmap *u, u32 handle, u64 host_addr,
		      u64 dev_addr, u64 new_addr);
void grant_unmap_flush(void);
void grant_unmap_end(struct grant_unmap *u); // also after a failed begin

// d is who the caller named and may control. GNTST_*.
int grant_setup(struct domain *d, u32 frames);
int grant_status_check(struct domain *d, u32 frames);
// Machine frame of one of those frames.
u64 grant_frame_number(struct domain *d, u32 idx, bool status);
struct grant_size {
	u32 frames, max_frames; // shared ones: those it has, those it may have
	u32 version;
};
struct grant_size grant_size(const struct domain *d);
// Of the current domain: 0, -EINVAL, -EBUSY, -ERANGE, -ENOMEM.
int grant_set_version(u32 version);

// The guest kind's part of mapping a grant by address, above this room:
// pv/grant_map.c. The frame's references are taken beforehand. Return GNTST_*.
// host_addr: linear address, or machine address of the PTE with
// GNTMAP_contains_pte; flags: GNTMAP_*.
int grant_pv_map(u64 host_addr, mfn_t frame, u32 flags);
// Removes the mapping if it maps `frame`; new_addr != 0: takes over the mapping
// of that linear address (unmap_and_replace).
int grant_pv_unmap(u64 host_addr, mfn_t frame, u32 flags, u64 new_addr);
// Several operations begin, or are through.
void grant_pv_batch(bool begins);

#endif
