// SPDX-License-Identifier: MIT
// Runs the guest's tests in the order of its source, one line each.
#include "lib/guest.h"

extern const struct test tests_start[], tests_end[];

static char failure[256], skip_reason[80];
static unsigned int failures, passed, failed;
static struct jump leave;

void check_failed(const char *file, int line, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!failures++)
		snprintf(failure, sizeof(failure), "%s:%d: %s", file, line,
			 text);
	else
		printf("  also %s:%d: %s\n", file, line, text);
}

bool check_eq(const char *file, int line, const char *what, long long got,
	      long long want)
{
	if (got == want)
		return true;
	if (got < -4096 || got > 65535 || want < -4096 || want > 65535)
		check_failed(file, line, "%s is 0x%llx, not 0x%llx", what, got,
			     want);
	else
		check_failed(file, line, "%s is %lld, not %lld", what, got,
			     want);
	return false;
}

unsigned int checks_failed(const char **first)
{
	if (first)
		*first = failure;
	return failures;
}

void test_skip(const char *why)
{
	snprintf(skip_reason, sizeof(skip_reason), "%s", why);
	jump_to(&leave);
}

// domain.c has one, for guests that make domains.
__attribute__((weak)) void test_after(void)
{
}

// What the command line says about a test: not in this place.
static bool left_out(const struct test *t)
{
	char word[64];

	snprintf(word, sizeof(word), "not:%s", t->name);
	if (!has_word(word))
		return false;
	printf("TEST %s SKIP for Dom0\n", t->name);
	return true;
}

static void run(const struct test *t)
{
	struct jump *outer;

	if (left_out(t))
		return;
	outer = trap_catch_begin(&leave);

	failures = 0;
	calls_clear();
	skip_reason[0] = 0;
	trap_last.regs.vector = NO_TRAP;
	if (!jump_set(&leave))
		t->body();
	else if (!skip_reason[0])
		check_failed(t->name, 0,
			     "trap %lu, error %lx, rip %lx, cr2 %lx",
			     trap_last.regs.vector, trap_last.regs.error,
			     trap_last.regs.rip, trap_last.cr2);
	trap_catch_end(outer);
	trap_hook = trap_hook_between;
	event_hook = NULL;
	event_mask_all();
	test_after();
	calls_tell();
	if (skip_reason[0] && !failures) {
		printf("TEST %s SKIP %s\n", t->name, skip_reason);
	} else if (failures) {
		failed++;
		printf("TEST %s FAIL %s (%u wrong)\n", t->name, failure,
		       failures);
	} else {
		passed++;
		printf("TEST %s PASS\n", t->name);
	}
}

void tests_run(void)
{
	for (const struct test *t = tests_start; t < tests_end; t++)
		run(t);
	printf("END pass=%u fail=%u\n", passed, failed);
}
