// SPDX-License-Identifier: MIT
// Event channels whose words and control blocks come and go: more ports than
// the 2-level ABI has, reset against all that uses a port, frames that are
// no place for words.
#include "attack/attack.h"

#define TIME   (300 * MS)
#define BEYOND 4200u // a port that only the FIFO ABI has
#define FILL   0xa5a5a5a5a5a5a5a5ull

static long init_control(u64 frame, u32 offset, u32 vcpu)
{
	struct evtchn_init_control op = { .control_gfn = frame,
					  .offset = offset,
					  .vcpu = vcpu };

	return event_op(EVTCHNOP_init_control, &op);
}

static long expand(u64 frame)
{
	struct evtchn_expand_array op = { .array_gfn = frame };

	return event_op(EVTCHNOP_expand_array, &op);
}

static long reset(void)
{
	struct evtchn_reset op = { .dom = DOMID_SELF };

	return event_op(EVTCHNOP_reset, &op);
}

static u32 bind_ipi(u32 vcpu)
{
	struct evtchn_bind_ipi op = { .vcpu = vcpu };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &op), 0);
	return op.port;
}

static void give_back(void *page)
{
	CHECK(page_exchange(page));
	page_free(page);
}

static void no_event(void)
{
}

// After a refused control block there is none: an array has no place, an event
// goes its old way.
TEST(refused_control_block)
{
	static const u64 frames[] = { 1ul << 28, 1ull << 39, ~0ull, 0xfee00 };
	u64 *table = page_alloc(), *good = page_alloc();
	u32 port = bind_ipi(0);

	event_mask_all();
	CHECK_EQ(page_set_ro(table), 0);
	CHECK_EQ(pin_table(1, table), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++)
		CHECK_EQ(init_control(frames[i], 0, 0), -EINVAL);
	CHECK_EQ(init_control(virt_to_mfn(table), 0, 0), -EINVAL);
	CHECK_EQ(init_control(virt_to_mfn(good), 0, ~0u), -ENOENT);
	for (u32 offset = 4096 - 64; offset < 4112; offset += 8)
		CHECK_EQ(init_control(virt_to_mfn(good), offset, 0), -EINVAL);
	for (u32 offset = 1; offset < 8; offset++)
		CHECK_EQ(init_control(virt_to_mfn(good), offset, 0), -EINVAL);
	CHECK_EQ(expand(virt_to_mfn(good)), -EOPNOTSUPP);
	CHECK_EQ(port_send(port), 0);
	CHECK_EQ(shared->evtchn_pending[port / WIDTH] >> port % WIDTH & 1, 1);
	CHECK_EQ(port_close(port), 0);
	CHECK_EQ(unpin_table(table), 0);
	CHECK_EQ(page_set_rw(table), 0);
	give_back(table);
	give_back(good);
}

// Ports above the 2-level ABI's are gone with the FIFO ABI, and nothing that
// names one reaches behind the words of the 2-level ABI.
TEST(ports_beyond)
{
	// The masks, and the words behind them.
	uptr *mask = (uptr *)shared->evtchn_mask, saved[WIDTH + 2];
	u64 *control = page_alloc(), *words[5];
	struct evtchn_status status = { .dom = DOMID_SELF, .port = BEYOND };
	u32 port;

	event_hook = no_event;
	event_mask_all();
	CHECK_EQ(init_control(virt_to_mfn(control), 0, 0), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		words[i] = page_alloc();
		CHECK_EQ(expand(virt_to_mfn(words[i])), 0);
	}
	do {
		port = bind_ipi(0);
	} while (port && port < BEYOND);
	CHECK_EQ(port, BEYOND);
	CHECK_EQ(port_send(BEYOND), 0);
	CHECK(((u32 *)words[BEYOND / 1024])[BEYOND % 1024]);
	CHECK_EQ(reset(), 0);
	memcpy(saved, mask, sizeof(saved));
	memset(mask, 0xff, sizeof(saved));
	CHECK_EQ(event_op(EVTCHNOP_status, &status), 0);
	CHECK_EQ(status.status, EVTCHNSTAT_closed);
	CHECK_EQ(port_send(BEYOND), -EINVAL);
	CHECK_EQ(port_close(BEYOND), -EINVAL);
	CHECK_EQ(port_unmask(BEYOND), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(saved); i++)
		CHECK_EQ(mask[i], ~0ul);
	memcpy(mask, saved, sizeof(saved));
	// The pages are ours alone again.
	give_back(control);
	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		give_back(words[i]);
}

static u64 *control[2], *array;
static volatile u32 port_a, port_b, resets;

// A page that the hypervisor has given back is not written to.
static void check_untouched(u64 *page)
{
	for (int i = 0; i < 512; i++)
		page[i] = FILL;
	for (int i = 0; i < 20; i++)
		fine(port_send(port_a), -EINVAL, -EINVAL);
	for (int i = 0; i < 512; i++)
		if (*(volatile u64 *)&page[i] != FILL)
			check_failed("page", i, "was written to");
	memset(page, 0, PAGE_SIZE);
}

// From one ABI to the other and back; the other vcpu uses the ports, whether
// they are there or not.
static void reset_all(void)
{
	if (resets % 2 == 0) {
		for (u32 v = 0; v < 2; v++)
			CHECK_EQ(init_control(virt_to_mfn(control[v]), 0, v),
				 0);
		pair_bind(&port_a, &port_b);
		CHECK_EQ(expand(virt_to_mfn(array)), 0);
	} else {
		pair_bind(&port_a, &port_b);
	}
	for (int i = 0; i < 10; i++)
		port_send(port_a);
	CHECK_EQ(reset(), 0);
	resets++;
	check_untouched(array);
	for (int v = 0; v < 2; v++)
		check_untouched(control[v]);
}

static void use_ports(void)
{
	struct evtchn_set_priority priority = { port_b, 3 };
	struct evtchn_bind_vcpu bind = { port_b, 1 };
	struct evtchn_status status = { .dom = DOMID_SELF, .port = port_a };

	fine(port_send(port_a), -EINVAL, -EINVAL);
	fine(event_op(EVTCHNOP_bind_vcpu, &bind), -EINVAL, -EINVAL);
	fine(port_send(port_b), -EINVAL, -EINVAL);
	fine(port_unmask(port_a), -EINVAL, -EINVAL);
	fine(event_op(EVTCHNOP_set_priority, &priority), -EACCES, -ENOSYS);
	fine(event_op(EVTCHNOP_status, &status), 0, 0);
	if (resets % 8 == 3)
		fine(port_close(port_b), -EINVAL, -EINVAL);
}

TEST(reset_and_use)
{
	event_hook = no_event;
	event_mask_all();
	vcpu_info_of(1)->evtchn_upcall_mask = 1;
	array = page_alloc();
	control[0] = page_alloc();
	control[1] = page_alloc();
	resets = 0;
	race(reset_all, use_ports, TIME);
	CHECK(resets > 4);
	CHECK_EQ(reset(), 0);
	give_back(array);
	give_back(control[0]);
	give_back(control[1]);
	memset((void *)shared->evtchn_pending, 0,
	       sizeof(shared->evtchn_pending));
}
