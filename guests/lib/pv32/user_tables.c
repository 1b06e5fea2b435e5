// SPDX-License-Identifier: MIT
// Both modes of a 32-bit kernel's guest have one base table. libxenguest's domain
// builder makes none of its pages the user's.
#include "lib/guest.h"

void user_tables_make(void)
{
	static bool made;

	for (u8 *p = guest_start; !made && p < guest_end; p += PAGE_SIZE) {
		u64 entry = *entry_of(p, 1);

		if (!(entry & PTE_U))
			CHECK_EQ(update_va(p, entry | PTE_U, UVMF_INVLPG), 0);
	}
	made = true;
}
