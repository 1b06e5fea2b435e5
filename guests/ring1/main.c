// SPDX-License-Identifier: MIT
// What keeps a kernel in ring 1, to paging a supervisor as the hypervisor is, in
// 32-bit code; its ways in and out. Rules: public header arch-x86/xen-x86_32.h,
// AMD APM vol. 2 ch. 4.
#include "lib/cpu.h"

#define CODE32	  0x00cfbb000000ffffull // DPL 1
#define CODE64	  0x00afbb000000ffffull
#define CODE64_3  0x00affb000000ffffull
#define DATA_AT	  0x00cfb30000000000ull // DPL 1, base 0 limit 0 to be filled
#define LONG_MODE (1u << 21)		// of what LAR tells
#define RESERVED  0xe000
#define SEL_CS64  0xe033 // where 64-bit kernels have 64-bit code
#define FLAG_IF	  0x200ul
#define ALL_HIGH  0xfffff000ul

TEST(ring)
{
	u16 cs, ss;

	__asm__("movw %%cs, %0; movw %%ss, %1" : "=r"(cs), "=r"(ss));
	CHECK_EQ(cs, FLAT_KERNEL_CS);
	CHECK_EQ(ss & 3, 1);
}

TEST(long_mode_refused)
{
	static const u64 refused[] = { CODE64, CODE64_3,
				       CODE64 & ~(3ull << 45) };
	u64 *gdt = page_alloc(), at = virt_to_maddr(gdt);

	page_set_ro(gdt);
	CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++)
		CHECK_EQ(update_descriptor(at + 8, refused[i]), -EINVAL);
	CHECK_EQ(update_descriptor(at + 8, CODE32), 0);
	CHECK_EQ(gdt[1] == CODE32, 1);
	// Ring 0 becomes ring 1.
	CHECK_EQ(update_descriptor(at + 16, CODE32 & ~(3ull << 45)), 0);
	CHECK_EQ(gdt[2] == CODE32, 1);
	CHECK_EQ(set_gdt(0, 0), 0);
	CHECK_EQ(page_set_rw(gdt), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		gdt[3] = refused[i];
		CHECK_EQ(page_set_ro(gdt), 0);
		CHECK_EQ(set_gdt(virt_to_mfn(gdt), 512), -EINVAL);
		CHECK_EQ(page_set_rw(gdt), 0);
	}
	page_free(gdt);
}

static long load_fs(long selector)
{
	__asm__ volatile("movw %w0, %%fs" : : "r"(selector));
	return 0;
}

TEST(long_mode_refused_in_ldt)
{
	u64 *ldt = page_alloc();

	ldt[1] = CODE64;
	ldt[2] = CODE32;
	page_set_ro(ldt);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (uptr)ldt, 512), 0);
	// A page with such a descriptor is never shown to the processor.
	CHECK_TRAP(load_fs(0x17), 14, 0);
	CHECK_EQ(trap_last.cr2, (uptr)ldt + 16);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	CHECK_EQ(page_set_rw(ldt), 0);
	ldt[1] = 0;
	page_set_ro(ldt);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, (uptr)ldt, 512), 0);
	CHECK_NO_TRAP(load_fs(0x15));
	load_fs(0);
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
	CHECK_EQ(page_set_rw(ldt), 0);
	page_free(ldt);
}

// What ring 1 may know of each selector in the hypervisor's part.
TEST(reserved_part)
{
	unsigned int seen = 0;
	u32 rights;
	u8 ok;

	for (u32 sel = RESERVED; sel < 0x10000; sel += 8) {
		__asm__("lar %2, %0; setz %1"
			: "=&r"(rights), "=q"(ok)
			: "r"(sel | 1)
			: "cc");
		if (!ok)
			continue;
		seen++;
		CHECK_EQ(rights & LONG_MODE, 0);
		CHECK(rights >> 13 & 3);
	}
	CHECK_EQ(seen, 4); // code and data of rings 1 and 3
}

static long jump_long(long selector)
{
	struct {
		uptr offset;
		u16 selector;
	} __attribute__((packed)) to = { 0x1000, (u16)selector };

	__asm__ volatile("ljmp *%0" : : "m"(to));
	return 0;
}

TEST(no_way_to_long_mode)
{
	// Of data, not code; and the hypervisor's own.
	CHECK_TRAP(jump_long(SEL_CS64), 13, SEL_CS64 & ~3u);
	CHECK_TRAP(user_call(jump_long, SEL_CS64), 13, SEL_CS64 & ~3u);
	CHECK_TRAP(jump_long(0xe008), 13, 0xe008);
	CHECK_TRAP(user_call(jump_long, 0xe008), 13, 0xe008);
	CHECK_TRAP(user_call(jump_long, FLAT_KERNEL_CS), 13,
		   FLAT_KERNEL_CS & ~3u);
}

static long hypercall_direct(long nr)
{
	__asm__ volatile("int $0x82" : "+a"(nr) : "b"(0), "c"(0) : "memory");
	return nr;
}

TEST(hypercalls_of_ring_1_only)
{
	CHECK_EQ(hypercall_direct(__HYPERVISOR_xen_version), 4 << 16 | 17);
	// This emulator's elder may give a refused int N a wrong error code.
	if (has_word("qemu10"))
		CHECK_TRAP(
			user_call(hypercall_direct, __HYPERVISOR_xen_version),
			13, 0x82 * 8 + 2);
	CHECK_EQ(hypercall_direct(0x1234), -ENOSYS);
	// 64-bit kernels' only.
	CHECK_EQ(HC2(__HYPERVISOR_set_segment_base, 0, 0), -ENOSYS);
}

static long divide(long by)
{
	__asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; divl %0"
			 :
			 : "r"(by)
			 : "eax", "edx", "cc");
	return 0;
}

static long store(long at)
{
	*(volatile u32 *)at = 1;
	return 0;
}

static long clear_interrupts(long x)
{
	__asm__ volatile("cli");
	return x;
}

TEST(traps)
{
	CHECK_TRAP(divide(0), 0, 0);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_KERNEL_CS);
	CHECK_TRAP(user_call(divide, 0), 0, 0);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_USER_CS);
	CHECK_EQ(trap_last.regs.ss, FLAT_USER_SS);
	// The U bit tells ring 3 from ring 1.
	CHECK_TRAP(store((long)window(0)), 14, 2);
	CHECK_EQ(trap_last.cr2, (uptr)window(0));
	CHECK_TRAP(user_call(store, (long)window(0)), 14, 6);
	CHECK_TRAP(__asm__ volatile("int3"), 3, 0);
	CHECK_TRAP(__asm__ volatile("ud2"), 6, 0);
	CHECK_TRAP(__asm__ volatile("int $0x80"), VECTOR_SOFT, 0);
	CHECK_TRAP(user_call(clear_interrupts, 0), 13, 0);
}

TEST(kernel_pages_are_the_kernel_s)
{
	u32 *page = page_alloc();

	CHECK_EQ(update_va(page, make_entry(virt_to_mfn(page), PTE_RW),
			   UVMF_INVLPG),
		 0);
	CHECK_NO_TRAP(store((long)page));
	CHECK_TRAP(user_call(store, (long)page), 14, 7);
	CHECK_EQ(page_set_rw(page), 0);
	CHECK_EQ(user_call(store, (long)page), 0);
	page_free(page);
}

static bool answer(struct regs *regs)
{
	if (regs->vector != VECTOR_SYSCALL)
		return false;
	regs->rax++;
	return true;
}

static long do_syscall(long x)
{
	uptr back;

	// The instruction's own return address comes in ecx.
	__asm__ volatile("movl %%esp, %1; syscall; movl %1, %%esp"
			 : "+a"(x), "=&S"(back)
			 :
			 : "ecx", "edx", "memory");
	return x;
}

// AMD's, in compatibility mode; Intel's has none there, but QEMU's Intel has.
static void check_syscall(void)
{
	trap_hook = answer;
	if (cpu_is_intel() && has_word("bochs"))
		CHECK_TRAP(user_call(do_syscall, 41), 6, 0);
	else
		CHECK_EQ(user_call(do_syscall, 41), 42);
}

TEST(syscall_callback)
{
	struct {
		u16 type, flags;
		uptr cs, eip;
	} r = { CALLBACKTYPE_syscall32, 0, FLAT_KERNEL_CS,
		(uptr)syscall_entry };

	CHECK_TRAP(user_call(do_syscall, 1), 6, 0);
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &r), 0);
	check_syscall();
	r.type = CALLBACKTYPE_syscall;
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &r),
		 -ENOSYS);
}

// The way down to ring 3 needs no hypervisor: it is not to think that what it
// finds there came through it.
TEST(ring_3_by_the_processor)
{
	native_iret = true;
	CHECK_TRAP(user_call(divide, 0), 0, 0);
	CHECK_EQ(trap_last.regs.cs & 0xffff, FLAT_USER_CS);
	CHECK_TRAP(user_call(store, (long)window(0)), 14, 6);
	check_syscall();
	CHECK_TRAP(user_call(clear_interrupts, 0), 13, 0);
	native_iret = false;
}

static long do_sysenter(long flags)
{
	__asm__ volatile("pushfl; orl %0, (%%esp); popfl; sysenter"
			 :
			 : "r"(flags)
			 : "memory", "cc");
	return 0;
}

// Intel's, which clears neither NT nor TF nor AC; the way back is an iret.
TEST(sysenter_callback)
{
	static const long flags[] = { 0, 0x4000, 0x40000, 0x100, 0x44100 };
	struct {
		u16 type, flags;
		uptr cs, eip;
	} r = { CALLBACKTYPE_sysenter, 0, FLAT_KERNEL_CS, (uptr)syscall_entry };

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		CHECK_TRAP(user_call(do_sysenter, flags[i]), 13, 0);
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &r), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
		CHECK_TRAP(user_call(do_sysenter, flags[i]),
			   cpu_is_intel() ? VECTOR_SYSCALL : 13, 0);
}

static u32 upcalls;

static bool count(struct regs *regs)
{
	upcalls += regs->vector == VECTOR_EVENT;
	return false;
}

TEST(events)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	trap_hook = count;
	upcalls = 0;
	CHECK_EQ(port_send(bind.port), 0);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_pending, 1);
	CHECK_EQ(vcpu_info_of(0)->evtchn_pending_sel, 1ul << bind.port / 32);
	event_unmask_all();
	CHECK_EQ(upcalls, 1);
	CHECK_EQ(event_counts[bind.port], 1);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
	// Masked ports wait, and are found when they are unmasked.
	shared->evtchn_mask[bind.port / 32] |= 1ul << bind.port % 32;
	CHECK_EQ(port_send(bind.port), 0);
	CHECK_EQ(upcalls, 1);
	CHECK_EQ(port_unmask(bind.port), 0);
	CHECK_EQ(upcalls, 2);
	event_mask_all();
	CHECK_EQ(port_close(bind.port), 0);
}

// All that the 2-level ABI has for this width.
TEST(ports)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };
	u32 first = 0, n = 0;
	long rc;

	while (!(rc = event_op(EVTCHNOP_bind_ipi, &bind)) && n++ < 2000)
		first = first ? first : bind.port;
	CHECK_EQ(rc, -ENOSPC);
	CHECK_EQ(bind.port, 1023);
	for (u32 port = first; port < 1024; port++)
		port_close(port);
}

static bool count_nmis(struct regs *regs)
{
	upcalls += regs->vector == 2;
	return regs->vector == 2;
}

TEST(nmi)
{
	trap_hook = count_nmis;
	upcalls = 0;
	CHECK_EQ(vcpu_op(VCPUOP_send_nmi, 0, NULL), 0);
	CHECK_EQ(upcalls, 1);
}

// Behind the end of the address space, and in the hypervisor's part of it.
TEST(pointers)
{
	static const uptr bad[] = { 0, 0xf5800000, 0xfffff000, 0xfffffffc,
				    ~0ul };
	struct xen_feature_info info = { 0 };
	struct mmu_update u = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(version_op(XENVER_extraversion, bad[i]), -EFAULT);
		CHECK_EQ(HC4(__HYPERVISOR_mmu_update, bad[i], ~0u >> 1, 0,
			     DOMID_SELF) < 0,
			 1);
		CHECK_EQ(memory_op(XENMEM_machphys_mapping, bad[i]), -EFAULT);
		CHECK_EQ(HC2(__HYPERVISOR_multicall, bad[i], ~0u) < 0, 1);
	}
	CHECK_EQ(version_op(XENVER_get_features, &info), 0);
	u.ptr = (u64)1 << 51 | MMU_NORMAL_PT_UPDATE;
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, 0, DOMID_SELF), -EINVAL);
}
