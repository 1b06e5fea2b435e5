// SPDX-License-Identifier: MIT
#include "tenant/tenant.h"

#define FIRST_REF 8u // below are reserved ones

static u8 table_page[PAGE_SIZE] __page_aligned;

void grants_init(void)
{
	xen_pfn_t frame = 0;
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1 };

	set_xen_guest_handle(op.frame_list, &frame);
	NEED(grant_op(GNTTABOP_setup_table, &op, 1) == 0);
	NEED(op.status == GNTST_okay);
	NEED(update_va(table_page, make_entry(frame, PTE_RW | PTE_U),
		       UVMF_INVLPG) == 0);
}

u32 grant_page(const void *page, domid_t to, u16 flags)
{
	static u32 ref = FIRST_REF;
	struct grant_entry_v1 *e = (struct grant_entry_v1 *)table_page + ref;

	NEED(ref < PAGE_SIZE / sizeof(*e));
	e->domid = to;
	e->frame = (u32)virt_to_mfn(page);
	barrier();
	e->flags = GTF_permit_access | flags;
	return ref++;
}
