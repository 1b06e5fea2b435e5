// SPDX-License-Identifier: MIT
// The base table of guest user mode, a copy of the kernel's.
#include "lib/guest.h"

static u64 *user_l4;

static void user_init(void)
{
	const u64 *kernel = (const u64 *)start_info->pt_base;

	user_l4 = page_alloc();
	for (int i = 0; i < 512; i++) {
		if (i < 256 || i >= 272)
			user_l4[i] = kernel[i];
	}
	page_set_ro(user_l4);
	pin_table(4, user_l4);
	mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(user_l4), 0);
}

void user_tables_make(void)
{
	if (!user_l4)
		user_init();
}

u64 user_base_mfn(void)
{
	user_tables_make();
	return virt_to_mfn(user_l4);
}
