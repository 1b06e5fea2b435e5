// SPDX-License-Identifier: MIT
// One of many domains in a ring. To the one before it grants a page, in which
// that one asks and this one answers; of the one behind it, it is the one that
// asks. Every word of either is checked. Dom0 directs it through the store:
//
//	data/previous=ID  makes the offer for that domain
//	data/next=ID      takes that domain's offer
//	data/ask=N        asks N times without a rest, then writes data/told
//
// Else it asks a little ten times a second.
#include "lib/store.h"

#define GRANT_REF 16u // below are those of the toolstack
#define WORDS	  64
#define TICK	  100000000ul
#define PER_TICK  4
#define REMAP	  16 // asks until the page is mapped anew

struct page {
	volatile u32 asked, answered;
	volatile u64 words[WORDS];
};

static u8 table_page[PAGE_SIZE] __page_aligned;
static struct grant_entry_v1 *table = (void *)table_page;
static struct page *mine; // where the domain before this one asks
static u32 my_port, self;
static struct {
	domid_t domain;
	u32 ref, port, handle;
	struct page *page; // NULL: not mapped
} next;
static u64 asked, served, copies, maps, wrong, to_ask, tell_at;
static u32 told;

static u64 word(u32 number, u32 at, u32 domain)
{
	u64 x = ((u64)number << 32 | at) + ((u64)domain << 48);

	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ul;
}

static void fill(volatile u64 *words, u32 number, u32 domain)
{
	for (u32 i = 0; i < WORDS; i++)
		words[i] = word(number, i, domain);
}

static void verify(const volatile u64 *words, u32 number, u32 domain)
{
	for (u32 i = 0; i < WORDS; i++)
		wrong += words[i] != word(number, i, domain);
}

static u32 number_in(const char *path)
{
	char text[STORE_TEXT];

	return store_read(0, path, text) > 0 ? number_of(text) : 0;
}

static void offer(u32 previous)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF,
					   .remote_dom = (domid_t)previous };
	char text[32];
	int n;

	mine = page_alloc();
	CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &op), 0);
	my_port = op.port;
	table[GRANT_REF].domid = (domid_t)previous;
	table[GRANT_REF].frame = (u32)virt_to_mfn(mine);
	barrier();
	table[GRANT_REF].flags = GTF_permit_access;
	snprintf(text, sizeof(text), "%u %u", GRANT_REF, my_port);
	CHECK_EQ(store_write(0, "data/offer", text), 0);
	n = snprintf(text, sizeof(text), "n%u", self) + 1;
	n += snprintf(text + n, sizeof(text) - (size_t)n, "r%u", previous) + 1;
	CHECK_EQ(store_allow(0, "data/offer", text, (size_t)n), 0);
}

static void map_next(void)
{
	struct gnttab_map_grant_ref op = { .host_addr = (u64)window(0),
					   .flags = GNTMAP_host_map,
					   .ref = next.ref,
					   .dom = next.domain };

	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	next.handle = op.handle;
	next.page = op.status == GNTST_okay ? (void *)op.host_addr : NULL;
	maps += op.status == GNTST_okay;
}

static void unmap_next(void)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = (u64)next.page,
					     .handle = next.handle };

	CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
	wrong += op.status != GNTST_okay;
	next.page = NULL;
}

static void take_offer(u32 domain)
{
	struct evtchn_bind_interdomain op = { .remote_dom = (domid_t)domain };
	char path[64], text[STORE_TEXT], *at = text;

	snprintf(path, sizeof(path), "/local/domain/%u/data/offer", domain);
	if (!CHECK_EQ(store_read(0, path, text) > 0, 1))
		return;
	next.domain = (domid_t)domain;
	next.ref = number_of(at);
	while (*at && *at != ' ')
		at++;
	op.remote_port = number_of(at);
	CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &op), 0);
	next.port = op.local_port;
	map_next();
}

// The page as it is, through the hypervisor.
static void copy_next(void)
{
	static struct page copy __page_aligned;
	struct gnttab_copy op = { .source.u.ref = next.ref,
				  .source.domid = next.domain,
				  .dest.u.gmfn = virt_to_mfn(&copy),
				  .dest.domid = DOMID_SELF,
				  .len = sizeof(copy),
				  .flags = GNTCOPY_source_gref };

	CHECK_EQ(grant_op(GNTTABOP_copy, &op, 1), 0);
	wrong += op.status != GNTST_okay;
	verify(copy.words, copy.answered, next.domain);
	copies++;
}

static void serve(void)
{
	u32 number;

	if (!mine || mine->asked == mine->answered)
		return;
	number = mine->asked;
	verify(mine->words, number, 0);
	fill(mine->words, number, self);
	__atomic_store_n(&mine->answered, number, __ATOMIC_RELEASE);
	served++;
	port_send(my_port);
}

static void ask(void)
{
	u32 number;

	if (!next.page || next.page->answered != next.page->asked)
		return;
	number = next.page->asked;
	if (number)
		verify(next.page->words, number, next.domain);
	if (number % REMAP == REMAP - 1) {
		copy_next();
		unmap_next();
		map_next();
	}
	if (!to_ask || !next.page)
		return;
	to_ask--;
	asked++;
	fill(next.page->words, ++number, 0);
	__atomic_store_n(&next.page->asked, number, __ATOMIC_RELEASE);
	port_send(next.port);
}

static void tell(void)
{
	char text[120];

	if (!tell_at || asked < tell_at)
		return;
	snprintf(text, sizeof(text),
		 "%u asked=%lu served=%lu copies=%lu maps=%lu wrong=%lu",
		 ++told, asked, served, copies, maps,
		 wrong + checks_failed(NULL));
	CHECK_EQ(store_write(0, "data/told", text), 0);
	tell_at = 0;
}

static void obey(void)
{
	char token[32];
	u32 number;

	while (store_event(token, NULL)) {
		number = number_in(token);
		if (!number)
			continue;
		if (!strcmp(token, "data/previous") && !mine)
			offer(number);
		if (!strcmp(token, "data/next") && !next.page)
			take_offer(number);
		if (!strcmp(token, "data/ask")) {
			tell_at = asked + number;
			to_ask = number;
		}
	}
}

static void start(void)
{
	struct evtchn_bind_virq timer = { .virq = VIRQ_TIMER };
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1 };
	static const char *const paths[] = { "data/previous", "data/next",
					     "data/ask" };
	xen_pfn_t frame = 0;

	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(update_va(table_page, make_entry(frame, PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &timer), 0);
	self = number_in("domid");
	for (unsigned int i = 0; i < ARRAY_SIZE(paths); i++)
		CHECK_EQ(store_watch(paths[i], paths[i]), 0);
}

TEST(peer)
{
	u64 tick = 0;

	if (start_info->flags & SIF_INITDOMAIN)
		test_skip("is for a DomU");
	start();
	for (;;) {
		obey();
		serve();
		ask();
		tell();
		if (system_time() >= tick) {
			tick = system_time() + TICK;
			HC1(__HYPERVISOR_set_timer_op, tick);
			to_ask += to_ask ? 0 : PER_TICK;
		} else {
			store_wait();
		}
	}
}
