// SPDX-License-Identifier: MIT
// The CMOS clock (Motorola MC146818).
#include "x86/platform.h"
#include "x86/time.h"
#include "lib/string.h"

#define RTC_STATUS_A 10
#define RTC_STATUS_B 11
#define UPDATING     0x80 // status A: the fields change within 244 us
#define UPDATE_READS 4000 // an update takes 2 ms, a port read 0.5 to 1 us
#define TRIES	     4

struct spinlock rtc_lock = SPINLOCK_INIT(RANK_RTC);

static __init u8 cmos_read(u8 reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

// Of the fields that struct rtc_fields begins with.
static const u8 registers[] = { 0, 2, 4, 7, 8, 9 };

static __init void rtc_read_fields(struct rtc_fields *f)
{
	for (unsigned int i = 0; i < UPDATE_READS; i++)
		if (!(cmos_read(RTC_STATUS_A) & UPDATING))
			break;
	for (unsigned int i = 0; i < sizeof(registers); i++)
		((u8 *)f)[i] = cmos_read(registers[i]);
	f->century = platform.rtc_century ? cmos_read(platform.rtc_century) : 0;
	f->status_b = cmos_read(RTC_STATUS_B);
}

u64 __init rtc_read(void)
{
	struct rtc_fields f, again;

	if (platform.no_rtc)
		return 0;
	SPIN_GUARD_IRQ(&rtc_lock);
	rtc_read_fields(&f);
	// Twice the same: no update came in between.
	for (unsigned int i = 0; i < TRIES; i++) {
		rtc_read_fields(&again);
		if (!memcmp(&f, &again, sizeof(f)))
			break;
		f = again;
	}
	return rtc_decode(&f);
}
