// SPDX-License-Identifier: MIT
// Model-specific registers: which there are for a guest's kernel, what they say,
// and what becomes of a write. What is not in the table is a #GP both ways.
#include "lib/cpu.h"
#include "lib/guest.h"
#include "traps/traps.h"

#define EFER_SVME   0x1000u
#define NO_VALUE    0x5a5a5a5a5a5a5a5aull
#define MC_CONTROLS 0x400u
#define MC_BANKS    2u

enum who { ALL, INTEL, AMD, AMD_DOM0, ONLY64, RDTSCP, ARCH_CAPS, IBPB };
// What a write does: a #GP; nothing; it is read afterwards; nothing that is said
// here; is taken if it is 0, or what stands there.
enum write { REFUSED, DROPPED, HELD, TAKEN, ZERO, SAME };
enum { ANY_VALUE, FIXED, UNREADABLE };

struct rule {
	u32 first, count;
	enum who who;
	u8 read;
	enum write write;
	u64 value;
};

static const struct rule rules[] = {
	{ 0x000, 2, ALL, FIXED, REFUSED, 0 },	       // P5_MC_ADDR, TYPE
	{ 0x010, 1, ALL, ANY_VALUE, REFUSED, 0 },      // TSC
	{ 0x017, 1, INTEL, ANY_VALUE, REFUSED, 0 },    // PLATFORM_ID
	{ 0x01b, 1, ALL, FIXED, REFUSED, 0xfee00900 }, // APIC_BASE
	{ 0x03a, 1, INTEL, FIXED, REFUSED, 1 },	  // FEATURE_CONTROL: locked
	{ 0x049, 1, IBPB, UNREADABLE, TAKEN, 0 }, // PRED_CMD
	{ 0x08b, 1, INTEL, ANY_VALUE, ZERO, 0 },  // UCODE_REV
	{ 0x08b, 1, AMD, ANY_VALUE, REFUSED, 0 },
	{ 0x0c1, 8, INTEL, FIXED, DROPPED, 0 },	 // PMC0
	{ 0x0ce, 1, ALL, FIXED, REFUSED, 0 },	 // PLATFORM_INFO
	{ 0x0e7, 2, ALL, UNREADABLE, TAKEN, 0 }, // MPERF, APERF
	{ 0x10a, 1, ARCH_CAPS, ANY_VALUE, REFUSED, 0 },
	{ 0x140, 1, ALL, FIXED, SAME, 0 },	   // MISC_FEATURES_ENABLES
	{ 0x179, 1, ALL, ANY_VALUE, DROPPED, 0 },  // MCG_CAP
	{ 0x17a, 1, ALL, FIXED, TAKEN, 0 },	   // MCG_STATUS
	{ 0x17b, 1, ALL, FIXED, DROPPED, 0 },	   // MCG_CTL
	{ 0x186, 4, INTEL, FIXED, DROPPED, 0 },	   // PERFEVTSEL0
	{ 0x198, 1, INTEL, FIXED, REFUSED, 0 },	   // PERF_STATUS
	{ 0x199, 1, INTEL, FIXED, DROPPED, 0 },	   // PERF_CTL
	{ 0x19a, 1, INTEL, UNREADABLE, TAKEN, 0 }, // CLOCK_MODULATION
	{ 0x19c, 1, INTEL, FIXED, REFUSED, 0 },	   // THERM_STATUS
	{ 0x1a0, 1, ALL, ANY_VALUE, DROPPED, 0 },  // MISC_ENABLE
	{ 0x1b0, 1, INTEL, UNREADABLE, TAKEN, 0 }, // ENERGY_PERF_BIAS
	{ 0x277, 1, ALL, FIXED, REFUSED, 0x050100070406 }, // PAT
	{ 0x280, 32, ALL, FIXED, TAKEN, 0 },		   // MC0_CTL2
	{ 0x309, 3, INTEL, FIXED, DROPPED, 0 },		   // FIXED_CTR0
	{ 0x345, 1, ALL, FIXED, REFUSED, 0 },		   // PERF_CAPABILITIES
	{ 0x38d, 4, INTEL, FIXED, DROPPED, 0 },		   // FIXED_CTR_CTRL
	{ MC_CONTROLS, 1, ALL, FIXED, DROPPED, ~0ull },
	{ MC_CONTROLS + 1, 3, ALL, FIXED, ZERO, 0 }, // status, address, more
	{ MC_CONTROLS + 4, 1, ALL, FIXED, DROPPED, ~0ull },
	{ MC_CONTROLS + 5, 3, ALL, FIXED, ZERO, 0 },
	{ MC_CONTROLS + 8, 120, ALL, FIXED, DROPPED, 0 },
	{ 0x40000000, 1, ALL, FIXED, REFUSED, 0 },  // hypercall page: see below
	{ 0xc0000080, 1, ALL, ANY_VALUE, SAME, 0 }, // EFER
	{ 0xc0000100, 3, ONLY64, ANY_VALUE, HELD, 0 },	    // bases
	{ 0xc0000103, 1, RDTSCP, ANY_VALUE, HELD, 0 },	    // TSC_AUX
	{ 0xc0010000, 8, AMD, FIXED, DROPPED, 0 },	    // PERF_CTL0
	{ 0xc0010010, 1, AMD_DOM0, ANY_VALUE, REFUSED, 0 }, // SYSCFG
	{ 0xc0010015, 1, AMD, ANY_VALUE, DROPPED, 0 },	    // HWCR
	{ 0xc0010016, 5, AMD_DOM0, ANY_VALUE, REFUSED, 0 }, // IORR, TOP_MEM
	{ 0xc001001d, 1, AMD_DOM0, ANY_VALUE, REFUSED, 0 }, // TOP_MEM2
	{ 0xc001001f, 1, ALL, FIXED, DROPPED, 0 },	    // NB_CFG
	{ 0xc0010041, 2, AMD, FIXED, DROPPED, 0 },	    // FIDVID
	{ 0xc0010061, 11, AMD, FIXED, DROPPED, 0 },	    // P-states
	{ 0xc0010112, 2, AMD_DOM0, ANY_VALUE, REFUSED, 0 }, // SMM_ADDR, MASK
	{ 0xc0010200, 12, AMD, FIXED, DROPPED, 0 },	    // PERF_CTL0
	{ 0xc0011029, 1, AMD, FIXED, DROPPED, 2 }, // DE_CFG: LFENCE waits
};

extern const u8 hypercall_page[];

static const struct rule none = { .read = UNREADABLE, .write = REFUSED };

// A bit of a CPUID leaf, as the hypervisor tells it.
static bool told(u32 leaf, unsigned int reg, unsigned int bit)
{
	u32 r[4];

	cpuid_forced(leaf, 0, r);
	return r[reg] >> bit & 1;
}

static bool applies(enum who who)
{
	switch (who) {
	case ALL:
		return true;
	case INTEL:
		return cpu_is_intel();
	case AMD:
		return !cpu_is_intel();
	case AMD_DOM0: // layout of the machine's memory
		return !cpu_is_intel() && !in_domu();
	case ONLY64:
		return WIDTH == 64;
	case RDTSCP:
		return told(0x80000001, 3, 27) || told(7, 2, 22);
	case ARCH_CAPS:
		return told(7, 3, 29);
	case IBPB:
		return told(0x80000008, 1, 12);
	}
	return false;
}

static const struct rule *rule_of(u32 msr)
{
	for (const struct rule *r = rules; r < rules + ARRAY_SIZE(rules); r++)
		if (msr - r->first < r->count && applies(r->who))
			return r;
	return &none;
}

static void wrong(u32 msr, const char *what, u64 got, u64 want)
{
	check_failed("msr", (int)(msr & 0xffffff), "%s of %x: %llx, not %llx",
		     what, msr, (unsigned long long)got,
		     (unsigned long long)want);
}

static bool can_read(u32 msr, u64 *value)
{
	static u64 now; // a local could be lost at the jump

	now = NO_VALUE;
	if (CATCH(now = read_msr(msr)) &&
	    (trap_last.regs.vector != 13 || trap_last.regs.error != 0))
		wrong(msr, "trap", trap_last.regs.vector, 13);
	*value = now;
	return trap_last.regs.vector == NO_TRAP;
}

static void check_write(u32 msr, u64 value, bool may)
{
	if (CATCH(write_msr(msr, value)) && trap_last.regs.vector != 13)
		wrong(msr, "trap", trap_last.regs.vector, 13);
	if ((trap_last.regs.vector == NO_TRAP) != may)
		wrong(msr, "write", trap_last.regs.vector, may ? NO_TRAP : 13);
}

static void check_one(u32 msr)
{
	const struct rule *r = rule_of(msr);
	bool readable = r->read != UNREADABLE, same, other;
	u64 was, now;

	if (can_read(msr, &was) != readable)
		wrong(msr, "reading", !readable, readable);
	if (r->read == FIXED && was != r->value)
		wrong(msr, "value", was, r->value);
	if (!readable)
		was = 0;
	same = r->write != REFUSED && (r->write != ZERO || !was);
	other = same && r->write != ZERO && r->write != SAME;
	check_write(msr, was, same);
	check_write(msr, was ^ 1, other);
	if (!readable || msr == 0x10)
		return;
	can_read(msr, &now);
	if (r->write != TAKEN && now != (r->write == HELD ? was ^ 1 : was))
		wrong(msr, "value after", now, was);
	if (other)
		check_write(msr, was, true);
}

TEST(every_msr)
{
	static const u32 ranges[][2] = {
		{ 0, 0x2000 },
		{ 0x40000000, 0x40000300 },
		{ 0xc0000000, 0xc0000400 },
		{ 0xc0010000, 0xc0010400 },
		{ 0xc0011000, 0xc0011100 },
		{ 0xfffffff0, 0xfffffff8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		for (u32 msr = ranges[i][0]; msr < ranges[i][1]; msr++)
			check_one(msr);
}

// Of those whose value is the machine's, the bits that are not.
TEST(msr_bits)
{
	CHECK_EQ(read_msr(0x179) & 0xff, MC_BANKS);
	// No trace, no sampling, no monitor, no counters.
	CHECK_EQ(read_msr(0x1a0) & 0x41880, 0x1800);
	CHECK_EQ(read_msr(0xc0000080) & EFER_SVME, 0);
}

// Public header arch-x86/cpuid.h, leaf 0x40000002: a page of hypercalls is
// written where the MSR says, of pages that are the guest's and writable.
TEST(hypercall_page_by_msr)
{
	u8 *page = page_alloc();

	CHECK_TRAP(write_msr(0x40000000, virt_to_maddr(page) | 1), 13, 0);
	CHECK_TRAP(write_msr(0x40000000, NO_FRAME << 12), 13, 0);
	CHECK_EQ(page[32], 0);
	CHECK_NO_TRAP(write_msr(0x40000000, virt_to_maddr(page)));
	// As the one that the kernel was loaded with.
	CHECK_EQ(memcmp(page, hypercall_page, PAGE_SIZE), 0);
	memset(page, 0, PAGE_SIZE);
	CHECK_EQ(page_set_ro(page), 0);
	CHECK_EQ(pin_table(1, page), 0);
	CHECK_TRAP(write_msr(0x40000000, virt_to_maddr(page)), 13, 0);
	CHECK_EQ(page[32], 0);
	CHECK_EQ(unpin_table(page), 0);
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}
