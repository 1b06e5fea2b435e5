// SPDX-License-Identifier: MIT
// Segments: GDT, LDT, bases, the kernel stack, debug registers.
#include "lib/guest.h"

#define HUGE_FRAME  (1ul << 28)
#define MAX_ENTRIES (14 * 512)

// What is not present is named before it is looked at: no base to load, and an
// address that is none of the guest's.
#ifdef __x86_64__
#define RING	 3 // the kernel's
#define NOWHERE	 0x8000000000000000
#define NOT_OURS HYPERVISOR_VIRT_START
#define CODE	 0x00affb000000ffffull
#define R_WORD	 "movq"
#else
#define RING	 1
#define NOWHERE	 0xfffff000ul // behind the M2P
#define NOT_OURS NOWHERE
#define CODE	 0x00cffb000000ffffull
#define R_WORD	 "movl"
#endif

// Flat segments of user privilege.
#define DATA	  0x00cff3000000ffffull
#define CODE64	  0x00affb000000ffffull
#define PRESENT	  (1ull << 47)
#define ACCESSED  (1ull << 40)
#define DPL_MASK  (3ull << 45)
#define DPL(ring) ((u64)(ring) << 45)
#define CALL_GATE \
	(PRESENT | DPL_MASK | 0xcull << 40 | (u64)FLAT_KERNEL_CS << 16)
#define TSS (PRESENT | 0x9ull << 40)
// The kernel's own: SS has to be of the ring that uses it.
#define KERNEL_DATA ((DATA & ~DPL_MASK) | DPL(RING))
#define KERNEL(n)   (8 * (n) | RING) // its selector for entry n

static u64 *gdt;

static u64 data_with_base(u64 base)
{
	return DATA | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
}

static long load_fs(long selector)
{
	__asm__ volatile("movw %w0, %%fs" : : "r"(selector));
	return 0;
}

static long load_ss(long selector)
{
	__asm__ volatile("movw %w0, %%ss" : : "r"(selector));
	return 0;
}

static long read_fs(long offset)
{
	long value;

	__asm__ volatile(R_WORD " %%fs:(%1), %0" : "=r"(value) : "r"(offset));
	return value;
}

static void gdt_begin(void)
{
	gdt = page_alloc();
	gdt[1] = DATA;
	gdt[2] = CODE;
	gdt[3] = DATA & ~PRESENT;
	gdt[4] = data_with_base(0x12340000);
	gdt[8] = KERNEL_DATA;
	gdt[9] = KERNEL_DATA & ~PRESENT;
	page_set_ro(gdt);
}

static void gdt_end(void)
{
	load_fs(0);
	CHECK_EQ(set_gdt(0, 0), 0);
	CHECK_EQ(page_set_rw(gdt), 0);
	page_free(gdt);
}

TEST(gdt_use)
{
	gdt_begin();
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	CHECK_NO_TRAP(load_fs(0x0b));
	CHECK_TRAP(load_fs(0x1b), 11, 0x18);
	CHECK_TRAP(load_ss(KERNEL(9)), 12, 9 * 8);
	CHECK_NO_TRAP(load_ss(KERNEL(8)));
	CHECK_NO_TRAP(load_ss(FLAT_KERNEL_SS));
	CHECK_TRAP(load_fs(0x33), 13, 0x30);
	CHECK_TRAP(user_call(load_fs, 0x1b), 11, 0x18);
	CHECK_EQ(user_call(load_fs, 0x0b), 0);
	gdt_end();
	CHECK_TRAP(load_fs(0x0b), 13, 0x08);
}

TEST(gdt_base)
{
	uptr *w = (uptr *)VIRT_BASE;

	gdt_begin();
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	CHECK_NO_TRAP(load_fs(0x23));
	// Base 0x12340000 and this offset are VIRT_BASE.
	CHECK_NO_TRAP(CHECK_EQ(read_fs((long)(VIRT_BASE - 0x12340000)), *w));
	gdt_end();
}

TEST(gdt_refused)
{
	uptr frames[2];

	gdt_begin();
	frames[0] = (uptr)virt_to_mfn(gdt);
	CHECK_EQ(set_gdt(frames[0], MAX_ENTRIES + 1), -EINVAL);
	CHECK_EQ(set_gdt(HUGE_FRAME, 512), -EINVAL);
	frames[1] = HUGE_FRAME;
	CHECK_EQ(HC2(__HYPERVISOR_set_gdt, frames, 513), -EINVAL);
	CHECK_EQ(HC2(__HYPERVISOR_set_gdt, NOWHERE, 512), -EFAULT);
	CHECK_EQ(HC2(__HYPERVISOR_set_gdt, window(0), 512), -EFAULT);
	// Writable.
	page_set_rw(gdt);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), -EINVAL);
	// Holds a system segment.
	gdt[7] = TSS;
	page_set_ro(gdt);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), -EINVAL);
	gdt_end();
}

TEST(gdt_privilege)
{
	gdt_begin();
	page_set_rw(gdt);
	gdt[5] = DATA & ~DPL_MASK;
	page_set_ro(gdt);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	// No segment stays the hypervisor's own level.
	CHECK_EQ(gdt[5] & DPL_MASK, DPL(RING));
	CHECK_NO_TRAP(load_fs(KERNEL(5)));
	gdt_end();
}

TEST(update)
{
	u64 *page = page_alloc(), at;

	gdt_begin();
	at = virt_to_maddr(gdt);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	CHECK_EQ(update_descriptor(at + 5 * 8, DATA), 0);
	CHECK_EQ(gdt[5], DATA);
	CHECK_NO_TRAP(load_fs(0x2b));
	load_fs(0);
	CHECK_EQ(update_descriptor(at + 5 * 8, DATA & ~ACCESSED), 0);
	CHECK_EQ(update_descriptor(at + 5 * 8, CODE), 0);
	CHECK_EQ(update_descriptor(at + 5 * 8, DATA & ~DPL_MASK), 0);
	CHECK_EQ(gdt[5] & DPL_MASK, DPL(RING));
	CHECK_EQ(update_descriptor(at + 5 * 8, CODE64),
		 WIDTH == 64 ? 0 : -EINVAL);
	CHECK_EQ(update_descriptor(at + 5 * 8, TSS), -EINVAL);
	CHECK_EQ(update_descriptor(at + 5 * 8, TSS & ~PRESENT), 0);
	CHECK_EQ(update_descriptor(at + 5 * 8 + 4, DATA), -EINVAL);
	CHECK_EQ(update_descriptor((u64)HUGE_FRAME << 12, DATA), -EINVAL);
	CHECK_EQ(update_descriptor(0, DATA), -EINVAL);
	CHECK_EQ(update_descriptor(at + 5 * 8, 0), 0);
	// Ordinary memory is written; a page table is not.
	CHECK_EQ(update_descriptor(virt_to_maddr(page), DATA), 0);
	CHECK_EQ(page[0], DATA);
	CHECK_EQ(update_descriptor(start_info->pt_base, DATA), -EINVAL);
	CHECK_EQ(update_descriptor(virt_to_maddr((void *)start_info->pt_base),
				   DATA),
		 -EINVAL);
	page_free(page);
	gdt_end();
}

// A call gate would let user mode into the hypervisor's view of the guest
// kernel without a bounce; nothing uses them any more. In long mode, which the
// compatibility mode of 32-bit kernels is part of, all of them have 16 bytes and
// lead to 64-bit code (Intel SDM volume 3A, 5.8.3.1).
TEST(call_gates)
{
	gdt_begin();
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	CHECK_EQ(update_descriptor(virt_to_maddr(gdt) + 5 * 8, CALL_GATE),
		 -EINVAL);
	gdt_end();
}

static long set_ldt(uptr base, u64 entries)
{
	return mmuext(MMUEXT_SET_LDT, base, entries);
}

TEST(ldt)
{
	u64 *ldt = page_alloc();

	ldt[1] = DATA;
	ldt[3] = DATA & ~PRESENT;
	page_set_ro(ldt);
	CHECK_TRAP(load_fs(0x0f), 13, 0x0c);
	CHECK_EQ(set_ldt((uptr)ldt, 512), 0);
	CHECK_NO_TRAP(load_fs(0x0f));
	CHECK_TRAP(load_fs(0x1f), 11, 0x1c);
	CHECK_EQ(user_call(load_fs, 0x0f), 0);
	CHECK_EQ(page_set_rw(ldt), -EBUSY);
	CHECK_EQ(update_descriptor(virt_to_maddr(ldt) + 16, DATA), 0);
	CHECK_NO_TRAP(load_fs(0x17));
	load_fs(0);
	CHECK_EQ(set_ldt((uptr)ldt, 2), 0);
	CHECK_NO_TRAP(load_fs(0x0f));
	CHECK_TRAP(load_fs(0x17), 13, 0x14);
	load_fs(0);
	CHECK_EQ(set_ldt(0, 0), 0);
	CHECK_TRAP(load_fs(0x0f), 13, 0x0c);
	CHECK_EQ(page_set_rw(ldt), 0);
	page_free(ldt);
}

TEST(ldt_refused)
{
	u64 *ldt = page_alloc();

	CHECK_EQ(set_ldt((uptr)ldt + 8, 512), -EINVAL);
	CHECK_EQ(set_ldt((uptr)ldt, 8193), -EINVAL);
	CHECK_EQ(set_ldt(HYPERVISOR_VIRT_START, 512),
		 WIDTH == 64 ? -EINVAL : 0);
	set_ldt(0, 0);
	// Its pages are looked at when they are used: a writable one and a
	// missing one are page faults of the guest.
	CHECK_EQ(set_ldt((uptr)ldt, 512), 0);
	CHECK_TRAP(load_fs(0x0f), 14, 0);
	CHECK_EQ(trap_last.cr2, (uptr)ldt + 8);
	CHECK_EQ(set_ldt((uptr)window(0), 512), 0);
	CHECK_TRAP(load_fs(0x0f), 14, 0);
	CHECK_EQ(trap_last.cr2, (uptr)window(0) + 8);
	CHECK_EQ(set_ldt(0, 0), 0);
	page_free(ldt);
}

#ifndef __x86_64__ // 64-bit kernels: refused, above
// Header xen-x86_32.h has the M2P from HYPERVISOR_VIRT_START on; behind it the
// address space ends. None of it is the guest's, to be shown as descriptors.
TEST(ldt_of_the_hypervisor)
{
	CHECK_EQ(set_ldt(HYPERVISOR_VIRT_START, 512), 0);
	CHECK_TRAP(load_fs(0x0f), 14, 0);
	CHECK_EQ(trap_last.cr2, HYPERVISOR_VIRT_START + 8);
	CHECK_EQ(set_ldt(-PAGE_SIZE, 8192), 0);
	for (long entry = 1; entry < 8192; entry += 1000) {
		CHECK_TRAP(load_fs(entry * 8 + 7), 14, 0);
		CHECK_EQ(trap_last.cr2, (uptr)(entry * 8) - PAGE_SIZE);
	}
	CHECK_EQ(set_ldt(0, 0), 0);
}
#endif

// Bases of segments beyond 32 bits; a 32-bit kernel has those of its GDT alone,
// and the call is not for it: ring1, hypercalls_of_ring_1_only.
#ifdef __x86_64__
static long read_gs(long offset)
{
	long value;

	__asm__ volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(offset));
	return value;
}

static long gs_selector(long unused)
{
	u16 selector;

	(void)unused;
	__asm__ volatile("movw %%gs, %0" : "=r"(selector));
	return selector;
}

static long set_base(unsigned int which, u64 base)
{
	return HC2(__HYPERVISOR_set_segment_base, which, base);
}

TEST(segment_bases)
{
	static u64 kernel_data = 0x1111, user_data = 0x2222;

	CHECK_EQ(set_base(SEGBASE_FS, (u64)&kernel_data), 0);
	CHECK_EQ(read_fs(0), 0x1111);
	CHECK_EQ(user_call(read_fs, 0), 0x1111);
	CHECK_EQ(set_base(SEGBASE_GS_KERNEL, (u64)&kernel_data), 0);
	CHECK_EQ(set_base(SEGBASE_GS_USER, (u64)&user_data), 0);
	CHECK_EQ(read_gs(0), 0x1111);
	CHECK_EQ(user_call(read_gs, 0), 0x2222);
	CHECK_EQ(read_gs(0), 0x1111);
	for (unsigned int which = 0; which < 3; which++) {
		CHECK_EQ(set_base(which, 0x800000000000), -EINVAL);
		CHECK_EQ(set_base(which, NOWHERE), -EINVAL);
		CHECK_EQ(set_base(which, 0xffff7fffffffffff), -EINVAL);
		CHECK_EQ(set_base(which, HYPERVISOR_VIRT_START), 0);
		CHECK_EQ(set_base(which, 0x7fffffffffff), 0);
		CHECK_EQ(set_base(which, 0), 0);
	}
	CHECK_EQ(set_base(4, 0), -EINVAL);
	CHECK_EQ(set_base(0xffffffff, 0), -EINVAL);
}

TEST(user_gs)
{
	static u64 data = 0x3333;

	gdt_begin();
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	CHECK_EQ(set_base(SEGBASE_GS_USER_SEL, 0x0b), 0);
	CHECK_EQ(gs_selector(0), 0x0b);
	CHECK_EQ(user_call(gs_selector, 0), 0x0b);
	CHECK_EQ(user_call(read_gs, (long)&data), 0x3333);
	// A selector that cannot be loaded becomes zero.
	CHECK_EQ(set_base(SEGBASE_GS_USER_SEL, 0x1b), 0);
	CHECK_EQ(user_call(gs_selector, 0), 0);
	CHECK_EQ(set_base(SEGBASE_GS_USER_SEL, 0), 0);
	gdt_end();
}
#endif

TEST(stack_switch)
{
	static u64 stack[64];

	CHECK_EQ(HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, stack + 64), 0);
	CHECK_EQ(HC2(__HYPERVISOR_stack_switch, 0, stack + 64), 0);
	CHECK_EQ(HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
		     HYPERVISOR_VIRT_START + 64),
		 0);
	CHECK_EQ(HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, NOWHERE), 0);
}

static long set_debug(unsigned int reg, uptr value)
{
	return HC2(__HYPERVISOR_set_debugreg, reg, value);
}

static uptr get_debug(unsigned int reg)
{
	return (uptr)HC1(__HYPERVISOR_get_debugreg, reg);
}

TEST(debug_addresses)
{
	for (unsigned int reg = 0; reg < 4; reg++) {
		CHECK_EQ(set_debug(reg, VIRT_BASE + reg), 0);
		CHECK_EQ(get_debug(reg), VIRT_BASE + reg);
#ifdef __x86_64__
		CHECK_EQ(set_debug(reg, HYPERVISOR_VIRT_START), -EPERM);
		CHECK_EQ(set_debug(reg, 0xffff830000000000), -EPERM);
		CHECK_EQ(set_debug(reg, HYPERVISOR_VIRT_END - 1), -EPERM);
		CHECK_EQ(set_debug(reg, NOWHERE), -EPERM);
#endif
		CHECK_EQ(get_debug(reg), VIRT_BASE + reg);
		CHECK_EQ(set_debug(reg, 0), 0);
	}
}

TEST(debug_status)
{
	CHECK_EQ(set_debug(6, 0), 0);
	CHECK_EQ(get_debug(6), 0xffff0ff0);
#ifdef __x86_64__
	CHECK_EQ(set_debug(6, ~0ul), -EINVAL);
	CHECK_EQ(set_debug(6, 1ul << 32), -EINVAL);
#endif
	CHECK_EQ(set_debug(6, 0xffffffff), 0);
	CHECK_EQ(get_debug(6), 0xffffefff);
	CHECK_EQ(set_debug(6, 0xffff0ff0), 0);
}

TEST(debug_control)
{
	for (unsigned int b = 0; b < WIDTH; b++) {
		// General detect would report the hypervisor's accesses.
		long want = b > 31 ? -EINVAL : b == 13 ? -EPERM : 0;

		CHECK_EQ(set_debug(7, 1ul << b), want);
	}
	// Lengths and kinds: 1, 2, 8 and 4 bytes of execute, write, I/O,
	// access.
	for (uptr field = 0; field < 16; field++) {
		bool io = (field & 3) == 2;

		if (!CHECK_EQ(set_debug(7, 0x1 | field << 16), io ? -EPERM : 0))
			printf("  field %lu\n", field);
	}
	CHECK_EQ(set_debug(7, 0), 0);
	CHECK_EQ(get_debug(7), 0x400);
}

static void debug_extensions(bool on)
{
	uptr cr4;

	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	cr4 = on ? cr4 | 8 : cr4 & ~8ul;
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%cr4" : : "r"(cr4)));
}

TEST(debug_numbers)
{
	CHECK_EQ(set_debug(4, 0), 0);
	CHECK_EQ(set_debug(5, 0), 0);
	CHECK_EQ(get_debug(4), 0xffff0ff0);
	CHECK_EQ(get_debug(5), 0x400);
	CHECK_EQ(set_debug(8, 0), -ENODEV);
	CHECK_EQ(get_debug(8), -ENODEV);
	CHECK_EQ(set_debug(0xffffffff, 0), -ENODEV);
	CHECK_EQ(get_debug(0xffffffff), -ENODEV);
	// Not the others' names any longer.
	debug_extensions(true);
	for (unsigned int reg = 4; reg < 6; reg++) {
		CHECK_EQ(set_debug(reg, 0), -ENODEV);
		CHECK_EQ(get_debug(reg), -ENODEV);
	}
	debug_extensions(false);
	CHECK_EQ(get_debug(5), 0x400);
}
