// SPDX-License-Identifier: MIT
#include "access/access.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "x86/desc.h"
#include "x86/faultable.h"
#include "x86/insn.h"
#include "x86/panic.h"

#ifdef DEBUG
void assert_protected(void)
{
	ASSERT(!(hv_cr4 & ~read_cr4() & (CR4_SMAP | CR4_SMEP)));
}
#endif

int copy_from_guest(void *dst, u64 gva, u64 len)
{
	u64 left = len;

	assert_protected();
	if (likely(access_ok(gva, len))) {
		stac();
		left = copy_faultable(dst, (const void *)gva, len);
		clac();
	}
	if (likely(!left))
		return 0;
	// Nobody shall act on, or give back, what was in dst before.
	memset((char *)dst + (len - left), 0, left);
	return -EFAULT;
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	u64 left;

	assert_protected();
	if (!access_ok(gva, len))
		return -EFAULT;
	stac();
	left = copy_faultable((void *)gva, src, len);
	clac();
	return left ? -EFAULT : 0;
}

int clear_guest(u64 gva, u64 len)
{
	static const u64 zeroes[64];

	while (len) {
		u64 n = MIN(len, sizeof(zeroes));

		if (copy_to_guest(gva, zeroes, n))
			return -EFAULT;
		gva += n;
		len -= n;
	}
	return 0;
}
