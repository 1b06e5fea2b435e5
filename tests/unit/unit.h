// SPDX-License-Identifier: MIT
/*
 * The smallest test frame: a test is a void function with CHECK()s in it, a
 * program ends with UNIT_MAIN(UNIT(first), UNIT(second)). Prints one line per
 * test; the exit code is 1 if one failed.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

static const char *unit_name;
static int unit_bad;

#define UNIT(fn)        \
	{               \
#fn, fn \
	}

#define CHECK(cond)                                                           \
	do {                                                                  \
		if (!(cond) && !unit_bad++)                                   \
			printf("FAIL %s: line %d: %s\n", unit_name, __LINE__, \
			       #cond);                                        \
	} while (0)

#define UNIT_MAIN(...)                                                   \
	int main(void)                                                   \
	{                                                                \
		static const struct unit_test tests[] = { __VA_ARGS__ }; \
		int failed = 0;                                          \
                                                                         \
		for (unsigned i = 0; i < sizeof(tests) / sizeof(*tests); \
		     i++) {                                              \
			unit_name = tests[i].name;                       \
			unit_bad = 0;                                    \
			tests[i].run();                                  \
			failed |= unit_bad;                              \
			if (!unit_bad)                                   \
				printf("ok %s\n", unit_name);            \
		}                                                        \
		return failed != 0;                                      \
	}

#endif
