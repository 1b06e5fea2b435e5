// SPDX-License-Identifier: MIT
// Domains that we make: an event there and back, creation and destruction,
// alone and beside a hundred; fair shares of two that never stop.
#include "lib/domu.h"
#include "bench/bench.h"

#ifdef __x86_64__
#define RESIDENTS   100
#define DOMU_SHARED 0x4000ul
#define FAIR_TIME   (300 * MS)

// What the other domain reads and writes in its page of data.
struct mail {
	u64 shared; // its shared info
	u64 port;   // of ours, to bind to
	volatile u64 count;
};

static inline __attribute__((always_inline)) long raw_call(
	u64 number, u64 a1, const volatile void *a2, u64 a3)
{
	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(a1), "S"(a2), "d"(a3)
			 : "rcx", "r11", "memory");
	return (long)number;
}

// Runs in the other domain, copied: nothing of the image is there.
static __attribute__((noinline, noclone)) void partner(void)
{
	const struct mail *m = (const struct mail *)DOMU_DATA;
	struct shared_info *s = (struct shared_info *)DOMU_SHARED;
	struct evtchn_bind_interdomain bind;
	struct evtchn_send send;
	struct sched_poll poll;
	evtchn_port_t port;

	raw_call(__HYPERVISOR_update_va_mapping, DOMU_SHARED,
		 (void *)(m->shared | PTE_RW | PTE_U), UVMF_INVLPG);
	s->vcpu_info[0].evtchn_upcall_mask = 1;
	raw_call(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, NULL, 0);
	bind.remote_dom = 0;
	bind.remote_port = (evtchn_port_t)m->port;
	raw_call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain,
		 &bind, 0);
	port = send.port = bind.local_port;
	poll.nr_ports = 1;
	poll.timeout = 0;
	set_xen_guest_handle(poll.ports, &port);
	for (;;) {
		while (!(__atomic_fetch_and(&s->evtchn_pending[0],
					    ~(1ul << port), __ATOMIC_SEQ_CST) &
			 1ul << port))
			raw_call(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll, 0);
		raw_call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send,
			 0);
	}
}

static __attribute__((noinline, noclone)) void spinner(void)
{
	struct mail *m = (struct mail *)DOMU_DATA;

	for (;;)
		m->count++;
}

static bool make(struct domu *d, void (*code)(void), u64 port)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo };
	struct mail mail = { .port = port };

	if (!domu_make(d, NULL, &mail, sizeof(mail)))
		return false;
	op.domain = d->id;
	CHECK_EQ(domctl(&op), 0);
	mail.shared = op.u.getdomaininfo.shared_info_frame * PAGE_SIZE;
	mail.count = 0;
	CHECK_EQ(foreign_map(0, d->id, d->data, PTE_RW), 0);
	memcpy(window_at(0), &mail, sizeof(mail));
	CHECK_EQ(foreign_map(0, d->id, d->code, PTE_RW), 0);
	memcpy(window_at(0), (const void *)code, 1024);
	window(0);
	return true;
}

static u32 port_make(domid_t id)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF,
					   .remote_dom = id };

	CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &op), 0);
	port_unmask(op.port);
	return op.port;
}

static void mail_port(const struct domu *d, u32 port)
{
	struct mail *m = window(0);

	CHECK_EQ(foreign_map(0, d->id, d->data, PTE_RW), 0);
	m->port = port;
	window(0);
}

static bool interdomain(u32 port)
{
	struct evtchn_status op = { .dom = DOMID_SELF, .port = port };

	CHECK_EQ(event_op(EVTCHNOP_status, &op), 0);
	return op.status == EVTCHNSTAT_interdomain;
}

static void sleep_for(u64 time)
{
	struct sched_poll poll = { .timeout = system_time() + time };

	sched_op(SCHEDOP_poll, &poll);
}

static void events(void)
{
	struct domu d;
	u32 port;

	if (!make(&d, partner, 0))
		return;
	port = port_make(d.id);
	mail_port(&d, port);
	domu_unpause(&d);
	for (int i = 0; i < 1000 && !interdomain(port); i++)
		sleep_for(MS);
	// Binding sent one.
	sleep_for(MS);
	port_take(port);
	if (CHECK(interdomain(port))) {
		for (unsigned int i = 0; i < rounds; i++) {
			MARK(DOMAIN_EVENT, 1);
			port_send(port);
			port_wait(port);
			MARK(DOMAIN_EVENT, 2);
		}
	}
	domain_destroy(d.id);
	CHECK_EQ(port_close(port), 0);
}

// Of one that has few pages and never ran.
static void lives(void)
{
	struct domu d;
	bool made;

	for (int i = 0; i < 5; i++) {
		MARK(DOMAIN_CREATE, 1);
		made = domu_make(&d, NULL, NULL, 0);
		MARK(DOMAIN_CREATE, 2);
		if (!made)
			return;
		MARK(DOMAIN_DESTROY, 1);
		domain_destroy(d.id);
		MARK(DOMAIN_DESTROY, 2);
		sleep_for(5 * MS);
	}
}

TEST(domain_events)
{
	only_in("domains");
	events();
}

TEST(domain_lives)
{
	only_in("domains");
	lives();
}

TEST(beside_a_hundred)
{
	static struct domu resident[RESIDENTS];
	int made = 0;
	long rc = 0;
	u32 port;

	only_in("many");
	while (made < RESIDENTS && domu_make(&resident[made], NULL, NULL, 0))
		made++;
	CHECK_EQ(made, RESIDENTS);
	events();
	lives();
	port = port_of_ipi(0);
	event_unmask_all();
	SECTION(EVENT_SELF, port_send(port));
	event_mask_all();
	SECTION(HYPERCALL, rc |= version_op(XENVER_version, NULL) < 0);
	SECTION(YIELD, rc |= sched_op(SCHEDOP_yield, NULL));
	CHECK_EQ(rc, 0);
	while (made)
		domain_destroy(resident[--made].id);
}

static u64 count_of(const struct domu *d)
{
	const struct mail *m = window(0);
	u64 count;

	CHECK_EQ(foreign_map(0, d->id, d->data, PTE_RO), 0);
	count = m->count;
	window(0);
	return count;
}

// The larger share of the two in thousandths of the smaller one.
TEST(shares)
{
	struct domu d[2];
	u64 count[2];

	only_in("domains");
	if (!has_word("one-cpu"))
		test_skip("takes one CPU");
	for (int i = 0; i < 2; i++)
		if (!make(&d[i], spinner, 0))
			return;
	for (int i = 0; i < 2; i++)
		domu_unpause(&d[i]);
	sleep_for(FAIR_TIME);
	for (int i = 0; i < 2; i++)
		count[i] = count_of(&d[i]);
	if (CHECK(count[0] && count[1]))
		value_tell("unfairness", count[0] > count[1]
						 ? count[0] * 1000 / count[1]
						 : count[1] * 1000 / count[0]);
	for (int i = 0; i < 2; i++)
		domain_destroy(d[i].id);
}
#endif
