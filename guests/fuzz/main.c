// SPDX-License-Identifier: MIT
// The fuzzer: seed=N calls=N on its command line; the same seed makes the same
// calls. `race`: another vcpu changes arguments meanwhile (then not all of them
// are the same). host-time: the clock is the host's, and tells nothing about a
// call's length. start=N: the first one, of an epoch: what failed once may do so
// again without all that was before. from=N: each call from that one on is
// printed.
#include "fuzz/fuzz.h"
#include "fuzz/host.h"

#define HEX	  " %" LL "x"
#define HEX4	  HEX HEX HEX HEX
#define HEX5	  HEX4 HEX
#define EPOCH	  1500 // calls between two resets
#define ODD_CALLS 25   // of a hundred
#define WHEEL	  4096

static const struct op_list *const lists[] = {
	&table_ops,  &memory_ops,      &grant_ops,   &event_ops,
	&vcpu_ops,   &cpu_ops,	       &control_ops, &machine_ops,
	&device_ops, &instruction_ops, &once_ops,
};

static struct turn {
	const struct op *op;
	unsigned int number;
} wheel[WHEEL];
static u32 wheel_size;
static u64 print_from;

static void wheel_add(const struct op *op, unsigned int number)
{
	u32 weight = op->weight ? op->weight : 8;

	if (op->flags & OP_CONTROL && !is_control)
		return;
	while (weight-- && wheel_size < WHEEL)
		wheel[wheel_size++] = (struct turn){ op, number };
}

static void wheel_make(void)
{
	unsigned int number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (unsigned int j = 0; j < lists[i]->n; j++)
			wheel_add(&lists[i]->ops[j], number++);
}

void *arg_in(struct call *c, int at, size_t size)
{
	c->size = (size + 7) & ~7ul;
	memset(c->bytes, 0, c->size);
	c->at = at;
	return c->bytes;
}

void *arg(struct call *c, size_t size)
{
	c->args[0] = c->op->cmd;
	return arg_in(c, 1, size);
}

// Where the structure lies: in full view, right before a hole, reaching into
// it, or read-only. done() sees what came back but where it did not.
static u64 place(struct call *c)
{
	u64 end = 2 * PAGE_SIZE, offset = end - c->size;
	u32 how = below(100);

	if (!c->odd && how < 90)
		offset = below((u32)(end - c->size) / 8) * 8;
	memcpy((u8 *)arg_pages + offset, c->bytes, c->size);
	c->keep[2] = (long)offset;
	if (c->op->flags & OP_EXACT || !c->odd || how < 85)
		return ARG_AREA + offset;
	if (how < 95) {
		c->seen = false;
		return ARG_AREA + offset + 8 * (1 + below((u32)c->size / 8));
	}
	return ARG_RO + offset;
}

static void make(struct call *c, const struct turn *t)
{
	memset(c->args, 0, sizeof(c->args));
	c->op = t->op;
	c->number = t->number;
	c->size = c->first = 0;
	c->at = -1;
	c->odd = false;
	c->seen = true;
	t->op->make(c);
	if (!(t->op->flags & OP_EXACT) && chance(ODD_CALLS))
		call_spoil(c);
	// Not over what a later call answers.
	if (t->op->flags & OP_AREA && c->words[0] - ARG_AREA < 2 * PAGE_SIZE)
		c->words[0] += ARG_RO - ARG_AREA;
	if (c->at >= 0 && !c->args[c->at])
		c->args[c->at] = place(c);
}

static void perform(struct call *c)
{
	u64 start, ns;
	long rc;

	report_made(c);
	if (call_number >= print_from)
		printf("CALL %" LL "u %s" HEX5 ":" HEX4 "\n", call_number,
		       c->op->name, c->args[0], c->args[1], c->args[2],
		       c->args[3], c->args[4], c->words[0], c->words[1],
		       c->words[2], c->words[3]);
	race_begin(c);
	start = system_time();
	rc = c->op->run ? c->op->run(c) : fuzz_hypercall(c->op->nr, c->args);
	ns = system_time() - start;
	race_end();
	if (c->at >= 0 && c->seen)
		memcpy(c->bytes, (u8 *)arg_pages + c->keep[2], c->size);
	// An odd pointer may lead here: no address of the image is to be found.
	if (c->at >= 0)
		memset((u8 *)arg_pages + c->keep[2], 0, c->size);
	if (call_number >= print_from)
		printf(" = %ld, %" LL "u us\n", rc, system_time() / 1000);
	if (c->op->done)
		c->op->done(c, rc);
	report_call(c, rc, ns);
}

static void one(void)
{
	static struct call c;

	random_seed(call_seed, call_number);
	areas_map();
	make(&c, &wheel[below(wheel_size)]);
	perform(&c);
}

// Entries that the fuzzer's own doings bring: single steps and breakpoints, NMI,
// a selector whose descriptor is gone.
static bool hook(struct regs *regs)
{
	if (regs->vector == 1)
		// One step is enough, and so is a breakpoint once.
		regs->rflags = (regs->rflags & ~0x100ul) | 0x10000;
	return regs->vector == 1 || regs->vector == 2 ||
	       regs->vector == VECTOR_FAILSAFE;
}

static void run(u64 calls)
{
	call_number = number_word("start", 0) / EPOCH * EPOCH;
	for (; call_number < calls; call_number++) {
		if (CATCH(one()))
			broken("trap %lu, error %lx, rip %lx, rsp %lx, cr2 %lx",
			       trap_last.regs.vector, trap_last.regs.error,
			       trap_last.regs.rip, trap_last.regs.rsp,
			       trap_last.cr2);
		if (call_number % EPOCH == EPOCH - 1) {
			random_seed(call_seed, ~call_number);
			model_reset();
			canary_check();
		}
		if (checks_failed(NULL))
			return;
	}
	model_reset();
	canary_check();
}

TEST(fuzz)
{
	u64 calls = number_word("calls", 3000);

	event_mask_all();
	ring_leave();
	if (has_word("domu")) {
		host_run();
		return;
	}
	trap_hook = hook;
	print_from = number_word("from", ~0ul);
	model_init();
	report_init(number_word("seed", 1), calls);
	wheel_make();
	race_init();
	if (!canary_start())
		return;
	run(calls);
	report_end();
	// What the model lost sight of may hold pages of both.
	domains_kept = has_word("race") ? 2 : 0;
	if (is_control)
		victim_end();
	canary_end();
}
