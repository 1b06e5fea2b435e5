// SPDX-License-Identifier: MIT
// Leaves: AMD APM vol. 3 appendix E, Intel SDM vol. 2 (CPUID).
#include "dom/policy_leaves.h"

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

// Without the first, the second cannot be used.
static const u16 depends[][2] = {
	{ F(XSAVE), F(XSAVEOPT) },
	{ F(XSAVE), F(XSAVEC) },
	{ F(XSAVE), F(XGETBV1) },
	{ F(XSAVE), F(AVX) },
	{ F(XSAVE), F(OSXSAVE) },
	{ F(AVX), F(FMA) },
	{ F(AVX), F(F16C) },
	{ F(AVX), F(AVX2) },
	{ F(AVX), F(XOP) },
	{ F(AVX), F(FMA4) },
	{ F(AVX), F(VAES) },
	{ F(AVX), F(VPCLMULQDQ) },
	{ F(AVX2), F(AVX_VNNI) },
	{ F(AVX2), F(AVX512F) },
	{ F(AVX512F), F(AVX512DQ) },
	{ F(AVX512F), F(AVX512_IFMA) },
	{ F(AVX512F), F(AVX512PF) },
	{ F(AVX512F), F(AVX512ER) },
	{ F(AVX512F), F(AVX512CD) },
	{ F(AVX512F), F(AVX512BW) },
	{ F(AVX512F), F(AVX512VL) },
	{ F(AVX512F), F(AVX512_VBMI) },
	{ F(AVX512F), F(AVX512_VBMI2) },
	{ F(AVX512F), F(AVX512_VNNI) },
	{ F(AVX512F), F(AVX512_BITALG) },
	{ F(AVX512F), F(AVX512_VPOPCNTDQ) },
	{ F(AVX512F), F(AVX512_4VNNIW) },
	{ F(AVX512F), F(AVX512_4FMAPS) },
	{ F(AVX512F), F(AVX512_VP2INTERSECT) },
	{ F(AVX512F), F(AVX512_BF16) },
};

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
	switch (leaf) {
	case 4:
		return sub < 6;
	case 7:
		return sub < 3;
	case 0xb:
		return sub < 2;
	case 0xd:
		return sub < 63;
	}
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

	if (!old) {
		if (s->n == POLICY_MAX_LEAVES)
			return false;
		old = &s->leaf[s->n++];
	}
	*old = *l;
	return true;
}

// Where a word of features stands in the set; NULL: nowhere.
static u32 *word_at(struct leaves *s, unsigned int word)
{
	const struct cpuid_word *w = &cpuid_words[word];
	struct policy_leaf *l =
		w->leaf ? leaves_find(s, w->leaf, w->sub) : NULL;

	return l ? &l->a + w->reg : NULL;
}

u32 leaves_word(struct leaves *s, unsigned int word)
{
	const u32 *w = word_at(s, word);

	return w ? *w : 0;
}

static bool has(struct leaves *s, unsigned int feature)
{
	return leaves_word(s, feature / 32) >> feature % 32 & 1;
}

static void drop(struct leaves *s, unsigned int feature)
{
	u32 *w = word_at(s, feature / 32);

	if (w)
		*w &= ~(1u << feature % 32);
}

static void restrict_features(struct leaves *s, const struct leaves_limits *lim)
{
	for (unsigned int i = 0; i < CPU_WORDS; i++) {
		u32 *w = word_at(s, i);

		if (w)
			*w &= lim->features[i];
	}
	if (!(lim->xcr0 & 1))
		drop(s, F(XSAVE));
	if (!(lim->xcr0 & 4))
		drop(s, F(AVX));
	if ((lim->xcr0 & 0xe0) != 0xe0)
		drop(s, F(AVX512F));
	// In an order in which one pass is enough.
	for (unsigned int i = 0; i < ARRAY_SIZE(depends); i++)
		if (!has(s, depends[i][0]))
			drop(s, depends[i][1]);
}

// Bit mask of the registers of a leaf that hold words of features.
static u8 feature_regs(const struct policy_leaf *l)
{
	u8 mask = 0;

	for (unsigned int i = 0; i < CPU_WORDS; i++) {
		const struct cpuid_word *w = &cpuid_words[i];

		if (w->leaf && w->leaf == l->leaf &&
		    (l->sub == NO_SUB || l->sub == w->sub))
			mask |= 1u << w->reg;
	}
	return mask;
}

static void hide(struct policy_leaf *l)
{
	u8 keep = feature_regs(l);
	u32 *r = &l->a;

	for (unsigned int i = 0; i < ARRAY_SIZE(plain); i++)
		if (l->leaf >= plain[i].first && l->leaf <= plain[i].last)
			keep |= plain[i].keep;
	// Leaf 7: only sub-leaf 0 has its count in EAX.
	if (l->leaf == 7 && l->sub)
		keep = feature_regs(l);
	for (unsigned int i = 0; i < 4; i++)
		if (!(keep >> i & 1))
			r[i] = 0;
}

static void restrict_xstate(struct leaves *s, u64 xcr0)
{
	struct policy_leaf *l;
	bool on = has(s, F(XSAVE));

	if (!has(s, F(AVX)))
		xcr0 &= ~4UL;
	if (!has(s, F(AVX512F)))
		xcr0 &= ~0xe0UL;
	for (u32 i = 0; i < s->n; i++) {
		l = &s->leaf[i];
		if (l->leaf != 0xd || l->sub == 0)
			continue;
		if (l->sub == 1)
			l->b = l->c = l->d = 0;
		else if (!on || !(xcr0 >> l->sub & 1))
			l->a = l->b = l->c = l->d = 0;
	}
	l = leaves_find(s, 0xd, 0);
	if (!l)
		return;
	l->a = on ? (u32)xcr0 : 0;
	l->d = on ? (u32)(xcr0 >> 32) : 0;
	l->b = l->c = on ? leaves_xsave_size(s, xcr0) : 0;
}

static void restrict_ranges(struct leaves *s, const struct leaves_limits *lim)
{
	u32 max_ext = lim->vendor == CPU_AMD ? CPU_MAX_EXT : 0x80000008;
	struct policy_leaf *l = leaves_find(s, 0, NO_SUB);

	if (l)
		l->a = MIN(l->a, CPU_MAX_BASIC);
	l = leaves_find(s, 0x80000000, NO_SUB);
	if (l)
		l->a = MIN(l->a, max_ext);
	l = leaves_find(s, 1, NO_SUB);
	if (l)
		l->b &= 0x00ffffff; // APIC id: each vcpu's own
	l = leaves_find(s, 7, 0);
	if (l)
		l->a = MIN(l->a, 2u);
	l = leaves_find(s, 0x80000008, NO_SUB);
	if (l) {
		l->a = (l->a & 0xff) | 48 << 8; // addresses
		l->c &= lim->vendor == CPU_AMD ? 0x0003f0ff : 0;
	}
}

void leaves_restrict(struct leaves *s, const struct leaves_limits *lim)
{
	u32 *w;

	for (u32 i = 0; i < s->n; i++)
		hide(&s->leaf[i]);
	restrict_features(s, lim);
	restrict_ranges(s, lim);
	restrict_xstate(s, lim->xcr0);
	w = word_at(s, F(HYPERVISOR) / 32);
	if (w)
		*w |= 1u << F(HYPERVISOR) % 32;
	w = word_at(s, F(SYSCALL) / 32);
	if (w && lim->vendor == CPU_AMD)
		*w |= leaves_word(s, 0) & COMMON_1D;
}

u32 leaves_xsave_size(struct leaves *s, u64 xcr0)
{
	u32 size = 512 + 64;

	for (u32 i = 0; i < s->n; i++) {
		const struct policy_leaf *l = &s->leaf[i];

		if (l->leaf == 0xd && l->sub >= 2 && l->sub < 63 &&
		    xcr0 >> l->sub & 1)
			size = MAX(size, l->a + l->b);
	}
	return size;
}
