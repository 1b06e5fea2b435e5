// SPDX-License-Identifier: MIT
// x86/time_math.c: rates, bending without steps back, the CMOS clock's dates.
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define HOST_TEST
#include "lib/types.h"
#include "../../hv/x86/time_math.c"
#include "unit.h"

static bool near(u64 a, u64 b, u64 by)
{
	return (a > b ? a - b : b - a) <= by;
}

static void rates(void)
{
	static const u64 hz[] = { 1000,	      32768,	  1193182,
				  3579545,    14318180,	  100000000,
				  1000000000, 2893437000, 5100000000 };

	for (unsigned i = 0; i < ARRAY_SIZE(hz); i++) {
		struct time_scale s = { 0 };

		time_rate(&s, NS_PER_S, hz[i]);
		CHECK(s.mul >> 31);
		CHECK(near(time_scale_delta(hz[i], s.mul, s.shift), NS_PER_S,
			   2));
		CHECK(near(time_scale_delta(hz[i] * 3600, s.mul, s.shift),
			   NS_PER_S * 3600, 2000));
		time_rate(&s, 5 * NS_PER_MS, hz[i] / 200);
		CHECK(near(time_scale_delta(hz[i], s.mul, s.shift), NS_PER_S,
			   NS_PER_S / (hz[i] / 200) + 2));
	}
}

// A TSC of `ghz` that a scale believes to be `believed`, visited every
// `period`, with a timer that is read up to `noise` ns late.
static void follow(double ghz, double believed, u64 period, u64 noise)
{
	struct time_scale s = { 0 };
	struct time_point last = { 0 }, now;
	u64 before, limit = noise * 3 + 200;

	time_rate(&s, NS_PER_S, (u64)(believed * NS_PER_S));
	for (u64 n = 1; n < 60; n++) {
		now.ns = n * period + (noise ? (u64)rand() % noise : 0);
		now.tsc = (u64)((double)(n * period) * ghz);
		before = time_scale_at(&s, now.tsc);
		time_scale_adjust(&s, &last, &now);
		CHECK(time_scale_at(&s, now.tsc) >= before);
		CHECK(time_scale_at(&s, now.tsc + 1) >= before);
		CHECK(time_scale_at(&s, now.tsc - 50) <= before + 100 ||
		      now.ns - before > JUMP_NS);
		if (n > 30)
			CHECK(near(before, now.ns, limit));
		last = now;
	}
}

static void converges(void)
{
	follow(1.0, 1.0, NS_PER_S, 0);
	follow(2.4, 2.4001, NS_PER_S, 300);
	follow(2.4, 2.3999, NS_PER_S, 300);
	follow(3.0, 2.99, NS_PER_S, 300); // starts with jumps
	follow(3.0, 3.005, NS_PER_S, 300);
	follow(1.0, 1.0001, NS_PER_S * 2, 1000);
	follow(1.0, 1.0001, NS_PER_S / 4, 1000);
}

static void oddities(void)
{
	struct time_scale s = { 0 }, old;
	struct time_point a = { 1000, 1000 }, b = { 2000, 2000 };

	time_rate(&s, NS_PER_S, NS_PER_S);
	old = s;
	time_scale_adjust(&s, &a, &b); // too short for a rate
	CHECK(s.mul == old.mul && s.shift == old.shift);
	b = (struct time_point){ 1000, NS_PER_S };
	time_scale_adjust(&s, &a, &b); // the TSC stood still: jump
	CHECK(s.mul == old.mul && time_scale_at(&s, 1000) == NS_PER_S);
	// Far ahead: slower, but forward.
	a = (struct time_point){ 1000, 1000 };
	b = (struct time_point){ NS_PER_S, NS_PER_S };
	s.tsc_base = 1000;
	s.ns_base = 1000 * NS_PER_S;
	time_scale_adjust(&s, &a, &b);
	CHECK(time_scale_at(&s, b.tsc) >= 1000 * NS_PER_S);
	CHECK(near(time_scale_delta(NS_PER_S, s.mul, s.shift),
		   NS_PER_S - NS_PER_S / 16, 1000));
}

static u8 bcd(int v)
{
	return (u8)(v / 10 * 16 + v % 10);
}

static void dates(void)
{
	for (u64 t = 3661; t < 4100000000; t += 40000 + (u64)rand() % 90000) {
		time_t as = (time_t)t;
		struct tm tm;
		struct rtc_fields f;
		int h12;

		gmtime_r(&as, &tm);
		h12 = tm.tm_hour % 12 ? tm.tm_hour % 12 : 12;
		f = (struct rtc_fields){ bcd(tm.tm_sec),
					 bcd(tm.tm_min),
					 bcd(tm.tm_hour),
					 bcd(tm.tm_mday),
					 bcd(tm.tm_mon + 1),
					 bcd(tm.tm_year % 100),
					 bcd(19 + tm.tm_year / 100),
					 2 };
		CHECK(rtc_decode(&f) == t);
		f.status_b = 0;
		f.hour = (u8)(bcd(h12) | (tm.tm_hour >= 12 ? 0x80 : 0));
		CHECK(rtc_decode(&f) == t);
		f = (struct rtc_fields){ (u8)tm.tm_sec,
					 (u8)tm.tm_min,
					 (u8)tm.tm_hour,
					 (u8)tm.tm_mday,
					 (u8)(tm.tm_mon + 1),
					 (u8)(tm.tm_year % 100),
					 0,
					 6 };
		if (tm.tm_year < 170)
			CHECK(rtc_decode(&f) == t);
	}
}

UNIT_MAIN(UNIT(rates), UNIT(converges), UNIT(oddities), UNIT(dates))
