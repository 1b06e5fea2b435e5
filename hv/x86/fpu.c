// SPDX-License-Identifier: MIT
// Saves and loads the registers with XSAVE in its standard form, or with
// FXSAVE where the processor has no XSAVE. Intel manual, volume 1, chapter 13.
#include "x86/fpu.h"

#include "lib/errno.h"
#include "lib/string.h"
#include "x86/insn.h"

#define FXSAVE_SIZE   512u
#define XHEADER_SIZE  64u
#define FCW_DEFAULT   0x37f
#define MXCSR_DEFAULT 0x1f80
#define MXCSR_MASK    0xffbf // when FXSAVE names none
#define FSW_ES	      0x80
#define CPUID1_XSAVE  BIT(26)

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

static u64 xcr0_all; // 0: no XSAVE
static u32 state_size;
static u32 mxcsr_mask;

static void xsetbv(u64 v)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(0), "a"((u32)v), "d"((u32)(v >> 32))
			 : "memory");
}

static void find_mxcsr_mask(void)
{
	static struct fpu_state image __aligned(16);

	__asm__ volatile("fxsave64 %0" : "=m"(image));
	mxcsr_mask = image.mxcsr_mask ? image.mxcsr_mask : MXCSR_MASK;
}

static u64 find_xcr0(void)
{
	u64 all = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512;
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & CPUID1_XSAVE))
		return 0;
	cpuid(0xd, 0, r);
	all &= r[0];
	if ((all & XCR0_AVX512) != XCR0_AVX512 || !(all & XCR0_AVX))
		all &= ~XCR0_AVX512;
	return all;
}

void fpu_init_cpu(void)
{
	u32 r[4] = { 0 };

	write_cr0((read_cr0() | CR0_MP | CR0_NE) & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	if (!state_size) {
		find_mxcsr_mask();
		xcr0_all = find_xcr0();
	}
	if (xcr0_all) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		xsetbv(xcr0_all);
	}
	if (state_size)
		return;
	if (xcr0_all)
		cpuid(0xd, 0, r); // EBX: size for what XCR0 has now
	state_size = MAX(r[1], FXSAVE_SIZE + XHEADER_SIZE);
}

u32 fpu_state_size(void)
{
	return state_size;
}

u64 fpu_xcr0_mask(void)
{
	return xcr0_all;
}

int fpu_check_xcr0(u64 xcr0)
{
	u64 wide = xcr0 & XCR0_AVX512;

	if (xcr0 & ~xcr0_all || !(xcr0 & XCR0_X87))
		return -EINVAL;
	if (xcr0 & XCR0_AVX && !(xcr0 & XCR0_SSE))
		return -EINVAL;
	if (wide && (wide != XCR0_AVX512 || !(xcr0 & XCR0_AVX)))
		return -EINVAL;
	return 0;
}

void fpu_set_xcr0(u64 xcr0)
{
	if (xcr0_all)
		xsetbv(xcr0);
}

void fpu_reset(struct fpu_state *s)
{
	memset(s, 0, state_size);
	s->fcw = FCW_DEFAULT;
	s->mxcsr = MXCSR_DEFAULT;
	// SSE counts as changed, so that MXCSR is always loaded from here.
	s->xstate_bv = xcr0_all & (XCR0_X87 | XCR0_SSE);
}

void fpu_save(struct fpu_state *s)
{
	clts();
	if (!xcr0_all) {
		__asm__ volatile("fxsave64 (%0)" : : "r"(s) : "memory");
		return;
	}
	xsetbv(xcr0_all);
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(s), "a"(~0U), "d"(~0U)
			 : "memory");
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
	if (!xcr0_all) {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(s) : "memory");
		return;
	}
	xsetbv(xcr0_all);
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(s), "a"(~0U), "d"(~0U)
			 : "memory");
	if (xcr0 != xcr0_all)
		xsetbv(xcr0);
}

void fpu_get_fxsave(const struct fpu_state *s, void *image)
{
	struct fpu_state *out = image;

	memcpy(image, s, FXSAVE_SIZE);
	if (!xcr0_all)
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
	s->xstate_bv |= xcr0_all & (XCR0_X87 | XCR0_SSE);
}

const void *fpu_xsave_image(const struct fpu_state *s)
{
	return s;
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

	if (!xcr0_all || size < FXSAVE_SIZE + XHEADER_SIZE)
		return -EINVAL;
	if (from->xstate_bv & ~xcr0_all || from->xcomp_bv)
		return -EINVAL;
	for (u32 i = 0; i < ARRAY_SIZE(from->reserved); i++)
		if (from->reserved[i])
			return -EINVAL;
	if (size < size_of(from->xstate_bv))
		return -EINVAL;
	memset(s, 0, state_size);
	memcpy(s, image, MIN(size, state_size));
	s->mxcsr &= mxcsr_mask;
	return 0;
}
