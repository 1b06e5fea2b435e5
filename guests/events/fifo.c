// SPDX-License-Identifier: MIT
// Event channels, FIFO ABI: one control block for the vcpu, event words in
// array pages, linked into queues by priority.
#include "lib/guest.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED	(1u << EVTCHN_FIFO_MASKED)
#define LINKED	(1u << EVTCHN_FIFO_LINKED)
#define PRIO	EVTCHN_FIFO_PRIORITY_DEFAULT

static struct evtchn_fifo_control_block *control;
static volatile event_word_t *words;
static u32 upcalls;

static long init_control(u64 frame, u32 offset, u32 vcpu)
{
	struct evtchn_init_control op = { .control_gfn = frame,
					  .offset = offset,
					  .vcpu = vcpu };
	long rc = event_op(EVTCHNOP_init_control, &op);

	if (!rc)
		CHECK_EQ(op.link_bits, EVTCHN_FIFO_LINK_BITS);
	return rc;
}

static long expand(u64 frame)
{
	struct evtchn_expand_array op = { .array_gfn = frame };

	return event_op(EVTCHNOP_expand_array, &op);
}

static void count_upcall(void)
{
	upcalls++;
}

static u32 bind_port(void)
{
	struct evtchn_bind_ipi op = { .vcpu = 0 };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &op), 0);
	return op.port;
}

TEST(fifo_before_use)
{
	void *page = page_alloc();

	CHECK_EQ(expand(virt_to_mfn(page)), -EOPNOTSUPP);
	CHECK_EQ(init_control(virt_to_mfn(page), 0, 77), -ENOENT);
	CHECK_EQ(init_control(virt_to_mfn(page), 4095, 0), -EINVAL);
	CHECK_EQ(init_control(virt_to_mfn(page), 4, 0), -EINVAL);
	CHECK_EQ(init_control(virt_to_mfn(page), 8192, 0), -EINVAL);
	CHECK_EQ(init_control(1ul << 28, 0, 0), -EINVAL);
	page_set_ro(page);
	CHECK_EQ(pin_table(1, page), 0);
	CHECK_EQ(init_control(virt_to_mfn(page), 0, 0), -EINVAL);
	CHECK_EQ(unpin_table(page), 0);
	page_set_rw(page);
	page_free(page);
}

TEST(fifo_start)
{
	u32 port = bind_port();

	port_send(port);
	control = page_alloc();
	words = page_alloc();
	CHECK_EQ(init_control(virt_to_mfn(control), 0, 0), 0);
	CHECK_EQ(init_control(virt_to_mfn(control), 0, 0), -EINVAL);
	CHECK_EQ(expand(1ul << 28), -EINVAL);
	CHECK_EQ(expand(virt_to_mfn((void *)words)), 0);
	// A port that was pending before is so now, at the head of its queue.
	CHECK_EQ(words[port], PENDING | LINKED);
	CHECK_EQ(control->ready, 1u << PRIO);
	CHECK_EQ(control->head[PRIO], port);
	words[port] = 0;
	control->ready = 0;
	CHECK_EQ(port_close(port), 0);
}

TEST(fifo_send)
{
	u32 port = bind_port();

	event_hook = count_upcall;
	words[port] = 0;
	event_mask_all();
	control->ready = 0;
	CHECK_EQ(port_send(port), 0);
	CHECK_EQ(words[port] & (PENDING | LINKED), PENDING | LINKED);
	CHECK_EQ(control->ready, 1u << PRIO);
	CHECK_EQ(control->head[PRIO], port);
	upcalls = 0;
	event_unmask_all();
	CHECK_EQ(upcalls, 1);
	control->ready = 0;
	words[port] = 0;
	CHECK_EQ(port_close(port), 0);
}

TEST(fifo_mask)
{
	u32 port = bind_port();

	event_hook = count_upcall;
	event_unmask_all();
	control->ready = 0;
	words[port] = MASKED;
	upcalls = 0;
	CHECK_EQ(port_send(port), 0);
	CHECK_EQ(words[port], PENDING | MASKED);
	CHECK_EQ(control->ready, 0);
	CHECK_EQ(upcalls, 0);
	CHECK_EQ(port_unmask(port), 0);
	CHECK_EQ(words[port] & ~EVTCHN_FIFO_LINK_MASK, PENDING | LINKED);
	CHECK_EQ(upcalls, 1);
	control->ready = 0;
	words[port] = 0;
	CHECK_EQ(port_close(port), 0);
}

TEST(fifo_queue)
{
	u32 a = bind_port(), b = bind_port(), c = bind_port();

	event_mask_all();
	words[a] = words[b] = words[c] = 0;
	control->ready = 0;
	port_send(b);
	port_send(c);
	port_send(a);
	CHECK_EQ(control->head[PRIO], b);
	CHECK_EQ(words[b] & EVTCHN_FIFO_LINK_MASK, c);
	CHECK_EQ(words[c] & EVTCHN_FIFO_LINK_MASK, a);
	CHECK_EQ(words[a] & EVTCHN_FIFO_LINK_MASK, 0);
	words[a] = words[b] = words[c] = 0;
	control->ready = 0;
	CHECK_EQ(port_close(a), 0);
	CHECK_EQ(port_close(b), 0);
	CHECK_EQ(port_close(c), 0);
}

TEST(fifo_priority)
{
	struct evtchn_set_priority op = { .port = bind_port(), .priority = 2 };

	event_mask_all();
	CHECK_EQ(event_op(EVTCHNOP_set_priority, &op), 0);
	words[op.port] = 0;
	control->ready = 0;
	CHECK_EQ(port_send(op.port), 0);
	CHECK_EQ(control->ready, 1u << 2);
	CHECK_EQ(control->head[2], op.port);
	words[op.port] = 0;
	control->ready = 0;
	op.priority = EVTCHN_FIFO_MAX_QUEUES;
	CHECK_EQ(event_op(EVTCHNOP_set_priority, &op), -EINVAL);
	CHECK_EQ(port_close(op.port), 0);
	CHECK_EQ(event_op(EVTCHNOP_set_priority, &op), -EACCES);
	op.port = 0xffffffff;
	op.priority = 2;
	CHECK_EQ(event_op(EVTCHNOP_set_priority, &op), -EINVAL);
}

TEST(fifo_expand)
{
	u32 n;

	// 1024 words in a page, 131072 ports.
	for (n = 1; n < 128; n++) {
		if (expand(virt_to_mfn(page_alloc())))
			break;
	}
	CHECK_EQ(n, 128);
	CHECK_EQ(expand(virt_to_mfn(page_alloc())), -ENOSPC);
}

TEST(fifo_reset)
{
	struct evtchn_reset op = { .dom = DOMID_SELF };
	u32 port, count;

	CHECK_EQ(event_op(EVTCHNOP_reset, &op), 0);
	// Back to the 2-level words.
	port = bind_port();
	memset(shared->evtchn_pending, 0, sizeof(shared->evtchn_pending));
	memset(shared->evtchn_mask, 0, sizeof(shared->evtchn_mask));
	count = event_counts[port];
	event_unmask_all();
	CHECK_EQ(port_send(port), 0);
	CHECK_EQ(event_counts[port], count + 1);
	CHECK_EQ(port_close(port), 0);
}
