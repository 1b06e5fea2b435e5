// SPDX-License-Identifier: MIT
// Shared by the memory-management hypercalls.
#ifndef CALL_MMU_H
#define CALL_MMU_H

#include "call/call.h"
#include "dom/domain.h"

// The page-table page that a batch is at: its reference and its lock are
// taken once for neighbouring updates of the same page.
struct table_window {
	struct page_info *pg;
	u64 mfn;
	bool locked; // else a plain page, writable reference held
};

// A batch of structures in work, and the domains it concerns, referenced.
struct mmu_batch {
	struct domain *tables; // whose tables change; may be NULL
	struct domain *frames; // whose frames they map
	struct table_window window;
	union {
		struct mmu_update update;
		struct mmuext_op ext;
	};
};

struct mmu_batch_kind {
	u32 call, size; // its number, bytes of a structure
	int (*begin)(struct mmu_batch *b, u64 dom);
	int (*one)(struct mmu_batch *b);
};
// A whole hypercall: arguments as mmu_update and mmuext_op have them.
long mmu_batch_call(const struct mmu_batch_kind *k, u64 list, u64 ucount,
		    u64 updone, u64 dom);

// Owner of foreign frames by domid, DOMID_IO and DOMID_XEN too; a reference,
// or NULL.
struct domain *mmu_frames_owner(u16 domid);
// The CPUs on which the vcpus of a guest's bitmap may have translations.
int vcpu_bitmap_to_cpus(u64 gva, cpumask_t *out);

#endif
