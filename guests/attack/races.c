// SPDX-License-Identifier: MIT
// Two vcpus at the same thing. What counts is what never happens meanwhile,
// and that every reference is back in the end.
#include "attack/attack.h"

#define TIME (250 * MS)
#define RW   (PTE_RW | PTE_U)
#define BAD  make_entry(0xfee00, RW)
#define REF  21u
// Free, with the table below the base table.
#ifdef __x86_64__
#define FREE_VA 0x0000030000000000ul
#define TOP	tables[3]
#else
#define FREE_VA 0x40000000ul
#define TOP	tables[2]
#endif

static u64 *page, *tables[4];
static volatile u64 *at;
static uptr turn, wins;

bool fine(long rc, long a, long b)
{
	if (!rc || rc == a || rc == b)
		return true;
	check_failed("race", 0, "result %ld", rc);
	return false;
}

static void poke_entries(void)
{
	static u64 n;

	n++;
	poke(&page[n / 4 % 512], n % 4 ? 0 : BAD);
}

// Writable, a table, writable: without a flush of our own.
static void flip(void)
{
	CHECK_EQ(page_set_rw(page), 0);
	for (int i = 0; i < 512; i++)
		poke(&page[i], 0);
	CHECK_EQ(update_va(page, make_entry(virt_to_mfn(page), PTE_RO),
			   UVMF_NONE),
		 0);
	if (pin_table(1, page))
		return;
	wins++;
	for (int i = 0; i < 512; i++) {
		u64 e = ((volatile u64 *)page)[i];

		if (e & PTE_P)
			check_failed("entry", i, "is %" LL "x", e);
	}
	CHECK_EQ(unpin_table(page), 0);
}

TEST(flip_and_write)
{
	page = page_alloc();
	wins = 0;
	race(flip, poke_entries, 2 * TIME);
	CHECK(wins > 0);
	CHECK_EQ(page_set_rw(page), 0);
	CHECK(page_exchange(page));
	page_free(page);
}

static void make_tables(void)
{
	for (int i = 0; i < 4; i++)
		tables[i] = page_alloc();
	page = page_alloc();
	tables[0][0] = make_entry(virt_to_mfn(page), RW);
	tables[1][0] = make_entry(virt_to_mfn(page), RW);
	tables[2][0] = make_entry(virt_to_mfn(tables[0]), PTE_TABLE);
	tables[3][0] = make_entry(virt_to_mfn(tables[2]), PTE_TABLE);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(page_set_ro(tables[i]), 0);
}

static void free_tables(void)
{
	for (int i = 3; i >= 0; i--) {
		CHECK_EQ(page_set_rw(tables[i]), 0);
		CHECK(page_exchange(tables[i]));
		page_free(tables[i]);
	}
	CHECK(page_exchange(page));
	page_free(page);
}

static void pin_unpin(void)
{
	if (fine(pin_table(3, tables[3]), -EINVAL, -EBUSY))
		fine(unpin_table(tables[3]), -EINVAL, -EINVAL);
}

static void change_entries(void)
{
	static u64 n;

	n++;
	fine(mmu_update_one(
		     virt_to_maddr(&tables[2][n % 2]),
		     n & 2 ? make_entry(virt_to_mfn(tables[n & 1]), PTE_TABLE)
			   : 0),
	     -EINVAL, -EBUSY);
	fine(mmu_update_one(virt_to_maddr(&tables[0][n % 512]),
			    n & 4 ? make_entry(virt_to_mfn(page), RW) : 0),
	     -EINVAL, -EBUSY);
}

TEST(unpin_and_change)
{
	make_tables();
	race(pin_unpin, change_entries, TIME);
	unpin_table(tables[3]);
	free_tables();
}

static void set_same(void)
{
	uptr n = __atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST);

	fine(mmu_update_one(virt_to_maddr(&tables[2][0]),
			    n % 3 == 0
				    ? 0
				    : make_entry(virt_to_mfn(tables[n % 3 - 1]),
						 PTE_TABLE)),
	     -EINVAL, -EBUSY);
}

TEST(same_upper_entry)
{
	u64 top = entry_maddr((void *)FREE_VA, TABLE_LEVELS);

	make_tables();
	CHECK_EQ(mmu_update_one(top, make_entry(virt_to_mfn(TOP), PTE_TABLE)),
		 0);
	race(set_same, set_same, TIME);
	CHECK_EQ(mmu_update_one(virt_to_maddr(&tables[2][0]), 0), 0);
	CHECK_EQ(mmu_update_one(top, 0), 0);
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
	free_tables();
}

// An upper entry comes and goes while the other vcpu uses what it maps.
static void swing(void)
{
	CHECK_EQ(mmu_update_one(virt_to_maddr(&tables[2][0]), 0), 0);
	CHECK_EQ(page_set_rw(tables[0]), 0);
	tables[0][1] = turn++ << 1;
	CHECK_EQ(page_set_ro(tables[0]), 0);
	CHECK_EQ(mmu_update_one(virt_to_maddr(&tables[2][0]),
				make_entry(virt_to_mfn(tables[0]), PTE_TABLE)),
		 0);
}

static void use(void)
{
	poke((u64 *)FREE_VA + 5, turn);
	poke((u64 *)FREE_VA + 512, turn);
}

TEST(swing_and_use)
{
	u64 top = entry_maddr((void *)FREE_VA, TABLE_LEVELS);

	make_tables();
	CHECK_EQ(mmu_update_one(top, make_entry(virt_to_mfn(TOP), PTE_TABLE)),
		 0);
	race(swing, use, TIME);
	CHECK_EQ(mmu_update_one(top, 0), 0);
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
	free_tables();
}

static void exchange(void)
{
	wins += page_exchange(page);
}

static void map_it(void)
{
	fine(update_va(at, make_entry(virt_to_mfn(page), RW), UVMF_INVLPG),
	     -EINVAL, -EBUSY);
	poke(at + 1, 1);
	fine(update_va(at, 0, UVMF_INVLPG), 0, 0);
}

TEST(exchange_and_map)
{
	page = page_alloc();
	at = window(8);
	wins = 0;
	race(exchange, map_it, TIME);
	CHECK(wins > 0);
	CHECK(page_exchange(page));
	page_free(page);
}

void pair_bind(volatile u32 *a, volatile u32 *b)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF,
					      .remote_dom = DOMID_SELF };
	struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF };

	CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &alloc), 0);
	bind.remote_port = *a = alloc.port;
	CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &bind), 0);
	*b = bind.local_port;
}

static volatile u32 port_a, port_b;

static void open_close(void)
{
	pair_bind(&port_a, &port_b);
	port_send(port_a);
	CHECK_EQ(port_close(turn++ & 1 ? port_a : port_b), 0);
	port_close(port_a);
	port_close(port_b);
}

static void send_both(void)
{
	struct evtchn_bind_vcpu bind = { port_a, 1 };

	fine(port_send(port_a), -EINVAL, -EINVAL);
	fine(event_op(EVTCHNOP_bind_vcpu, &bind), -EINVAL, -EINVAL);
	fine(port_send(port_b), -EINVAL, -EINVAL);
	fine(port_unmask(port_b), -EINVAL, -EINVAL);
}

TEST(close_and_send)
{
	event_mask_all();
	race(open_close, send_both, TIME);
	event_mask_all();
}

static struct grant_entry_v1 *grants;
static u64 *granted;

static void map_grants(void)
{
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1 };
	xen_pfn_t frame = 0;

	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	grants = window(3);
	CHECK_EQ(update_va(grants, make_entry(frame, RW), UVMF_INVLPG), 0);
}

// Version 1, and 2 (16 bytes an entry) in turn.
static void switch_version(void)
{
	struct gnttab_set_version op = { .version = 1 + (turn++ & 1) };
	long rc = grant_op(GNTTABOP_set_version, &op, 1);
	union grant_entry_v2 *v2 = (void *)grants;

	if (!fine(rc, -EBUSY, -EBUSY) || rc)
		return;
	wins++;
	if (op.version == 1) {
		grants[REF].domid = domain_self();
		grants[REF].frame = (u32)virt_to_mfn(granted);
		barrier();
		grants[REF].flags = GTF_permit_access;
	} else {
		union grant_entry_v2 *e = v2 + REF;

		e->full_page.hdr.domid = domain_self();
		e->full_page.frame = virt_to_mfn(granted);
		barrier();
		e->full_page.hdr.flags = GTF_permit_access;
	}
}

static u64 mapped;

static void map_unmap(void)
{
	struct gnttab_map_grant_ref op = { .host_addr = (uptr)at,
					   .flags = GNTMAP_host_map,
					   .ref = REF,
					   .dom = domain_self() };
	struct gnttab_unmap_grant_ref un = { .host_addr = (uptr)at };

	grant_op(GNTTABOP_map_grant_ref, &op, 1);
	if (op.status)
		return;
	mapped++;
	poke(at + 1, 3);
	un.handle = op.handle;
	grant_op(GNTTABOP_unmap_grant_ref, &un, 1);
	if (un.status)
		check_failed("unmap", 0, "%d", un.status);
}

TEST(switch_and_map)
{
	struct gnttab_set_version op = { .version = 1 };

	granted = page_alloc();
	at = window(8);
	map_grants();
	wins = mapped = 0;
	// On a busy machine a turn may find the entry empty each time.
	for (int i = 0; i < 10 && !(wins && mapped); i++)
		race(switch_version, map_unmap, TIME);
	CHECK(wins > 0);
	CHECK(mapped > 0);
	CHECK_EQ(grant_op(GNTTABOP_set_version, &op, 1), 0);
	grants[REF].flags = 0;
	window(3);
	CHECK(page_exchange(granted));
	page_free(granted);
}
