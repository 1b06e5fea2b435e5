// SPDX-License-Identifier: MIT
// Lists of frames: memory_op's extents, and grants.
#include "lib/guest.h"

#define PAGES 400u
#define REF   16u

static void *pages[PAGES];
static xen_pfn_t frames[PAGES];
static xen_pfn_t *p2m(void)
{
	return (xen_pfn_t *)start_info->mfn_list;
}

static long reservation(u32 cmd, xen_pfn_t *list, u64 count)
{
	struct xen_memory_reservation r = { .nr_extents = count,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, list);
	return memory_op(cmd, &r);
}

// Pages whose frames nothing maps any more; their frames are in the list.
static void take_out(void)
{
	for (u32 i = 0; i < PAGES; i++) {
		pages[i] = page_alloc();
		frames[i] = virt_to_mfn(pages[i]);
		CHECK_EQ(update_va(pages[i], 0, UVMF_INVLPG), 0);
	}
}

// Frames for them again.
static void put_back(void)
{
	for (u32 i = 0; i < PAGES; i++)
		frames[i] = virt_to_pfn(pages[i]);
	CHECK_EQ(reservation(XENMEM_populate_physmap, frames, PAGES), PAGES);
	for (u32 i = 0; i < PAGES; i++) {
		p2m()[virt_to_pfn(pages[i])] = frames[i];
		CHECK_EQ(machine_to_phys_mapping[frames[i]],
			 virt_to_pfn(pages[i]));
		CHECK_EQ(page_set_rw(pages[i]), 0);
		CHECK_EQ(*(u64 *)pages[i], 0);
		page_free(pages[i]);
	}
}

TEST(extents)
{
	take_out();
	CHECK_EQ(reservation(XENMEM_decrease_reservation, frames, 0), 0);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, frames, 1), 1);
	CHECK_EQ(
		reservation(XENMEM_decrease_reservation, frames + 1, PAGES - 1),
		PAGES - 1);
	put_back();
}

// The number of those before the one that is not the guest's.
TEST(extents_stop)
{
	xen_pfn_t old;

	take_out();
	old = frames[PAGES / 2];
	frames[PAGES / 2] = (xen_pfn_t)NO_FRAME;
	CHECK_EQ(reservation(XENMEM_decrease_reservation, frames, PAGES),
		 PAGES / 2);
	frames[PAGES / 2] = old;
	CHECK_EQ(reservation(XENMEM_decrease_reservation, frames + PAGES / 2,
			     PAGES - PAGES / 2),
		 PAGES - PAGES / 2);
	put_back();
}

// A list on a page that ends in the middle of it.
TEST(list_ends)
{
	xen_pfn_t *list = window(0), *half = (void *)((u8 *)list + PAGE_SIZE);
	void *page = page_alloc();
	const u32 first = 100;

	take_out();
	CHECK_EQ((uptr)window(1), (uptr)half);
	CHECK_EQ(update_va(list, make_entry(virt_to_mfn(page), PTE_RW),
			   UVMF_INVLPG),
		 0);
	memcpy(half - first, frames, first * sizeof(*list));
	CHECK_EQ(reservation(XENMEM_decrease_reservation, half - first, PAGES),
		 first);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, frames + first,
			     PAGES - first),
		 PAGES - first);
	window(0);
	page_free(page);
	put_back();
}

static u8 table_page[PAGE_SIZE] __page_aligned;
static struct grant_entry_v1 *table = (void *)table_page;
static struct gnttab_copy copies[PAGES];

static void grants_begin(void)
{
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1 };
	static xen_pfn_t frame;

	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(update_va(table_page, make_entry(frame, PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
}

static void grant(const volatile void *page, u16 flags)
{
	table[REF].domid = domain_self();
	table[REF].frame = (u32)virt_to_mfn(page);
	__atomic_store_n(&table[REF].flags, flags, __ATOMIC_SEQ_CST);
}

TEST(copies)
{
	u8 *from = page_alloc(), *to = page_alloc();

	grants_begin();
	grant(from, GTF_permit_access | GTF_readonly);
	for (u32 i = 0; i < PAGES; i++) {
		from[i] = (u8)(i * 7);
		copies[i] =
			(struct gnttab_copy){ .source = { .u.ref = REF,
							  .domid = DOMID_SELF,
							  .offset = (u16)i },
					      .dest = { .u.gmfn =
								virt_to_mfn(to),
							.domid = DOMID_SELF,
							.offset = (u16)i },
					      .len = 1,
					      .flags = GNTCOPY_source_gref,
					      .status = 77 };
	}
	CHECK_EQ(grant_op(GNTTABOP_copy, copies, 0), 0);
	CHECK_EQ(copies[0].status, 77);
	copies[PAGES / 2].len = 4097; // only this one is wrong
	CHECK_EQ(grant_op(GNTTABOP_copy, copies, PAGES), 0);
	for (u32 i = 0; i < PAGES; i++) {
		if (copies[i].status != GNTST_okay && i != PAGES / 2)
			check_failed("copy", (int)i, "%d", copies[i].status);
		if (i != PAGES / 2)
			CHECK_EQ(to[i], from[i]);
	}
	CHECK_EQ(copies[PAGES / 2].status, GNTST_bad_copy_arg);
	table[REF].flags = 0;
	page_free(from);
	page_free(to);
}

static int16_t copy_to(u64 mfn)
{
	static struct gnttab_copy op;

	op = (struct gnttab_copy){
		.source = { .u.ref = REF, .domid = DOMID_SELF },
		.dest = { .u.gmfn = mfn, .domid = DOMID_SELF },
		.len = 8,
		.flags = GNTCOPY_source_gref
	};
	CHECK_EQ(grant_op(GNTTABOP_copy, &op, 1), 0);
	return op.status;
}

// Where nothing may be written.
TEST(copies_to_all_kinds)
{
	u8 *from = page_alloc(), *to = page_alloc();

	grants_begin();
	grant(from, GTF_permit_access);
	// A page that is mapped read-only is a page like others.
	page_set_ro(to);
	CHECK_EQ(copy_to(virt_to_mfn(to)), GNTST_okay);
	CHECK_EQ(pin_table(1, to), 0);
	CHECK_EQ(copy_to(virt_to_mfn(to)), GNTST_general_error);
	CHECK_EQ(unpin_table(to), 0);
	page_set_rw(to);
	CHECK_EQ(copy_to(virt_to_mfn((void *)start_info->pt_base)),
		 GNTST_general_error);
	CHECK_EQ(copy_to((u64)1 << 40), GNTST_bad_page);
	table[REF].flags = 0;
	CHECK_EQ(copy_to(virt_to_mfn(to)), GNTST_general_error);
	page_free(from);
	page_free(to);
}

// A frame that was given back is nobody's to name.
TEST(frame_given_back)
{
	u8 *page = page_alloc();
	u64 mfn = virt_to_mfn(page);

	grants_begin();
	grant(page, GTF_permit_access);
	frames[0] = mfn;
	CHECK_EQ(update_va(page, 0, UVMF_INVLPG), 0);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, frames, 1), 1);
	struct gnttab_map_grant_ref map = { .host_addr = (uptr)window(0),
					    .flags = GNTMAP_host_map,
					    .ref = REF,
					    .dom = domain_self() };

	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &map, 1), 0);
	CHECK(map.status < 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0), -EINVAL);
	CHECK_EQ(mmuext(MMUEXT_CLEAR_PAGE, mfn, 0), -EINVAL);
	CHECK(mmu_update_one(mfn << 12, 0) < 0);
	CHECK(mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE, 0) < 0);
	CHECK_EQ(HC2(__HYPERVISOR_update_descriptor, mfn << 12, 0), -EINVAL);
	CHECK_EQ(HC2(__HYPERVISOR_set_gdt, frames, 512), -EINVAL);
	table[REF].flags = 0;
	frames[0] = virt_to_pfn(page);
	CHECK_EQ(reservation(XENMEM_populate_physmap, frames, 1), 1);
	p2m()[virt_to_pfn(page)] = frames[0];
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}

TEST(cache_flush)
{
	static struct gnttab_cache_flush op = { .length = 64,
						.op = GNTTAB_CACHE_CLEAN };

	op.a.dev_bus_addr = virt_to_maddr(table_page);
	CHECK_EQ(grant_op(GNTTABOP_cache_flush, &op, 1), -EOPNOTSUPP);
}
