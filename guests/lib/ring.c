// SPDX-License-Identifier: MIT
// The console ring that a DomU has (public header io/console.h).
#include "lib/guest.h"
#include <xen/io/console.h>

#define WAIT 1000000ul // ns, for room
#define MOST 5000      // waits; who takes nothing so long is gone

static volatile struct xencons_interface *ring(void)
{
	return mfn_to_virt(start_info->console.domU.mfn);
}

static bool fits(u32 bytes)
{
	for (int i = 0; i < MOST; i++) {
		struct sched_poll poll = { .timeout = system_time() + WAIT };

		if (ring()->out_prod - ring()->out_cons + bytes <=
		    sizeof(ring()->out))
			return true;
		port_send(start_info->console.domU.evtchn);
		sched_op(SCHEDOP_poll, &poll);
	}
	return false;
}

static bool left;

bool has_ring(void)
{
	return in_domu() && start_info->console.domU.mfn && !left;
}

void ring_leave(void)
{
	left = true;
}

void ring_write(const char *text, size_t size)
{
	for (size_t i = 0; i < size && fits(1); i++) {
		u32 prod = ring()->out_prod;

		ring()->out[MASK_XENCONS_IDX(prod, ring()->out)] = text[i];
		__atomic_store_n(&ring()->out_prod, prod + 1, __ATOMIC_RELEASE);
	}
	port_send(start_info->console.domU.evtchn);
}

void ring_flush(void)
{
	fits(sizeof(ring()->out));
}
