// SPDX-License-Identifier: MIT
// Shared by the memory-management hypercalls.
#ifndef CALL_MMU_H
#define CALL_MMU_H

#include "dom/domain.h"

// In a count: the call goes on after a preemption (Xen 4.17's own bit, not in
// the public headers).
#define MMU_UPDATE_PREEMPTED (1u << 31)

// Owner of foreign frames by domid, DOMID_IO and DOMID_XEN too; a reference,
// or NULL.
struct domain *mmu_frames_owner(u16 domid);
// The CPUs on which the vcpus of a guest's bitmap may have translations.
int vcpu_bitmap_to_cpus(u64 gva, cpumask_t *out);

#endif
