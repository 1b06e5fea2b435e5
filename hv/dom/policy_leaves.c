// SPDX-License-Identifier: MIT
// Leaves: AMD APM vol. 3 appendix E, Intel SDM vol. 2 (CPUID).
#include "dom/policy_leaves.h"
#include "lib/string.h"

// The marks of the public header cpufeatureset.h, one word of features each:
// 'A' here, 'a' below. The unit test compares them with the header.
const u32 policy_pv_default[CPU_WORDS] = {
	0x1fc9cbf5, 0xf6d83203, 0xea500800, 0x042109e3, 0x00000007,
	0xfdaf0b29, 0x02405f43, 0x00000000, 0x64001005, 0xac00441c,
	0x00001c30, 0x78000064, 0x00000000, 0x00000021, 0x00000000,
	0x00000000, 0x1d12e173, 0x40000000, 0x00000006,
};

const u32 policy_pv_opt_in[CPU_WORDS] = {
	[5] = 0x00000010,
	[6] = 0x18000000,
	[7] = 0x00000100,
	[9] = 0x00010100,
};

// Words that some bits of leaf 1 also stand in: EDX of 0x80000001 on AMD.
#define COMMON_1D 0x0183f3ffu

#define F(name)	  XEN_X86_FEATURE_##name

// Without the first, the others cannot be used. 0 ends a list.
static const struct {
	u16 base, need[18];
} depends[] = {
	{ F(XSAVE),
	  { F(XSAVEOPT), F(XSAVEC), F(XGETBV1), F(AVX), F(OSXSAVE) } },
	{ F(AVX),
	  { F(FMA), F(F16C), F(AVX2), F(XOP), F(FMA4), F(VAES),
	    F(VPCLMULQDQ) } },
	{ F(AVX2), { F(AVX_VNNI), F(AVX512F) } },
	{ F(AVX512F),
	  { F(AVX512DQ), F(AVX512_IFMA), F(AVX512PF), F(AVX512ER), F(AVX512CD),
	    F(AVX512BW), F(AVX512VL), F(AVX512_VBMI), F(AVX512_VBMI2),
	    F(AVX512_VNNI), F(AVX512_BITALG), F(AVX512_VPOPCNTDQ),
	    F(AVX512_4VNNIW), F(AVX512_4FMAPS), F(AVX512_VP2INTERSECT),
	    F(AVX512_BF16) } },
};

// Nor without these components of XCR0.
static const struct {
	u16 base;
	u8 xcr0;
} states[] = { { F(XSAVE), 1 }, { F(AVX), 4 }, { F(AVX512F), 0xe0 } };

// Who may see the rest of a leaf, by register (bit 0 EAX to bit 3 EDX). Words
// of features are not concerned; what is not here a guest does not see.
static const struct {
	u32 first, last;
	u8 keep;
} plain[] = {
	{ 0, 0, 15 },
	{ 1, 1, 3 },
	{ 2, 2, 15 }, // caches, TLBs
	{ 4, 4, 15 }, // caches
	{ 7, 7, 1 },  // EAX of sub-leaf 0, feature words below
	{ 0xd, 0xd, 15 },
	{ 0x40000000, 0x40000000, 1 },
	{ 0x40000100, 0x40000100, 1 },
	{ 0x80000000, 0x80000000, 15 },
	{ 0x80000001, 0x80000001, 3 },
	{ 0x80000002, 0x80000006, 15 }, // name, caches
	{ 0x80000008, 0x80000008, 5 },
	{ 0x80000019, 0x8000001a, 15 }, // TLBs, hints
};

bool leaves_valid(u32 leaf, u32 sub)
{
	static const u8 subs[] = { [4] = 6, [7] = 3, [0xb] = 2, [0xd] = 63 };

	if (leaf < ARRAY_SIZE(subs) && subs[leaf])
		return sub < subs[leaf];
	return sub == NO_SUB && (leaf <= CPU_MAX_BASIC || leaf == 0x40000000 ||
				 leaf == 0x40000100 ||
				 (leaf >= 0x80000000 && leaf <= CPU_MAX_EXT));
}

struct policy_leaf *leaves_find(struct leaves *s, u32 leaf, u32 sub)
{
	for (u32 i = 0; i < s->n; i++) {
		struct policy_leaf *l = &s->leaf[i];

		if (l->leaf == leaf && (l->sub == sub || l->sub == NO_SUB))
			return l;
	}
	return NULL;
}

bool leaves_put(struct leaves *s, const struct policy_leaf *l)
{
	struct policy_leaf *old = leaves_find(s, l->leaf, l->sub);

	if (!old && s->n < POLICY_MAX_LEAVES)
		old = &s->leaf[s->n++];
	if (old)
		*old = *l;
	return old;
}

// A register of a leaf. One that is not there is 0, whatever was written.
static u32 *reg_at(struct leaves *s, u32 leaf, u32 sub, unsigned int reg)
{
	struct policy_leaf *l = leaves_find(s, leaf, sub);

	s->nowhere = 0;
	return l ? &l->r[reg] : &s->nowhere;
}

static u32 *word_at(struct leaves *s, unsigned int word)
{
	const struct cpuid_word *w = &cpuid_words[word];

	s->nowhere = 0;
	return w->leaf ? reg_at(s, w->leaf, w->sub, w->reg) : &s->nowhere;
}

u32 leaves_word(struct leaves *s, unsigned int word)
{
	return *word_at(s, word);
}

static bool has(struct leaves *s, unsigned int feature)
{
	return leaves_word(s, feature / 32) >> feature % 32 & 1;
}

static void drop(struct leaves *s, unsigned int feature)
{
	*word_at(s, feature / 32) &= ~(1u << feature % 32);
}

// Leaves of a leaf what a guest may see of it.
static void restrict_leaf(struct policy_leaf *l,
			  const struct leaves_limits *lim)
{
	u32 may[4] = { 0 };

	// Leaf 7: only sub-leaf 0 has its count in EAX.
	for (unsigned int i = 0; i < ARRAY_SIZE(plain); i++)
		if (l->leaf >= plain[i].first && l->leaf <= plain[i].last &&
		    !(l->leaf == 7 && l->sub))
			for (unsigned int reg = 0; reg < 4; reg++)
				may[reg] = plain[i].keep >> reg & 1 ? ~0u : 0;
	for (unsigned int i = 0; i < CPU_WORDS; i++) {
		const struct cpuid_word *w = &cpuid_words[i];

		if (w->leaf && w->leaf == l->leaf &&
		    (l->sub == NO_SUB || l->sub == w->sub))
			may[w->reg] = lim->features[i];
	}
	for (unsigned int reg = 0; reg < 4; reg++)
		l->r[reg] &= may[reg];
}

static void restrict_features(struct leaves *s, u64 xcr0)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		if (~xcr0 & states[i].xcr0)
			drop(s, states[i].base);
	// In an order in which one pass is enough.
	for (unsigned int i = 0; i < ARRAY_SIZE(depends); i++)
		for (const u16 *f = depends[i].need;
		     *f && !has(s, depends[i].base); f++)
			drop(s, *f);
}

static void restrict_xstate(struct leaves *s, u64 xcr0)
{
	bool on = has(s, F(XSAVE));

	for (unsigned int i = 0; i < ARRAY_SIZE(states); i++)
		if (!has(s, states[i].base))
			xcr0 &= ~(u64)states[i].xcr0;
	if (!on)
		xcr0 = 0;
	for (struct policy_leaf *l = s->leaf; l < s->leaf + s->n; l++) {
		// EAX of sub-leaf 1 is a word of features.
		u32 from = l->sub == 1;

		if (l->leaf == 0xd && l->sub && (from || !(xcr0 >> l->sub & 1)))
			memset(&l->r[from], 0, (4 - from) * sizeof(*l->r));
	}
	*reg_at(s, 0xd, 0, 0) = (u32)xcr0;
	*reg_at(s, 0xd, 0, 3) = (u32)(xcr0 >> 32);
	*reg_at(s, 0xd, 0, 1) = *reg_at(s, 0xd, 0, 2) =
		on ? leaves_xsave_size(s, xcr0) : 0;
}

// At most this in EAX.
static void limit_eax(struct leaves *s, u32 leaf, u32 sub, u32 most)
{
	u32 *r = reg_at(s, leaf, sub, 0);

	*r = MIN(*r, most);
}

static void restrict_ranges(struct leaves *s, bool amd)
{
	u32 *addresses = reg_at(s, 0x80000008, NO_SUB, 0);

	*addresses = (*addresses & 0xff) | 48 << 8;
	*reg_at(s, 0x80000008, NO_SUB, 2) &= amd ? 0x0003f0ff : 0;
	*reg_at(s, 1, NO_SUB, 1) &= 0x00ffffff; // APIC id: each vcpu's own
	limit_eax(s, 0, NO_SUB, CPU_MAX_BASIC);
	limit_eax(s, 7, 0, 2);
	limit_eax(s, 0x80000000, NO_SUB, amd ? CPU_MAX_EXT : 0x80000008);
}

void leaves_restrict(struct leaves *s, const struct leaves_limits *lim)
{
	bool amd = lim->vendor == CPU_AMD;

	for (struct policy_leaf *l = s->leaf; l < s->leaf + s->n; l++)
		restrict_leaf(l, lim);
	restrict_features(s, lim->xcr0);
	restrict_ranges(s, amd);
	restrict_xstate(s, lim->xcr0);
	*word_at(s, F(HYPERVISOR) / 32) |= 1u << F(HYPERVISOR) % 32;
	if (amd)
		*word_at(s, F(SYSCALL) / 32) |= leaves_word(s, 0) & COMMON_1D;
}

u32 leaves_xsave_size(struct leaves *s, u64 xcr0)
{
	u32 size = 512 + 64;

	for (u32 i = 0; i < s->n; i++) {
		const struct policy_leaf *l = &s->leaf[i];

		if (l->leaf == 0xd && l->sub >= 2 && l->sub < 63 &&
		    xcr0 >> l->sub & 1)
			size = MAX(size, l->r[0] + l->r[1]);
	}
	return size;
}
