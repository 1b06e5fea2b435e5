// SPDX-License-Identifier: MIT
// Privileged instructions: emulated, ignored or refused with #GP.
#include "lib/cpu.h"
#include "lib/guest.h"
#include "traps/traps.h"

#define CR4_OSXSAVE 0x40000ul

#define INSN(text)                                                    \
	({                                                            \
		CATCH(__asm__ volatile(text ::                        \
					       : "eax", "ecx", "edx", \
						 "memory"));          \
		trap_last.regs.vector;                                \
	})
#define CHECK_REFUSED(text) CHECK_EQ(INSN(text), 13)
#define CHECK_DONE(text)    CHECK_EQ(INSN(text), NO_TRAP)

TEST(refused_instructions)
{
	CHECK_REFUSED("hlt");
	CHECK_REFUSED("lgdt (%" R_SP ")");
	CHECK_REFUSED("lidt (%" R_SP ")");
	CHECK_REFUSED("xor %%eax, %%eax; lldt %%ax");
	CHECK_REFUSED("xor %%eax, %%eax; ltr %%ax");
	CHECK_REFUSED("invlpg (%" R_SP ")");
	CHECK_REFUSED("xor %%eax, %%eax; lmsw %%ax");
	// Intel's has it in 64-bit code only.
	CHECK_EQ(INSN("sysretl"), WIDTH == 32 && has_word("bochs") ? 6 : 13);
#ifdef __x86_64__
	CHECK_REFUSED("sysretq");
	CHECK_REFUSED("swapgs");
	CHECK_REFUSED("mov %%cr8, %%rax");
	CHECK_REFUSED("mov %%rax, %%cr8");
#endif
}

TEST(cli_and_sti)
{
	// Without IOPL in the guest's eyes they are refused.
	CHECK_REFUSED("cli");
	CHECK_REFUSED("sti");
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 1);
}

TEST(control_registers)
{
	uptr cr0, cr2, cr3, cr4;

	CHECK_NO_TRAP(__asm__ volatile("mov %%cr0, %0" : "=r"(cr0)));
	CHECK_NO_TRAP(__asm__ volatile("mov %%cr3, %0" : "=r"(cr3)));
	CHECK_NO_TRAP(__asm__ volatile("mov %%cr4, %0" : "=r"(cr4)));
	printf("cr0 %lx, cr3 %lx, cr4 %lx\n", cr0, cr3, cr4);
	CHECK_EQ(cr0 & 0x80000001, 0x80000001);
	CHECK_EQ(cr0 & 8, 0);
	CHECK_EQ(cr3, xen_pfn_to_cr3(virt_to_mfn((void *)start_info->pt_base)));
	CHECK(cr4 & 0x20);
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%cr2" : : "r"(0x654321ul)));
	CHECK_NO_TRAP(__asm__ volatile("mov %%cr2, %0" : "=r"(cr2)));
	CHECK_EQ(cr2, 0x654321);
	CHECK_EQ(vcpu_info_of(0)->arch.cr2, 0x654321);
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%cr3" : : "r"(cr3)));
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%cr4" : : "r"(cr4)));
	// Only TS of CR0 may change.
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | 8)));
	CHECK_NO_TRAP(__asm__ volatile("mov %%cr0, %0" : "=r"(cr0)));
	CHECK_EQ(cr0 & 8, 8);
	CHECK_DONE("clts");
	CHECK_NO_TRAP(__asm__ volatile("mov %%cr0, %0" : "=r"(cr0)));
	CHECK_EQ(cr0 & 8, 0);
	CATCH(__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 ^ 0x10000)));
	CHECK_EQ(trap_last.regs.vector, 13);
	// A frame that is written to is no table.
	cr3 = xen_pfn_to_cr3(virt_to_mfn(&cr3));
	CATCH(__asm__ volatile("mov %0, %%cr3" : : "r"(cr3)));
	CHECK_EQ(trap_last.regs.vector, 13);
}

TEST(debug_registers)
{
	uptr value = 1;

	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%db1" : : "r"(0x5678ul)));
	CHECK_NO_TRAP(__asm__ volatile("mov %%db1, %0" : "=r"(value)));
	CHECK_EQ(value, 0x5678);
	CHECK_EQ(HC1(__HYPERVISOR_get_debugreg, 1), 0x5678);
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%db1" : : "r"(0ul)));
	CATCH(__asm__ volatile("mov %0, %%db1" : : "r"(HYPERVISOR_VIRT_START)));
	// Nothing that the hypervisor uses itself lies in 4 GiB.
	CHECK_EQ(trap_last.regs.vector, WIDTH == 64 ? 13 : NO_TRAP);
	CHECK_EQ(HC2(__HYPERVISOR_set_debugreg, 1, 0), 0);
}

TEST(caches)
{
	CHECK_DONE("wbinvd");
	if (!has_word("qemu10")) // takes it for a NOP in any ring
		CHECK_REFUSED("invd");
}

TEST(msrs)
{
#ifdef __x86_64__
	static u64 base = 0x123456789abc;

	CHECK_NO_TRAP(write_msr(0xc0000100, base));
	CHECK_NO_TRAP(CHECK_EQ(read_msr(0xc0000100), base));
	CATCH(write_msr(0xc0000100, NON_CANONICAL));
	CHECK_EQ(trap_last.regs.vector, 13);
	CHECK_NO_TRAP(CHECK_EQ(read_msr(0xc0000100), base));
	CHECK_NO_TRAP(write_msr(0xc0000102, base));
	CHECK_NO_TRAP(CHECK_EQ(read_msr(0xc0000102), base));
	CHECK_NO_TRAP(write_msr(0xc0000100, 0));
	CHECK_NO_TRAP(write_msr(0xc0000102, 0));
#else
	// AMD APM vol. 2, "Extended Feature Enable Register": LME and LMA are
	// long mode's; it and the 64-bit bases are not a 32-bit kernel's, whose
	// CPUID shows no long mode.
	for (u32 msr = 0xc0000100; msr < 0xc0000103; msr++) {
		CHECK_TRAP(read_msr(msr), 13, 0);
		CHECK_TRAP(write_msr(msr, 0), 13, 0);
	}
#endif
	// EFER has LMA and LME, and no SVME; NX stays the hypervisor's.
	CHECK_NO_TRAP(CHECK_EQ(read_msr(0xc0000080) & 0x1501,
			       WIDTH == 64 ? 0x501 : 1));
	// The hypervisor's own entry points are not the guest's business.
	CATCH(read_msr(0xc0000082));
	CHECK_EQ(trap_last.regs.vector, 13);
	CATCH(write_msr(0xc0000082, 0));
	CHECK_EQ(trap_last.regs.vector, 13);
	CATCH(read_msr(0x12345678));
	CHECK_EQ(trap_last.regs.vector, 13);
	CATCH(write_msr(0x12345678, 0));
	CHECK_EQ(trap_last.regs.vector, 13);
}

static long user_rdmsr(long msr)
{
	return (long)read_msr((u32)msr);
}

static long user_cli(long x)
{
	__asm__ volatile("cli");
	return x;
}

static long in_byte(long port)
{
	u8 value;

	__asm__ volatile("inb %w1, %0" : "=a"(value) : "d"(port));
	return value;
}

static long out_byte(long port)
{
	__asm__ volatile("outb %b0, %w1" : : "a"(0), "d"(port));
	return 0;
}

TEST(user_mode_refused)
{
	CHECK_TRAP(user_call(user_rdmsr, 0xc0000080), 13, 0);
	CHECK_TRAP(user_call(user_cli, 0), 13, 0);
	CHECK_TRAP(user_call(in_byte, 0x80), 13, 0);
	CHECK_TRAP(user_call(out_byte, 0x80), 13, 0);
}

TEST(ports)
{
	struct physdev_set_iopl iopl = { 1 };
	struct physdev_set_iobitmap map = { 0 };
	static u8 bitmap[32];

	CHECK_TRAP(in_byte(0x80), 13, 0);
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK_NO_TRAP(in_byte(0x80));
	CHECK_NO_TRAP(out_byte(0x80));
	// Ports that the hypervisor keeps (its PIC) read as nothing there.
	CHECK_NO_TRAP(CHECK_EQ(in_byte(0x20), 0xff));
	CHECK_NO_TRAP(out_byte(0x20));
	CHECK_TRAP(user_call(in_byte, 0x80), 13, 0);
	iopl.iopl = 3;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	CHECK_NO_TRAP(user_call(in_byte, 0x80));
	iopl.iopl = 4;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl),
		 -EINVAL);
	iopl.iopl = 0;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	// One port by bitmap.
	memset(bitmap, 0xff, sizeof(bitmap));
	bitmap[0x80 / 8] = 0xfe;
	set_xen_guest_handle(map.bitmap, bitmap);
	map.nr_ports = 256;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &map), 0);
	CHECK_NO_TRAP(user_call(in_byte, 0x80));
	CHECK_TRAP(user_call(in_byte, 0x81), 13, 0);
	CHECK_TRAP(user_call(in_byte, 0x180), 13, 0);
	map.nr_ports = 0;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &map), 0);
	CHECK_TRAP(user_call(in_byte, 0x80), 13, 0);
	map.nr_ports = 65537;
	CHECK_EQ(HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, &map),
		 -EINVAL);
}

static long forced_cpuid(long leaf)
{
	u32 a = (u32)leaf, b, c = 0, d;

	__asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
			 : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return b;
}

static long broken_prefix(long x)
{
	__asm__ volatile("ud2a; .ascii \"xex\"; nop");
	return x;
}

TEST(forced_emulation)
{
	CHECK_NO_TRAP(CHECK_EQ(forced_cpuid(0x40000000), 0x566e6558));
	CHECK_EQ(user_call(forced_cpuid, 0x40000000), 0x566e6558);
	CHECK_TRAP(broken_prefix(0), 6, 0);
	CHECK_TRAP(user_call(broken_prefix, 0), 6, 0);
}

TEST(timestamps)
{
	CHECK_DONE("rdtsc");
	CHECK_DONE("rdtscp");
}

TEST(extended_state)
{
	u32 low, high;
	uptr cr4;

	CHECK_NO_TRAP(__asm__ volatile("mov %%cr4, %0" : "=r"(cr4)));
	CHECK_EQ(cr4 & CR4_OSXSAVE, 0);
	CHECK_EQ(INSN("xor %%ecx, %%ecx; mov $1, %%eax; xor %%edx, %%edx;"
		      "xsetbv"),
		 6);
	cr4 |= CR4_OSXSAVE;
	CHECK_NO_TRAP(__asm__ volatile("mov %0, %%cr4" : : "r"(cr4)));
	CHECK_NO_TRAP(__asm__ volatile("xgetbv"
				       : "=a"(low), "=d"(high)
				       : "c"(0)));
	CHECK_NO_TRAP(__asm__ volatile("xsetbv"
				       :
				       : "c"(0), "a"(low), "d"(high)));
	// Without the x87 bit, and an unknown register.
	CHECK_REFUSED(
		"xor %%ecx, %%ecx; mov $2, %%eax; xor %%edx, %%edx; xsetbv");
	CHECK_REFUSED("mov $9, %%ecx; mov $1, %%eax; xor %%edx, %%edx; xsetbv");
}
