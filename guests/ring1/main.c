// SPDX-License-Identifier: MIT
// What is of 32-bit kernels alone.
#include "lib/guest.h"

TEST(ring)
{
	u16 cs;

	__asm__("movw %%cs, %0" : "=r"(cs));
	CHECK_EQ(cs, FLAT_KERNEL_CS);
}
