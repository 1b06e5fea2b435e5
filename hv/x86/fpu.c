// SPDX-License-Identifier: MIT
// Saves and loads the registers with XSAVE in its standard form, or with
// FXSAVE where the processor has no XSAVE. Intel manual, volume 1, chapter 13.
#include "x86/fpu.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "x86/cpuid.h"
#include "x86/insn.h"

#define FXSAVE_SIZE   512u
#define XHEADER_SIZE  64u
#define FCW_DEFAULT   0x37f
#define MXCSR_DEFAULT 0x1f80
#define MXCSR_MASK    0xffbf // when FXSAVE names none
#define FSW_ES	      0x80

struct fpu_state {
	u16 fcw, fsw;
	u8 ftw, pad;
	u16 fop;
	u64 fip, fdp;
	u32 mxcsr, mxcsr_mask;
	u8 registers[480];
	u64 xstate_bv, xcomp_bv, reserved[6]; // XSAVE header
	u8 extended[];
};

_Static_assert(offsetof(struct fpu_state, xstate_bv) == FXSAVE_SIZE,
	       "the legacy image comes first");

u64 fpu_xcr0_mask;
u32 fpu_state_size;
static u32 mxcsr_mask;

#define STATE_INSN(insn, s) \
	__asm__ volatile(insn " (%0)" : : "r"(s), "a"(~0U), "d"(~0U) : "memory")

void fpu_set_xcr0(u64 v)
{
	if (fpu_xcr0_mask)
		__asm__ volatile("xsetbv"
				 :
				 : "c"(0), "a"((u32)v), "d"((u32)(v >> 32))
				 : "memory");
}

void __init fpu_init(void)
{
	static struct fpu_state image __aligned(16);
	u64 all = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512;
	u32 r[4] = { 0 };

	STATE_INSN("fxsave64", &image);
	mxcsr_mask = image.mxcsr_mask ? image.mxcsr_mask : MXCSR_MASK;
	if (cpu_has(XSAVE)) {
		cpuid(0xd, 0, r);
		all &= r[0];
		if ((all & XCR0_AVX512) != XCR0_AVX512 || !(all & XCR0_AVX))
			all &= ~XCR0_AVX512;
		fpu_xcr0_mask = all;
		fpu_set_xcr0(all);
		cpuid(0xd, 0, r); // EBX: size for what XCR0 has now
	}
	fpu_state_size = MAX(r[1], FXSAVE_SIZE + XHEADER_SIZE);
}

int fpu_check_xcr0(u64 xcr0)
{
	u64 wide = xcr0 & XCR0_AVX512;

	if (xcr0 & ~fpu_xcr0_mask || !(xcr0 & XCR0_X87))
		return -EINVAL;
	if (xcr0 & XCR0_AVX && !(xcr0 & XCR0_SSE))
		return -EINVAL;
	if (wide && (wide != XCR0_AVX512 || !(xcr0 & XCR0_AVX)))
		return -EINVAL;
	return 0;
}

void fpu_reset(struct fpu_state *s)
{
	memset(s, 0, fpu_state_size);
	s->fcw = FCW_DEFAULT;
	s->mxcsr = MXCSR_DEFAULT;
	// SSE counts as changed, so that MXCSR is always loaded from here.
	s->xstate_bv = fpu_xcr0_mask & (XCR0_X87 | XCR0_SSE);
}

void fpu_save(struct fpu_state *s)
{
	clts();
	fpu_set_xcr0(fpu_xcr0_mask);
	if (fpu_xcr0_mask)
		STATE_INSN("xsave64", s);
	else
		STATE_INSN("fxsave64", s);
}

// Some processors load the pointers of the last x87 instruction only with an
// exception pending, and would show the next guest the former one's (Xen
// advisory 52): an x87 load of our own overwrites them.
static void forget_pointers(const struct fpu_state *s)
{
	static const u32 zero;

	if (s->fsw & FSW_ES)
		return;
	__asm__ volatile("fnclex; ffree %%st(7); fildl %0" : : "m"(zero));
}

void fpu_load(const struct fpu_state *s, u64 xcr0)
{
	clts();
	forget_pointers(s);
	fpu_set_xcr0(fpu_xcr0_mask);
	if (fpu_xcr0_mask)
		STATE_INSN("xrstor64", s);
	else
		STATE_INSN("fxrstor64", s);
	if (xcr0 != fpu_xcr0_mask)
		fpu_set_xcr0(xcr0);
}

void fpu_get_fxsave(const struct fpu_state *s, void *image)
{
	struct fpu_state *out = image;

	memcpy(image, s, FXSAVE_SIZE);
	if (!fpu_xcr0_mask)
		return;
	// Components in their first state are not in memory.
	if (!(s->xstate_bv & XCR0_X87)) {
		memset(image, 0, offsetof(struct fpu_state, mxcsr));
		memset(out->registers, 0, 128);
		out->fcw = FCW_DEFAULT;
	}
	if (!(s->xstate_bv & XCR0_SSE))
		memset(out->registers + 128, 0, 256);
}

void fpu_set_fxsave(struct fpu_state *s, const void *image)
{
	memcpy(s, image, FXSAVE_SIZE);
	s->mxcsr &= mxcsr_mask;
	s->xstate_bv |= fpu_xcr0_mask & (XCR0_X87 | XCR0_SSE);
}

// Bytes that the standard form needs for these components.
static u32 size_of(u64 components)
{
	u32 size = FXSAVE_SIZE + XHEADER_SIZE, r[4];

	for (u32 i = 2; i < 32; i++) {
		if (!(components >> i & 1))
			continue;
		cpuid(0xd, i, r);
		size = MAX(size, r[0] + r[1]);
	}
	return size;
}

int fpu_set_xsave(struct fpu_state *s, const void *image, u32 size)
{
	const struct fpu_state *from = image;

	if (!fpu_xcr0_mask || size < FXSAVE_SIZE + XHEADER_SIZE)
		return -EINVAL;
	if (from->xstate_bv & ~fpu_xcr0_mask || from->xcomp_bv)
		return -EINVAL;
	for (u32 i = 0; i < ARRAY_SIZE(from->reserved); i++)
		if (from->reserved[i])
			return -EINVAL;
	if (size < size_of(from->xstate_bv))
		return -EINVAL;
	memset(s, 0, fpu_state_size);
	memcpy(s, image, MIN(size, fpu_state_size));
	s->mxcsr &= mxcsr_mask;
	return 0;
}
