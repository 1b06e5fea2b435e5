// SPDX-License-Identifier: MIT
// memory_op: what a domain does with its own memory.
#include "lib/guest.h"

// What comes of a list that reaches into the hypervisor: a 32-bit pointer and a
// count reach nothing that is its own (docs/pv32.md), so that they are not
// looked at first.
#define BAD_LIST (WIDTH == 64 ? -EFAULT : -EINVAL)

static long reservation(unsigned int cmd, xen_pfn_t *frames, uptr count,
			unsigned int order, domid_t dom)
{
	struct xen_memory_reservation r = { .nr_extents = count,
					    .extent_order = order,
					    .domid = dom };

	set_xen_guest_handle(r.extent_start, frames);
	return memory_op(cmd, &r);
}

static long current_pages(void)
{
	domid_t self = DOMID_SELF;

	return memory_op(XENMEM_current_reservation, &self);
}

// Takes the page's frame out of our tables; returns the frame.
static xen_pfn_t detach(void *page)
{
	xen_pfn_t mfn = (xen_pfn_t)virt_to_mfn(page);

	CHECK_EQ(update_va(page, 0, UVMF_INVLPG), 0);
	return mfn;
}

static void attach(void *page, xen_pfn_t mfn)
{
	xen_pfn_t *p2m = (xen_pfn_t *)start_info->mfn_list;

	p2m[virt_to_pfn(page)] = mfn;
	CHECK_EQ(page_set_rw(page), 0);
}

TEST(decrease_and_populate)
{
	u64 *page = page_alloc();
	xen_pfn_t pfn = (xen_pfn_t)virt_to_pfn(page), frame = detach(page);
	u64 gone = frame;
	long before = current_pages();

	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
			     DOMID_SELF),
		 1);
	CHECK_EQ(current_pages(), before - 1);
	// Not ours any more.
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
			     DOMID_SELF),
		 0);
	CHECK(update_va(page, make_entry(gone, PTE_RW), UVMF_INVLPG) < 0);
	frame = pfn;
	CHECK_EQ(reservation(XENMEM_populate_physmap, &frame, 1, 0, DOMID_SELF),
		 1);
	CHECK_EQ(current_pages(), before);
	CHECK_EQ(machine_to_phys_mapping[frame], pfn);
	attach(page, frame);
	// Nothing of a former owner.
	for (int i = 0; i < 512; i++) {
		if (page[i])
			check_failed("page", i, "%" LL "x", page[i]);
	}
	page_free(page);
}

TEST(decrease_in_use)
{
	u64 *page = page_alloc();
	xen_pfn_t frame = (xen_pfn_t)virt_to_mfn(page);
	long before = current_pages();

	// A frame that is mapped, or pinned, goes when the last use ends.
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
			     DOMID_SELF),
		 1);
	CHECK_EQ(current_pages(), before);
	page[0] = 5;
	CHECK_EQ(page[0], 5);
	CHECK_EQ(update_va(page, 0, UVMF_INVLPG), 0);
	CHECK_EQ(current_pages(), before - 1);
	frame = (xen_pfn_t)virt_to_pfn(page);
	CHECK_EQ(reservation(XENMEM_populate_physmap, &frame, 1, 0, DOMID_SELF),
		 1);
	attach(page, frame);
	page_free(page);
}

// To unpin is the caller's affair, before or after (class of XSA-252).
TEST(decrease_pinned)
{
	u64 *page = page_alloc(), *lower = page_alloc();
	long before = current_pages();
	xen_pfn_t frame;

	page_set_ro(lower);
	page[0] = make_entry(virt_to_mfn(lower), PTE_TABLE);
	page_set_ro(page);
	CHECK_EQ(pin_table(2, page), 0);
	frame = detach(page);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
			     DOMID_SELF),
		 1);
	// A table still, of the caller's, that keeps those below it.
	CHECK_EQ(current_pages(), before);
	CHECK_EQ(page_set_rw(lower), -EBUSY);
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, frame, 0), 0);
	// A second call also finishes what the first one may have left.
	CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, frame, 0), -EINVAL);
	CHECK_EQ(current_pages(), before - 1);
	CHECK_EQ(page_set_rw(lower), 0);
	page_free(lower);
	frame = (xen_pfn_t)virt_to_pfn(page);
	CHECK_EQ(reservation(XENMEM_populate_physmap, &frame, 1, 0, DOMID_SELF),
		 1);
	attach(page, frame);
	page_free(page);
}

TEST(reservation_errors)
{
	xen_pfn_t frame = NO_FRAME;

	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
			     DOMID_SELF),
		 0);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0, 77), 0);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 0, 0,
			     DOMID_SELF),
		 0);
	for (unsigned int order = 19; order < 64; order++)
		CHECK_EQ(reservation(XENMEM_populate_physmap, &frame, 1, order,
				     DOMID_SELF),
			 0);
	CHECK_EQ(reservation(XENMEM_populate_physmap, &frame, ~0ul, 0,
			     DOMID_SELF),
		 0);
	domid_t dom = 77;

	CHECK_EQ(memory_op(XENMEM_current_reservation, &dom), -ESRCH);
	CHECK_EQ(memory_op(XENMEM_maximum_reservation, &dom), -ESRCH);
	CHECK_EQ(memory_op(XENMEM_maximum_gpfn, &dom), -ESRCH);
}

// The maximum of Dom0 is what it has or no limit; a page more than free
// memory has cannot be had.
TEST(increase)
{
	xen_pfn_t frame = 0;
	long before = current_pages();

	if (reservation(XENMEM_increase_reservation, &frame, 1, 0,
			DOMID_SELF) == 1) {
		CHECK_EQ(current_pages(), before + 1);
		CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
				     DOMID_SELF),
			 1);
	}
	CHECK_EQ(current_pages(), before);
	CHECK_EQ(reservation(XENMEM_increase_reservation, &frame, 1, 18,
			     DOMID_SELF),
		 0);
}

static long exchange(struct xen_memory_exchange *x, xen_pfn_t *in,
		     xen_pfn_t *out)
{
	set_xen_guest_handle(x->in.extent_start, in);
	set_xen_guest_handle(x->out.extent_start, out);
	return memory_op(XENMEM_exchange, x);
}

static struct xen_memory_exchange plain_exchange(uptr count)
{
	return (struct xen_memory_exchange){
		.in = { .nr_extents = count, .domid = DOMID_SELF },
		.out = { .nr_extents = count, .domid = DOMID_SELF }
	};
}

TEST(exchange_pages)
{
	xen_pfn_t in[4], out[4];
	u64 *pages[4];
	struct xen_memory_exchange x = plain_exchange(4);
	long before = current_pages();

	for (int i = 0; i < 4; i++) {
		pages[i] = page_alloc();
		in[i] = detach(pages[i]);
		out[i] = (xen_pfn_t)virt_to_pfn(pages[i]);
	}
	CHECK_EQ(exchange(&x, in, out), 0);
	CHECK_EQ(x.nr_exchanged, 4);
	CHECK_EQ(current_pages(), before);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(machine_to_phys_mapping[out[i]],
			 virt_to_pfn(pages[i]));
		attach(pages[i], out[i]);
		CHECK_EQ(pages[i][0], 0);
		page_free(pages[i]);
	}
}

TEST(exchange_contiguous)
{
	xen_pfn_t in[4], out[1];
	u64 *pages[4];
	struct xen_memory_exchange x = plain_exchange(4);

	for (int i = 0; i < 4; i++) {
		pages[i] = page_alloc();
		in[i] = detach(pages[i]);
	}
	out[0] = (xen_pfn_t)virt_to_pfn(pages[0]);
	x.out.nr_extents = 1;
	x.out.extent_order = 2;
	CHECK_EQ(exchange(&x, in, out), 0);
	CHECK_EQ(x.nr_exchanged, 4);
	CHECK_EQ(out[0] & 3, 0);
	for (uptr i = 0; i < 4; i++) {
		CHECK_EQ(machine_to_phys_mapping[out[0] + i],
			 virt_to_pfn(pages[0]) + i);
		attach(pages[i], out[0] + i);
		page_free(pages[i]);
	}
}

TEST(exchange_errors)
{
	u64 *page = page_alloc();
	xen_pfn_t in[1] = { (xen_pfn_t)virt_to_mfn(page) };
	xen_pfn_t out[1] = { (xen_pfn_t)virt_to_pfn(page) };
	struct xen_memory_exchange x = plain_exchange(1);

	// Mapped: cannot be taken.
	CHECK_EQ(exchange(&x, in, out), -EINVAL);
	CHECK_EQ(x.nr_exchanged, 0);
	in[0] = NO_FRAME;
	CHECK_EQ(exchange(&x, in, out), -EINVAL);
	x.in.nr_extents = 2; // more in than out
	CHECK_EQ(exchange(&x, in, out), -EINVAL);
	x.in.nr_extents = 1;
	x.nr_exchanged = 2;
	CHECK_EQ(exchange(&x, in, out), -EINVAL);
	x.nr_exchanged = 0;
	x.in.domid = 77;
	CHECK_EQ(exchange(&x, in, out), -EINVAL); // not the same domain
	x.out.domid = 77;
	CHECK_EQ(exchange(&x, in, out), -ESRCH);
	x = plain_exchange(1);
	x.in.extent_order = x.out.extent_order = 64;
	CHECK_EQ(exchange(&x, in, out), -EPERM);
	x = plain_exchange(~0ul);
	CHECK_EQ(exchange(&x, in, out), BAD_LIST);
	page_free(page);
}

TEST(exchange_handles)
{
	static const uptr bad[] = { HYPERVISOR_VIRT_START,
#ifdef __x86_64__
				    0xffff830000000000, 0x8000000000000000
#else
				    0xfffffffc
#endif
	};
	u64 *page = page_alloc();
	xen_pfn_t in[1] = { (xen_pfn_t)virt_to_mfn(page) };
	xen_pfn_t out[1] = { (xen_pfn_t)virt_to_pfn(page) };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct xen_memory_exchange x = plain_exchange(1);

		CHECK_EQ(exchange(&x, (xen_pfn_t *)bad[i], out),
			 i ? -EFAULT : BAD_LIST); // the M2P can be read
		x = plain_exchange(1);
		CHECK_EQ(exchange(&x, in, (xen_pfn_t *)bad[i]), BAD_LIST);
		CHECK_EQ(x.nr_exchanged, 0);
	}
	page[0] = 1; // still there
	page_free(page);
}

TEST(machphys)
{
	struct xen_machphys_mapping map;
	struct xen_machphys_mfn_list list = { .max_extents = 4 };
	xen_pfn_t frames[4];

	CHECK_EQ(memory_op(XENMEM_machphys_mapping, &map), 0);
	CHECK_EQ(map.v_start, MACH2PHYS_VIRT_START);
	CHECK(map.v_end <= MACH2PHYS_VIRT_END);
	CHECK(map.max_mfn > 0);
	set_xen_guest_handle(list.extent_start, frames);
	CHECK_EQ(memory_op(XENMEM_machphys_mfn_list, &list), 0);
	CHECK(list.nr_extents >= 1);
}

TEST(maps)
{
	static struct e820entry {
		u64 addr, size;
		u32 type;
	} __attribute__((packed)) entries[64];
	struct xen_memory_map map = { .nr_entries = 64 };

	set_xen_guest_handle(map.buffer, entries);
	CHECK_EQ(memory_op(XENMEM_machine_memory_map, &map), 0);
	CHECK(map.nr_entries > 2);
	CHECK_EQ(entries[0].addr, 0);
	CHECK_EQ(entries[0].type, 1);
	map.nr_entries = 1;
	CHECK_EQ(memory_op(XENMEM_machine_memory_map, &map), -EINVAL);
	map.nr_entries = 64;
	CHECK_EQ(memory_op(XENMEM_memory_map, &map), -ENOSYS);
}

TEST(translated_only)
{
	struct xen_add_to_physmap add = { .domid = DOMID_SELF,
					  .space = XENMAPSPACE_shared_info,
					  .gpfn = 1 };
	struct xen_remove_from_physmap remove = { .domid = DOMID_SELF,
						  .gpfn = 1 };

	CHECK_EQ(memory_op(XENMEM_add_to_physmap, &add), -EACCES);
	CHECK_EQ(memory_op(XENMEM_remove_from_physmap, &remove), -EACCES);
}

TEST(others_memory)
{
	domid_t other = domain_create();
	xen_pfn_t frame;
	uptr pages;

	if (other == DOMID_INVALID)
		return;
	frame = (xen_pfn_t)domain_page(other, 7);
	CHECK_EQ(machine_to_phys_mapping[frame], 7);
	pages = (uptr)memory_op(XENMEM_current_reservation, &other);
	CHECK_EQ(pages, 1);
	CHECK_EQ(memory_op(XENMEM_maximum_reservation, &other), 256);
	// Not out of the wrong domain.
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0,
			     DOMID_SELF),
		 0);
	CHECK_EQ(reservation(XENMEM_decrease_reservation, &frame, 1, 0, other),
		 1);
	CHECK_EQ(memory_op(XENMEM_current_reservation, &other), 0);
	domain_destroy(other);
}
