// SPDX-License-Identifier: MIT
// Event channels, the whole of evtchn/: the input says what two domains do,
// with words of the FIFO ABI that a guest writes as it likes.
#include "fuzz.h"
#include "evtchn_rules.h"

static u32 some_port(void)
{
	u32 n = fuzz_below(256);

	return n < 250 ? n % 10 : n == 255 ? ~0u : 60 + n % 8;
}

static u16 some_domain(void)
{
	static const u16 ids[] = { 0, 1, DOMID_SELF, 2 };

	return ids[fuzz_below(4)];
}

static void do_alloc(void)
{
	struct evtchn_alloc_unbound op = { some_domain(), some_domain(), 0 };

	evtchn_alloc_unbound(&op);
}

static void do_interdomain(void)
{
	struct evtchn_bind_interdomain op = { some_domain(), some_port(), 0 };

	evtchn_bind_interdomain(&op);
}

static void do_virq(void)
{
	struct evtchn_bind_virq op = { fuzz_below(NR_VIRQS + 1), fuzz_below(3),
				       0 };

	evtchn_bind_virq(&op);
}

static void do_ipi(void)
{
	struct evtchn_bind_ipi op = { fuzz_below(3), 0 };

	evtchn_bind_ipi(&op);
}

static void do_pirq(void)
{
	struct evtchn_bind_pirq op = { fuzz_below(32), 0, 0 };
	int pirq = (int)fuzz_below(32) - 1;

	switch (fuzz_below(5)) {
	case 0:
		pirq_map_gsi(currd, (int)fuzz_below(26), &pirq);
		break;
	case 1:
		pirq_unmap(currd, pirq);
		break;
	case 2:
		pirq_eoi(currd, fuzz_below(300));
		break;
	case 3:
		pirq_set_eoi_map(currd, fuzz_below(9), fuzz_below(2));
		break;
	default:
		evtchn_bind_pirq(&op);
	}
}

static void do_fifo(void)
{
	struct evtchn_init_control c = { .control_gfn = fuzz_below(10),
					 .offset = fuzz_below(256) * 16,
					 .vcpu = fuzz_below(3) };
	struct evtchn_expand_array e = { fuzz_below(10) };
	struct evtchn_set_priority p = { some_port(), fuzz_below(18) };

	switch (fuzz_below(3)) {
	case 0:
		evtchn_init_control(&c);
		break;
	case 1:
		evtchn_expand_array(&e);
		break;
	default:
		evtchn_set_priority(&p);
	}
}

// A guest writes what it shares with the hypervisor.
static void do_write(void)
{
	u32 port = fuzz_below(64), bits = fuzz_below(16) << 28;
	u64 *word = fuzz_below(2) ? shared[currd->id].evtchn_pending
				  : shared[currd->id].evtchn_mask;

	if (fuzz_below(2))
		frame[fuzz_below(8)][port] = bits | fuzz_below(1 << 17);
	else
		*word = fuzz_take(8);
}

static void do_send(void)
{
	u32 virq = fuzz_below(NR_VIRQS);

	switch (fuzz_below(6)) {
	case 0:
		virq_send_vcpu(current, virq);
		break;
	case 1:
		virq_send_global(virq);
		break;
	case 2:
		virq_set_handler(currd, virq);
		break;
	case 3:
		if (irq_fn)
			irq_fn(17, irq_data);
		break;
	default:
		evtchn_send(currd, some_port());
	}
}

static void do_close(void)
{
	evtchn_close(currd, some_port());
}

static void do_other(void)
{
	struct evtchn_status s = { .dom = some_domain(), .port = some_port() };

	switch (fuzz_below(6)) {
	case 0:
		evtchn_bind_vcpu(some_port(), fuzz_below(3));
		break;
	case 1:
		evtchn_unmask(some_port());
		break;
	case 2:
		evtchn_status(&s);
		break;
	case 3:
		evtchn_poll_set(current, (int)fuzz_below(12) - 1);
		break;
	case 4:
		evtchn_is_pending(currd, some_port());
		break;
	default:
		the_cpu.softirq_pending = fuzz_below(2);
		evtchn_reset(currd, fuzz_below(2));
		the_cpu.softirq_pending = 0;
	}
}

static void (*const steps[])(void) = {
	do_alloc, do_interdomain, do_virq, do_ipi,   do_pirq,
	do_fifo,  do_write,	  do_send, do_close, do_other,
};

static void fuzz_one(const uint8_t *data, size_t size)
{
	fuzz_begin(data, size);
	start();
	while (fuzz_left) {
		u32 who = fuzz_below(4);

		running = &vcpus[who / 2][who % 2];
		steps[fuzz_below(ARRAY_SIZE(steps))]();
		if (!(fuzz_left % 8)) // it takes longer than a step
			check_rules();
	}
	check_rules();
	for (u32 virq = 0; virq < NR_VIRQS; virq++)
		virq_forget_domain(&dom[0]);
	finish();
}
