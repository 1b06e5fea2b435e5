// SPDX-License-Identifier: MIT
// Where the argument of a call lies: every call that has one, with its structure
// in every kind of place.
#include "edges/edges.h"
#include <xen/nmi.h>

#define OFFSET 64u  // of the structure in its page
#define SPACE  1024 // that it has

struct domu other;
u64 granted_mfn;
static u64 *read_only_page, count;
static u32 port;
static struct xen_domctl_vcpuextstate state;

struct xen_memory_reservation list_of(u64 *frames, u64 n)
{
	struct xen_memory_reservation r = { .nr_extents = n,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, frames);
	return r;
}

void page_give_back(u64 *page)
{
	u64 frame = virt_to_mfn(page);
	struct xen_memory_reservation r = list_of(&frame, 1);

	CHECK_EQ(memory_op(XENMEM_decrease_reservation, &r), 1);
}

void page_populate(u64 *page)
{
	u64 frame = virt_to_pfn(page);
	struct xen_memory_reservation r = list_of(&frame, 1);

	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), 1);
	((u64 *)start_info->mfn_list)[virt_to_pfn(page)] = frame;
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}

u64 grant_frame(domid_t id)
{
	struct gnttab_setup_table op = { .dom = id, .nr_frames = 1 };
	xen_pfn_t frame = 0;

	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	return frame;
}

bool other_make(void)
{
	struct grant_entry_v1 *entry = window(GRANTED_WINDOW);

	if (!domu_make(&other, NULL, NULL, 0))
		return false;
	granted_mfn = domain_page(other.id, 9);
	CHECK_EQ(foreign_map(GRANTED_WINDOW, other.id, grant_frame(other.id),
			     PTE_RW),
		 0);
	entry[REF].frame = (u32)granted_mfn;
	entry[REF].flags = GTF_permit_access;
	window(GRANTED_WINDOW);
	return true;
}

void other_end(void)
{
	domain_destroy(other.id);
}

u32 granted_map(void)
{
	struct gnttab_map_grant_ref op = { .host_addr = ADDRESS(
						   window(GRANTED_WINDOW)),
					   .flags = GNTMAP_host_map,
					   .ref = REF,
					   .dom = other.id };

	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	return op.handle;
}

void granted_unmap(u32 handle)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = ADDRESS(
						     window_at(GRANTED_WINDOW)),
					     .handle = handle };

	CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
}

static bool inner(const struct row *row)
{
	for (int i = 0; i < WORDS; i++)
		if (row->words[i] == AT)
			return true;
	return false;
}

static u64 value(u64 word, u64 at)
{
	static u64 list[1] = { NO_FRAME };

	switch (word) {
	case AT:
		return at;
	case M2P:
		return virt_to_maddr(read_only_page) | MMU_MACHPHYS_UPDATE;
	case PFN:
		return virt_to_pfn(read_only_page);
	case READ_MFN:
		return virt_to_mfn(read_only_page);
	case OTHER:
		return other.id;
	case OTHERS_GRANTS:
		return other.id | XENMEM_resource_grant_table << 16;
	case THEIRS:
		return granted_mfn;
	case EVENTS:
		return ADDRESS(event_entry);
	case STATE_MASK:
		return state.xfeature_mask;
	case STATE_SIZE:
		return state.size;
	case COUNT:
		return count;
	case COUNT_HIGH:
		return count << 32;
	case PORTS:
		return HIGH(port) | port;
	case LIST:
		list[0] = NO_FRAME;
		return ADDRESS(list);
	default:
		return word;
	}
}

// The structure, or what it points to: `view` is where it can be written.
static void fill(const struct row *row, u8 *view)
{
	u64 words[WORDS];

	if (inner(row)) {
		memset(view, 0, SPACE);
		return;
	}
	for (int i = 0; i < WORDS; i++)
		words[i] = value(row->words[i], 0);
	memset(view, 0, SPACE);
	memcpy(view, words, sizeof(words));
}

static long call_at(const struct row *row, u64 at)
{
	static u64 structure[SPACE / 8];
	u64 a[4], first = at;
	int16_t status;
	long rc;

	if (inner(row)) {
		memset(structure, 0, sizeof(structure));
		for (int i = 0; i < WORDS; i++)
			structure[i] = value(row->words[i], at);
		first = ADDRESS(structure);
	}
	for (int i = 0; i < 4; i++)
		a[i] = row->args[i] == AT ? first : value(row->args[i], 0);
	rc = hypercall5(row->nr, a[0], a[1], a[2], a[3], 0);
	if (rc || !row->status)
		return rc;
	memcpy(&status, (u8 *)first + row->status, sizeof(status));
	return status;
}

// What a call has changed is as it was.
static void undo(const struct row *row)
{
	struct evtchn_reset reset = { .dom = DOMID_SELF };
	u64 nothing[2] = { 0, 0 };

	switch (row->nr) {
	case __HYPERVISOR_event_channel_op:
	case __HYPERVISOR_event_channel_op_compat:
		CHECK_EQ(event_op(EVTCHNOP_reset, &reset), 0);
		break;
	case __HYPERVISOR_set_gdt:
		CHECK_EQ(set_gdt(0, 0), 0);
		break;
	case __HYPERVISOR_mmuext_op:
		CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
		break;
	case __HYPERVISOR_physdev_op:
		HC2(row->nr, PHYSDEVOP_set_iobitmap, nothing);
		break;
	case __HYPERVISOR_nmi_op:
		CHECK_EQ(HC2(row->nr, XENNMI_unregister_callback, 0), 0);
		break;
	case __HYPERVISOR_vcpu_op:
		vcpu_op(VCPUOP_register_runstate_memory_area, 0, nothing);
		vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, nothing);
		CHECK_EQ(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	}
}

#define ALL_ROWS(row) \
	for (const struct row *row = rows; row < rows + row_count; row++)

static void check_row(const struct row *row, const char *place, u64 at,
		      long want)
{
	long rc = call_at(row, at);

	if (rc != want)
		check_failed(row->name, (int)inner(row), "%s: %ld, not %ld",
			     place, rc, want);
	undo(row);
}

static void try_at(const struct row *row, const char *place, u8 *at)
{
	fill(row, at);
	check_row(row, place, ADDRESS(at), row->good);
}

static bool world_make(void)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuextstate };

	read_only_page = page_alloc();
	CHECK_EQ(page_set_ro(read_only_page), 0);
	if (!other_make())
		return false;
	op.domain = other.id;
	CHECK_EQ(domctl(&op), 0);
	state = op.u.vcpuextstate;
	return true;
}

static void world_end(void)
{
	CHECK_EQ(page_set_rw(read_only_page), 0);
	page_free(read_only_page);
	other_end();
}

// Two pages one behind the other, at windows 0 and 1.
TEST(aligned_or_not)
{
	u64 *page[2] = { page_alloc(), page_alloc() };
	u8 *w = window(0);

	if (!world_make())
		return;
	CHECK_EQ(ADDRESS(window(1)), ADDRESS(w) + PAGE_SIZE);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQ(update_va(w + i * PAGE_SIZE,
				   make_entry(virt_to_mfn(page[i]),
					      PTE_RW | PTE_U),
				   UVMF_INVLPG),
			 0);
	ALL_ROWS(row)
	{
		try_at(row, "aligned", w + OFFSET);
		for (u64 i = 1; i < 8; i++)
			try_at(row, "not aligned", w + OFFSET + i);
		try_at(row, "across", w + PAGE_SIZE - 1);
	}
	window(0);
	window(1);
	page_free(page[0]);
	page_free(page[1]);
	world_end();
}

// Where the structure can stand in a page of page tables: its words are entries
// that are not present.
static u8 *absent_at(const struct row *row, u8 *page)
{
	for (u64 i = 0; i < 8; i++) {
		bool present = false;

		memset(page, 0, PAGE_SIZE);
		fill(row, page + OFFSET + i);
		for (u64 at = 0; at < PAGE_SIZE; at += 8)
			present |= page[at] & PTE_P;
		if (!present)
			return page + OFFSET + i;
	}
	check_failed(row->name, 0, "is nowhere absent");
	return page;
}

// A page that can be read alone; one of page tables is such a page.
TEST(read_only)
{
	u8 *page = page_alloc(), *at;

	if (!world_make())
		return;
	ALL_ROWS(row)
	{
		at = absent_at(row, page);
		CHECK_EQ(page_set_ro(page), 0);
		check_row(row, "read-only", ADDRESS(at), row->read_only);
		CHECK_EQ(pin_table(1, page), 0);
		check_row(row, "page table", ADDRESS(at), row->read_only);
		CHECK_EQ(unpin_table(page), 0);
		CHECK_EQ(page_set_rw(page), 0);
	}
	page_free(page);
	world_end();
}

// Another domain's page, and one that is ours no more but for its mapping.
TEST(not_ours)
{
	u64 *page = page_alloc();
	u32 handle;

	if (!world_make())
		return;
	handle = granted_map();
	ALL_ROWS(row)
	try_at(row, "granted", (u8 *)window_at(GRANTED_WINDOW) + OFFSET);
	granted_unmap(handle);
	page_give_back(page);
	ALL_ROWS(row)
	try_at(row, "given back", (u8 *)page + OFFSET);
	CHECK_EQ(update_va(page, 0, UVMF_INVLPG), 0);
	ALL_ROWS(row)
	check_row(row, "gone", ADDRESS(page) + OFFSET, row->unmapped);
	page_populate(page);
	world_end();
}

// Nothing there, or nothing that is the guest's. The last of the two pages is
// not there.
TEST(nowhere)
{
	u64 *page = page_alloc();
	u8 *w = window(0);
	const u64 unmapped[] = { ADDRESS(window(1)), 0x1000, 0x00007fffffffffff,
				 ~0ul - 3 };
	const u64 forbidden[] = { 0x0000800000000000, 0x8000000000000000,
				  0xffff7fffffffffff, 0xffff82d000000000,
				  0xffff830000000000, HYPERVISOR_VIRT_END - 4 };

	if (!world_make())
		return;
	CHECK_EQ(update_va(w, make_entry(virt_to_mfn(page), PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	ALL_ROWS(row)
	{
		for (size_t i = 0; i < ARRAY_SIZE(unmapped); i++)
			check_row(row, "unmapped", unmapped[i], row->unmapped);
		for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
			check_row(row, "forbidden", forbidden[i],
				  row->forbidden);
		fill(row, (u8 *)page + PAGE_SIZE - SPACE);
		check_row(row, "no second page", ADDRESS(w) + PAGE_SIZE - 1,
			  row->unmapped);
	}
	window(0);
	page_free(page);
	world_end();
}

static void check_counts(const struct counted *c, u64 *at, u64 size)
{
	const u64 counts[] = { 0, 1, c->most, c->most + 1 };

	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
		for (u64 n = 0; n < size / 8; n++)
			at[n] = value(c->fill, 0);
		count = counts[i];
		if (c->call.words[0] && !inner(&c->call))
			fill(&c->call, (u8 *)at);
		long rc = call_at(&c->call, ADDRESS(at));

		if (rc != c->answers[i])
			check_failed(c->call.name, (int)i, "%ld, not %ld", rc,
				     c->answers[i]);
		undo(&c->call);
	}
}

// None, one, as many as can be, and one more.
TEST(counts)
{
	static u64 space[32768 / 8] __page_aligned;
	struct evtchn_bind_ipi bind = { .vcpu = 0 };

	if (!world_make())
		return;
	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	port = bind.port;
	for (unsigned int i = 0; i < counted_count; i++)
		check_counts(&counted[i], space, sizeof(space));
	CHECK_EQ(port_close(port), 0);
	world_end();
}

// A context is larger than a page: the last of those that it lies in is not
// there, or cannot be written.
TEST(context_in_pages)
{
	u64 *page[2] = { page_alloc(), page_alloc() };
	u8 *w = window(0), *at = w + OFFSET;
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpucontext };

	_Static_assert(sizeof(struct vcpu_guest_context) > PAGE_SIZE &&
			       sizeof(struct vcpu_guest_context) <
				       2 * PAGE_SIZE - OFFSET,
		       "two pages");
	if (!world_make())
		return;
	window(1);
	op.domain = other.id;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, (void *)at);
	CHECK_EQ(update_va(w, make_entry(virt_to_mfn(page[0]), PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	CHECK_EQ(domctl(&op), -EFAULT);
	op.cmd = XEN_DOMCTL_setvcpucontext;
	CHECK_EQ(domctl(&op), -EFAULT);
	CHECK_EQ(update_va(w + PAGE_SIZE,
			   make_entry(virt_to_mfn(page[1]), PTE_RO),
			   UVMF_INVLPG),
		 0);
	op.cmd = XEN_DOMCTL_getvcpucontext;
	CHECK_EQ(domctl(&op), -EFAULT);
	CHECK_EQ(update_va(w + PAGE_SIZE,
			   make_entry(virt_to_mfn(page[1]), PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	CHECK_EQ(domctl(&op), 0);
	op.cmd = XEN_DOMCTL_setvcpucontext;
	CHECK_EQ(domctl(&op), 0);
	window(0);
	window(1);
	page_free(page[0]);
	page_free(page[1]);
	world_end();
}

// The state of a vcpu that never ran is one that it can be given.
TEST(state_there_and_back)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpuextstate };
	static u64 space[PAGE_SIZE / 8];

	if (!world_make())
		return;
	op.domain = other.id;
	op.u.vcpuextstate = state;
	set_xen_guest_handle(op.u.vcpuextstate.buffer, space);
	CHECK(state.size > 16 && state.size <= sizeof(space));
	CHECK_EQ(domctl(&op), 0);
	op.cmd = XEN_DOMCTL_setvcpuextstate;
	CHECK_EQ(domctl(&op), 0);
	world_end();
}
