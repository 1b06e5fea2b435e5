// SPDX-License-Identifier: MIT
// Reading the host's CPUID.
#include "x86/cpuid.h"
#include "lib/string.h"
#include "x86/faultable.h"
#include "x86/insn.h"

#define FAULTING BIT(31) // of MSR_PLATFORM_INFO

const struct cpuid_word cpuid_words[CPU_WORDS] = {
	{ 1, 0, 3 },	      { 1, 0, 2 },	    { 0x80000001, 0, 3 },
	{ 0x80000001, 0, 2 }, { 0xd, 1, 0 },	    { 7, 0, 1 },
	{ 7, 0, 2 },	      { 0x80000007, 0, 3 }, { 0x80000008, 0, 1 },
	{ 7, 0, 3 },	      { 7, 1, 0 },	    { 0x80000021, 0, 0 },
	{ 7, 1, 1 },	      { 7, 2, 3 },	    { 7, 1, 2 },
	{ 7, 1, 3 },	      { 0, 0, 0 },	    { 0, 0, 0 },
	{ 0x80000021, 0, 2 },
};

struct cpu_host cpu_host;

static enum cpu_vendor vendor_of(const u32 r[4])
{
	const u32 name[3] = { r[1], r[3], r[2] };

	if (!memcmp(name, "GenuineIntel", 12))
		return CPU_INTEL;
	return !memcmp(name, "AuthenticAMD", 12) ||
			       !memcmp(name, "HygonGenuine", 12)
		       ? CPU_AMD
		       : CPU_OTHER;
}

static void read_features(void)
{
	u32 r[4], max;

	for (unsigned int i = 0; i < CPU_WORDS; i++) {
		const struct cpuid_word *w = &cpuid_words[i];

		max = w->leaf >> 31 ? cpu_host.max_ext : cpu_host.max_basic;
		if (!w->leaf || w->leaf > max)
			continue;
		// Intel: sub-leaf 0 of leaf 7 tells how many there are.
		cpuid(w->leaf, 0, r);
		if (w->leaf == 7 && w->sub > r[0])
			continue;
		cpuid(w->leaf, w->sub, r);
		cpu_host.features[i] = r[w->reg];
	}
}

void cpuid_init(void)
{
	u32 r[4];

	cpuid(0, 0, r);
	cpu_host.vendor = vendor_of(r);
	cpu_host.max_basic = r[0];
	cpuid(0x80000000, 0, r);
	cpu_host.max_ext = r[0] >> 16 == 0x8000 ? r[0] : 0;
	cpuid(1, 0, r);
	cpu_host.stepping = r[0] & 15;
	cpu_host.family = r[0] >> 8 & 15;
	cpu_host.model = (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0);
	if (cpu_host.family == 15)
		cpu_host.family += r[0] >> 20 & 0xff;
	cpu_host.phys_bits = 36;
	cpu_host.virt_bits = 48;
	if (cpu_host.max_ext >= 0x80000008) {
		cpuid(0x80000008, 0, r);
		cpu_host.phys_bits = (u8)r[0];
		cpu_host.virt_bits = (u8)(r[0] >> 8);
	}
	read_features();
}

void cpuid_init_msrs(void)
{
	u64 v;

	if (cpu_has(ARCH_CAPS) && rdmsr_safe(MSR_ARCH_CAPS, &v)) {
		cpu_host.features[CPU_WORD_CAPS] = (u32)v;
		cpu_host.features[CPU_WORD_CAPS + 1] = (u32)(v >> 32);
	}
	cpu_host.cpuid_faulting =
		rdmsr_safe(MSR_PLATFORM_INFO, &v) && v & FAULTING;
}
