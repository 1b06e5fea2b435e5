// SPDX-License-Identifier: MIT
// How much of everything the guest gets, and what it is told then: each time
// that data/ask in the store has another value, which goes to data/answered when
// data/limits has the answer.
#include "tenant/tenant.h"

#define PORTS  4096
#define USES   64u // of one grant, mapped at a time
#define GRANTS 128u

static struct gnttab_map_grant_ref maps[USES * GRANTS];
static u32 ports[PORTS], refs[GRANTS];
static u8 granted[PAGE_SIZE] __page_aligned;

struct answer {
	long error;
	u64 n; // that there were before
};

// A port for Dom0 each; they are given back.
static struct answer ask_ports(void)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF };
	struct answer a = { 0, 0 };

	while (a.n < PORTS) {
		a.error = event_op(EVTCHNOP_alloc_unbound, &op);
		if (a.error)
			break;
		ports[a.n++] = op.port;
	}
	for (u64 i = 0; i < a.n; i++)
		NEED(port_close(ports[i]) == 0);
	return a;
}

// Mappings for devices, which take no address; they are given back.
static struct answer ask_mappings(void)
{
	struct gnttab_unmap_grant_ref op = { 0 };
	struct answer a = { 0, 0 };
	domid_t self = (domid_t)store_read_number("domid");

	for (u32 i = 0; !refs[GRANTS - 1] && i < GRANTS; i++)
		refs[i] = grant_page(granted, self, 0);
	for (; a.n < USES * GRANTS; a.n++) {
		struct gnttab_map_grant_ref *m = &maps[a.n];

		*m = (struct gnttab_map_grant_ref){ .flags = GNTMAP_device_map,
						    .ref = refs[a.n / USES],
						    .dom = self };
		NEED(grant_op(GNTTABOP_map_grant_ref, m, 1) == 0);
		a.error = m->status;
		if (a.error)
			break;
	}
	for (u64 i = 0; i < a.n; i++) {
		op.dev_bus_addr = maps[i].dev_bus_addr;
		op.handle = maps[i].handle;
		NEED(grant_op(GNTTABOP_unmap_grant_ref, &op, 1) == 0);
		NEED(op.status == GNTST_okay);
	}
	return a;
}

// The status of asking for so many frames of grants.
static long ask_frames(u32 n)
{
	static xen_pfn_t frames[1024];
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = n };

	set_xen_guest_handle(op.frame_list, frames);
	NEED(grant_op(GNTTABOP_setup_table, &op, 1) == 0);
	return op.status;
}

static struct gnttab_query_size grant_frames(void)
{
	struct gnttab_query_size size = { .dom = DOMID_SELF };

	NEED(grant_op(GNTTABOP_query_size, &size, 1) == 0);
	return size;
}

// A page more; 1 is success.
static long ask_page(void)
{
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };
	xen_pfn_t frame = 0;
	long rc;

	set_xen_guest_handle(r.extent_start, &frame);
	rc = memory_op(XENMEM_increase_reservation, &r);
	if (rc == 1)
		NEED(memory_op(XENMEM_decrease_reservation, &r) == 1);
	return rc;
}

// Another frame for one of its own, which it keeps when that is refused.
static long ask_exchange(void)
{
	static u8 page[PAGE_SIZE] __page_aligned;
	u64 *p2m = (u64 *)start_info->mfn_list;
	u64 pfn = virt_to_pfn(page);
	xen_pfn_t in = p2m[pfn], out = pfn;
	struct xen_memory_exchange x = {
		.in = { .nr_extents = 1, .domid = DOMID_SELF },
		.out = { .nr_extents = 1, .domid = DOMID_SELF }
	};
	long rc;

	page[0] = 77;
	NEED(update_va(page, 0, UVMF_INVLPG) == 0);
	set_xen_guest_handle(x.in.extent_start, &in);
	set_xen_guest_handle(x.out.extent_start, &out);
	rc = memory_op(XENMEM_exchange, &x);
	if (!rc)
		p2m[pfn] = out;
	NEED(x.nr_exchanged == !rc);
	NEED(page_set_rw(page) == 0);
	NEED(page[0] == (rc ? 77 : 0));
	return rc;
}

static void tell(void)
{
	struct gnttab_query_size before = grant_frames(), after;
	u32 most = before.max_nr_frames;
	struct answer p = ask_ports(), m = ask_mappings();
	char text[200];
	long some, all;

	some = ask_frames(most);
	all = ask_frames(most + 1);
	after = grant_frames();
	snprintf(text, sizeof(text),
		 "ports=%lu,%ld maps=%lu,%ld frames=%u-%u/%u,%ld,%ld page=%ld "
		 "exchange=%ld",
		 p.n, p.error, m.n, m.error, before.nr_frames, after.nr_frames,
		 most, some, all, ask_page(), ask_exchange());
	NEED(store_write(0, "data/limits", text) == 0);
}

void limits(void)
{
	static long told = -1;
	long asked = store_read_number("data/ask");

	if (asked >= 0 && asked != told) {
		told = asked;
		tell();
		store_write_number("data/answered", (u64)told);
	}
}
