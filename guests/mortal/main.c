// SPDX-License-Identifier: MIT
// A guest that lives until an NMI comes (`xl trigger NAME nmi`) and then ends
// as a word of its command line says. In Dom0's place it only sends itself one.
#include "lib/guest.h"

#define VECTOR_NMI 2

static const struct {
	const char *word;
	u32 reason;
} ends[] = {
	{ "poweroff", SHUTDOWN_poweroff },     { "reboot", SHUTDOWN_reboot },
	{ "suspend", SHUTDOWN_suspend },       { "crash", SHUTDOWN_crash },
	{ "soft-reset", SHUTDOWN_soft_reset },
};

static volatile unsigned int nmis;

static bool count_nmis(struct regs *regs)
{
	nmis += regs->vector == VECTOR_NMI;
	return regs->vector == VECTOR_NMI;
}

TEST(nmi)
{
	trap_hook = count_nmis;
	CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(nmis, 1);
}

// Where the tools find the frames of this guest, for a dump: a page of frames of
// pages of frames of the mfn_list's pages (public header arch-x86/xen.h).
static void publish_frames(void)
{
	static uptr top[PAGE_SIZE / sizeof(uptr)] __page_aligned;
	static uptr list[PAGE_SIZE / sizeof(uptr)] __page_aligned;
	uptr bytes = start_info->nr_pages * sizeof(uptr);

	for (uptr at = 0; at < bytes; at += PAGE_SIZE)
		list[at / PAGE_SIZE] =
			(uptr)virt_to_mfn((void *)(start_info->mfn_list + at));
	top[0] = (uptr)virt_to_mfn(list);
	shared->arch.max_pfn = start_info->nr_pages;
	shared->arch.pfn_to_mfn_frame_list_list = (xen_pfn_t)virt_to_mfn(top);
}

// The frames of the rings in start_info mean the guest's own numbers while it is
// away; who restores it puts machine frames there again.
static void rings_by_pfn(void)
{
	struct start_info *info = (struct start_info *)(uptr)start_info;

	info->store_mfn = machine_to_phys_mapping[info->store_mfn];
	info->console.domU.mfn =
		machine_to_phys_mapping[info->console.domU.mfn];
}

// Who saves the guest finds where its start_info is in the third argument, and
// no page of the hypervisor's in its tables.
static void shut_down(u32 reason)
{
	struct sched_shutdown how = { .reason = reason };

	if (reason == SHUTDOWN_suspend) {
		update_va(shared, 0, UVMF_INVLPG);
		rings_by_pfn();
	}
	HC3(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &how,
	    virt_to_mfn(start_info));
	event_init();
	printf("mortal: alive again\n");
}

// Not to come back from, but for a suspension.
static void end(void)
{
	struct sched_watchdog dog = { .timeout = 1 };
	static bool was_away;

	for (unsigned int i = 0; i < ARRAY_SIZE(ends); i++)
		if (has_word(ends[i].word))
			shut_down(was_away ? SHUTDOWN_poweroff
					   : ends[i].reason);
	was_away = true;
	if (has_word("watchdog"))
		CHECK_EQ(sched_op(SCHEDOP_watchdog, &dog), 0);
}

TEST(life)
{
	unsigned int before = nmis;

	if (start_info->flags & SIF_INITDOMAIN)
		test_skip("Dom0 lives on");
	trap_hook = count_nmis;
	publish_frames();
	printf("mortal: alive\n");
	for (;;) {
		if (nmis != before) {
			before = nmis;
			end();
		}
		sched_op(SCHEDOP_block, NULL);
	}
}
