// SPDX-License-Identifier: MIT
// Messages: level, rate limit, log ring.
#include "con/private.h"
#include "lib/string.h"
#include "x86/time.h"

#define RING_SIZE  16384u
#define RATE_BURST 20
#define PREFIX	   "(RL) "

enum level { LEVEL_ERR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG, LEVEL_GUEST };

// Levels below `lower` are printed, those below `upper` at a limited rate.
struct threshold {
	u8 lower, upper;
};

#ifdef DEBUG
static struct threshold own_limit = { 4, 4 }, guest_limit = { 0, 4 };
#else
static struct threshold own_limit = { 3, 3 }, guest_limit = { 0, 2 };
#endif

// Console lock.
static char ring[RING_SIZE];
static u32 ring_start, ring_end; // counts of characters ever written
static char text[1024];
static bool line_start = true; // of what was printed
static bool unfinished, shown; // last message: no newline yet, was printed
static u32 dropped;
static u64 rate[2]; // own, guest

static bool parse_level(const char **s, u8 *level)
{
	static const char names[][8] = { "none", "error", "warning",
					 "info", "debug", "all" };

	for (u8 i = 0; i < ARRAY_SIZE(names); i++) {
		size_t n = strlen(names[i]);

		if (!strncmp(*s, names[i], n)) {
			*s += n;
			*level = MIN(i, 4);
			return true;
		}
	}
	return false;
}

static bool set_limit(struct threshold *t, const char *s)
{
	struct threshold new;

	if (!parse_level(&s, &new.lower))
		return false;
	new.upper = new.lower;
	if (*s == '/') {
		s++;
		if (!parse_level(&s, &new.upper))
			return false;
	}
	new.upper = MAX(new.upper, new.lower);
	if (*s)
		return false;
	*t = new;
	return true;
}

bool con_option_loglvl(const char *value)
{
	return set_limit(&own_limit, value);
}

bool con_option_guest_loglvl(const char *value)
{
	return set_limit(&guest_limit, value);
}

bool rate_ok(u64 *state, unsigned int burst)
{
	u64 now = on_cpu_stack() && tsc_khz() ? time_now() : 0;
	u64 second = now / NS_PER_S;
	u64 s = READ_ONCE(*state); // second << 32 | messages in it

	if (s >> 32 != (u32)second)
		s = second << 32;
	if ((u32)s >= burst)
		return false;
	WRITE_ONCE(*state, s + 1);
	return true;
}

static void ring_put(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ring[ring_end++ % RING_SIZE] = s[i];
	if (ring_end - ring_start > RING_SIZE)
		ring_start = ring_end - RING_SIZE;
}

static void emit(const char *s, size_t n)
{
	ring_put(s, n);
	con_devices_write(s, n);
}

static void emit_lines(const char *s)
{
	const char *end;

	while (*s) {
		if (line_start)
			emit(PREFIX, sizeof(PREFIX) - 1);
		end = strchr(s, '\n');
		line_start = end != NULL;
		end = end ? end + 1 : s + strlen(s);
		emit(s, (size_t)(end - s));
		s = end;
	}
}

static bool may_show(enum level level, bool guest)
{
	const struct threshold *t = guest ? &guest_limit : &own_limit;

	if (con_panicking || level < t->lower)
		return true;
	if (level >= t->upper)
		return false;
	if (rate_ok(&rate[guest], RATE_BURST))
		return true;
	__atomic_fetch_add(&dropped, 1, __ATOMIC_RELAXED);
	return false;
}

// Level marks: LOG_GUEST may stand before another one, alone it is a warning.
static const char *take_level(const char *fmt, enum level *level, bool *guest)
{
	*guest = false;
	*level = LEVEL_INFO;
	for (; fmt[0] == '\001' && fmt[1]; fmt += 2) {
		*level = (enum level)(fmt[1] - '0');
		if (*level == LEVEL_GUEST) {
			*guest = true;
			*level = LEVEL_WARN;
		}
	}
	return fmt;
}

void vprintk(const char *fmt, va_list ap)
{
	enum level level;
	const char *body;
	u32 lost;
	u64 flags;
	size_t n;
	bool guest, show;

	body = take_level(fmt, &level, &guest);
	show = body == fmt && READ_ONCE(unfinished) ? READ_ONCE(shown)
						    : may_show(level, guest);
	n = strlen(body);
	flags = con_enter();
	shown = show;
	unfinished = n && body[n - 1] != '\n';
	if (show) {
		lost = __atomic_exchange_n(&dropped, 0, __ATOMIC_RELAXED);
		if (lost) {
			snprintf(text, sizeof(text),
				 "%u messages dropped: too many a second\n",
				 lost);
			emit_lines(text);
		}
		vsnprintf(text, sizeof(text), body, ap);
		emit_lines(text);
	}
	con_leave(flags);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
}

size_t log_read(u32 *index, char *buf, size_t n, bool incremental)
{
	u64 flags = con_enter();
	u32 from, to_wrap;

	// What was overwritten, or never written, is skipped.
	if (!incremental || ring_end - *index > ring_end - ring_start)
		*index = ring_start;
	n = MIN(n, (size_t)(ring_end - *index));
	from = *index % RING_SIZE;
	to_wrap = MIN((u32)n, RING_SIZE - from);
	memcpy(buf, ring + from, to_wrap);
	memcpy(buf + to_wrap, ring, n - to_wrap);
	*index += (u32)n;
	con_leave(flags);
	return n;
}

void log_clear(void)
{
	u64 flags = con_enter();

	ring_start = ring_end;
	con_leave(flags);
}
