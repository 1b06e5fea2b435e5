// SPDX-License-Identifier: MIT
// A set of CPUID leaves and the rules by which one for a guest is made out of
// the machine's. Pure: the processor is described by arguments.
#ifndef DOM_POLICY_LEAVES_H
#define DOM_POLICY_LEAVES_H

#include "lib/types.h"
#include "x86/cpuid.h"

#define POLICY_MAX_LEAVES 96
#define NO_SUB		  0xffffffffu // XEN_CPUID_NO_SUBLEAF

struct policy_leaf {
	u32 leaf, sub; // sub NO_SUB where there is none
	u32 r[4];      // EAX to EDX
};

struct leaves {
	u32 n, nowhere;
	struct policy_leaf leaf[POLICY_MAX_LEAVES];
};

struct policy {
	u64 platform_info, arch_caps; // values of MSRs
	u32 features[CPU_WORDS];      // out of the leaves
	struct leaves leaves;
};

// What the features of PV guests may be: with opt-in ones, or by default.
extern const u32 policy_pv_default[CPU_WORDS];
extern const u32 policy_pv_opt_in[CPU_WORDS]; // more than the default

// The machine and its limits for guests.
struct leaves_limits {
	u32 features[CPU_WORDS]; // at most these
	u64 xcr0;		 // components that a guest may have
	enum cpu_vendor vendor;
};

// True when leaf/sub may stand in a policy (sub as in struct policy_leaf).
bool leaves_valid(u32 leaf, u32 sub);
// NULL: not there. A leaf with sub-leaves is looked up by both numbers.
struct policy_leaf *leaves_find(struct leaves *s, u32 leaf, u32 sub);
// Adds or overwrites; false: no room.
bool leaves_put(struct leaves *s, const struct policy_leaf *l);
u32 leaves_word(struct leaves *s, unsigned int word); // of features
// Makes any set one that a PV guest may have.
void leaves_restrict(struct leaves *s, const struct leaves_limits *lim);
// Bytes of XSAVE's standard form for these components.
u32 leaves_xsave_size(struct leaves *s, u64 xcr0);

#endif
