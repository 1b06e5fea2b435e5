// SPDX-License-Identifier: MIT
// 32-bit callers: their structures made into those of 64 bits and back. Their
// pointers are zero-extended and what lies behind 4 GiB is not mapped for them,
// so that the copies of access/ check them as they check all others.
#ifndef CALL_COMPAT_H
#define CALL_COMPAT_H

#include "access/access.h"
#include "dom/domain.h"

// Structures as sequences of fields: a digit is a field of so many bytes, l one
// of unsigned long, a frame number or a pointer, K 1 KiB of text; | begins a
// structure inside of it.
#define LAYOUTS32(X)                 \
	X(long, "l")                 \
	X(long_int, "l4")            \
	X(int_long, "4l")            \
	X(domain_long, "2l")         \
	X(longs, "lll")              \
	X(apic, "l44")               \
	X(memtype, "4l84")           \
	X(map_pirq, "24444448")      \
	X(poll, "l48")               \
	X(runstate, "488888")        \
	X(timer, "84")               \
	X(reservation, "ll442")      \
	X(exchange, "ll442|ll442|l") \
	X(mfn_list, "4l4")           \
	X(foreign_map, "2|4l")       \
	X(physmap, "224ll")          \
	X(physmap_batch, "2222lll")  \
	X(device_map, "44l4")        \
	X(access, "11248ll")         \
	X(resource, "224448l")       \
	X(pod, "88882")              \
	X(setup_table, "242l")       \
	X(status_frames, "422l")     \
	X(transfer, "l242")          \
	X(copy, "l22|l22|222")       \
	X(multicall, "llllllll")     \
	X(start_info, "8888ll4l4l4|lllllKll")

enum layout32 {
	LAYOUT32_same,
#define LAYOUT(name, fields) LAYOUT32_##name,
	LAYOUTS32(LAYOUT)
#undef LAYOUT
};
// Among the rules of a row (call/call.h).
#define L32(name) ((u32)LAYOUT32_##name << 16)

// Bytes that the structure takes, or into the zeroed `wide` or back from it.
u32 compat_size(enum layout32 layout);
void compat_widen(enum layout32 layout, void *wide, const void *narrow);
void compat_narrow(enum layout32 layout, const void *wide, void *narrow);

// An argument of `size` bytes, 256 at most, of current's at gva; as
// copy_from_guest and copy_to_guest.
int compat32_from_guest(enum layout32 layout, void *arg, u64 gva, u32 size);
int compat32_to_guest(enum layout32 layout, u64 gva, const void *arg);

static inline int compat_from_guest(enum layout32 layout, void *arg, u64 gva,
				    u32 size)
{
	return likely(!layout || !currd->pv32)
		       ? copy_from_guest(arg, gva, size)
		       : compat32_from_guest(layout, arg, gva, size);
}

static inline int compat_to_guest(enum layout32 layout, u64 gva,
				  const void *arg, u32 size)
{
	return likely(!layout || !currd->pv32)
		       ? copy_to_guest(gva, arg, size)
		       : compat32_to_guest(layout, gva, arg);
}

// Bytes from one element of an array to the next.
static inline u32 compat_stride(enum layout32 layout, u32 size)
{
	return layout && currd->pv32 ? compat_size(layout) : size;
}

// Frame number i of current's list.
int pfn_from_guest(u64 *pfn, u64 list, u64 i);
int pfn_to_guest(u64 list, u64 i, u64 pfn);

// The context of a 32-bit domain's vcpu, and a trap table's entry, at a guest
// address.
int context32_from_guest(struct vcpu_guest_context *c, const struct domain *d,
			 u64 gva);
int context32_to_guest(u64 gva, const struct vcpu_guest_context *c);
int trap32_from_guest(struct trap_info *t, u64 gva);

#endif
