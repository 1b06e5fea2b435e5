// SPDX-License-Identifier: MIT
// Which hypercalls a test made and what they answered, for the table of
// docs/hypercalls.md: told where the command line has the word "calls".
#include "lib/guest.h"
#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define MOST	   96
#define BATCH	   8 // of a batch's entries so many are looked at
#define LAST_ERROR 191
#define MOST_SUB   2048

bool calls_wanted, calls_told;

static struct call {
	u32 number, sub;
	u64 answers[(LAST_ERROR + 1) / 64]; // bit 0: success, bit n: -n
} calls[MOST];
static unsigned int used;

// Part of the image, and mapped: the hypervisor's pointers, and those of tests
// that want a fault, are not followed.
static bool readable(uptr at, size_t size)
{
	const volatile u64 *entry;

	if (at < (uptr)guest_start || at >= (uptr)guest_end - size)
		return false;
	for (uptr page = at & -PAGE_SIZE; page < at + size; page += PAGE_SIZE) {
		entry = entry_of((void *)page, 1);
		if (!entry || !(*entry & PTE_P))
			return false;
	}
	return true;
}

static void note(u32 number, u32 sub, long answer)
{
	unsigned int bit = answer >= 0		  ? 0
			   : answer < -LAST_ERROR ? LAST_ERROR
						  : (unsigned int)-answer;
	unsigned int i = 0;

	while (i < used && (calls[i].number != number || calls[i].sub != sub))
		i++;
	if (i == MOST)
		return;
	if (i == used) {
		calls[i] = (struct call){ number, sub, { 0 } };
		used++;
	}
	calls[i].answers[bit / 64] |= (u64)1 << bit % 64;
}

static void note_batch(uptr number, uptr at, uptr count, long answer)
{
	bool updates = number == __HYPERVISOR_mmu_update;
	size_t size =
		updates ? sizeof(struct mmu_update) : sizeof(struct mmuext_op);

	for (uptr i = 0; i < count && i < BATCH; i++, at += size) {
		u32 sub;

		if (!readable(at, size))
			return;
		sub = *(const u32 *)at;
		if (updates)
			sub &= 3;
		if (sub < MOST_SUB)
			note((u32)number, sub, answer);
	}
}

// A multicall's entries have answers of their own.
static void note_multicall(uptr at, uptr count, long answer)
{
	const struct multicall_entry *e = (const void *)at;

	note(__HYPERVISOR_multicall, 0, answer);
	for (uptr i = 0; !answer && i < count && i < BATCH; i++) {
		if (!readable((uptr)&e[i], sizeof(e[i])))
			return;
		if (e[i].op != __HYPERVISOR_multicall)
			call_note(e[i].op, e[i].args[0], e[i].args[1],
				  e[i].result);
	}
}

void call_note(uptr number, uptr a1, uptr a2, long answer)
{
	uptr sub = 0;

	switch (number) {
	case __HYPERVISOR_mmu_update:
	case __HYPERVISOR_mmuext_op:
		note_batch(number, a1, a2, answer);
		return;
	case __HYPERVISOR_multicall:
		note_multicall(a1, a2, answer);
		return;
	case __HYPERVISOR_memory_op: // above the bits: where to go on
	case __HYPERVISOR_xen_version:
	case __HYPERVISOR_console_io:
	case __HYPERVISOR_grant_table_op:
	case __HYPERVISOR_vcpu_op:
	case __HYPERVISOR_sched_op:
	case __HYPERVISOR_sched_op_compat:
	case __HYPERVISOR_nmi_op:
	case __HYPERVISOR_event_channel_op:
	case __HYPERVISOR_physdev_op:
		sub = a1;
		break;
	case __HYPERVISOR_vm_assist:
		sub = a2;
		break;
	case __HYPERVISOR_callback_op: // the type in the structure
		if (readable(a2, sizeof(u16)))
			sub = *(const u16 *)a2;
		break;
	case __HYPERVISOR_domctl:
	case __HYPERVISOR_sysctl:
	case __HYPERVISOR_platform_op:
	case __HYPERVISOR_event_channel_op_compat:
	case __HYPERVISOR_physdev_op_compat:
		if (readable(a1, sizeof(u32)))
			sub = *(const u32 *)a1;
		break;
	default:
		break;
	}
	if (number < 64 && sub < MOST_SUB)
		note((u32)number, (u32)sub, answer);
}

void calls_clear(void)
{
	used = 0;
}

void calls_tell(void)
{
	char line[200];

	if (!calls_wanted)
		return;
	calls_told = false;

	for (unsigned int i = 0; i < used; i++) {
		int at = snprintf(line, sizeof(line), "CALLS %u.%u",
				  calls[i].number, calls[i].sub);

		for (unsigned int n = 0; n <= LAST_ERROR; n++) {
			if (at < 180 && calls[i].answers[n / 64] >> n % 64 & 1)
				at += snprintf(line + at, 20, " %u", n);
		}
		printf("%s\n", line);
	}
	calls_told = true;
}
