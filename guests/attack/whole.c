// SPDX-License-Identifier: MIT
// After all of it: what is ours still is, and nothing else.
#include "attack/attack.h"

TEST(whole)
{
	u64 mine = start_info->nr_pages, first = virt_to_pfn(guest_start);
	u64 last = virt_to_pfn(guest_end);
	domid_t self = DOMID_SELF;
	u64 *page;

	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), mine);
	for (u64 pfn = first; pfn < last; pfn++)
		if (machine_to_phys_mapping[p2m()[pfn]] != pfn)
			check_failed("pfn", (int)pfn, "is not where it was");
	CHECK_EQ(unpin_table((void *)start_info->pt_base), 0);
	CHECK_EQ(pin_table(TABLE_LEVELS, (void *)start_info->pt_base), 0);
	// Each page of the pool is free of references.
	while ((page = page_alloc())) {
		for (int i = 0; i < 512; i++)
			if (page[i])
				check_failed("page", i, "%" LL "x", page[i]);
		CHECK(page_exchange(page));
	}
	domain_destroy(domain_create());
}
