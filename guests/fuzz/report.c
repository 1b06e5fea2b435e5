// SPDX-License-Identifier: MIT
// What came of the calls, by operation; and where the run was when it failed.
#include "fuzz/fuzz.h"

#define OPS	 256
#define STATUS	 135 // after the errors: what a structure's status says
#define ERRORS	 (STATUS + 16)
#define STRETCH	 (100 * MS)
#define PROGRESS 20000
#define GOOD	 (~0u)

u64 call_number, call_seed;
static struct {
	u64 good;
	u32 bad[ERRORS];
} counts[OPS];
static const struct op *rows[OPS];
static u64 calls_done, longest, digest = 0xcbf29ce484222325ul;
static const struct op *longest_op;
static u64 longest_number;

void report_init(u64 seed, u64 calls)
{
	call_seed = seed;
	printf("FUZZ seed=%" LL "u calls=%" LL "u %s\n", seed, calls,
	       is_control ? "control" : "guest");
}

void broken(const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	check_failed("seed", (int)call_seed, "call %" LL "u: %s", call_number,
		     text);
}

static void hash(u64 value)
{
	digest = (digest ^ value) * 0x100000001b3ul;
}

void report_made(const struct call *c)
{
	hash(c->number);
	for (int i = 0; i < 5; i++)
		hash(c->args[i]);
	for (size_t i = 0; i < c->size / 8; i++)
		hash(c->words[i]);
}

// GOOD, or where it is counted: the error's number; 0, if nothing was done.
static u32 outcome(const struct call *c, long rc)
{
	int status = c->op->flags & OP_STATUS && !rc ? grant_status(c) : 0;

	if (rc < 0)
		return rc > -STATUS ? (u32)-rc : 0;
	if (status)
		return STATUS + (u32)-status % 16;
	return c->op->flags & OP_COUNTS && !rc ? 0 : GOOD;
}

void report_call(const struct call *c, long rc, u64 ns)
{
	u32 number = outcome(c, rc);

	calls_done++;
	rows[c->number] = c->op;
	if (number == GOOD)
		counts[c->number].good++;
	else
		counts[c->number].bad[number]++;
	if (ns > longest) {
		longest = ns;
		longest_op = c->op;
		longest_number = call_number;
	}
	if (call_number % PROGRESS == PROGRESS - 1)
		printf("FUZZ at=%" LL "u\n", call_number + 1);
}

// In lines as short as a guest's may be.
static void show(unsigned int number)
{
	char line[150];
	size_t n;

	n = (size_t)snprintf(line, sizeof(line), "OP %s good=%" LL "u",
			     rows[number]->name, counts[number].good);
	for (int i = 0; i < ERRORS; i++) {
		if (!counts[number].bad[i])
			continue;
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %c%d=%u",
				      i < STATUS ? 'E' : 'S',
				      i < STATUS ? i : i - STATUS,
				      counts[number].bad[i]);
		if (n < sizeof(line) - 20)
			continue;
		printf("%s\n", line);
		n = (size_t)snprintf(line, sizeof(line), "OP %s good=0",
				     rows[number]->name);
	}
	printf("%s\n", line);
}

void report_end(void)
{
	u64 good = 0;

	for (unsigned int i = 0; i < OPS; i++) {
		if (!rows[i])
			continue;
		good += counts[i].good;
		show(i);
	}
	printf("FUZZ longest=%" LL "u us: %s, call %" LL "u\n", longest / 1000,
	       longest_op ? longest_op->name : "none", longest_number);
	if (longest > STRETCH && !has_word("race") && !has_word("host-time"))
		broken("call %" LL "u took %" LL "u us", longest_number,
		       longest / 1000);
	printf("FUZZ done=%" LL "u good=%" LL "u digest=%" LL "x\n", calls_done,
	       good, digest);
}

u64 number_word(const char *name, u64 otherwise)
{
	const char *line = (const char *)start_info->cmd_line;
	size_t n = strlen(name);
	u64 value = 0;

	for (; *line; line++) {
		if (memcmp(line, name, n) || line[n] != '=')
			continue;
		for (line += n + 1; *line >= '0' && *line <= '9'; line++)
			value = value * 10 + (u64)(*line - '0');
		return value;
	}
	return otherwise;
}
