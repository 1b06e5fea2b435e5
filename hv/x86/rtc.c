// SPDX-License-Identifier: MIT
// The CMOS clock (Motorola MC146818).
#include "x86/insn.h"
#include "x86/platform.h"
#include "x86/time_math.h"
#include "lib/string.h"

#define RTC_SEC	     0
#define RTC_MIN	     2
#define RTC_HOUR     4
#define RTC_DAY	     7
#define RTC_MONTH    8
#define RTC_YEAR     9
#define RTC_STATUS_A 10
#define RTC_STATUS_B 11
#define UPDATING     0x80 // status A: the fields change within 244 us
#define UPDATE_READS 4000 // an update takes 2 ms, a port read 0.5 to 1 us
#define TRIES	     4

struct spinlock rtc_lock = SPINLOCK_INIT(RANK_RTC);

static u8 cmos_read(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static void rtc_read_fields(struct rtc_fields *f)
{
	for (unsigned int i = 0; i < UPDATE_READS; i++)
		if (!(cmos_read(RTC_STATUS_A) & UPDATING))
			break;
	f->sec = cmos_read(RTC_SEC);
	f->min = cmos_read(RTC_MIN);
	f->hour = cmos_read(RTC_HOUR);
	f->day = cmos_read(RTC_DAY);
	f->month = cmos_read(RTC_MONTH);
	f->year = cmos_read(RTC_YEAR);
	f->century = platform.rtc_century ? cmos_read(platform.rtc_century) : 0;
	f->status_b = cmos_read(RTC_STATUS_B);
}

u64 rtc_read(void)
{
	struct rtc_fields f, again;
	u64 flags;

	if (platform.no_rtc)
		return 0;
	flags = spin_lock_irqsave(&rtc_lock);
	rtc_read_fields(&f);
	// Twice the same: no update came in between.
	for (unsigned int i = 0; i < TRIES; i++) {
		rtc_read_fields(&again);
		if (!memcmp(&f, &again, sizeof(f)))
			break;
		f = again;
	}
	spin_unlock_irqrestore(&rtc_lock, flags);
	return rtc_decode(&f);
}
