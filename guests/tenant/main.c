// SPDX-License-Identifier: MIT
// A guest of 8 MiB in DomU that uses its disk, its network card, or tries its
// limits, by the words of its command line, and tells of it in the store:
// data/rounds of traffic that are through, data/wrong in them.
#include "tenant/tenant.h"

#define PAUSE 100000000ul // ns, with nothing to do

void need(bool ok, const char *file, int line)
{
	struct sched_shutdown how = { .reason = SHUTDOWN_crash };

	if (ok)
		return;
	printf("%s:%d: not as it must be\n", file, line);
	sched_op(SCHEDOP_shutdown, &how);
}

long store_read_number(const char *path)
{
	char text[STORE_TEXT];
	long rc = store_read(0, path, text);

	return rc < 0 ? rc : (long)number_of(text);
}

void store_write_number(const char *path, u64 value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	NEED(store_write(0, path, text) == 0);
}

TEST(tenant)
{
	bool disk = has_word("disk"), net = has_word("net");
	u64 wrong = 0;

	if (start_info->flags & SIF_INITDOMAIN)
		test_skip("for DomU");
	event_mask_all();
	grants_init();
	for (u64 round = 1;; round++) {
		struct sched_poll poll = { .timeout = system_time() + PAUSE };

		if (disk)
			wrong += disk_round();
		if (net)
			wrong += net_round();
		if (disk || net) {
			store_write_number("data/wrong", wrong);
			store_write_number("data/rounds", round);
		} else {
			limits();
			sched_op(SCHEDOP_poll, &poll);
		}
	}
}
