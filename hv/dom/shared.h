// SPDX-License-Identifier: MIT
// Where the pages shared with a guest have what its width decides (public
// headers xen.h and foreign/x86_32.h).
#ifndef DOM_SHARED_H
#define DOM_SHARED_H

#include "dom/domain.h"
#include <xen/foreign/x86_32.h>

#define shared_info32(d) ((struct shared_info_x86_32 *)(d)->shared)
#define vcpu_info32(v)	 ((struct vcpu_info_x86_32 *)(v)->info)

#define SAME_PLACE(field)                                    \
	(offsetof(struct vcpu_info, field) ==                \
		 offsetof(struct vcpu_info_x86_32, field) && \
	 sizeof(struct vcpu_info) == sizeof(struct vcpu_info_x86_32))
_Static_assert(SAME_PLACE(evtchn_upcall_pending), "one place");
_Static_assert(SAME_PLACE(evtchn_upcall_mask), "one place");
_Static_assert(SAME_PLACE(time), "one place");
_Static_assert(offsetof(struct shared_info, evtchn_pending) ==
		       offsetof(struct shared_info_x86_32, evtchn_pending),
	       "one place");
_Static_assert(offsetof(struct shared_info_x86_32, evtchn_mask) % 8 == 0,
	       "bitmaps are worked on by 64 bits");
_Static_assert(offsetof(struct vcpu_info_x86_32, evtchn_pending_sel) == 4,
	       "upper half of the first 64 bits");

// Ports of the 2-level ABI.
static inline u32 shared_ports(const struct domain *d)
{
	return d->pv32 ? 32 * 32 : EVTCHN_2L_NR_CHANNELS;
}

// 32-bit kernels: mask bits, the word with the bit that says where port is
// pending, and that bit.
static inline u64 *shared_mask32(const struct domain *d)
{
	return (u64 *)shared_info32(d)->evtchn_mask;
}

static inline u64 *vcpu_selector32(const struct vcpu *v, u32 port, u32 *bit)
{
	u64 at = (u64)&vcpu_info32(v)->evtchn_pending_sel;

	// Its half of 64 aligned bits: the structure may begin at any word.
	*bit = (at & 4) * 8 + port / 32;
	return (u64 *)(at & ~7UL);
}

static inline void vcpu_select_all(struct vcpu *v)
{
	if (v->domain->pv32)
		__atomic_store_n(&vcpu_info32(v)->evtchn_pending_sel, ~0u,
				 __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&v->info->evtchn_pending_sel, ~0UL,
				 __ATOMIC_SEQ_CST);
}

static inline u64 vcpu_cr2(const struct vcpu *v)
{
	return v->hot.pv32 ? vcpu_info32(v)->arch.cr2 : v->info->arch.cr2;
}

static inline void vcpu_cr2_set(struct vcpu *v, u64 cr2)
{
	if (unlikely(v->hot.pv32))
		vcpu_info32(v)->arch.cr2 = (u32)cr2;
	else
		v->info->arch.cr2 = cr2;
}

static inline u64 shared_max_pfn(const struct domain *d)
{
	return d->pv32 ? READ_ONCE(shared_info32(d)->arch.max_pfn)
		       : READ_ONCE(d->shared->arch.max_pfn);
}

static inline u64 shared_nmi_reason(const struct domain *d)
{
	return d->pv32 ? READ_ONCE(shared_info32(d)->arch.nmi_reason)
		       : READ_ONCE(d->shared->arch.nmi_reason);
}

#endif
