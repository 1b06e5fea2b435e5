// SPDX-License-Identifier: MIT
// Descriptor tables and segment registers.
#ifndef X86_SEGMENT_H
#define X86_SEGMENT_H

#include "x86/cpuid.h"
#include "x86/faultable.h"
#include "x86/insn.h"

struct desc_ptr {
	u16 limit;
	u64 base;
} __packed;

static inline void lgdt(const struct desc_ptr *p)
{
	__asm__ volatile("lgdt %0" : : "m"(*p));
}

static inline void lidt(const struct desc_ptr *p)
{
	__asm__ volatile("lidt %0" : : "m"(*p));
}

// After lgdt: code segment by a far return, null data segments, SS as given.
static inline void segments_load_hv(u16 cs, u16 ss)
{
	u64 tmp;

	__asm__ volatile("push %1\n"
			 "lea 1f(%%rip), %0\n"
			 "push %0\n"
			 "lretq\n"
			 "1: mov %w2, %%ss\n"
			 "mov %w3, %%ds\n"
			 "mov %w3, %%es\n"
			 "mov %w3, %%fs\n"
			 "mov %w3, %%gs\n"
			 : "=&r"(tmp)
			 : "r"((u64)cs), "r"((u32)ss), "r"(0)
			 : "memory");
}

static inline void lldt(u16 sel)
{
	__asm__ volatile("lldt %0" : : "r"(sel));
}

static inline void ltr(u16 sel)
{
	__asm__ volatile("ltr %0" : : "r"(sel));
}

#define SEGMENT_READ(seg)                                         \
	static inline u16 read_##seg(void)                        \
	{                                                         \
		u32 v;                                            \
		__asm__ volatile("mov %%" #seg ", %0" : "=r"(v)); \
		return (u16)v;                                    \
	}
SEGMENT_READ(ds)
SEGMENT_READ(es)
SEGMENT_READ(fs)
SEGMENT_READ(gs)

// Loads a data segment register with a guest's selector; false and a null
// selector when the processor refuses it.
#define SEGMENT_LOAD(seg)                                            \
	static inline bool load_##seg(u16 sel)                       \
	{                                                            \
		u32 v = sel, ok;                                     \
		__asm__ volatile("xor %1, %1\n"                      \
				 "1: mov %0, %%" #seg "\n"           \
				 "inc %1\n"                          \
				 "2:\n"                              \
				 ".pushsection .fixup, \"ax\"\n"     \
				 "3: xor %0, %0\n"                   \
				 "mov %0, %%" #seg "\n"              \
				 "jmp 2b\n"                          \
				 ".popsection\n" EXTABLE("1b", "3b") \
				 : "+r"(v), "=&r"(ok)                \
				 :                                   \
				 : "cc", "memory");                  \
		return ok;                                           \
	}
SEGMENT_LOAD(ds)
SEGMENT_LOAD(es)
SEGMENT_LOAD(fs)
SEGMENT_LOAD(gs)

#define BASE_REGISTER(seg, msr)                                           \
	static inline u64 read_##seg##_base(void)                         \
	{                                                                 \
		u64 v;                                                    \
		if (!cpu_has(FSGSBASE))                                   \
			return rdmsr(msr);                                \
		__asm__ volatile("rd" #seg "base %0" : "=r"(v));          \
		return v;                                                 \
	}                                                                 \
	static inline void write_##seg##_base(u64 v)                      \
	{                                                                 \
		if (!cpu_has(FSGSBASE))                                   \
			wrmsr(msr, v);                                    \
		else                                                      \
			__asm__ volatile("wr" #seg "base %0" : : "r"(v)); \
	}
// The base is canonical.
BASE_REGISTER(fs, MSR_FS_BASE)
BASE_REGISTER(gs, MSR_GS_BASE)

#endif
