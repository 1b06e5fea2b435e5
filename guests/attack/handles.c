// SPDX-License-Identifier: MIT
// Handles of grant mappings: what each part counts for, entries that were
// changed behind the hypervisor's back, two vcpus at the same handle.
#include "attack/attack.h"

#define TIME  (250 * MS)
#define REF   ATTACK_REF
#define BOTH  (GNTMAP_host_map | GNTMAP_device_map)
#define MARKS (GTF_reading | GTF_writing)
#define MANY  600u // more than a page of mappings has
#define REFS  6u   // Xen has 128 users of each at most

static struct grant_entry_v1 *table;
static u64 *page;
static u64 device; // address of the page

static void begin(void)
{
	page = page_alloc();
	device = virt_to_mfn(page) << 12;
	table = grants_of(DOMID_SELF);
	grant(&table[REF], domain_self(), virt_to_mfn(page));
}

// Nobody uses the grant any more, nothing refers to the page.
static void end(void)
{
	CHECK_EQ(table[REF].flags, GTF_permit_access);
	table[REF].flags = 0;
	window(GRANT_WINDOW);
	CHECK(page_exchange(page));
	page_free(page);
}

// A mapping that has two parts is in use until both are gone.
TEST(parts_of_a_mapping)
{
	u64 at = (uptr)window(4);
	struct gnttab_map_grant_ref op;

	begin();
	for (int host_first = 0; host_first < 2; host_first++) {
		op = map_with(at, domain_self(), BOTH);
		CHECK_EQ(op.status, GNTST_okay);
		CHECK_EQ(op.dev_bus_addr, device);
		CHECK_EQ(unmap_with(0, device + 4096, op.handle),
			 GNTST_bad_dev_addr);
		CHECK_EQ(unmap_with(host_first ? at : 0,
				    host_first ? 0 : device, op.handle),
			 GNTST_okay);
		CHECK_EQ(table[REF].flags, GTF_permit_access | MARKS);
		CHECK_EQ(page_exchange(page), false);
		CHECK_EQ(unmap_with(host_first ? 0 : at,
				    host_first ? device : 0, op.handle),
			 GNTST_okay);
		CHECK_EQ(table[REF].flags, GTF_permit_access);
		CHECK_EQ(unmap_with(at, device, op.handle), GNTST_bad_handle);
	}
	end();
}

// What is unmapped is what the handle mapped, or nothing.
TEST(entry_changed_before_unmap)
{
	u64 *w = window(4), *mine = page_alloc();
	struct gnttab_map_grant_ref op;
	u64 entry;

	begin();
	op = map_with((uptr)w, domain_self(), GNTMAP_host_map);
	CHECK_EQ(op.status, GNTST_okay);
	entry = *entry_of(w, 1);
	mine[3] = 0x33;
	CHECK_EQ(update_va(w, make_entry(virt_to_mfn(mine), PTE_RW),
			   UVMF_INVLPG),
		 0);
	CHECK_EQ(unmap_with((uptr)w, 0, op.handle), GNTST_general_error);
	CHECK_EQ(*(volatile u64 *)&w[3], 0x33);
	for (u64 i = 1; i < 8; i++)
		CHECK_EQ(unmap_with((uptr)w + i, 0, op.handle),
			 GNTST_general_error);
	CHECK_EQ(table[REF].flags, GTF_permit_access | MARKS);
	window(4);
	CHECK_EQ(unmap_with((uptr)w, 0, op.handle), GNTST_general_error);
	// The page is our own: with the entry back it is as it was.
	CHECK_EQ(update_va(w, entry, UVMF_INVLPG), 0);
	CHECK_EQ(unmap_with((uptr)w, 0, op.handle), GNTST_okay);
	end();
	CHECK(page_exchange(mine));
	page_free(mine);
}

static int16_t copy_to_grant(void)
{
	struct gnttab_copy op = { .len = 8, .flags = GNTCOPY_dest_gref };

	op.source.domid = op.dest.domid = DOMID_SELF;
	op.source.u.gmfn = (xen_pfn_t)virt_to_mfn((void *)start_info->mfn_list);
	op.dest.u.ref = REF;
	CHECK_EQ(grant_op(GNTTABOP_copy, &op, 1), 0);
	return op.status;
}

// A copy ends; who has the page mapped still has it, as the entry says.
TEST(copy_while_mapped)
{
	u64 at = (uptr)window(4), other = (uptr)window(5);
	struct gnttab_map_grant_ref op, read;

	begin();
	op = map_with(at, domain_self(), GNTMAP_host_map);
	read = map_with(other, domain_self(),
			GNTMAP_host_map | GNTMAP_readonly);
	CHECK_EQ(read.status, GNTST_okay);
	CHECK_EQ(copy_to_grant(), GNTST_okay);
	CHECK_EQ(table[REF].flags, GTF_permit_access | MARKS);
	CHECK_EQ(unmap_with(at, 0, op.handle), GNTST_okay);
	CHECK_EQ(table[REF].flags, GTF_permit_access | GTF_reading);
	CHECK_EQ(copy_to_grant(), GNTST_okay);
	CHECK_EQ(table[REF].flags, GTF_permit_access | GTF_reading);
	CHECK_TRAP(*(volatile u32 *)(uptr)other = 1, 14, 3);
	CHECK_EQ(unmap_with(other, 0, read.handle), GNTST_okay);
	end();
}

static volatile u32 handle;
static uptr at, mapped, unmapped;

static void unmap_it(void)
{
	int16_t status = unmap_with(at, 0, handle);

	if (status == GNTST_okay)
		__atomic_fetch_add(&unmapped, 1, __ATOMIC_SEQ_CST);
	else
		fine(status, GNTST_bad_handle, GNTST_general_error);
}

static void map_and_unmap(void)
{
	// The other one may know the handle's number from the last time.
	uptr before = __atomic_load_n(&unmapped, __ATOMIC_SEQ_CST);
	struct gnttab_map_grant_ref op =
		map_with(at, domain_self(), GNTMAP_host_map);

	if (!CHECK_EQ(op.status, GNTST_okay))
		return;
	mapped++;
	handle = op.handle;
	// Each mapping ends once, whoever does it.
	for (u64 until = system_time() + 1000 * MS;
	     __atomic_load_n(&unmapped, __ATOMIC_SEQ_CST) == before &&
	     system_time() < until;)
		unmap_it();
}

TEST(same_handle_twice)
{
	begin();
	at = (uptr)window(4);
	mapped = unmapped = 0;
	handle = 0xffffffff;
	race(map_and_unmap, unmap_it, TIME);
	CHECK_EQ(unmapped, mapped);
	end();
}

// Handles come and go by the hundred while somebody tries their numbers: one
// that is not all there is not found.
static void unmap_numbers(struct gnttab_unmap_grant_ref *ops, u32 first, u32 n)
{
	for (u32 i = 0; i < n; i++)
		ops[i] =
			(struct gnttab_unmap_grant_ref){ .dev_bus_addr = device,
							 .handle = first + i };
	CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, ops, n), 0);
	for (u32 i = 0; i < n; i++) {
		if (ops[i].status == GNTST_okay)
			__atomic_fetch_add(&unmapped, 1, __ATOMIC_SEQ_CST);
		else
			fine(ops[i].status, GNTST_bad_handle, GNTST_bad_handle);
	}
}

static void map_many(void)
{
	static struct gnttab_map_grant_ref maps[MANY];
	static struct gnttab_unmap_grant_ref ops[2 * MANY];

	for (u32 i = 0; i < MANY; i++)
		maps[i] = (struct gnttab_map_grant_ref){
			.flags = GNTMAP_device_map,
			.ref = REF + i % REFS,
			.dom = domain_self()
		};
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, maps, MANY), 0);
	for (u32 i = 0; i < MANY; i++)
		mapped += CHECK_EQ(maps[i].status, GNTST_okay);
	unmap_numbers(ops, 0, 2 * MANY);
}

static void try_numbers(void)
{
	static struct gnttab_unmap_grant_ref ops[64];
	static u32 n;

	unmap_numbers(ops, n++ * 64 % (2 * MANY), 64);
}

TEST(handles_by_number)
{
	begin();
	for (u32 i = 1; i < REFS; i++)
		grant(&table[REF + i], domain_self(), virt_to_mfn(page));
	mapped = unmapped = 0;
	race(map_many, try_numbers, TIME);
	map_many();
	CHECK_EQ(unmapped, mapped);
	CHECK(mapped > MANY);
	for (u32 i = 1; i < REFS; i++) {
		CHECK_EQ(table[REF + i].flags, GTF_permit_access);
		table[REF + i].flags = 0;
	}
	end();
}

// Readers and writers of one grant on two vcpus: the marks are those of all.
static void map_writable(void)
{
	struct gnttab_map_grant_ref op =
		map_with(at, domain_self(), GNTMAP_host_map);

	if (!CHECK_EQ(op.status, GNTST_okay))
		return;
	if ((table[REF].flags & MARKS) != MARKS)
		check_failed("marks", 0, "are %x", table[REF].flags);
	mapped++;
	CHECK_EQ(unmap_with(at, 0, op.handle), GNTST_okay);
}

static void map_readable(void)
{
	u64 there = at + PAGE_SIZE;
	struct gnttab_map_grant_ref op = map_with(
		there, domain_self(), GNTMAP_host_map | GNTMAP_readonly);

	if (!CHECK_EQ(op.status, GNTST_okay))
		return;
	if (!(table[REF].flags & GTF_reading))
		check_failed("marks", 1, "are %x", table[REF].flags);
	CHECK_EQ(poke((void *)(uptr)there, 1), false);
	copy_to_grant();
	CHECK_EQ(unmap_with(there, 0, op.handle), GNTST_okay);
}

TEST(readers_and_writers)
{
	begin();
	window(5);
	at = (uptr)window(4);
	mapped = 0;
	race(map_writable, map_readable, TIME);
	CHECK(mapped > 0);
	end();
}

static long version(u32 want)
{
	struct gnttab_set_version op = { .version = want };

	return grant_op(GNTTABOP_set_version, &op, 1);
}

static u64 status_frame(void)
{
	struct gnttab_get_status_frames op = { .nr_frames = 1,
					       .dom = DOMID_SELF };
	xen_pfn_t frame = 0;

	set_xen_guest_handle(op.frame_list, (void *)&frame);
	CHECK_EQ(grant_op(GNTTABOP_get_status_frames, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	return frame;
}

// Back to version 1 with a status frame mapped: it is refused, or the frame
// stays what it is as long as we can write to it.
TEST(status_frame_kept)
{
	volatile u64 *w = window(4);
	u64 frame;
	domid_t id;
	long rc;

	CHECK_EQ(version(2), 0);
	frame = status_frame();
	CHECK_EQ(update_va(w, make_entry(frame, PTE_RW | PTE_U), UVMF_INVLPG),
		 0);
	w[511] = 0x5151;
	rc = version(1);
	fine(rc, -EBUSY, -EBUSY);
	id = domain_create();
	for (u64 pfn = 0; pfn < 200; pfn++)
		if (domain_page(id, pfn) == frame)
			check_failed("frame", 0, "%" LL "x is given away",
				     frame);
	// With the next version 2 the words are new.
	if (!rc) {
		CHECK_EQ(version(2), 0);
		CHECK_EQ(w[511], 0);
	}
	domain_destroy(id);
	window(4);
	CHECK_EQ(version(1), 0);
}
