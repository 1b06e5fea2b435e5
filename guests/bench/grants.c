// SPDX-License-Identifier: MIT
// Grants of another domain, which does not run: mapped, unmapped, copied from.
#include "lib/domu.h"
#include "bench/bench.h"

#define REFS  32u
#define FIRST 8u // below are reserved ones

static domid_t id;
static u8 *pages[REFS];
static struct gnttab_map_grant_ref maps[REFS];
static struct gnttab_unmap_grant_ref unmaps[REFS];
static struct gnttab_copy copies[REFS];

static void grant_all(void)
{
	xen_pfn_t frame = 0;
	struct gnttab_setup_table setup = { .dom = id, .nr_frames = 1 };
	struct grant_entry_v1 *e = window(0);

	set_xen_guest_handle(setup.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &setup, 1), 0);
	CHECK_EQ(setup.status, GNTST_okay);
	CHECK_EQ(foreign_map(0, id, frame, PTE_RW | PTE_U), 0);
	for (u32 i = 0; i < REFS; i++) {
		e[FIRST + i].frame = (u32)domain_page(id, i);
		barrier();
		e[FIRST + i].flags = GTF_permit_access;
	}
	window(0);
}

static long map(u32 n)
{
	for (u32 i = 0; i < n; i++)
		maps[i] = (struct gnttab_map_grant_ref){
			.host_addr = (uptr)pages[i],
			.flags = GNTMAP_host_map,
			.ref = FIRST + i,
			.dom = id,
		};
	return 0;
}

static long unmap(u32 n)
{
	for (u32 i = 0; i < n; i++)
		unmaps[i] = (struct gnttab_unmap_grant_ref){
			.host_addr = (uptr)pages[i],
			.handle = maps[i].handle,
		};
	return 0;
}

// Of as many as the batch has; all of them must be fine.
#define ROUND(map_id, unmap_id, n)                                   \
	do {                                                         \
		rc |= map(n);                                        \
		MARK(map_id, 1);                                     \
		rc |= grant_op(GNTTABOP_map_grant_ref, maps, n);     \
		MARK(map_id, 2);                                     \
		rc |= unmap(n);                                      \
		MARK(unmap_id, 1);                                   \
		rc |= grant_op(GNTTABOP_unmap_grant_ref, unmaps, n); \
		MARK(unmap_id, 2);                                   \
		for (u32 k_ = 0; k_ < (n); k_++)                     \
			rc |= maps[k_].status | unmaps[k_].status;   \
	} while (0)

static void copies_fill(void)
{
	for (u32 i = 0; i < REFS; i++) {
		copies[i] = (struct gnttab_copy){
			.flags = GNTCOPY_source_gref,
			.len = PAGE_SIZE,
		};
		copies[i].source.u.ref = FIRST + i;
		copies[i].source.domid = id;
		copies[i].dest.u.gmfn = (xen_pfn_t)virt_to_mfn(pages[i]);
		copies[i].dest.domid = DOMID_SELF;
	}
}

TEST(grants)
{
	long rc = 0;

	only_in("alone");
	id = domain_create();
	grant_all();
	for (u32 i = 0; i < REFS; i++)
		pages[i] = page_alloc();
	copies_fill();
	SECTION(GRANT_COPY, rc |= grant_op(GNTTABOP_copy, copies, 1));
	SECTION(GRANT_COPY_32, rc |= grant_op(GNTTABOP_copy, copies, REFS));
	for (u32 i = 0; i < REFS; i++) {
		rc |= copies[i].status;
		rc |= update_va(pages[i], 0, UVMF_INVLPG);
	}
	for (unsigned int i = 0; i < rounds; i++) {
		ROUND(GRANT_MAP, GRANT_UNMAP, 1);
		ROUND(GRANT_MAP_32, GRANT_UNMAP_32, REFS);
	}
	for (u32 i = 0; i < REFS; i++) {
		rc |= page_set_rw(pages[i]);
		page_free(pages[i]);
	}
	CHECK_EQ(rc, 0);
	domain_destroy(id);
}
