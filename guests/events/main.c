// SPDX-License-Identifier: MIT
// Event channels with the 2-level words; the FIFO form is in fifo.c.
#include "lib/guest.h"

#define MS	  ((u64)1000000)
#define WORD_BITS (8 * sizeof(uptr))
#define PORTS	  (WORD_BITS * WORD_BITS)

static u32 alloc_unbound(domid_t dom, domid_t remote, long want)
{
	struct evtchn_alloc_unbound op = { .dom = dom, .remote_dom = remote };

	CHECK_EQ(event_op(EVTCHNOP_alloc_unbound, &op), want);
	return op.port;
}

static u32 bind_interdomain(u32 remote, long want)
{
	struct evtchn_bind_interdomain op = { .remote_dom = DOMID_SELF,
					      .remote_port = remote };

	CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &op), want);
	return op.local_port;
}

static u32 bind_virq(u32 virq, u32 vcpu, long want)
{
	struct evtchn_bind_virq op = { .virq = virq, .vcpu = vcpu };

	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &op), want);
	return op.port;
}

static u32 bind_ipi(u32 vcpu, long want)
{
	struct evtchn_bind_ipi op = { .vcpu = vcpu };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &op), want);
	return op.port;
}

static struct evtchn_status status_of(u32 port, long want)
{
	struct evtchn_status op = { .dom = DOMID_SELF, .port = port };

	CHECK_EQ(event_op(EVTCHNOP_status, &op), want);
	return op;
}

static bool pending(u32 port)
{
	return shared->evtchn_pending[port / WORD_BITS] >> (port % WORD_BITS) &
	       1;
}

static void set_masked(u32 port, bool masked)
{
	if (masked)
		__atomic_fetch_or(&shared->evtchn_mask[port / WORD_BITS],
				  1ul << (port % WORD_BITS), __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&shared->evtchn_mask[port / WORD_BITS],
				   ~(1ul << (port % WORD_BITS)),
				   __ATOMIC_SEQ_CST);
}

static void clear_pending(u32 port)
{
	__atomic_fetch_and(&shared->evtchn_pending[port / WORD_BITS],
			   ~(1ul << (port % WORD_BITS)), __ATOMIC_SEQ_CST);
}

TEST(unbound)
{
	u32 port = alloc_unbound(DOMID_SELF, DOMID_SELF, 0);
	struct evtchn_status st = status_of(port, 0);

	CHECK(port > 0);
	CHECK_EQ(st.status, EVTCHNSTAT_unbound);
	CHECK_EQ(st.u.unbound.dom, domain_self());
	CHECK_EQ(st.vcpu, 0);
	CHECK_EQ(port_send(port), 0); // to nobody
	CHECK_EQ(port_close(port), 0);
	CHECK_EQ(status_of(port, 0).status, EVTCHNSTAT_closed);
	// The lowest free port is taken again.
	CHECK_EQ(alloc_unbound(DOMID_SELF, DOMID_SELF, 0), port);
	CHECK_EQ(port_close(port), 0);
	CHECK_EQ(port_close(port), -EINVAL);
	alloc_unbound(77, DOMID_SELF, -ESRCH);
	// Nobody has to be there yet at the other end.
	port = alloc_unbound(DOMID_SELF, 77, 0);
	CHECK_EQ(status_of(port, 0).u.unbound.dom, 77);
	bind_interdomain(port, -EINVAL);
	CHECK_EQ(port_close(port), 0);
}

TEST(interdomain)
{
	u32 a = alloc_unbound(DOMID_SELF, DOMID_SELF, 0);
	u32 b = bind_interdomain(a, 0);
	struct evtchn_status st = status_of(b, 0);

	CHECK_EQ(st.status, EVTCHNSTAT_interdomain);
	CHECK_EQ(st.u.interdomain.dom, domain_self());
	CHECK_EQ(st.u.interdomain.port, a);
	CHECK_EQ(status_of(a, 0).status, EVTCHNSTAT_interdomain);
	clear_pending(a);
	clear_pending(b);
	event_unmask_all();
	u32 count_a = event_counts[a], count_b = event_counts[b];

	CHECK_EQ(port_send(b), 0);
	CHECK_EQ(event_counts[a], count_a + 1);
	CHECK_EQ(event_counts[b], count_b);
	CHECK_EQ(port_send(a), 0);
	CHECK_EQ(event_counts[b], count_b + 1);
	bind_interdomain(a, -EINVAL); // taken
	// Closing one end leaves the other unbound.
	CHECK_EQ(port_close(a), 0);
	CHECK_EQ(status_of(b, 0).status, EVTCHNSTAT_unbound);
	CHECK_EQ(port_close(b), 0);
	bind_interdomain(0, -EINVAL);
	bind_interdomain(PORTS - 1, -EINVAL);
	bind_interdomain(0xffffffff, -EINVAL);
}

TEST(masks)
{
	u32 port = bind_ipi(0, 0);
	u32 count = event_counts[port];

	event_unmask_all();
	set_masked(port, true);
	CHECK_EQ(port_send(port), 0);
	CHECK(pending(port));
	CHECK_EQ(event_counts[port], count);
	CHECK_EQ(port_unmask(port), 0);
	CHECK_EQ(event_counts[port], count + 1);
	CHECK(!pending(port));
	set_masked(port, true);
	CHECK_EQ(port_unmask(port), 0); // nothing was pending
	CHECK_EQ(event_counts[port], count + 1);
	CHECK_EQ(port_unmask(0xffffff), -EINVAL);
	CHECK_EQ(port_close(port), 0);
}

TEST(ipis)
{
	u32 port = bind_ipi(0, 0), count = event_counts[port];

	CHECK_EQ(status_of(port, 0).status, EVTCHNSTAT_ipi);
	event_unmask_all();
	CHECK_EQ(port_send(port), 0);
	CHECK_EQ(event_counts[port], count + 1);
	CHECK_EQ(port_close(port), 0);
	bind_ipi(77, -ENOENT);
	bind_ipi(0xffffffff, -ENOENT);
}

TEST(virqs)
{
	u32 port = bind_virq(VIRQ_TIMER, 0, 0);
	struct evtchn_status st = status_of(port, 0);

	CHECK_EQ(st.status, EVTCHNSTAT_virq);
	CHECK_EQ(st.u.virq, VIRQ_TIMER);
	CHECK_EQ(port_send(port), -EINVAL);
	bind_virq(VIRQ_TIMER, 0, -EEXIST);
	CHECK_EQ(port_close(port), 0);
	bind_virq(NR_VIRQS, 0, -EINVAL);
	bind_virq(0xffffffff, 0, -EINVAL);
	bind_virq(VIRQ_TIMER, 77, -ENOENT);
	bind_virq(VIRQ_TIMER, 0xffffffff, -ENOENT);
	// The global ones belong to vcpu 0 first.
	port = bind_virq(VIRQ_DOM_EXC, 0, 0);
	CHECK_EQ(port_close(port), 0);
	bind_virq(VIRQ_DOM_EXC, 1, -EINVAL);
}

TEST(status_errors)
{
	struct evtchn_status op = { .dom = 77, .port = 1 };

	CHECK_EQ(event_op(EVTCHNOP_status, &op), -ESRCH);
	status_of(0xffffffff, -EINVAL);
	CHECK_EQ(port_send(0xffffffff), -EINVAL);
	CHECK_EQ(port_send(PORTS - 96), -EINVAL);
	CHECK_EQ(port_close(0xffffffff), -EINVAL);
	CHECK_EQ(port_close(0), -EINVAL);
}

TEST(bind_vcpu)
{
	u32 port = alloc_unbound(DOMID_SELF, DOMID_SELF, 0);
	u32 ipi = bind_ipi(0, 0);
	struct evtchn_bind_vcpu op = { .port = port, .vcpu = 0 };

	CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &op), 0);
	op.vcpu = 77;
	CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &op), -ENOENT);
	op = (struct evtchn_bind_vcpu){ .port = ipi, .vcpu = 0 };
	CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &op), -EINVAL);
	op.port = 0xffffffff;
	CHECK_EQ(event_op(EVTCHNOP_bind_vcpu, &op), -EINVAL);
	CHECK_EQ(port_close(port), 0);
	CHECK_EQ(port_close(ipi), 0);
}

TEST(pirqs)
{
	struct evtchn_bind_pirq op = { .pirq = 99999 };

	CHECK_EQ(event_op(EVTCHNOP_bind_pirq, &op), -EINVAL);
}

// A vcpu starts with a tick of 10 ms, for the oldest kernels.
TEST(first_tick)
{
	u32 port = bind_virq(VIRQ_TIMER, 0, 0);
	u32 count = event_counts[port] + 3;
	u64 until = system_time() + 2000 * MS;

	event_unmask_all();
	while (event_counts[port] < count && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK(event_counts[port] >= count);
	CHECK_EQ(port_close(port), 0);
}

TEST(timer)
{
	u32 port = bind_virq(VIRQ_TIMER, 0, 0), count;
	u64 until = system_time() + 5 * MS;

	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	event_unmask_all();
	count = event_counts[port];
	CHECK_EQ(set_timer(until), 0);
	while (event_counts[port] == count)
		sched_op(SCHEDOP_block, NULL);
	CHECK(system_time() >= until);
	CHECK(system_time() < until + 1000 * MS);
	// A time that has gone by fires at once; zero is no timer at all.
	count = event_counts[port];
	CHECK_EQ(set_timer(1), 0);
	until = system_time() + 1000 * MS;
	while (event_counts[port] == count && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK_EQ(event_counts[port], count + 1);
	CHECK_EQ(set_timer(system_time() + 100 * MS), 0);
	CHECK_EQ(set_timer(0), 0);
	until = system_time() + 150 * MS;
	while (system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK_EQ(event_counts[port], count + 1);
	CHECK_EQ(port_close(port), 0);
}

static long poll(u32 *ports, u32 n, u64 timeout)
{
	struct sched_poll op = { .nr_ports = n, .timeout = timeout };

	set_xen_guest_handle(op.ports, ports);
	return sched_op(SCHEDOP_poll, &op);
}

TEST(polling)
{
	u32 port = bind_ipi(0, 0), bad = 0xffffffff;
	u64 start;

	event_mask_all();
	set_masked(port, true);
	start = system_time();
	CHECK_EQ(poll(&port, 1, start + 5 * MS), 0);
	CHECK(system_time() >= start + 5 * MS);
	port_send(port);
	CHECK_EQ(poll(&port, 1, 0), 0); // pending already
	clear_pending(port);
	CHECK_EQ(poll(NULL, 0, system_time() + MS), 0);
	CHECK_EQ(poll(&bad, 1, system_time() + MS), -EINVAL);
	CHECK_EQ(poll(&port, 129, system_time() + MS), -EINVAL);
	set_masked(port, false);
	CHECK_EQ(port_close(port), 0);
}

TEST(block)
{
	u32 port = bind_ipi(0, 0), count = event_counts[port];

	event_mask_all();
	port_send(port);
	// Blocking unmasks, and does not sleep with something pending.
	CHECK_EQ(sched_op(SCHEDOP_block, NULL), 0);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
	CHECK_EQ(event_counts[port], count + 1);
	CHECK_EQ(sched_op(SCHEDOP_yield, NULL), 0);
	CHECK_EQ(port_close(port), 0);
}

// Public header xen.h: a word of the selector's bits, each for a word of ports.
TEST(many_ports)
{
	static u32 ports[PORTS];
	u32 n = 0;
	struct evtchn_alloc_unbound op = { DOMID_SELF, DOMID_SELF };
	long rc = 0;

	while (n < PORTS) {
		rc = event_op(EVTCHNOP_alloc_unbound, &op);
		if (rc)
			break;
		ports[n++] = op.port;
	}
	CHECK_EQ(rc, -ENOSPC);
	CHECK(n > PORTS - 96);
	CHECK_EQ(ports[n - 1], PORTS - 1);
	while (n)
		CHECK_EQ(port_close(ports[--n]), 0);
}

TEST(reset)
{
	struct evtchn_reset op = { .dom = DOMID_SELF };
	u32 port = bind_ipi(0, 0);

	CHECK_EQ(event_op(EVTCHNOP_reset, &op), 0);
	CHECK_EQ(status_of(port, 0).status, EVTCHNSTAT_closed);
	op.dom = 77;
	CHECK_EQ(event_op(EVTCHNOP_reset, &op), -ESRCH);
}

TEST(foreign_ports)
{
	domid_t other = domain_create();

	if (other == DOMID_INVALID)
		return;
	u32 theirs = alloc_unbound(other, DOMID_SELF, 0);
	struct evtchn_bind_interdomain op = { .remote_dom = other,
					      .remote_port = theirs };

	CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &op), 0);
	CHECK_EQ(port_send(op.local_port), 0);
	CHECK_EQ(port_close(op.local_port), 0);
	// Meant for another domain.
	theirs = alloc_unbound(other, 77, 0);
	op.remote_port = theirs;
	CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &op), -EINVAL);
	domain_destroy(other);
	CHECK_EQ(event_op(EVTCHNOP_bind_interdomain, &op), -ESRCH);
}
