// SPDX-License-Identifier: MIT
// The last file, so that its test comes last.
#include "bench/bench.h"

TEST(stop)
{
	static const struct {
		const char *name;
		unsigned int id;
	} clocked[] = {
		{ "clock-hypercall", HYPERCALL },
		{ "clock-set_timer", SET_TIMER },
		{ "clock-multicall", MULTICALL },
		{ "clock-yield", YIELD },
		{ "clock-update_va", UPDATE_VA },
		{ "clock-system_call", SYSTEM_CALL },
		{ "clock-page_fault", PAGE_FAULT },
		{ "clock-event_self", EVENT_SELF },
		{ "clock-grant_copy", GRANT_COPY },
	};

	for (unsigned int i = 0; by_clock && i < ARRAY_SIZE(clocked); i++)
		value_tell(clocked[i].name, clock_ns[clocked[i].id] / rounds);
	printf("BENCH done\n");
	MARK(0, 3); // for who counts: the machine stops here
}
