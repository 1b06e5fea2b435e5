// SPDX-License-Identifier: MIT
/*
 * Event channels with two domains of cardboard: everything of the room, over
 * stand-ins for locks, frames, the scheduler and interrupts.
 */
#include "evtchn_world.h"

/* Dom0 opens a port for domain 1, which binds it. Returns Dom0's port. */
static u32 connect(u32 *remote)
{
	struct evtchn_alloc_unbound a = { DOMID_SELF, 1, 0 };
	struct evtchn_bind_interdomain b = { 0, 0, 0 };

	running = &vcpus[0][0];
	CHECK(!evtchn_alloc_unbound(&a));
	b.remote_port = a.port;
	running = &vcpus[1][0];
	CHECK(!evtchn_bind_interdomain(&b));
	CHECK(evtchn_bind_interdomain(&b) == -EINVAL);
	running = &vcpus[0][0];
	*remote = b.local_port;
	return a.port;
}

static void interdomain(void)
{
	struct evtchn_status s = { .dom = 1 };
	u32 theirs, ours;

	start();
	ours = connect(&theirs);
	// Who binds runs: it is told, and nobody has to kick it.
	CHECK(ours == 1 && theirs == 1 && pending(1, 1) && !kicks);
	CHECK(infos[1][0].evtchn_upcall_pending);
	shared[1].evtchn_pending[0] = 0;
	memset(infos, 0, sizeof(infos));
	CHECK(!evtchn_send(&dom[0], ours) && pending(1, theirs));
	CHECK(kicks == 1 && infos[1][0].evtchn_upcall_pending);
	CHECK(infos[1][0].evtchn_pending_sel == 1);
	CHECK(!evtchn_send(&dom[0], ours) && kicks == 1);
	CHECK(evtchn_send(&dom[0], 0) == -EINVAL);
	CHECK(evtchn_send(&dom[0], 5) == -EINVAL);
	CHECK(evtchn_send(&dom[0], 1u << 20) == -EINVAL);
	s.port = theirs;
	CHECK(!evtchn_status(&s) && s.status == EVTCHNSTAT_interdomain);
	CHECK(s.u.interdomain.dom == 0 && s.u.interdomain.port == ours);
	/* One end goes: the other one waits again, the bit is taken back. */
	CHECK(!evtchn_close(&dom[1], theirs) && !pending(1, theirs));
	CHECK(evtchn_close(&dom[1], theirs) == -EINVAL);
	s = (struct evtchn_status){ .dom = DOMID_SELF, .port = ours };
	CHECK(!evtchn_status(&s) && s.status == EVTCHNSTAT_unbound);
	CHECK(s.u.unbound.dom == 1 && !evtchn_send(&dom[0], ours));
	running = &vcpus[1][0];
	s = (struct evtchn_status){ .dom = 0, .port = ours };
	CHECK(evtchn_status(&s) == -EPERM);
	s.dom = 7;
	CHECK(evtchn_status(&s) == -ESRCH);
	finish();
}

static void virqs(void)
{
	struct evtchn_bind_virq b = { .virq = VIRQ_TIMER, .vcpu = 1 };

	start();
	CHECK(!evtchn_bind_virq(&b) && evtchn_bind_virq(&b) == -EEXIST);
	virq_send_vcpu(&vcpus[0][0], VIRQ_TIMER);
	CHECK(!pending(0, b.port));
	virq_send_vcpu(&vcpus[0][1], VIRQ_TIMER);
	CHECK(pending(0, b.port) && infos[0][1].evtchn_upcall_pending);
	CHECK(evtchn_bind_vcpu(b.port, 0) == -EINVAL);
	CHECK(evtchn_send(&dom[0], b.port) == -EINVAL);
	b = (struct evtchn_bind_virq){ .virq = VIRQ_CONSOLE, .vcpu = 1 };
	CHECK(evtchn_bind_virq(&b) == -EINVAL);
	b.virq = NR_VIRQS;
	CHECK(evtchn_bind_virq(&b) == -EINVAL);
	b = (struct evtchn_bind_virq){ .virq = VIRQ_TIMER, .vcpu = 2 };
	CHECK(evtchn_bind_virq(&b) == -ENOENT);
	b = (struct evtchn_bind_virq){ .virq = VIRQ_CONSOLE };
	CHECK(!evtchn_bind_virq(&b));
	virq_send_global(VIRQ_CONSOLE);
	CHECK(pending(0, b.port) && !evtchn_bind_vcpu(b.port, 1));
	CHECK(virq_set_handler(&dom[1], VIRQ_TIMER) == -EINVAL);
	CHECK(!virq_set_handler(&dom[1], VIRQ_CONSOLE));
	shared[0].evtchn_pending[0] = 0;
	virq_send_global(VIRQ_CONSOLE);
	CHECK(!pending(0, b.port) && dom[1].ref == 1);
	finish();
}

static void polling(void)
{
	u32 theirs, ours;

	start();
	ours = connect(&theirs);
	shared[1].evtchn_pending[0] = 0;
	evtchn_poll_set(&vcpus[1][1], 9);
	evtchn_send(&dom[0], ours);
	CHECK(!unblocks && evtchn_is_pending(&dom[1], theirs) == 1);
	evtchn_poll_set(&vcpus[1][1], -1);
	evtchn_send(&dom[0], ours);
	evtchn_send(&dom[0], ours);
	CHECK(unblocks == 1);
	evtchn_poll_set(&vcpus[1][1], (int)theirs);
	evtchn_poll_set(&vcpus[1][1], 0);
	evtchn_send(&dom[0], ours);
	CHECK(unblocks == 1 && evtchn_is_pending(&dom[1], 4096) == -EINVAL);
	finish();
}

static void port_limits(void)
{
	struct evtchn_bind_ipi b = { 0, 0 };
	u32 n = 0;

	start();
	while (!evtchn_bind_ipi(&b))
		n++;
	CHECK(n == 4095 && b.port == 4095);
	CHECK(!evtchn_close(&dom[0], 77) && !evtchn_bind_ipi(&b));
	CHECK(b.port == 77 && evtchn_bind_ipi(&b) == -ENOSPC);
	the_cpu.softirq_pending = 1;
	CHECK(evtchn_reset(&dom[0], false) == -ERESTART);
	CHECK(dom[0].evtchn->active == 4095 - 63);
	the_cpu.softirq_pending = 0;
	CHECK(!evtchn_reset(&dom[0], true) && !dom[0].evtchn->active);
	CHECK(evtchn_reset(&dom[1], false) == -EINVAL);
	dom[0].evtchn->max_port = 3;
	for (n = 0; !evtchn_bind_ipi(&b);)
		n++;
	CHECK(n == 3);
	finish();
}

// The end of a domain whose reset was interrupted and never went on: all ports
// are closed, also those before that, bound since.
static void cut_reset(void)
{
	struct evtchn_status s = { .dom = DOMID_SELF };
	u32 theirs;

	start();
	running = &vcpus[1][0];
	the_cpu.softirq_pending = 1;
	CHECK(evtchn_reset(&dom[1], false) == -ERESTART);
	the_cpu.softirq_pending = 0;
	s.port = connect(&theirs);
	dom[1].state = DOM_DYING;
	relinquish(&dom[1]);
	CHECK(!dom[1].evtchn->active);
	CHECK(!evtchn_status(&s) && s.status == EVTCHNSTAT_unbound);
	finish();
}

/* Where no lock is held another vcpu binds a port, once. */
static unsigned bind_at, chances;
static bool binding;

static void bind_meanwhile(void)
{
	struct evtchn_bind_ipi b = { 0, 0 };

	if (locks || binding || chances++ != bind_at)
		return;
	binding = true;
	CHECK(!evtchn_bind_ipi(&b));
	binding = false;
}

/* A port that is there when the FIFO ABI goes could be one that the other ABI
 * has no word for. */
static void reset_and_bind(void)
{
	struct evtchn_init_control c = { .control_gfn = 1, .offset = 8 };
	const struct evtchn_domain *e;
	int rc;

	for (bind_at = 0; !bind_at || bind_at < chances; bind_at++) {
		start();
		e = dom[0].evtchn;
		CHECK(!evtchn_init_control(&c));
		chances = 0;
		lock_hook = bind_meanwhile;
		rc = evtchn_reset(&dom[0], false);
		lock_hook = NULL;
		CHECK(rc == (e->fifo ? -EAGAIN : 0));
		/* The last chance comes after it all. */
		CHECK(!e->active == (bind_at != chances - 1 && !rc));
		finish();
	}
	CHECK(bind_at > 2);
}

static void fifo(void)
{
	struct evtchn_init_control c = { .control_gfn = 1, .offset = 8 };
	struct evtchn_expand_array e = { 2 };
	struct evtchn_set_priority p = { 1, 3 };
	struct evtchn_bind_ipi b = { 0, 0 };
	struct evtchn_fifo_control_block *block = (void *)&frame[1][2];

	start();
	CHECK(evtchn_expand_array(&e) == -EOPNOTSUPP);
	CHECK(!evtchn_bind_ipi(&b) && evtchn_set_priority(&p) == -ENOSYS);
	c.vcpu = 2;
	CHECK(evtchn_init_control(&c) == -ENOENT);
	c.vcpu = 0;
	c.offset = 4;
	CHECK(evtchn_init_control(&c) == -EINVAL);
	c.offset = 4096 - 64;
	CHECK(evtchn_init_control(&c) == -EINVAL);
	c.offset = 8;
	c.control_gfn = 8;
	CHECK(evtchn_init_control(&c) == -EINVAL);
	c.control_gfn = 1;
	CHECK(!evtchn_init_control(&c) && c.link_bits == 17);
	CHECK(evtchn_init_control(&c) == -EINVAL && frame_refs[1] == 1);
	/* Sent before there is a word: comes with the array. */
	CHECK(!evtchn_send(&dom[0], b.port) && !block->ready);
	CHECK(!evtchn_expand_array(&e) && block->ready == 1u << 7);
	CHECK(frame[2][1] == (FIFO_PENDING | FIFO_LINKED));
	CHECK(block->head[7] == 1 && !kicks);
	CHECK(infos[0][0].evtchn_upcall_pending);
	p.priority = 16;
	CHECK(evtchn_set_priority(&p) == -EINVAL);
	p.priority = 3;
	CHECK(!evtchn_set_priority(&p));
	frame[2][1] = FIFO_MASKED;
	CHECK(!evtchn_send(&dom[0], 1) && block->ready == 1u << 7);
	CHECK(!evtchn_unmask(1) && block->ready == (1u << 7 | 1u << 3));
	CHECK(block->head[3] == 1 && evtchn_is_pending(&dom[0], 1) == 1);
	/* Closed and still linked: not given out again. */
	CHECK(!evtchn_close(&dom[0], 1) && frame[2][1] == FIFO_LINKED);
	CHECK(!evtchn_bind_ipi(&b) && b.port == 2);
	/* A vcpu without control block. */
	b.vcpu = 1;
	CHECK(!evtchn_bind_ipi(&b) && !evtchn_send(&dom[0], b.port));
	CHECK(!evtchn_reset(&dom[0], false) && !dom[0].evtchn->fifo);
	CHECK(!frame_refs[1] && !frame_refs[2]);
	finish();
}

static void pirqs(void)
{
	struct evtchn_bind_pirq b = { .pirq = 17 }, again;
	int pirq = 17, any = -1;
	u64 *map = (u64 *)frame[5];

	start();
	CHECK(evtchn_bind_pirq(&b) == -EPERM);
	CHECK(!pirq_map_gsi(&dom[0], 17, &pirq) && pirq == 17);
	CHECK(!pirq_map_gsi(&dom[0], 17, &any) && any == 17);
	CHECK(pirq_map_gsi(&dom[0], 24, &any) == -EINVAL);
	pirq = 18;
	CHECK(pirq_map_gsi(&dom[0], 17, &pirq) == -EEXIST);
	CHECK(!pirq_set_eoi_map(&dom[0], 5, false));
	CHECK(pirq_set_eoi_map(&dom[0], 5, false) == -EBUSY);
	CHECK(!evtchn_bind_pirq(&b));
	again = b;
	CHECK(evtchn_bind_pirq(&again) == -EEXIST);
	CHECK(*map == BIT(17) && unmasks == 1);
	CHECK(!pirq_eoi(&dom[0], 17) && !eois);
	irq_fn(17, irq_data);
	CHECK(pending(0, b.port) && !pirq_eoi(&dom[0], 17) && eois == 1);
	CHECK(!pirq_eoi(&dom[0], 17) && eois == 1);
	CHECK(pirq_eoi(&dom[0], 999) == -EINVAL);
	/* Unmapped under the port, bound anew: the old port is harmless. */
	CHECK(!pirq_unmap(&dom[0], 17) && !irq_fn && !*map);
	CHECK(pirq_unmap(&dom[0], 17) == -EINVAL);
	pirq = 17;
	CHECK(!pirq_map_gsi(&dom[0], 17, &pirq) && !evtchn_bind_pirq(&b));
	CHECK(!evtchn_close(&dom[0], 1) && irq_fn && b.port == 2);
	any = -1;
	CHECK(!pirq_map_irqs(&dom[0], 30, 1, &any) && any == 24 + 256 - 1);
	CHECK(pirq_map_irqs(&dom[0], 40, 4, &any) == -EINVAL);
	any = -1;
	CHECK(!pirq_map_irqs(&dom[0], 40, 4, &any) && any == 24 + 256 - 5);
	for (int i = 0; i < 4; i++) {
		CHECK(pirq_of_irq(&dom[0], 40 + (u32)i) == any + i);
		CHECK(!pirq_unmap(&dom[0], any + i));
	}
	any = -1;
	CHECK(pirq_map_irqs(&dom[0], 40, 265, &any) == -ENOSPC);
	CHECK(pirq_get_free(&dom[0], false) == 24 + 256 - 2);
	CHECK(pirq_get_free(&dom[0], true) == 16);
	any = 4;
	CHECK(!pirq_map_gsi(&dom[0], 4, &any));
	b.pirq = 4;
	CHECK(evtchn_bind_pirq(&b) == -EBUSY);
	finish();
	CHECK(!irq_fn);
}

static unsigned int moved_msi, moves;

static void msi_moved(unsigned int irq, bool masked)
{
	moved_msi = irq;
	moves += 1 + masked;
}

// Only what is in use is programmed anew, and it stays unmasked.
static void cpu_leaves(void)
{
	pirqs_leave(3);
	pirq_msi_update = msi_moved;
	pirqs_leave(3);
	pirqs_leave(2);
	CHECK(moves == 1 && moved_msi == 20);
	pirq_msi_update = NULL;
}

UNIT_MAIN(UNIT(interdomain), UNIT(virqs), UNIT(polling), UNIT(port_limits),
	  UNIT(cut_reset), UNIT(fifo), UNIT(reset_and_bind), UNIT(pirqs),
	  UNIT(cpu_leaves))
