// SPDX-License-Identifier: MIT
#include "unit.h"
#include "pv/hypercall_page.c"

static u8 page[PAGE_SIZE];

static void every_number_has_its_stub(void)
{
	hypercall_page_fill(page, false);
	for (u32 nr = 0; nr < 128; nr++) {
		const u8 *p = page + 32 * nr;
		u32 found;

		if (nr == __HYPERVISOR_iret)
			continue;
		memcpy(&found, p + 4, sizeof(found));
		CHECK(p[3] == 0xb8 && found == nr);
		CHECK(p[8] == 0x0f && p[9] == 0x05 && p[13] == 0xc3);
		CHECK(p[14] == 0xcc && p[31] == 0xcc);
	}
}

// What iret finds on the stack is struct iret_context: RAX, R11, RCX.
static void iret_saves_rax_and_stays_away(void)
{
	const u8 *p = page + 32 * __HYPERVISOR_iret;

	hypercall_page_fill(page, false);
	CHECK(p[0] == 0x51 && p[1] == 0x41 && p[2] == 0x53 && p[3] == 0x50);
	CHECK(p[4] == 0xb8 && p[5] == 23 && !p[6] && !p[7] && !p[8]);
	CHECK(p[9] == 0x0f && p[10] == 0x05 && p[11] == 0xcc);
}

UNIT_MAIN(UNIT(every_number_has_its_stub), UNIT(iret_saves_rax_and_stays_away))
