// SPDX-License-Identifier: MIT
// Basic types and the typed frame numbers: mixing two kinds does not compile.
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One image, nothing to export: references need no GOT.
#if !__STDC_HOSTED__
#pragma GCC visibility push(hidden)
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define PAGE_SHIFT	 12
#define PAGE_SIZE	 (1UL << PAGE_SHIFT)
#define PAGE_MASK	 (~(PAGE_SIZE - 1))

#define BIT(n)		 (1UL << (n))
#define ARRAY_SIZE(a)	 (sizeof(a) / sizeof((a)[0]))
#define ROUND_UP(x, a)	 (((x) + (a)-1) & ~((u64)(a)-1))
#define ROUND_DOWN(x, a) ((x) & ~((u64)(a)-1))
#define DIV_UP(x, a)	 (((x) + (a)-1) / (a))
#define PAGES_UP(bytes)	 (((u64)(bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)

#define MIN(a, b)                   \
	({                          \
		typeof(a) a_ = (a); \
		typeof(b) b_ = (b); \
		a_ < b_ ? a_ : b_;  \
	})
#define MAX(a, b)                   \
	({                          \
		typeof(a) a_ = (a); \
		typeof(b) b_ = (b); \
		a_ > b_ ? a_ : b_;  \
	})

#define container_of(p, type, member) \
	((type *)((char *)(p)-offsetof(type, member)))

#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)
#define __packed     __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __noreturn   __attribute__((noreturn))
#define __noinline   __attribute__((noinline))
#define __section(s) __attribute__((section(s)))
#define __fmt(a, b)  __attribute__((format(printf, a, b)))
#define fallthrough  __attribute__((fallthrough))

// Freed once Dom0 runs; nothing after boot may call or read it.
#ifdef HOST_TEST
#define __init
#define __initdata
#else
#define __init	   __section(".init.text") __attribute__((cold))
#define __initdata __section(".init.data")
#endif

// Where a call would cost more than what is called.
#define __forced_inline inline __attribute__((always_inline))

// Reads or writes memory that somebody else changes, exactly once.
#define READ_ONCE(x)	 (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#define barrier()	 __asm__ volatile("" ::: "memory")

// The smaller of both, without a branch that could be mispredicted.
static inline u64 index_clamp(u64 i, u64 n)
{
	__asm__("cmp %1, %0\n"
		"cmova %1, %0"
		: "+r"(i)
		: "r"(n)
		: "cc");
	return i;
}

// An index that a guest chose, bounded without a branch a CPU could
// speculate past: i when i < n, else 0.
static inline u64 index_nospec(u64 i, u64 n)
{
	u64 mask;

#ifdef __x86_64__
	__asm__("cmp %2, %1; sbb %0, %0" : "=r"(mask) : "r"(i), "r"(n) : "cc");
#else
	mask = -(u64)(i < n);
#endif
	return i & mask;
}

#define FRAME_KIND(kind)                         \
	typedef struct {                         \
		u64 v;                           \
	} kind##_t;                              \
	static inline kind##_t kind(u64 v)       \
	{                                        \
		return (kind##_t){ v };          \
	}                                        \
	static inline u64 kind##_val(kind##_t f) \
	{                                        \
		return f.v;                      \
	}

FRAME_KIND(mfn) // host physical frame
FRAME_KIND(gfn) // frame number as a guest writes it in its page tables

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
	return a.v == b.v;
}

static inline mfn_t maddr_to_mfn(u64 maddr)
{
	return mfn(maddr >> PAGE_SHIFT);
}

static inline u64 mfn_to_maddr(mfn_t m)
{
	return m.v << PAGE_SHIFT;
}

#endif
