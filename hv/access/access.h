// SPDX-License-Identifier: MIT
// Checked copies between the hypervisor and the running guest's memory. The
// address is the guest's own, in its kernel's tables, which are loaded. A
// range that is not wholly the guest's part of the address space is refused.
// May be interrupted, never sleeps; 0 or -EFAULT (bytes before the fault may
// have been copied).
#ifndef ACCESS_ACCESS_H
#define ACCESS_ACCESS_H

#include "lib/errno.h"
#include "x86/faultable.h"
#include "x86/insn.h"

int copy_from_guest(void *dst, u64 gva, u64 len);
int copy_to_guest(u64 gva, const void *src, u64 len);
int clear_guest(u64 gva, u64 len);

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

// Few words, the hot case: dst is unchanged where it fails.
static inline int word_from_guest(u32 *dst, u64 gva)
{
	u32 word;

	assert_protected();
	if (unlikely(!access_ok(gva, 4)))
		return -EFAULT;
	stac();
	guest_load32(word, gva, fault);
	clac();
	*dst = word;
	return 0;
fault:
	clac();
	return -EFAULT;
}

static inline int word_to_guest(u64 gva, u32 word)
{
	assert_protected();
	if (unlikely(!access_ok(gva, 4)))
		return -EFAULT;
	stac();
	guest_store32(gva, word, fault);
	clac();
	return 0;
fault:
	clac();
	return -EFAULT;
}

// n words of 64 bits, 2 to 5; n is a constant.
static __forced_inline int words_from_guest(u64 *dst, u64 gva, unsigned int n)
{
	u64 w0, w1, w2 = 0, w3 = 0, w4 = 0;

	assert_protected();
	if (unlikely(!access_ok(gva, n * 8)))
		return -EFAULT;
	stac();
	guest_load(w0, gva, fault);
	guest_load(w1, gva + 8, fault);
	if (n > 2)
		guest_load(w2, gva + 16, fault);
	if (n > 3)
		guest_load(w3, gva + 24, fault);
	if (n > 4)
		guest_load(w4, gva + 32, fault);
	clac();
	dst[0] = w0;
	dst[1] = w1;
	if (n > 2)
		dst[2] = w2;
	if (n > 3)
		dst[3] = w3;
	if (n > 4)
		dst[4] = w4;
	return 0;
fault:
	clac();
	return -EFAULT;
}

static __forced_inline int words_to_guest(u64 gva, const u64 *src,
					  unsigned int n)
{
	assert_protected();
	if (unlikely(!access_ok(gva, n * 8)))
		return -EFAULT;
	stac();
	guest_store(gva, src[0], fault);
	guest_store(gva + 8, src[1], fault);
	if (n > 2)
		guest_store(gva + 16, src[2], fault);
	if (n > 3)
		guest_store(gva + 24, src[3], fault);
	if (n > 4)
		guest_store(gva + 32, src[4], fault);
	clac();
	return 0;
fault:
	clac();
	return -EFAULT;
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
