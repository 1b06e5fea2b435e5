// SPDX-License-Identifier: MIT
// The time of day: set by the control domain, with an offset for each domain.
#include "lib/domu.h"
#include "smp/smp.h"
#include <xen/platform.h>

// Public header arch-x86/xen.h: 32-bit kernels have it behind the rest.
#ifdef __x86_64__
#define WC_SEC_HI(s) ((s)->wc_sec_hi)
#else
#define WC_SEC_HI(s) ((s)->arch.wc_sec_hi)
#endif

struct wall {
	u64 sec;
	u32 nsec;
};

static struct wall wall_of(const volatile struct shared_info *s)
{
	struct wall w;
	u32 version;

	do {
		version = s->wc_version;
		barrier();
		w.sec = (u64)WC_SEC_HI(s) << 32 | s->wc_sec;
		w.nsec = s->wc_nsec;
		barrier();
	} while ((version & 1) || version != s->wc_version);
	return w;
}

static long set_time(u64 sec, u32 nsec, u64 system)
{
	struct xen_platform_op op = {
		.cmd = XENPF_settime64,
		.interface_version = XENPF_INTERFACE_VERSION,
	};

	op.u.settime64.secs = sec;
	op.u.settime64.nsecs = nsec;
	op.u.settime64.system_time = system;
	return HC1(__HYPERVISOR_platform_op, &op);
}

static void check_wall(const volatile struct shared_info *s, u64 sec, u32 nsec)
{
	struct wall w = wall_of(s);

	CHECK_EQ(w.sec, sec);
	CHECK_EQ(w.nsec, nsec);
}

// Given is the time of day at a system time, kept is that of system time 0.
static const struct {
	u64 sec;
	u32 nsec;
	u64 system, want_sec;
	u32 want_nsec;
} cases[] = {
	{ 1000000000, 123456789, 0, 1000000000, 123456789 },
	{ 5, 0, 2500 * MS, 2, 500000000 },
	{ 2000000000, 999999999, 1, 2000000000, 999999998 },
	{ (2ull << 32) + 5, 7, 3000 * MS, (2ull << 32) + 2, 7 },
};

TEST(set_time_of_day)
{
	struct wall before = wall_of(shared);
	struct xen_platform_op op = {
		.cmd = XENPF_settime32,
		.interface_version = XENPF_INTERFACE_VERSION,
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		u32 version = shared->wc_version;

		CHECK_EQ(set_time(cases[i].sec, cases[i].nsec, cases[i].system),
			 0);
		CHECK(version != shared->wc_version);
		check_wall(shared, cases[i].want_sec, cases[i].want_nsec);
	}
	op.u.settime32.secs = 1234567890;
	op.u.settime32.nsecs = 5;
	CHECK_EQ(HC1(__HYPERVISOR_platform_op, &op), 0);
	check_wall(shared, 1234567890, 5);
	CHECK_EQ(set_time(before.sec, before.nsec, 0), 0);
}

static long set_offset(domid_t id, int64_t seconds)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_settimeoffset,
				 .domain = id };

	op.u.settimeoffset.time_offset_seconds = seconds;
	return domctl(&op);
}

TEST(time_of_day_of_another)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo };
	const volatile struct shared_info *s = window(0);
	struct wall now = wall_of(shared);
	static const u8 nothing[256];
	struct domu other;

	if (!domu_make(&other, nothing, nothing, sizeof(nothing)))
		return;
	op.domain = other.id;
	CHECK_EQ(domctl(&op), 0);
	CHECK_EQ(update_va_of(op.domain, s,
			      make_entry(op.u.getdomaininfo.shared_info_frame,
					 PTE_RO)),
		 0);
	check_wall(s, now.sec, now.nsec);
	CHECK_EQ(set_offset(op.domain, 7200), 0);
	check_wall(s, now.sec + 7200, now.nsec);
	CHECK_EQ(set_time(3000000000, 5, 0), 0);
	check_wall(s, 3000007200, 5);
	CHECK_EQ(set_offset(op.domain, -86400), 0);
	check_wall(s, 2999913600, 5);
	check_wall(shared, 3000000000, 5);
	CHECK_EQ(set_offset(op.domain, 0), 0);
	check_wall(s, 3000000000, 5);
	CHECK_EQ(set_offset(4711, 0), -ESRCH);
	CHECK_EQ(set_time(now.sec, now.nsec, 0), 0);
	window(0);
	domain_destroy(op.domain);
}
