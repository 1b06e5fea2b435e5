// SPDX-License-Identifier: MIT
// A domain whose vcpus never rest. For each second it says on its console how
// long they had run, together, when that began: to the nanosecond, however late
// they look. Only vcpu 0 prints, and never waits for it.
#include "lib/cpu.h"
#include "lib/guest.h"
#include <xen/io/console.h>

#define VCPUS	8
#define SECOND	1000000000ul
#define SPINS	10000 // between looks at the clock
#define SECONDS 64    // that are kept

static u8 stacks[VCPUS][2][8192] __attribute__((aligned(16)));
static u64 ran[VCPUS][SECONDS];	 // when a second began, by its number
static volatile u64 seen[VCPUS]; // the last second that stands there
static u64 told;
static unsigned int vcpus = 1;

// Where there is room for it.
static bool say(const char *text)
{
	struct xencons_interface *ring =
		mfn_to_virt(start_info->console.domU.mfn);
	XENCONS_RING_IDX at = ring->out_prod;

	if (at + strlen(text) - *(volatile XENCONS_RING_IDX *)&ring->out_cons >
	    sizeof(ring->out))
		return false;
	for (; *text; at++, text++)
		ring->out[MASK_XENCONS_IDX(at, ring->out)] = *text;
	__atomic_store_n(&ring->out_prod, at, __ATOMIC_RELEASE);
	port_send(start_info->console.domU.evtchn);
	return true;
}

// The next second that all vcpus have seen.
static void tell(void)
{
	char line[80];
	u64 sum = 0;

	for (unsigned int id = 0; id < vcpus; id++) {
		if (seen[id] <= told)
			return;
		sum += ran[id][(told + 1) % SECONDS];
	}
	snprintf(line, sizeof(line), "busy %u at %lu ran %lu\n", vcpus,
		 told + 1, sum);
	told += say(line);
}

// At a moment since the turn before this one ended. The hypervisor writes the
// area when a turn begins: what had been used, and when it began.
static u64 ran_until(const volatile struct vcpu_runstate_info *use, u64 when)
{
	u64 since, sum;

	do {
		since = use->state_entry_time;
		sum = use->time[RUNSTATE_running];
	} while (since != use->state_entry_time);
	return when > since ? sum + when - since : sum;
}

static void run(u64 id)
{
	static struct vcpu_runstate_info use[VCPUS];
	const struct vcpu_info *info = vcpu_info_of((unsigned int)id);
	struct vcpu_register_runstate_memory_area area = { .addr.v = &use[id] };
	u64 second, offline = 0;

	vcpu_op(VCPUOP_stop_periodic_timer, id, NULL);
	vcpu_op(VCPUOP_register_runstate_memory_area, id, &area);
	for (;;) {
		second = system_time_of(info) / SECOND;
		if (!id && use[0].time[RUNSTATE_offline] > offline + SECOND)
			told = second; // was paused: nothing to tell of that
		offline = use[id].time[RUNSTATE_offline];
		if (seen[id] < second) {
			for (u64 s = seen[id] + 1; s <= second; s++)
				ran[id][s % SECONDS] =
					ran_until(&use[id], s * SECOND);
			__atomic_store_n(&seen[id], second, __ATOMIC_RELEASE);
		}
		if (!id && told < second)
			tell();
		for (unsigned int i = 0; i < SPINS; i++)
			barrier();
	}
}

TEST(busy)
{
	static struct vcpu_guest_context context;

	for (u64 id = 1; id < VCPUS; id++) {
		context_make(&context, (void (*)(void))run, stacks[id][1],
			     stacks[id][1] + sizeof(stacks[id][1]));
		context.user_regs.rdi = id;
		vcpu_info_of((unsigned int)id)->evtchn_upcall_mask = 1;
		if (vcpu_op(VCPUOP_initialise, id, &context) ||
		    vcpu_op(VCPUOP_up, id, NULL))
			break;
		vcpus++;
	}
	run(0);
}
