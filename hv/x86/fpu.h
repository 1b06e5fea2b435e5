// SPDX-License-Identifier: MIT
// The guest's floating-point and vector registers. They are switched eagerly:
// whoever loses a CPU saves, whoever gets it loads. The owner of a state gives
// 64-byte aligned zeroed memory of fpu_state_size() bytes (at most a page)
// and calls fpu_reset() on it.
#ifndef X86_FPU_H
#define X86_FPU_H

#include "lib/types.h"

struct fpu_state;

#define XCR0_X87    0x001UL
#define XCR0_SSE    0x002UL
#define XCR0_AVX    0x004UL
#define XCR0_AVX512 0x0e0UL

// Sets CR4 and XCR0 of this CPU; the first call decides what all use.
void fpu_init_cpu(void);
u32 fpu_state_size(void);
// What a guest may set in XCR0; 0 without XSAVE.
u64 fpu_xcr0_mask(void);
// 0 or -EINVAL, by the manual's rules for XSETBV.
int fpu_check_xcr0(u64 xcr0);
// Loads a checked XCR0 that the running guest has just set.
void fpu_set_xcr0(u64 xcr0);

void fpu_reset(struct fpu_state *s);
// Both clear CR0.TS; interrupts off or the caller's own CPU and state. After
// fpu_load the hardware's XCR0 is xcr0.
void fpu_save(struct fpu_state *s);
void fpu_load(const struct fpu_state *s, u64 xcr0);

// The FXSAVE image of struct vcpu_guest_context. What a guest or tool gives
// is made loadable.
void fpu_get_fxsave(const struct fpu_state *s, void *image);
void fpu_set_fxsave(struct fpu_state *s, const void *image);
// The whole XSAVE image, fpu_state_size() bytes (domctl get/setvcpuextstate).
// -EINVAL: a component that this machine has not, a bad header, a size that
// does not hold what the header names. The image is the caller's copy.
const void *fpu_xsave_image(const struct fpu_state *s);
int fpu_set_xsave(struct fpu_state *s, const void *image, u32 size);

#endif
