// SPDX-License-Identifier: MIT
// Code that is written at boot, for this machine.
#include "x86/patch.h"
#include "x86/cpuid.h"
#include "x86/insn.h"
#include "x86/layout.h"
#include "x86/panic.h"

#define CALL_REL32 0xe8
#define JMP_REL32  0xe9
#define SITE_SIZE  5
#define SLOT_RSP   4 // the slot of returns
#define SLOTS	   16

struct isolate_site {
	s32 jump_end, target; // relative to themselves
};

extern const struct isolate_site __isolate_sites_start[], __isolate_sites_end[];
extern const s32 __smap_sites_start[], __smap_sites_end[];
extern u8 __image_start[], __text_end[], __rodata_end[], __init_text_end[],
	thunks_start[];

enum bti_thunk opt_bti_thunk = THUNK_RETPOLINE;
s8 opt_return_thunk = -1;

__init void isolate_entries(void)
{
	u64 cr0 = read_cr0();

	write_cr0(cr0 & ~CR0_WP);
	for (const struct isolate_site *s = __isolate_sites_start;
	     s < __isolate_sites_end; s++) {
		u64 end = (u64)&s->jump_end + (u64)(s64)s->jump_end;
		u64 to = (u64)&s->target + (u64)(s64)s->target;

		((s32 *)end)[-1] = (s32)(to - end);
	}
	write_cr0(cr0);
}

// STAC and CLAC stand in the code as they are; without SMAP each becomes a
// three-byte NOP, once, at boot.
__init void smap_remove(void)
{
	static const u8 nop[3] = { 0x0f, 0x1f, 0x00 };
	u64 cr0 = read_cr0();

	write_cr0(cr0 & ~CR0_WP);
	for (const s32 *s = __smap_sites_start; s < __smap_sites_end; s++) {
		u8 *at = (u8 *)((u64)s + (u64)(s64)*s);

		for (unsigned int i = 0; i < sizeof(nop); i++)
			at[i] = nop[i];
	}
	write_cr0(cr0);
}

// CALL or JMP through register n, which may be what a site says itself.
static __init u8 *branch_write(u8 *at, unsigned int n, u8 modrm)
{
	if (n >= 8)
		*at++ = 0x41;
	*at++ = 0xff;
	*at++ = (u8)(modrm | (n & 7));
	return at;
}

// What goes through slot n does so no more. What is left of its bytes: CS
// prefixes, which mean nothing, before a CALL; INT3 behind the others.
static __init void site_write(u8 *at, unsigned int n)
{
	u8 *end = at + SITE_SIZE;

	if (*at == CALL_REL32) {
		for (unsigned int i = n >= 8 ? 3 : 2; i < SITE_SIZE; i++)
			*at++ = 0x2e;
		branch_write(at, n, 0xd0);
		return;
	}
	if (n == SLOT_RSP)
		*at++ = 0xc3;
	else
		at = branch_write(at, n, 0xe0);
	while (at < end)
		*at++ = 0xcc;
}

// Every CALL and JMP from `at` up to `end` that leads to a slot. No byte in the
// image looks like one and is none: tests/check_branches.py.
static __init void sites_write(u8 *at, const u8 *end, bool indirect,
			       bool returns)
{
	for (; at <= end - SITE_SIZE; at++) {
		u64 offset = (u64)at + SITE_SIZE - (u64)thunks_start;
		unsigned int n;
		s32 rel;

		if (*at != CALL_REL32 && *at != JMP_REL32)
			continue;
		__builtin_memcpy(&rel, at + 1, sizeof(rel));
		offset += (u64)(s64)rel - THUNK_SLOT / 2;
		n = (unsigned int)(offset / THUNK_SLOT);
		if (offset % THUNK_SLOT || offset / THUNK_SLOT >= SLOTS)
			continue;
		if (n == SLOT_RSP ? returns : indirect)
			site_write(at, n);
	}
}

static __init void slots_write(bool fence)
{
	for (unsigned int n = 0; n < SLOTS; n++) {
		u8 *at = thunks_start + n * THUNK_SLOT + THUNK_SLOT / 2;

		if (n == SLOT_RSP)
			continue;
		if (fence) {
			*at++ = 0x0f;
			*at++ = 0xae;
			*at++ = 0xe8;
		}
		*branch_write(at, n, 0xe0) = 0xcc;
	}
}

// Intel's processors may take a branch's target from another branch in the lower
// half of its cache line, unless they say that they do not (ITS).
__init void branches_choose(void)
{
	static const char *const names[] = { "retpoline", "lfence", "jmp" };
	bool plain = opt_bti_thunk == THUNK_JMP, apart;
	u64 cr0 = read_cr0();

	apart = opt_return_thunk < 0
			? cpu_host.vendor == CPU_INTEL && !cpu_has(ITS_NO)
			: opt_return_thunk;
	printk("indirect branches: %s; returns: %s\n", names[opt_bti_thunk],
	       apart ? "thunk" : "plain");
	write_cr0(cr0 & ~CR0_WP);
	if (opt_bti_thunk != THUNK_RETPOLINE)
		slots_write(opt_bti_thunk == THUNK_LFENCE);
	sites_write(__image_start, __text_end, plain && !apart, !apart);
	sites_write(__rodata_end, __init_text_end, plain && !apart, !apart);
	write_cr0(cr0);
}
