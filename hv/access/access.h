// SPDX-License-Identifier: MIT
// Checked copies between the hypervisor and the running guest's memory. The
// address is the guest's own, in its kernel's tables, which are loaded. A
// range that is not wholly the guest's part of the address space is refused.
// May be interrupted, never sleeps; 0 or -EFAULT (bytes before the fault may
// have been copied).
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

int copy_from_guest(void *dst, u64 gva, u64 len);
int copy_to_guest(u64 gva, const void *src, u64 len);
int clear_guest(u64 gva, u64 len);
// Two words, the hot case: dst is unchanged where it fails.
int copy_pair_from_guest(u64 dst[2], u64 gva);

// SMEP and SMAP are on, but in rings 1 and 2.
#ifdef DEBUG
void assert_protected(void);
#else
#define assert_protected() ((void)0)
#endif

static inline bool access_ok(u64 gva, u64 len)
{
	// A range may not wrap, nor touch the hole; both halves are large.
	return gva + len >= gva && (gva + len <= 0x0000800000000000UL ||
				    gva >= 0xffff880000000000UL);
}

// Element i of an array of size-byte elements at gva; on wrap-around an address
// that every copy refuses.
static inline u64 access_element(u64 gva, u64 i, u64 size)
{
	u64 at;

	return __builtin_mul_overflow(i, size, &at) ||
			       __builtin_add_overflow(gva, at, &at)
		       ? ~0UL
		       : at;
}

#define copy_struct_from_guest(obj, gva) \
	copy_from_guest((obj), (gva), sizeof(*(obj)))
#define copy_struct_to_guest(gva, obj) \
	copy_to_guest((gva), (obj), sizeof(*(obj)))
#define copy_element_from_guest(obj, gva, i) \
	copy_struct_from_guest((obj),        \
			       access_element((gva), (i), sizeof(*(obj))))
#define copy_element_to_guest(gva, i, obj) \
	copy_struct_to_guest(access_element((gva), (i), sizeof(*(obj))), (obj))

#endif
