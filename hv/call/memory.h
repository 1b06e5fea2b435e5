// SPDX-License-Identifier: MIT
// memory_op between its files, and the memory maps that guests are told.
#ifndef CALL_MEMORY_H
#define CALL_MEMORY_H

#include "call/call.h"
#include "dom/domain.h"

// As BIOS int 0x15, EAX 0xe820 has it.
struct e820_entry {
	u64 start, size;
	u32 type;
} __packed;

#define E820_ENTRIES 128

// In a command: the sub-operation, and above it the extents that are done.
#define OP_SHIFT 6
#define OP_MASK	 ((1u << OP_SHIFT) - 1)

// The machine's map as Dom0 is told; boot/ fills it.
struct e820_host {
	u32 n;
	struct e820_entry entry[E820_ENTRIES];
};
extern struct e820_host e820_host;

// A domain's map, set by the tools.
struct memory_map {
	u32 n;
	struct e820_entry entry[];
};

// Boot: gives the M2P's frames to dom_xen, so that tools may map them.
void m2p_share(void);

// All but the operations that give memory or take it; start: progress of an
// earlier round.
long memory_other(unsigned int op, u64 start, u64 arg);
long memory_exchange(struct sub *s, struct xen_memory_exchange *x);

// The domain of an operation that current may do to it: 0, -ESRCH, -EPERM.
// *out is a reference, or NULL, in any case (__domain_ref).
int memory_target(u16 domid, struct domain **out);
// Largest extent that current may ask for.
unsigned int memory_max_order(void);

// Bits of an address that d's frames may have, where it asked for `width`: the
// M2P that a 32-bit kernel sees has room for no more.
unsigned int memory_width(const struct domain *d, unsigned int width);
// 2^order frames for d, whose M2P entries are set from pfn on (M2P_INVALID:
// are made invalid). NULL: no memory, over its maximum, dying.
struct page_info *extent_alloc(struct domain *d, unsigned int order,
			       unsigned int width, u64 pfn);
int extent_assign(struct domain *d, struct page_info *pg, unsigned int order,
		  u64 pfn);

#endif
