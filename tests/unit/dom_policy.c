// SPDX-License-Identifier: MIT
/* CPUID policy: the words of features against the public header's marks, and
 * what the rules leave of a made-up machine. */
#define HOST_TEST
#include <stdlib.h>
#include <string.h>

#include "../../hv/lib/types.h"
#include "../../hv/dom/policy_leaves.c"
#include "cpuid_words.h"
#include "unit.h"

#define HEADER "/usr/include/xen/arch-x86/cpufeatureset.h"

static void header_marks(void)
{
	u32 def[CPU_WORDS] = { 0 }, opt[CPU_WORDS] = { 0 };
	u32 known[CPU_WORDS] = { 0 };
	FILE *f = fopen(HEADER, "r");
	char line[256], name[64], marks[64];
	unsigned word, bit;

	CHECK(f);
	while (f && fgets(line, sizeof(line), f)) {
		marks[0] = 0; /* there may be none */
		if (sscanf(line, "XEN_CPUFEATURE(%60[^,], %u*32+%u) /*%60[^ ]",
			   name, &word, &bit, marks) < 3)
			continue;
		word += bit / 32;
		bit %= 32;
		CHECK(word < CPU_WORDS);
		known[word] |= 1u << bit;
		if (strchr(marks, 'A'))
			def[word] |= 1u << bit;
		if (strchr(marks, 'a'))
			opt[word] |= 1u << bit;
	}
	if (f)
		fclose(f);
	/* An older header does not know all features. */
	for (unsigned int w = 0; w < CPU_WORDS; w++) {
		CHECK(def[w] == (policy_pv_default[w] & known[w]));
		CHECK(opt[w] == (policy_pv_opt_in[w] & known[w]));
	}
}

static void put(struct leaves *s, u32 leaf, u32 sub, u32 size)
{
	struct policy_leaf l = { leaf, sub, { ~0u, ~0u, ~0u, ~0u } };

	if (leaf == 0xd && sub >= 2) {
		l.r[0] = size;
		l.r[1] = 576 + (sub - 2) * 100;
	}
	CHECK(leaves_put(s, &l));
}

/* A machine in which every bit is set. */
static void everything(struct leaves *s)
{
	memset(s, 0, sizeof(*s));
	for (u32 i = 0; i <= CPU_MAX_BASIC; i++) {
		if (leaves_valid(i, NO_SUB))
			put(s, i, NO_SUB, 0);
		for (u32 sub = 0; sub < 10 && leaves_valid(i, sub); sub++)
			put(s, i, sub, 100);
	}
	for (u32 i = 0x80000000; i <= CPU_MAX_EXT; i++)
		put(s, i, NO_SUB, 0);
}

static struct leaves set;

static struct leaves_limits limits(u64 xcr0)
{
	struct leaves_limits lim = { .xcr0 = xcr0, .vendor = CPU_AMD };

	memcpy(lim.features, policy_pv_default, sizeof(lim.features));
	return lim;
}

static void restricted(void)
{
	struct leaves_limits lim = limits(0xe7);

	everything(&set);
	leaves_restrict(&set, &lim);
	for (unsigned i = 0; i < CPU_WORDS; i++)
		CHECK(!(leaves_word(&set, i) & ~lim.features[i]) || i == 2);
	CHECK(!has(&set, F(VMX)) && !has(&set, F(SMEP)) && !has(&set, F(SVM)));
	CHECK(!has(&set, F(X2APIC)) && !has(&set, F(PCID)));
	CHECK(has(&set, F(HYPERVISOR)) && has(&set, F(AVX512F)));
	CHECK(leaves_find(&set, 0, NO_SUB)->r[0] == CPU_MAX_BASIC);
	CHECK(leaves_find(&set, 0x80000000, NO_SUB)->r[0] == CPU_MAX_EXT);
	CHECK(leaves_find(&set, 1, NO_SUB)->r[1] == 0x00ffffff);
	CHECK(leaves_find(&set, 0xa, NO_SUB)->r[0] == 0);
	CHECK(leaves_find(&set, 0xb, 0)->r[1] == 0);
	CHECK(leaves_find(&set, 7, 1)->r[0] == policy_pv_default[10]);
	CHECK(leaves_find(&set, 0xd, 0)->r[0] == 0xe7);
	CHECK(leaves_find(&set, 0xd, 0)->r[2] == 576 + 5 * 100 + 100);
	CHECK(leaves_find(&set, 0xd, 8)->r[0] == 0);
	CHECK(leaves_xsave_size(&set, 7) == 676);
	CHECK(leaves_xsave_size(&set, 3) == 576);
}

static void dependent(void)
{
	struct leaves_limits lim = limits(3);

	everything(&set);
	leaves_restrict(&set, &lim);
	CHECK(has(&set, F(XSAVE)) && !has(&set, F(AVX)) && !has(&set, F(FMA)));
	CHECK(!has(&set, F(AVX512F)) && !has(&set, F(AVX512_BF16)));
	CHECK(leaves_find(&set, 0xd, 0)->r[0] == 3);
	lim.xcr0 = 0;
	everything(&set);
	leaves_restrict(&set, &lim);
	CHECK(!has(&set, F(XSAVE)) && !has(&set, F(XSAVEC)));
	CHECK(leaves_find(&set, 0xd, 0)->r[0] == 0);
}

static void full(void)
{
	struct policy_leaf l = { .sub = NO_SUB };

	memset(&set, 0, sizeof(set));
	for (u32 i = 0; i < POLICY_MAX_LEAVES; i++) {
		l.leaf = i;
		CHECK(leaves_put(&set, &l));
	}
	CHECK(leaves_put(&set, &l));
	l.leaf++;
	CHECK(!leaves_put(&set, &l));
	CHECK(!leaves_valid(4, 6) && !leaves_valid(0xd, NO_SUB));
	CHECK(!leaves_valid(0xe, NO_SUB) && leaves_valid(0xd, 62));
	CHECK(!leaves_valid(1, 0) && !leaves_valid(0x80000022, NO_SUB));
}

UNIT_MAIN(UNIT(header_marks), UNIT(restricted), UNIT(dependent), UNIT(full))
