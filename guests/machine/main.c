// SPDX-License-Identifier: MIT
// What the hardware domain may do with the machine, and what it may not:
// memory of the hypervisor's devices, MSRs, CPUID, platform operations.
#include "lib/cpu.h"
#include "machine/machine.h"
#include <xen/platform.h>
#include <xen/arch-x86/cpuid.h>

#define LAPIC  0xfee00000ul
#define IOAPIC 0xfec00000ul
#define HPET   0xfed00000ul

static long map_frame(u64 maddr, u64 flags)
{
	return update_va(window(0), make_entry(maddr >> 12, flags | PTE_PCD),
			 UVMF_INVLPG);
}

TEST(local_apic_memory)
{
	CHECK_EQ(map_frame(LAPIC, PTE_RW), -EPERM);
	CHECK_EQ(map_frame(LAPIC, PTE_RO), -EPERM);
	CHECK_EQ(map_frame(LAPIC + 0x1000, PTE_RO), -EPERM);
	CHECK_EQ(map_frame(LAPIC + 0xff000, PTE_RO), -EPERM);
}

TEST(io_apic_memory)
{
	volatile u32 *regs = window(0);

	CHECK_EQ(map_frame(IOAPIC, PTE_RO), 0);
	CHECK_EQ(map_frame(IOAPIC, PTE_RW), 0);
	CHECK_EQ(*entry_of(regs, 1) & PTE_W, 0);
	CHECK_NO_TRAP(regs[0] = 1);
	window(0);
}

TEST(hpet_memory)
{
	volatile u32 *regs = window(0);

	CHECK_EQ(map_frame(HPET, PTE_RO), 0);
	CHECK_EQ(regs[0] >> 16, 0x8086);
	CHECK_EQ(map_frame(HPET, PTE_RW), 0);
	CHECK_EQ(*entry_of(regs, 1) & PTE_W, 0);
	u32 routing = regs[0x100 / 4]; // of timer 0
	CHECK_NO_TRAP(regs[0x100 / 4] = routing ^ 0x40);
	CHECK_EQ(regs[0x100 / 4], routing);
	window(0);
}

TEST(other_memory)
{
	volatile u16 *text;

	// VGA text and the BIOS are the hardware domain's.
	CHECK_EQ(map_frame(0xb8000, PTE_RW), 0);
	text = window(0);
	CHECK_EQ(map_frame(0xb8000, PTE_RW), 0);
	CHECK_NO_TRAP(text[79] = 0x0720);
	CHECK_EQ(map_frame(0xf0000, PTE_RO), 0);
	CHECK_EQ(map_frame(0, PTE_RO), 0);
	// Nothing there, then beyond what the CPU can address.
	CHECK_EQ(map_frame(0x3f00000000, PTE_RW), 0);
	CHECK_EQ(map_frame(1ull << 46, PTE_RW), -EPERM);
	window(0);
}

#define ANY  0xdeadbeef // any value
#define FAIL 0xbad	// #GP
// Long mode is no matter of a 32-bit kernel's.
#define EFER (WIDTH == 64 ? 0xd01 : 0x801)

// What a read gives, and whether what was read (or 0) may be written back.
static const struct {
	u32 msr;
	bool writable;
	u64 value;
} msr_table[] = {
	{ 0x10, false, ANY },		 // TSC
	{ 0x17, false, FAIL },		 // platform id
	{ 0x1b, false, 0xfee00900 },	 // APIC base
	{ 0x3a, false, FAIL },		 // feature control
	{ 0x48, false, FAIL },		 // speculation control
	{ 0x8b, false, ANY },		 // microcode
	{ 0xc1, false, FAIL },		 // performance counter
	{ 0xce, false, 0 },		 // platform info
	{ 0xe7, true, FAIL },		 // mperf
	{ 0xfe, false, FAIL },		 // MTRR
	{ 0x10a, false, FAIL },		 // architecture capabilities
	{ 0x140, true, 0 },		 // CPUID faulting
	{ 0x174, false, FAIL },		 // sysenter
	{ 0x176, false, FAIL },		 //
	{ 0x179, true, ANY },		 // machine check
	{ 0x17a, true, ANY },		 //
	{ 0x1a0, true, ANY },		 // misc enable
	{ 0x1d9, false, FAIL },		 // debug control
	{ 0x200, false, FAIL },		 // MTRR
	{ 0x277, false, 0x50100070406 }, // PAT
	{ 0x2ff, false, FAIL },		 // MTRR
	{ 0x400, true, ANY },		 // machine check bank
	{ 0x480, false, FAIL },		 // VMX
	{ 0x6e0, false, FAIL },		 // TSC deadline
	{ 0x802, false, FAIL },		 // x2APIC
	{ 0x4b564d00, false, FAIL },	 // another hypervisor's
	{ 0x40000000, false, 0 },	 // hypercall page
	{ 0xc0000080, true, EFER },	 // EFER
	{ 0xc0000081, false, FAIL },	 // STAR
	{ 0xc0000082, false, FAIL },	 // LSTAR
	{ 0xc0000084, false, FAIL },	 // FMASK
	{ 0xc0000100, WIDTH == 64, WIDTH == 64 ? 0 : FAIL }, // FS base
	{ 0xc0000103, true, ANY },			     // TSC_AUX
	{ 0xc0010010, false, ANY },			     // SYSCFG
	{ 0xc0010015, true, 0 },			     // HWCR
	{ 0xc0010055, false, FAIL }, // interrupt pending
	{ 0xc0010058, false, FAIL }, // MMCONF base
	{ 0xc0010114, false, FAIL }, // VM_CR
	{ 0xc0010117, false, FAIL }, // VM_HSAVE_PA
	{ 0xc0010140, false, FAIL }, // OSVW
	{ 0xc0011029, true, ANY },   // DE_CFG
	{ 0x12345678, false, FAIL },
};

TEST(msrs)
{
	for (size_t i = 0; i < ARRAY_SIZE(msr_table); i++) {
		u32 msr = msr_table[i].msr;
		u64 value = 0, want = msr_table[i].value;
		bool readable = !CATCH(value = read_msr(msr));
		bool writable = !CATCH(write_msr(msr, readable ? value : 0));

		if (readable != (want != FAIL) ||
		    writable != msr_table[i].writable ||
		    (readable && want != ANY && value != want))
			check_failed(__FILE__, __LINE__,
				     "msr 0x%x: read %d 0x%" LL "x, write %d",
				     msr, readable, value, writable);
	}
	CHECK_TRAP(write_msr(0x277, 0x7040600070406), 13, 0);
	CHECK_TRAP(write_msr(0xc0000080, 0), 13, 0);
	CHECK_TRAP(write_msr(0x1b, 0), 13, 0);
}

static void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

TEST(hypervisor_leaves)
{
	static const struct {
		u32 leaf, sub, want[4];
	} cases[] = {
		{ 0x40000001, 0, { 0x40011, 0, 0, 0 } },
		{ 0x40000002, 0, { 1, 0x40000000, 1, 0 } },
		{ 0x40000003, 0, { 4, 0, 0, 0 } },
		{ 0x40000003, 1, { 0, 0, 0, 0 } },
		{ 0x40000004, 0, { 0, 0, 0, 0 } },
		{ 0x40000005, 0, { 0, 29, 0, 0 } },
		{ 0x40000006, 0, { 0, 0, 0, 0 } },
		{ 0x40000100, 0, { 0, 0, 0, 0 } },
		{ 0x4fffffff, 0, { 0, 0, 0, 0 } },
	};
	u32 r[4];

	cpuid(0x40000000, 0, r);
	CHECK_EQ(r[0], 0x40000005);
	CHECK_EQ(r[1], XEN_CPUID_SIGNATURE_EBX);
	CHECK_EQ(r[2], XEN_CPUID_SIGNATURE_ECX);
	CHECK_EQ(r[3], XEN_CPUID_SIGNATURE_EDX);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cpuid(cases[i].leaf, cases[i].sub, r);
		if (memcmp(r, cases[i].want, sizeof(r)))
			check_failed(__FILE__, __LINE__,
				     "leaf %x.%x: %x %x %x %x", cases[i].leaf,
				     cases[i].sub, r[0], r[1], r[2], r[3]);
	}
	cpuid(0x40000003, 2, r);
	CHECK(r[0] > 100000); // kHz of the CPU
	CHECK_EQ(r[1] | r[2] | r[3], 0);
	cpuid(1, 0, r);
	CHECK_EQ(r[2] >> 31, 1);
}

static struct xen_platform_op platform;

static long platform_op(u32 cmd)
{
	platform.cmd = cmd;
	platform.interface_version = XENPF_INTERFACE_VERSION;
	return HC1(__HYPERVISOR_platform_op, &platform);
}

static const struct {
	u32 cmd;
	int rc;
} platform_table[] = {
	{ 0, -ENOSYS },
	{ 16, -ENOSYS },
	{ 64, -ENOSYS },
	{ 1000, -ENOSYS },
	{ XENPF_change_freq, -ENOSYS },
	{ XENPF_efi_runtime_call, -ENOSYS },
	{ XENPF_mem_hotadd, -EINVAL },
	{ XENPF_getidletime, -ENOSYS },
	{ XENPF_microcode_update, -EINVAL },
	{ XENPF_firmware_info, -EINVAL },
	{ XENPF_read_memtype, 0 },
	{ XENPF_set_processor_pminfo, 0 },
	{ XENPF_enter_acpi_sleep, -EINVAL },
};

TEST(platform_operations)
{
	for (size_t i = 0; i < ARRAY_SIZE(platform_table); i++) {
		memset(&platform, 0, sizeof(platform));
		long rc = platform_op(platform_table[i].cmd);

		if (rc != platform_table[i].rc)
			check_failed(__FILE__, __LINE__, "op %u: %ld",
				     platform_table[i].cmd, rc);
	}
	platform.cmd = XENPF_settime64;
	platform.interface_version = 0;
	CHECK_EQ(HC1(__HYPERVISOR_platform_op, &platform), -EACCES);
	CHECK_EQ(HC1(__HYPERVISOR_platform_op, window(0)), -EFAULT);
}

// What is not done, so that nobody takes it for done.
TEST(platform_not_done)
{
	static const u32 ops[] = { XENPF_cpu_hotadd, XENPF_add_memtype,
				   XENPF_del_memtype, XENPF_resource_op,
				   XENPF_get_symbol };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		memset(&platform, 0, sizeof(platform));
		CHECK_EQ(platform_op(ops[i]), -EOPNOTSUPP);
	}
}

TEST(platform_arguments)
{
	memset(&platform, 0, sizeof(platform));
	platform.u.settime64.mbz = 1;
	CHECK_EQ(platform_op(XENPF_settime64), -EINVAL);
	memset(&platform.u, 0, sizeof(platform.u));
	platform.u.read_memtype.reg = 200;
	CHECK_EQ(platform_op(XENPF_read_memtype), -EINVAL);
	platform.u.platform_quirk.quirk_id = 99;
	CHECK_EQ(platform_op(XENPF_platform_quirk), -EINVAL);
	memset(&platform.u, 0, sizeof(platform.u));
	platform.u.firmware_info.type = 99;
	CHECK_EQ(platform_op(XENPF_firmware_info), -EINVAL);
	platform.u.firmware_info.type = XEN_FW_DISK_INFO;
	platform.u.firmware_info.index = 100;
	CHECK_EQ(platform_op(XENPF_firmware_info), -ESRCH);
	platform.u.firmware_info.type = XEN_FW_DISK_MBR_SIGNATURE;
	CHECK_EQ(platform_op(XENPF_firmware_info), -ESRCH);
	platform.u.firmware_info.type = XEN_FW_EFI_INFO;
	CHECK_EQ(platform_op(XENPF_firmware_info), -ENOSYS);
	memset(&platform.u, 0, sizeof(platform.u));
	platform.u.enter_acpi_sleep.flags = 8;
	CHECK_EQ(platform_op(XENPF_enter_acpi_sleep), -EINVAL);
	memset(&platform.u, 0, sizeof(platform.u));
	platform.u.enter_acpi_sleep.sleep_state = 2;
	CHECK_EQ(platform_op(XENPF_enter_acpi_sleep), -EINVAL);
	memset(&platform.u, 0, sizeof(platform.u));
	platform.u.set_pminfo.type = 99;
	CHECK_EQ(platform_op(XENPF_set_processor_pminfo), -EINVAL);
}

TEST(platform_cpus)
{
	memset(&platform, 0, sizeof(platform));
	CHECK_EQ(platform_op(XENPF_get_cpuinfo), 0);
	CHECK_EQ(platform.u.pcpu_info.max_present, 0);
	CHECK_EQ(platform.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
	platform.u.pcpu_info.xen_cpuid = 77;
	CHECK_EQ(platform_op(XENPF_get_cpuinfo), 0);
	CHECK_EQ(platform.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
	memset(&platform, 0, sizeof(platform));
	CHECK_EQ(platform_op(XENPF_get_cpu_version), 0);
	CHECK(platform.u.pcpu_version.family >= 6);
	platform.u.pcpu_version.xen_cpuid = 77;
	CHECK_EQ(platform_op(XENPF_get_cpu_version), 0);
	CHECK_EQ(platform.u.pcpu_version.family, 0);
	memset(&platform, 0, sizeof(platform));
	CHECK_EQ(platform_op(XENPF_cpu_online), 0);
	CHECK_EQ(platform_op(XENPF_cpu_offline), -EOPNOTSUPP);
	platform.u.cpu_ol.cpuid = 77;
	CHECK_EQ(platform_op(XENPF_cpu_online), -EINVAL);
	CHECK_EQ(platform_op(XENPF_cpu_offline), -EINVAL);
	memset(&platform, 0, sizeof(platform));
	platform.u.core_parking.type = 99;
	CHECK_EQ(platform_op(XENPF_core_parking), -EINVAL);
	platform.u.core_parking.type = XEN_CORE_PARKING_GET;
	CHECK_EQ(platform_op(XENPF_core_parking), 0);
	CHECK_EQ(platform.u.core_parking.idle_nums, 0);
}
