// SPDX-License-Identifier: MIT
// Order of initialisation, and the end.
#include "lib/guest.h"

const struct start_info *start_info;

void guest_main(const struct start_info *info);

void power_off(void)
{
	struct sched_shutdown how = { .reason = SHUTDOWN_poweroff };

	if (has_ring())
		ring_flush();
	for (;;)
		sched_op(SCHEDOP_shutdown, &how);
}

bool on_ringlet(void)
{
	xen_extraversion_t text = "";

	version_op(XENVER_extraversion, text);
	for (const char *s = text; *s; s++) {
		if (!memcmp(s, "ringlet", 7))
			return true;
	}
	return false;
}

bool has_word(const char *word)
{
	const char *line = (const char *)start_info->cmd_line;
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= strlen(line); i++) {
		bool starts = !i || line[i - 1] == ' ';

		if (starts && !memcmp(line + i, word, n) &&
		    (!line[i + n] || line[i + n] == ' '))
			return true;
	}
	return false;
}

void guest_main(const struct start_info *info)
{
	start_info = info;
	trap_init();
	event_init();
	calls_wanted = calls_told = has_word("calls");
	tests_run();
	power_off();
}
