// SPDX-License-Identifier: MIT
// Instructions that may fault, and survive it: each has an entry in the
// exception table, which x86/traps.c searches.
#ifndef X86_FAULTABLE_H
#define X86_FAULTABLE_H

// Table of instructions that may fault and where to go on then.
#define EXTABLE(from, to)                      \
	".pushsection .extable, \"a\"\n"       \
	".balign 4\n"                          \
	".long (" from ") - ., (" to ") - .\n" \
	".popsection\n"

// MSR access that may fault: false then.
static inline bool rdmsr_safe(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0, ok;

	__asm__ volatile("xor %0, %0\n"
			 "1: rdmsr\n"
			 "inc %0\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "=&r"(ok), "+a"(lo), "+d"(hi)
			 : "c"(msr)
			 : "cc");
	*v = (u64)hi << 32 | lo;
	return ok;
}

static inline bool wrmsr_safe(u32 msr, u64 v)
{
	u32 ok;

	__asm__ volatile("xor %0, %0\n"
			 "1: wrmsr\n"
			 "inc %0\n"
			 "2:\n" EXTABLE("1b", "2b")
			 : "=&r"(ok)
			 : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
			 : "cc", "memory");
	return ok;
}

// Copy that may fault on either side: how many bytes were left. Words first;
// a fault among them is found again, to the byte, by the byte copy.
static inline u64 copy_faultable(void *dst, const void *src, u64 n)
{
	u64 words = n >> 3, left = n & 7;

	__asm__ volatile("1: rep movsq\n"
			 "mov %3, %0\n"
			 "2: rep movsb\n"
			 "3:\n"
			 ".pushsection .fixup, \"ax\"\n"
			 "4: lea (%3, %0, 8), %0\n"
			 "jmp 2b\n"
			 ".popsection\n" EXTABLE("1b", "4b") EXTABLE("2b", "3b")
			 : "+c"(words), "+D"(dst), "+S"(src)
			 : "r"(left)
			 : "memory");
	return words;
}

// A word of the guest's, of 64 or 32 bits, behind access_ok() and between stac()
// and clac(); goes to the label when it faults.
#define GUEST_STORE(insn, type, gva, value, fault)               \
	__asm__ goto("1: " insn " %1, %0\n" EXTABLE("1b", "%l2") \
		     :                                           \
		     : "m"(*(type *)(gva)), "er"((type)(value))  \
		     : "memory"                                  \
		     : fault)
// The empty statement: gcc before 12.4 may use what the register held before
// (its bug 113921).
#define GUEST_LOAD(insn, type, word, gva, fault)                       \
	do {                                                           \
		__asm__ volatile goto("1: " insn                       \
				      " %1, %0\n" EXTABLE("1b", "%l2") \
				      : "=r"(word)                     \
				      : "m"(*(const type *)(gva))      \
				      :                                \
				      : fault);                        \
		__asm__ volatile("");                                  \
	} while (0)
#define guest_store(gva, value, fault) \
	GUEST_STORE("movq", u64, gva, value, fault)
#define guest_store32(gva, value, fault) \
	GUEST_STORE("movl", u32, gva, value, fault)
#define guest_load(word, gva, fault)   GUEST_LOAD("movq", u64, word, gva, fault)
#define guest_load32(word, gva, fault) GUEST_LOAD("movl", u32, word, gva, fault)

#endif
