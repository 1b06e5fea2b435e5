// SPDX-License-Identifier: MIT
// CPUID as the hypervisor answers it (public header arch-x86/xen.h,
// XEN_EMULATE_PREFIX), beside what the processor says by itself: what a guest may
// see, what it must not, and what its policy says.
#include "lib/cpu.h"
#include "lib/guest.h"
#include "traps/traps.h"
#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/domctl.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define XEN_LEAVES  0x40000000u
#define CR4_OSXSAVE 0x40000ul
// VMXE, SMXE, PCIDE, SMEP, SMAP, PKE; and UMIP, which emulators have, too.
#define CR4_HIDDEN 0x726800ul
#define OSXSAVE	   (1u << 27)
#define F(name)	   XEN_X86_FEATURE_##name

enum { A, B, C, D };

// Words of features: where each stands.
static const struct word {
	u32 leaf, sub, reg;
} words[] = {
	{ 1, 0, D },	      { 1, 0, C },	    { 0x80000001, 0, D },
	{ 0x80000001, 0, C }, { 0xd, 1, A },	    { 7, 0, B },
	{ 7, 0, C },	      { 0x80000007, 0, D }, { 0x80000008, 0, B },
	{ 7, 0, D },	      { 7, 1, A },
};

static u32 asked[2], seen[4];

static long ask(long x)
{
	cpuid_forced(asked[0], asked[1], seen);
	return x;
}

// What programs are told. (A kernel in Dom0 is told some more by Xen.)
static const u32 *told(u32 leaf, u32 sub)
{
	asked[0] = leaf;
	asked[1] = sub;
	user_call(ask, 0);
	return seen;
}

static void native(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

static bool has(unsigned int feature)
{
	const struct word *w = &words[feature / 32];

	return told(w->leaf, w->sub)[w->reg] >> feature % 32 & 1;
}

static void cr4_set(uptr value)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(value));
}

static uptr cr4_get(void)
{
	uptr value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static void check_zero(u32 leaf, u32 sub)
{
	const u32 *r = told(leaf, sub);

	if (r[A] | r[B] | r[C] | r[D])
		check_failed("leaf", (int)sub, "%x: %x %x %x %x", leaf, r[A],
			     r[B], r[C], r[D]);
}

TEST(cpuid_of_hypervisor)
{
	static const u32 name[] = { XEN_CPUID_SIGNATURE_EBX,
				    XEN_CPUID_SIGNATURE_ECX,
				    XEN_CPUID_SIGNATURE_EDX };
	const u32 *r = told(XEN_LEAVES, 0);
	u32 first[4];

	CHECK_EQ(r[A], XEN_LEAVES + XEN_CPUID_MAX_NUM_LEAVES);
	CHECK_EQ(memcmp(r + 1, name, sizeof(name)), 0);
	r = told(XEN_LEAVES + 1, 0);
	CHECK_EQ(r[A], version_op(XENVER_version, NULL));
	CHECK_EQ(r[B] | r[C] | r[D], 0);
	r = told(XEN_LEAVES + 2, 0);
	CHECK_EQ(r[A], 1); // page of hypercalls
	CHECK_EQ(r[B], 0x40000000);
	CHECK_EQ(r[C], XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD);
	CHECK_EQ(r[D], 0);
	r = told(XEN_LEAVES + 3, 2);
	CHECK(r[A] > 1000); // kHz of the machine's TSC
	CHECK_EQ(r[B] | r[C] | r[D], 0);
	check_zero(XEN_LEAVES + 4, 0); // of HVM guests
	// Of the machine's addresses: what the last frame takes.
	r = told(XEN_LEAVES + 5, 0);
	CHECK_EQ(r[A] | r[C] | r[D], 0);
	CHECK(r[B] >= 28 && r[B] <= 52);
	for (u32 i = XEN_CPUID_MAX_NUM_LEAVES + 1; i < 16; i++)
		check_zero(XEN_LEAVES + i, 0);
	check_zero(XEN_LEAVES + 0x100, 0);
	// Only who asks for it is answered so: what is this processor's name.
	native(XEN_LEAVES, 0, first);
	CHECK(memcmp(first + 1, name, sizeof(name)) != 0);
	native(0, 0, first);
	CHECK_EQ(memcmp(first + 1, told(0, 0) + 1, sizeof(name)), 0);
}

// What PV guests have no use of, or may not know: no mark for them in the header
// cpufeatureset.h.
TEST(cpuid_hidden_features)
{
	static const u16 hidden[] = {
		F(VME),	       F(PSE),	      F(PGE),	  F(PSE36),
		F(DS),	       F(TM1),	      F(PBE),	  F(MTRR),
		F(DTES64),     F(MONITOR),    F(DSCPL),	  F(VMX),
		F(SMX),	       F(EIST),	      F(TM2),	  F(XTPR),
		F(PDCM),       F(PCID),	      F(DCA),	  F(X2APIC),
		F(SVM),	       F(EXTAPIC),    F(OSVW),	  F(IBS),
		F(SKINIT),     F(WDT),	      F(LWP),	  F(NODEID_MSR),
		F(TOPOEXT),    F(MONITORX),   F(PAGE1GB), F(TSC_DEADLINE),
		F(XSAVES),     F(TSC_ADJUST), F(SGX),	  F(SMEP),
		F(INVPCID),    F(PQM),	      F(MPX),	  F(PQE),
		F(SMAP),       F(PROC_TRACE), F(UMIP),	  F(PKU),
		F(CR8_LEGACY), F(OSPKE),      F(CET_SS),  F(CET_IBT),
		F(IBRSB),      F(STIBP),      F(SSBD),	  F(DBEXT),
	};
	u32 r[4];

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (has(hidden[i]))
			check_failed("feature", hidden[i] % 32, "of word %d",
				     hidden[i] / 32);
	CHECK(has(F(HYPERVISOR)));
	// Where the processor says otherwise, it was hidden from the guest.
	native(1, 0, r);
	CHECK_EQ(r[D] >> 12 & 1, 1);
	CHECK_EQ(r[D] >> 3 & 1, 1);
}

// Kernels that see MTRR take it for the leave to set memory types, as they would
// with a good argument.
TEST(cpuid_memory_types)
{
	static struct xen_platform_op op = {
		.cmd = XENPF_add_memtype,
		.interface_version = XENPF_INTERFACE_VERSION,
		.u.add_memtype = { .type = 0xff },
	};
	long rc = HC1(__HYPERVISOR_platform_op, &op);
	u32 r[4];

	cpuid_forced(1, 0, r);
	CHECK_EQ(r[D] >> 12 & 1, rc != -EOPNOTSUPP && rc != -EPERM);
	cpuid_forced(0x80000001, 0, r);
	CHECK_EQ(r[D] >> 12 & 1, rc != -EOPNOTSUPP && rc != -EPERM);
}

// Nobody is told of features that the processor has not, but for those that are
// about being told.
TEST(cpuid_within_the_processor)
{
	static const u16 made[] = { F(HTT), F(HYPERVISOR), F(OSXSAVE),
				    F(CMP_LEGACY) };
	u32 r[4], more, last;

	for (u32 i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];

		native(w->leaf & 0x80000000, 0, r);
		last = r[A];
		native(w->leaf, w->sub, r);
		more = told(w->leaf, w->sub)[w->reg];
		if (w->leaf <= last)
			more &= ~r[w->reg];
		for (size_t k = 0; k < ARRAY_SIZE(made); k++)
			if (made[k] / 32 == i)
				more &= ~(1u << made[k] % 32);
		if (more)
			check_failed("word", (int)i, "%x is not there", more);
	}
}

TEST(cpuid_ranges)
{
	u32 r[4], basic = told(0, 0)[A], extended;

	CHECK_EQ(basic, 0xd);
	extended = told(0x80000000, 0)[A];
	CHECK(extended >= 0x80000008 && extended <= 0x80000021);
	for (u32 i = 1; i < 0x20; i++) {
		check_zero(basic + i, 0);
		check_zero(extended + i, 0);
	}
	check_zero(0xc0000000, 0);
	check_zero(0x7fffffff, 0);
	check_zero(0xffffffff, 0);
	// No counters, topology, or ways of sleeping.
	for (u32 leaf = 8; leaf < 0xd; leaf++)
		for (u32 sub = 0; sub < 4; sub++)
			check_zero(leaf, sub);
	check_zero(3, 0);
	check_zero(5, 0);
	check_zero(6, 0);
	for (u32 sub = 3; sub < 8; sub++)
		check_zero(7, sub);
	CHECK_EQ(told(0x80000008, 0)[A] >> 8 & 0xff, 48);
	native(0x80000008, 0, r);
	CHECK_EQ(told(0x80000008, 0)[A] & 0xff, r[A] & 0xff);
	CHECK_EQ(told(1, 0)[B] >> 24, 0); // vcpu 0
}

// Public header cpufeatureset.h: OSXSAVE is CR4's, but a kernel that asks
// by the prefix is told that it may.
TEST(cpuid_osxsave)
{
	uptr cr4 = cr4_get();
	u32 r[4];

	for (int on = 0; on < 2; on++) {
		cr4_set((cr4 & ~CR4_OSXSAVE) | (on ? CR4_OSXSAVE : 0));
		CHECK_EQ(!!(cr4_get() & CR4_OSXSAVE), on);
		CHECK_EQ(has(F(OSXSAVE)), on);
		cpuid_forced(1, 0, r);
		CHECK_EQ(!!(r[C] & OSXSAVE), 1);
	}
	cr4_set(cr4);
	CHECK_EQ(cr4_get() & CR4_HIDDEN, 0);
	CHECK_NO_TRAP(cr4_set(cr4 | CR4_HIDDEN));
	CHECK_EQ(cr4_get(), cr4);
}

static void xcr0_set(u32 value)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"(value), "d"(0));
}

// Components are those of the processor, as far as the guest has them; sizes are
// those of an area without holes.
TEST(cpuid_xstate)
{
	u32 mask, size = 576, r[4];
	uptr cr4 = cr4_get();

	mask = told(0xd, 0)[A];
	CHECK_EQ(mask & 3, 3);
	CHECK_EQ(mask & ~0xe7u, 0);
	CHECK_EQ(mask >> 2 & 1, has(F(AVX)));
	CHECK_EQ(told(0xd, 0)[D], 0);
	CHECK_EQ(told(0xd, 1)[A] & ~15u, 0);
	CHECK_EQ(seen[B] | seen[C] | seen[D], 0);
	for (u32 i = 2; i < 64; i++) {
		if (!(mask >> (i & 31) & 1) || i >= 32) {
			check_zero(0xd, i);
			continue;
		}
		native(0xd, i, r);
		CHECK_EQ(memcmp(told(0xd, i), r, sizeof(r)), 0);
		if (r[A] + r[B] > size)
			size = r[A] + r[B];
	}
	CHECK_EQ(told(0xd, 0)[C], size);
	cr4_set(cr4 | CR4_OSXSAVE);
	xcr0_set(3);
	CHECK_EQ(told(0xd, 0)[B], 576);
	xcr0_set(mask);
	CHECK_EQ(told(0xd, 0)[B], size);
	CHECK_EQ(told(0xd, 0)[A], mask);
	CHECK_TRAP(xcr0_set(mask | 8), 13, 0);
	CHECK_TRAP(xcr0_set(2), 13, 0);
	CHECK_EQ(told(0xd, 0)[B], size);
	xcr0_set(3);
	cr4_set(cr4);
}

static xen_cpuid_leaf_t leaves[256];
static xen_msr_entry_t entries[16];
static u32 entries_n;

// Those of our own domain, or of the system (a kind of XEN_SYSCTL_cpu_policy_*).
static u32 policy_get(int kind)
{
	static struct xen_sysctl sys;
	static struct xen_domctl dom;

	if (kind < 0) {
		memset(&dom, 0, sizeof(dom));
		dom.cmd = XEN_DOMCTL_get_cpu_policy;
		dom.domain = domain_self();
		dom.u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves);
		dom.u.cpu_policy.nr_msrs = ARRAY_SIZE(entries);
		set_xen_guest_handle(dom.u.cpu_policy.leaves, leaves);
		set_xen_guest_handle(dom.u.cpu_policy.msrs, entries);
		CHECK_EQ(domctl(&dom), 0);
		entries_n = dom.u.cpu_policy.nr_msrs;
		return dom.u.cpu_policy.nr_leaves;
	}
	memset(&sys, 0, sizeof(sys));
	sys.cmd = XEN_SYSCTL_get_cpu_policy;
	sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	sys.u.cpu_policy.index = (u32)kind;
	sys.u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves);
	set_xen_guest_handle(sys.u.cpu_policy.leaves, leaves);
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &sys), 0);
	return sys.u.cpu_policy.nr_leaves;
}

static void policy_word(u32 n, const struct word *w, u32 *value)
{
	*value = 0;
	for (u32 i = 0; i < n; i++) {
		const u32 r[4] = { leaves[i].a, leaves[i].b, leaves[i].c,
				   leaves[i].d };

		if (leaves[i].leaf == w->leaf &&
		    (leaves[i].subleaf == w->sub ||
		     leaves[i].subleaf == XEN_CPUID_NO_SUBLEAF))
			*value = r[w->reg];
	}
}

// 64-bit code, and Intel's SYSCALL, which is its own: bits of a word.
static u32 not_for_32(u32 word)
{
	if (WIDTH == 64)
		return 0;
	if (word == F(LAHF_LM) / 32)
		return 1u << F(LAHF_LM) % 32;
	return word != F(LM) / 32
		       ? 0
		       : 1u << F(LM) % 32 |
				 (cpu_is_intel() ? 1u << F(SYSCALL) % 32 : 0);
}

// A domain is told what its policy says, by its own eyes and by its tools'.
TEST(cpuid_of_policy)
{
	u32 n;

	if (in_domu())
		test_skip("it is for Dom0 to ask");
	n = policy_get(-1);
	CHECK(n > 10 && n <= ARRAY_SIZE(leaves));
	for (u32 i = 0; i < n; i++) {
		xen_cpuid_leaf_t *l = &leaves[i];
		bool sub = l->subleaf != XEN_CPUID_NO_SUBLEAF;
		const u32 *r;

		// Made when they are asked for.
		if (l->leaf >> 16 == XEN_LEAVES >> 16 || l->leaf == 0xb)
			continue;
		r = told(l->leaf, sub ? l->subleaf : 0);
		seen[C] &= l->leaf == 1 ? ~OSXSAVE : ~0u;
		if (l->leaf == 0xd && !l->subleaf)
			seen[B] = l->b; // of what is switched on
		if (l->leaf == 0x80000001) {
			l->c &= ~not_for_32(F(LAHF_LM) / 32);
			l->d &= ~not_for_32(F(LM) / 32);
		}
		if (r[A] != l->a || r[B] != l->b || r[C] != l->c ||
		    r[D] != l->d)
			check_failed("leaf", (int)l->subleaf,
				     "%x: %x %x %x %x, not %x %x %x %x",
				     l->leaf, r[A], r[B], r[C], r[D], l->a,
				     l->b, l->c, l->d);
	}
}

// Those that the processor's leaves do not tell of are 0.
TEST(msrs_of_policy)
{
	static u64 value;

	if (in_domu())
		test_skip("it is for Dom0 to ask");
	policy_get(-1);
	CHECK_EQ(entries_n, 2);
	CHECK_EQ(entries[0].idx, 0xce);	 // PLATFORM_INFO
	CHECK_EQ(entries[1].idx, 0x10a); // ARCH_CAPABILITIES
	for (u32 i = 0; i < entries_n && i < ARRAY_SIZE(entries); i++) {
		value = 0;
		CATCH(value = read_msr(entries[i].idx));
		CHECK_EQ(value, entries[i].val);
		CHECK_EQ(entries[i].flags, 0);
	}
}

// No more than any PV guest may have, no less than all have.
TEST(cpuid_of_system)
{
	static u32 most[ARRAY_SIZE(words)], least[ARRAY_SIZE(words)];
	// Copies of leaf 1 on AMD's, and what is always as the processor has it.
	static const u32 copied[ARRAY_SIZE(words)] = {
		[2] = 0x0183f3ff, [5] = 1u << 6 | 1u << 13
	};
	u32 n, mine;

	if (in_domu())
		test_skip("it is for Dom0 to ask");
	n = policy_get(XEN_SYSCTL_cpu_policy_pv_max);
	for (u32 i = 0; i < ARRAY_SIZE(words); i++)
		policy_word(n, &words[i], &most[i]);
	n = policy_get(XEN_SYSCTL_cpu_policy_pv_default);
	for (u32 i = 0; i < ARRAY_SIZE(words); i++)
		policy_word(n, &words[i], &least[i]);
	for (u32 i = 0; i < ARRAY_SIZE(words); i++) {
		mine = told(words[i].leaf, words[i].sub)[words[i].reg];
		if (i == 1)
			mine &= ~OSXSAVE;
		least[i] &= ~not_for_32(i);
		if (mine & ~(most[i] | copied[i]))
			check_failed("most", (int)i, "%x", mine & ~most[i]);
		if (least[i] & ~mine)
			check_failed("least", (int)i, "%x", least[i] & ~mine);
	}
}
