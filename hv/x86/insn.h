// SPDX-License-Identifier: MIT
// Machine instructions that C cannot say, one function each. Beside it:
// x86/segment.h has those for descriptor tables and segment registers,
// x86/faultable.h those that may fault.
#ifndef X86_INSN_H
#define X86_INSN_H

#include "x86/registers.h"

// Constant as long as the stack's block is: the compiler may read it once.
static inline u64 read_rsp(void)
{
	u64 sp;

	__asm__("mov %%rsp, %0" : "=r"(sp));
	return sp;
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
			 : "memory");
}

#define CONTROL_REGISTER(n)                                                \
	static inline u64 read_cr##n(void)                                 \
	{                                                                  \
		u64 v;                                                     \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));          \
		return v;                                                  \
	}                                                                  \
	static inline void write_cr##n(u64 v)                              \
	{                                                                  \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); \
	}
CONTROL_REGISTER(0)
CONTROL_REGISTER(2)
CONTROL_REGISTER(3)
CONTROL_REGISTER(4)

#define DEBUG_REGISTER(n)                                         \
	static inline u64 read_dr##n(void)                        \
	{                                                         \
		u64 v;                                            \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(v)); \
		return v;                                         \
	}                                                         \
	static inline void write_dr##n(u64 v)                     \
	{                                                         \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(v));   \
	}
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

// In one instruction, behind all stores before it.
static inline void store_plus_one(u16 *n)
{
	__asm__ volatile("incw %0" : "+m"(*n) : : "memory", "cc");
}

#define INSTRUCTION(name, text)                        \
	static inline void name(void)                  \
	{                                              \
		__asm__ volatile(text : : : "memory"); \
	}
INSTRUCTION(clts, "clts")
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(cpu_relax, "pause")
INSTRUCTION(halt, "hlt")
INSTRUCTION(irq_disable, "cli")
INSTRUCTION(irq_enable, "sti")
// Enables interrupts and halts with no window in between.
INSTRUCTION(irq_enable_halt, "sti; hlt")
// MSRs of the x2APIC and TSC_DEADLINE are not ordered behind stores: with this
// they are (Intel SDM vol. 3, 10.12.3).
INSTRUCTION(fence_before_msr, "mfence; lfence")
// SMAP windows; patched to no-ops where the CPU has no SMAP (x86/patch.c).
#define SMAP_SITE(byte)                     \
	"661: .byte 0x0f, 0x01, " byte "\n" \
	".pushsection .smap_sites, \"a\"\n" \
	".balign 4\n.long 661b - .\n.popsection"
INSTRUCTION(stac, SMAP_SITE("0xcb"))
INSTRUCTION(clac, SMAP_SITE("0xca"))

static inline void invlpg(u64 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline u64 irq_save(void)
{
	u64 flags;

	__asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void irq_restore(u64 flags)
{
	if (flags & FLAG_IF)
		__asm__ volatile("sti" ::: "memory");
}

static inline u64 read_flags(void)
{
	u64 flags;

	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	return flags;
}

static inline bool irq_enabled(void)
{
	return read_flags() & FLAG_IF;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline u64 rdtsc_ordered(void)
{
	__asm__ volatile("lfence" : : : "memory");
	return rdtsc();
}

#define PORT_IO(width, suffix, type)                     \
	static inline type in##suffix(u16 port)          \
	{                                                \
		type v;                                  \
		__asm__ volatile("in" #suffix " %1, %0"  \
				 : "=a"(v)               \
				 : "Nd"(port));          \
		return v;                                \
	}                                                \
	static inline void out##suffix(u16 port, type v) \
	{                                                \
		__asm__ volatile("out" #suffix " %0, %1" \
				 :                       \
				 : "a"(v), "Nd"(port));  \
	}
PORT_IO(8, b, u8)
PORT_IO(16, w, u16)
PORT_IO(32, l, u32)

// Of a size known at run time: 1, 2 or 4 bytes.
static inline u32 port_read(u16 port, unsigned int size)
{
	return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
}

static inline void port_write(u16 port, unsigned int size, u32 value)
{
	if (size == 1)
		outb(port, (u8)value);
	else if (size == 2)
		outw(port, (u16)value);
	else
		outl(port, value);
}

#endif
