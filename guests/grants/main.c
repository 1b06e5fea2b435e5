// SPDX-License-Identifier: MIT
// Grants of the domain to itself.
#include "grants/grants.h"

static u8 table_pages[2][PAGE_SIZE] __page_aligned;
struct grant_entry_v1 *table = (void *)table_pages;

static long setup(domid_t dom, u32 count, xen_pfn_t *frames, int16_t *status)
{
	struct gnttab_setup_table op = { .dom = dom, .nr_frames = count };
	long rc;

	set_xen_guest_handle(op.frame_list, frames);
	rc = grant_op(GNTTABOP_setup_table, &op, 1);
	*status = op.status;
	return rc;
}

void grant(u32 ref, const void *page, u16 flags)
{
	table[ref].domid = domain_self();
	table[ref].frame = (u32)virt_to_mfn(page);
	barrier();
	table[ref].flags = flags;
}

static struct gnttab_map_grant_ref map(u64 at, u32 ref, u32 flags)
{
	struct gnttab_map_grant_ref op = { .host_addr = at,
					   .flags = flags,
					   .ref = ref,
					   .dom = domain_self() };

	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	return op;
}

int16_t unmap(u64 at, u32 handle)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = at,
					     .handle = handle };

	CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
	return op.status;
}

static long set_version(u32 version, u32 *got)
{
	struct gnttab_set_version op = { .version = version };
	long rc = grant_op(GNTTABOP_set_version, &op, 1);

	*got = op.version;
	return rc;
}

TEST(setup_table)
{
	xen_pfn_t frames[2];
	struct gnttab_query_size size = { .dom = DOMID_SELF };
	struct gnttab_get_version version = { .dom = DOMID_SELF };
	int16_t status;
	u32 got;

	CHECK_EQ(set_version(1, &got), 0);
	CHECK_EQ(setup(DOMID_SELF, 2, frames, &status), 0);
	CHECK_EQ(status, GNTST_okay);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(update_va(table_pages[i],
				   make_entry(frames[i], PTE_RW | PTE_U),
				   UVMF_INVLPG),
			 0);
	CHECK_EQ(grant_op(GNTTABOP_query_size, &size, 1), 0);
	CHECK_EQ(size.status, GNTST_okay);
	CHECK(size.nr_frames >= 2);
	CHECK_EQ(size.max_nr_frames, 64);
	CHECK_EQ(grant_op(GNTTABOP_get_version, &version, 1), 0);
	CHECK_EQ(version.version, 1);
	CHECK_EQ(setup(77, 1, frames, &status), 0);
	CHECK_EQ(status, GNTST_bad_domain);
	CHECK_EQ(setup(DOMID_SELF, 100000, frames, &status), 0);
	CHECK_EQ(status, GNTST_general_error);
}

TEST(map_writable)
{
	u64 *page = page_alloc(), *w = window(0);
	struct gnttab_map_grant_ref op;

	grant(FIRST_REF, page, GTF_permit_access);
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map);
	CHECK_EQ(op.status, GNTST_okay);
	w[3] = 33;
	CHECK_EQ(page[3], 33);
	CHECK_EQ(table[FIRST_REF].flags,
		 GTF_permit_access | GTF_reading | GTF_writing);
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	CHECK_TRAP(*(volatile u64 *)w, 14, 0);
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_bad_handle);
	table[FIRST_REF].flags = 0;
	page_free(page);
}

TEST(map_read_only)
{
	u64 *page = page_alloc(), *w = window(0);
	struct gnttab_map_grant_ref op;

	grant(FIRST_REF, page, GTF_permit_access | GTF_readonly);
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map);
	CHECK_EQ(op.status, GNTST_general_error);
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map | GNTMAP_readonly);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(table[FIRST_REF].flags,
		 GTF_permit_access | GTF_readonly | GTF_reading);
	CHECK_EQ(*(volatile u64 *)w, 0);
	CHECK_TRAP(*(volatile u64 *)w = 1, 14, 3);
	// Made writable behind the hypervisor's back: not by a guest that
	// names nobody as the owner, but this page is its own.
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	table[FIRST_REF].flags = 0;
	page_free(page);
}

TEST(map_by_entry)
{
	u64 *page = page_alloc(), *w = window(0);
	u64 at = entry_maddr(w, 1);
	struct gnttab_map_grant_ref op;

	grant(FIRST_REF, page, GTF_permit_access);
	op = map(at, FIRST_REF, GNTMAP_host_map | GNTMAP_contains_pte);
	CHECK_EQ(op.status, GNTST_okay);
	w[0] = 7;
	CHECK_EQ(page[0], 7);
	CHECK_EQ(unmap(at, op.handle), GNTST_okay);
	for (u64 i = 1; i < 8; i++) {
		op = map(at + i, FIRST_REF,
			 GNTMAP_host_map | GNTMAP_contains_pte);
		CHECK_EQ(op.status, GNTST_general_error);
	}
	// Not a page table.
	op = map(virt_to_maddr(page), FIRST_REF,
		 GNTMAP_host_map | GNTMAP_contains_pte);
	CHECK_EQ(op.status, GNTST_general_error);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	table[FIRST_REF].flags = 0;
	page_free(page);
}

TEST(map_errors)
{
	u64 *page = page_alloc(), *w = window(0);
	struct gnttab_map_grant_ref op = { .host_addr = ADDRESS(w),
					   .flags = GNTMAP_host_map,
					   .dom = 77 };

	grant(FIRST_REF, page, GTF_permit_access);
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_domain);
	op.dom = DOMID_SELF; // has no meaning here
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_domain);
	CHECK_EQ(map(ADDRESS(w), 1000000, GNTMAP_host_map).status,
		 GNTST_bad_gntref);
	CHECK_EQ(map(ADDRESS(w), FIRST_REF + 1, GNTMAP_host_map).status,
		 GNTST_general_error);
	CHECK_EQ(map(ADDRESS(w), FIRST_REF, 0).status, GNTST_bad_gntref);
	CHECK_EQ(map(HYPERVISOR_VIRT_START, FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	CHECK_EQ(map(0x8000000000000000, FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	CHECK_EQ(map(0x123456789000, FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	// For another domain.
	table[FIRST_REF].domid = 5;
	CHECK_EQ(map(ADDRESS(w), FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	// A frame that is not ours to give.
	grant(FIRST_REF, page, GTF_permit_access);
	table[FIRST_REF].frame = 0x0fffffff;
	CHECK_EQ(map(ADDRESS(w), FIRST_REF, GNTMAP_host_map).status,
		 GNTST_bad_page);
	table[FIRST_REF].frame = (u32)virt_to_mfn((void *)start_info->pt_base);
	CHECK_EQ(map(ADDRESS(w), FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	CHECK_EQ(unmap(ADDRESS(w), 12345), GNTST_bad_handle);
	CHECK_EQ(unmap(ADDRESS(w), 0xffffffff), GNTST_bad_handle);
	table[FIRST_REF].flags = 0;
	page_free(page);
}

// While a grant is in use its granter may take it back: for those who come then
// there is none.
TEST(taken_back)
{
	u64 *page = page_alloc(), *w = window(0), *second = window(1);
	struct gnttab_map_grant_ref op, more;

	grant(FIRST_REF, page, GTF_permit_access | GTF_readonly);
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map | GNTMAP_readonly);
	CHECK_EQ(op.status, GNTST_okay);
	table[FIRST_REF].flags = GTF_reading;
	for (u32 read_only = 0; read_only < 2; read_only++) {
		more = map(ADDRESS(second), FIRST_REF,
			   GNTMAP_host_map | (read_only ? GNTMAP_readonly : 0));
		CHECK_EQ(more.status, GNTST_general_error);
		if (more.status == GNTST_okay)
			CHECK_EQ(unmap(ADDRESS(second), more.handle),
				 GNTST_okay);
	}
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	CHECK_EQ(table[FIRST_REF].flags, 0);
	page_free(page);
}

TEST(unmap_wrong_place)
{
	u64 *page = page_alloc(), *w = window(0), *other = window(1);
	struct gnttab_map_grant_ref op;

	grant(FIRST_REF, page, GTF_permit_access);
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map);
	CHECK_EQ(unmap(ADDRESS(other), op.handle), GNTST_general_error);
	CHECK_EQ(unmap(HYPERVISOR_VIRT_START, op.handle), GNTST_general_error);
	CHECK_EQ(w[0], 0);
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	table[FIRST_REF].flags = 0;
	page_free(page);
}

static int16_t copy(u64 from, u16 from_at, u64 to, u16 to_at, u16 length,
		    u16 flags)
{
	struct gnttab_copy op = { .len = length, .flags = flags };

	op.source.domid = op.dest.domid = DOMID_SELF;
	op.source.offset = from_at;
	op.dest.offset = to_at;
	if (flags & GNTCOPY_source_gref)
		op.source.u.ref = (u32)from;
	else
		op.source.u.gmfn = from;
	if (flags & GNTCOPY_dest_gref)
		op.dest.u.ref = (u32)to;
	else
		op.dest.u.gmfn = to;
	CHECK_EQ(grant_op(GNTTABOP_copy, &op, 1), 0);
	return op.status;
}

TEST(copies)
{
	u8 *a = page_alloc(), *b = page_alloc();
	u64 ma = virt_to_mfn(a), mb = virt_to_mfn(b);

	memset(a, 0x5a, PAGE_SIZE);
	CHECK_EQ(copy(ma, 0, mb, 0, 10, 0), GNTST_okay);
	CHECK_EQ(b[9], 0x5a);
	CHECK_EQ(b[10], 0);
	grant(FIRST_REF, b, GTF_permit_access);
	CHECK_EQ(copy(ma, 100, FIRST_REF, 200, 50, GNTCOPY_dest_gref),
		 GNTST_okay);
	CHECK_EQ(b[200], 0x5a);
	CHECK_EQ(b[249], 0x5a);
	CHECK_EQ(b[250], 0);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	grant(FIRST_REF, a, GTF_permit_access | GTF_readonly);
	CHECK_EQ(copy(FIRST_REF, 0, mb, 4000, 96, GNTCOPY_source_gref),
		 GNTST_okay);
	CHECK_EQ(b[4095], 0x5a);
	CHECK_EQ(copy(mb, 0, FIRST_REF, 0, 8, GNTCOPY_dest_gref),
		 GNTST_general_error);
	CHECK_EQ(copy(ma, 4000, mb, 0, 97, 0), GNTST_bad_copy_arg);
	CHECK_EQ(copy(ma, 0, mb, 4000, 97, 0), GNTST_bad_copy_arg);
	CHECK_EQ(copy(ma, 0, mb, 0, 0, 0), GNTST_okay);
	CHECK_EQ(copy(NO_FRAME, 0, mb, 0, 8, 0), GNTST_bad_page);
	CHECK_EQ(copy(ma, 0, virt_to_mfn((void *)start_info->pt_base), 0, 8, 0),
		 GNTST_general_error);
	CHECK_EQ(copy(1000000, 0, mb, 0, 8, GNTCOPY_source_gref),
		 GNTST_bad_gntref);
	table[FIRST_REF].flags = 0;
	page_free(a);
	page_free(b);
}

TEST(replace)
{
	u64 *page = page_alloc(), *w = window(0), *spare = window(1);
	u64 *own = page_alloc();
	struct gnttab_unmap_and_replace op;
	struct gnttab_map_grant_ref m;

	grant(FIRST_REF, page, GTF_permit_access);
	m = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map);
	own[0] = 0x77;
	update_va(spare, make_entry(virt_to_mfn(own), PTE_RW), UVMF_INVLPG);
	op = (struct gnttab_unmap_and_replace){ .host_addr = ADDRESS(w),
						.new_addr = ADDRESS(spare),
						.handle = m.handle };
	CHECK_EQ(grant_op(GNTTABOP_unmap_and_replace, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(w[0], 0x77);
	CHECK_EQ(*entry_of(spare, 1) & PTE_P, 0);
	CHECK_EQ(table[FIRST_REF].flags, GTF_permit_access);
	table[FIRST_REF].flags = 0;
	window(0);
	page_free(page);
	page_free(own);
}

TEST(batches)
{
	struct gnttab_query_size ops[3] = { { .dom = DOMID_SELF },
					    { .dom = 77 },
					    { .dom = DOMID_SELF } };

	CHECK_EQ(grant_op(GNTTABOP_query_size, ops, 1), 0);
	CHECK_EQ(grant_op(GNTTABOP_query_size, ops, 3), -EINVAL);
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, ops, 0), 0);
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, ops, 0x80000000), -EINVAL);
	CHECK_EQ(grant_op(99, ops, 1), -ENOSYS);
}

TEST(swap)
{
	struct gnttab_swap_grant_ref op = { .ref_a = FIRST_REF,
					    .ref_b = FIRST_REF + 1 };
	void *page = page_alloc();

	grant(FIRST_REF, page, GTF_permit_access);
	table[FIRST_REF + 1].flags = 0;
	CHECK_EQ(grant_op(GNTTABOP_swap_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(table[FIRST_REF].flags, 0);
	CHECK_EQ(table[FIRST_REF + 1].flags, GTF_permit_access);
	CHECK_EQ(table[FIRST_REF + 1].frame, (u32)virt_to_mfn(page));
	op.ref_b = 1000000;
	CHECK_EQ(grant_op(GNTTABOP_swap_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_gntref);
	table[FIRST_REF + 1].flags = 0;
	page_free(page);
}

TEST(versions)
{
	u64 *page = page_alloc(), *w = window(0);
	struct gnttab_map_grant_ref op;
	u32 got;

	CHECK_EQ(set_version(3, &got), -EINVAL);
	CHECK_EQ(got, 1);
	CHECK_EQ(set_version(0, &got), -EINVAL);
	// Not while a grant is in use.
	grant(FIRST_REF, page, GTF_permit_access);
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map);
	CHECK_EQ(set_version(2, &got), -EBUSY);
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	table[FIRST_REF].flags = 0;
	page_free(page);
}

TEST(version_2)
{
	union grant_entry_v2 *v2 = (void *)table_pages;
	static u8 status_page[PAGE_SIZE] __page_aligned;
	grant_status_t *status = (void *)status_page;
	struct gnttab_get_status_frames get = { .nr_frames = 1,
						.dom = DOMID_SELF };
	u64 *page = page_alloc(), *w = window(0), frame = 0;
	struct gnttab_map_grant_ref op;
	u32 got;

	if (!CHECK_EQ(set_version(2, &got), 0))
		return;
	CHECK_EQ(got, 2);
	set_xen_guest_handle(get.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_get_status_frames, &get, 1), 0);
	CHECK_EQ(get.status, GNTST_okay);
	CHECK_EQ(update_va(status_page, make_entry(frame, PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	v2[FIRST_REF].full_page.hdr.domid = domain_self();
	v2[FIRST_REF].full_page.frame = virt_to_mfn(page);
	v2[FIRST_REF].full_page.hdr.flags = GTF_permit_access;
	op = map(ADDRESS(w), FIRST_REF, GNTMAP_host_map);
	CHECK_EQ(op.status, GNTST_okay);
	CHECK_EQ(status[FIRST_REF], GTF_reading | GTF_writing);
	CHECK_EQ(unmap(ADDRESS(w), op.handle), GNTST_okay);
	CHECK_EQ(status[FIRST_REF], 0);
	// A part of a page can be copied, not mapped.
	v2[FIRST_REF].sub_page.page_off = 100;
	v2[FIRST_REF].sub_page.length = 50;
	v2[FIRST_REF].sub_page.frame = virt_to_mfn(page);
	v2[FIRST_REF].hdr.flags = GTF_permit_access | GTF_sub_page;
	CHECK_EQ(map(ADDRESS(w), FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	u8 *from = page_alloc();

	from[0] = 9;
	CHECK_EQ(copy(virt_to_mfn(from), 0, FIRST_REF, 100, 50,
		      GNTCOPY_dest_gref),
		 GNTST_okay);
	CHECK_EQ(((u8 *)page)[100], 9);
	CHECK_EQ(copy(virt_to_mfn(from), 0, FIRST_REF, 100, 51,
		      GNTCOPY_dest_gref),
		 GNTST_general_error);
	CHECK_EQ(copy(virt_to_mfn(from), 0, FIRST_REF, 99, 10,
		      GNTCOPY_dest_gref),
		 GNTST_general_error);
	v2[FIRST_REF].hdr.flags = 0;
	CHECK_EQ(update_va(status_page, 0, UVMF_INVLPG), 0);
	CHECK_EQ(set_version(1, &got), 0);
	page_free(page);
	page_free(from);
}

// The table of another domain, in version 1, with one entry for us.
struct grant_entry_v1 *table_of(domid_t id)
{
	struct xen_mem_acquire_resource r = {
		.domid = id,
		.type = XENMEM_resource_grant_table,
		.id = XENMEM_resource_grant_table_id_shared,
		.nr_frames = 1,
	};
	void *at = window(0);
	xen_pfn_t frame;

	set_xen_guest_handle(r.frame_list, &frame);
	CHECK_EQ(memory_op(XENMEM_acquire_resource, &r), 0);
	CHECK_EQ(foreign_map(0, id, frame, PTE_RW | PTE_U), 0);
	return at;
}

// Our own entry stands for that of another domain.
static union grant_entry_v2 *via;
static struct grant_entry_v1 *theirs;
static domid_t other;
static u8 *mine, *seen; // a page to copy from and to, and the other's
static u64 mine_mfn;

static bool transitive_begin(void)
{
	u32 got;

	other = domain_create();
	if (other == DOMID_INVALID || !CHECK_EQ(set_version(2, &got), 0))
		return false;
	mine = page_alloc();
	mine_mfn = virt_to_mfn(mine);
	seen = window(1);
	theirs = table_of(other) + 9;
	*theirs = (struct grant_entry_v1){ GTF_permit_access, 0,
					   (u32)domain_page(other, 0) };
	CHECK_EQ(foreign_map(1, other, theirs->frame, PTE_RW | PTE_U), 0);
	via = (union grant_entry_v2 *)table_pages + FIRST_REF;
	via->transitive.trans_domid = other;
	via->transitive.gref = 9;
	via->hdr = (struct grant_entry_header){ GTF_transitive, 0 };
	return true;
}

static void transitive_end(void)
{
	window(0);
	window(1);
	domain_destroy(other);
	page_free(mine);
}

static int16_t copy_in(void)
{
	return copy(mine_mfn, 0, FIRST_REF, 100, 1, GNTCOPY_dest_gref);
}

static int16_t copy_out(void)
{
	return copy(FIRST_REF, 100, mine_mfn, 7, 1, GNTCOPY_source_gref);
}

TEST(transitive)
{
	u32 got;

	if (!transitive_begin())
		return;
	mine[0] = 0x31;
	CHECK_EQ(copy_in(), GNTST_okay);
	CHECK_EQ(seen[100], 0x31);
	CHECK_EQ(copy_out(), GNTST_okay);
	CHECK_EQ(mine[7], 0x31);
	CHECK_EQ(theirs->flags, GTF_permit_access);
	// Not more than both allow.
	theirs->flags = GTF_permit_access | GTF_readonly;
	CHECK_EQ(copy_in(), GNTST_general_error);
	CHECK_EQ(copy_out(), GNTST_okay);
	theirs->flags = GTF_permit_access;
	via->hdr.flags = GTF_transitive | GTF_readonly;
	CHECK_EQ(copy_in(), GNTST_general_error);
	CHECK_EQ(copy_out(), GNTST_okay);
	// Parts are the other entry's matter.
	via->hdr.flags = GTF_transitive | GTF_sub_page;
	CHECK_EQ(copy_in(), GNTST_okay);
	via->hdr.flags = 0;
	CHECK_EQ(set_version(1, &got), 0);
	transitive_end();
}

TEST(transitive_refused)
{
	u32 got;

	if (!transitive_begin())
		return;
	CHECK_EQ(map(ADDRESS(window(2)), FIRST_REF, GNTMAP_host_map).status,
		 GNTST_general_error);
	theirs->domid = 1234;
	CHECK_EQ(copy_out(), GNTST_general_error);
	theirs->domid = 0;
	via->transitive.trans_domid = 0; // of this same table
	CHECK_EQ(copy_out(), GNTST_general_error);
	via->transitive.trans_domid = 1234;
	CHECK_EQ(copy_out(), GNTST_general_error);
	via->transitive.trans_domid = other;
	via->transitive.gref = 1u << 20;
	CHECK_EQ(copy_out(), GNTST_bad_gntref);
	// Version 1 has no such thing.
	via->hdr.flags = 0;
	CHECK_EQ(set_version(1, &got), 0);
	table[FIRST_REF] = (struct grant_entry_v1){ GTF_transitive, 0, other };
	CHECK_EQ(copy_out(), GNTST_general_error);
	table[FIRST_REF].flags = 0;
	CHECK_EQ(mine[7], 0);
	transitive_end();
}

TEST(transfer_refused)
{
	struct gnttab_transfer op = { .mfn = NO_FRAME, .domid = 77 };

	CHECK_EQ(grant_op(GNTTABOP_transfer, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_bad_page);
}

TEST(foreign)
{
	domid_t id = domain_create();
	struct gnttab_map_grant_ref op = { .host_addr = ADDRESS(window(0)),
					   .flags = GNTMAP_host_map,
					   .ref = FIRST_REF,
					   .dom = id };

	if (id == DOMID_INVALID)
		return;
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_general_error);
	domain_destroy(id);
}
