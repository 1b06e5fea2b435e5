// SPDX-License-Identifier: MIT
#ifndef BOOT_DOM0_H
#define BOOT_DOM0_H

#include "dom/domain.h"

// Virtual addresses, and frame numbers of the domain (pfn).
struct dom0_layout {
	u64 base, end; // the mapped region; base is pfn 0
	u64 initrd;    // when mapped
	u64 p2m, p2m_bytes;
	u64 start_info, tables, nr_tables, stack;
	u64 p2m_pfn, p2m_frames; // list and its tables outside of the region
	u64 initrd_pfn;
	u64 frames; // all of the above
	u64 mfn;    // of pfn 0
	bool initrd_mapped, p2m_outside;
};

// What the hardware domain may reach: everything but what the hypervisor
// drives itself.
void dom0_permissions(struct domain *d);

#endif
