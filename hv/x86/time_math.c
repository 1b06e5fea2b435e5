// SPDX-License-Identifier: MIT
#include "x86/time.h"

#define JUMP_NS	   (10 * NS_PER_MS) // a clock that is later than this jumps
#define SHORT_NS   (50 * NS_PER_MS) // no rate is taken from less
#define BEND_MAX   16		    // no faster or slower than by 1/16
#define RTC_BINARY 4		    // status B
#define RTC_24H	   2
#define RTC_PM	   0x80

void time_rate(struct time_scale *s, u64 ns, u64 ticks)
{
	int e = 0; // the quotient is ns / ticks * 2^e
	u64 q;

	for (; ticks >> 32; ticks >>= 1)
		ns >>= 1;
	for (ns = ns ? ns : 1; !(ns >> 63); ns <<= 1)
		e++;
	q = ns / ticks;
	for (; q >> 32; q >>= 1)
		e--;
	for (; !(q >> 31); q <<= 1)
		e++;
	s->mul = (u32)q;
	s->shift = (s8)(32 - e);
}

u64 time_scale_at(const struct time_scale *s, u64 tsc)
{
	// A time stamp from just before the scale's last change.
	if (unlikely((s64)(tsc - s->tsc_base) < 0))
		return s->ns_base -
		       time_scale_delta(s->tsc_base - tsc, s->mul, s->shift);
	return s->ns_base +
	       time_scale_delta(tsc - s->tsc_base, s->mul, s->shift);
}

void time_scale_adjust(struct time_scale *s, const struct time_point *last,
		       const struct time_point *now)
{
	u64 local = time_scale_at(s, now->tsc);
	u64 ns = now->ns - last->ns;
	s64 error = (s64)(now->ns - local);
	s64 bend;

	s->tsc_base = now->tsc;
	s->ns_base = local;
	if (error > (s64)JUMP_NS) {
		s->ns_base = now->ns;
		error = 0;
	}
	if (ns < SHORT_NS || ns > 60 * NS_PER_S || now->tsc <= last->tsc)
		return;
	// Half of it: stable even when the next visit is up to 3 s late.
	bend = error / 2;
	bend = MIN(bend, (s64)(NS_PER_S / BEND_MAX));
	bend = MAX(bend, -(s64)(NS_PER_S / BEND_MAX));
	bend = (s64)ns / 1000 * bend / (s64)(NS_PER_S / 1000);
	time_rate(s, (u64)((s64)ns + bend), now->tsc - last->tsc);
}

static unsigned int from_bcd(unsigned int v, bool binary)
{
	return binary ? v : (v >> 4) * 10 + (v & 15);
}

// Days since 1970-01-01 of a date of the Gregorian calendar, years counted
// from March so that the leap day is the last.
static u64 days_since_1970(u64 year, unsigned int month, unsigned int day)
{
	u64 y = month <= 2 ? year - 1 : year;
	u64 m = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day -
	       1 - 719468;
}

u64 rtc_decode(const struct rtc_fields *f)
{
	bool binary = f->status_b & RTC_BINARY;
	unsigned int hour = f->hour, century;
	u64 year = from_bcd(f->year, binary);

	if (f->status_b & RTC_24H) {
		hour = from_bcd(hour, binary);
	} else {
		hour = from_bcd(hour & ~RTC_PM & 0xff, binary) % 12;
		hour += f->hour & RTC_PM ? 12 : 0;
	}
	century = from_bcd(f->century, binary);
	if (century >= 19 && century < 30)
		year += century * 100;
	else
		year += year < 70 ? 2000 : 1900;
	return ((days_since_1970(year, from_bcd(f->month, binary),
				 from_bcd(f->day, binary)) *
			 24 +
		 hour) * 60 +
		from_bcd(f->min, binary)) *
		       60 +
	       from_bcd(f->sec, binary);
}
