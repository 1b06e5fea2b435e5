// SPDX-License-Identifier: MIT
// STAC and CLAC stand in the code as they are; without SMAP each becomes a
// three-byte NOP, once, at boot.
#include "x86/desc.h"
#include "x86/insn.h"

extern const s32 __smap_sites_start[], __smap_sites_end[];

__init void smap_remove(void)
{
	static const u8 nop[3] = { 0x0f, 0x1f, 0x00 };
	u64 cr0 = read_cr0();

	write_cr0(cr0 & ~CR0_WP);
	for (const s32 *s = __smap_sites_start; s < __smap_sites_end; s++) {
		u8 *at = (u8 *)((u64)s + (u64)(s64)*s);

		for (unsigned int i = 0; i < sizeof(nop); i++)
			at[i] = nop[i];
	}
	write_cr0(cr0);
}
