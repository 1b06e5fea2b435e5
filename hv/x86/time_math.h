// SPDX-License-Identifier: MIT
// The arithmetic of time, pure: shared with tests.
#ifndef X86_TIME_MATH_H
#define X86_TIME_MATH_H

#include "x86/time.h"

// A moment that the platform timer and the TSC were read at together.
struct time_point {
	u64 tsc, ns;
};

// mul and shift so that `ticks` scale to `ns`, to 2^-31 of the value. Neither
// is 0.
void time_rate(struct time_scale *s, u64 ns, u64 ticks);
u64 time_scale_at(const struct time_scale *s, u64 tsc);
// Moves the scale to `now` without a step back: the rate between last and now
// as measured, bent so that half of the difference is gone in one second. A
// clock that is far behind jumps; one that is far ahead is slowed down.
void time_scale_adjust(struct time_scale *s, const struct time_point *last,
		       const struct time_point *now);

// Fields of the CMOS clock as they were read.
struct rtc_fields {
	u8 sec, min, hour, day, month, year;
	u8 century; // 0: unknown
	u8 status_b;
};
u64 rtc_decode(const struct rtc_fields *f); // seconds since 1970

#endif
