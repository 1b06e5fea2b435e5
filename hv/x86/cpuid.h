// SPDX-License-Identifier: MIT
// What the processor says of itself, read once by cpuid_init(). Features have
// the names and numbers of the public header cpufeatureset.h:
// cpu_has(SMEP), SMAP, UMIP, NX, FSGSBASE, XSAVE, X2APIC, TSC_DEADLINE, ITSC,
// PAGE1GB, PCID, INVPCID, ERMS, RDTSCP, PGE and so on.
#ifndef X86_CPUID_H
#define X86_CPUID_H

#include <xen/arch-x86/cpufeatureset.h>

#define CPU_WORDS     19
#define CPU_WORD_CAPS 16   // words 16 and 17 are MSR_ARCH_CAPS, not CPUID
#define CPU_MAX_BASIC 0xdu // highest leaves that guests are told of
#define CPU_MAX_EXT   0x80000021u

// Where a word of features stands in CPUID; reg 0 to 3 is EAX to EDX.
struct cpuid_word {
	u32 leaf, sub;
	u8 reg;
};
extern const struct cpuid_word cpuid_words[CPU_WORDS];

enum cpu_vendor { CPU_OTHER, CPU_INTEL, CPU_AMD };

struct cpu_host {
	enum cpu_vendor vendor;
	u32 max_basic, max_ext;
	u32 family, model, stepping;
	u8 phys_bits, virt_bits; // widths of physical and linear addresses
	bool cpuid_faulting;	 // MSR_PLATFORM_INFO offers it
	u32 features[CPU_WORDS];
};
extern struct cpu_host cpu_host;

static inline bool cpu_has_bit(unsigned int n)
{
	return cpu_host.features[n / 32] >> (n % 32) & 1;
}
#define cpu_has(name) cpu_has_bit(XEN_X86_FEATURE_##name)

// Boot CPU, first thing: everything above is valid afterwards but for
// cpuid_faulting and the words of MSR_ARCH_CAPS, which need the exception
// table: cpuid_init_msrs(), once traps are set up.
void cpuid_init(void);
void cpuid_init_msrs(void);

#endif
