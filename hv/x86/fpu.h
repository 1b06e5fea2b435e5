// SPDX-License-Identifier: MIT
// The guest's floating-point and vector registers. They are switched eagerly:
// whoever loses a CPU saves, whoever gets it loads. The owner of a state gives
// 64-byte aligned zeroed memory of fpu_state_size bytes (at most a page)
// and calls fpu_reset() on it.
#ifndef X86_FPU_H
#define X86_FPU_H

struct fpu_state;

#define XCR0_X87    0x001UL
#define XCR0_SSE    0x002UL
#define XCR0_AVX    0x004UL
#define XCR0_AVX512 0x0e0UL

// Boot CPU, its control registers set: finds the two values below.
void fpu_init(void);
extern u64 fpu_xcr0_mask; // what a guest may set in XCR0; 0 without XSAVE
extern u32 fpu_state_size;
// 0 or -EINVAL, by the manual's rules for XSETBV.
int fpu_check_xcr0(u64 xcr0);
// Loads a checked XCR0, where there is one: fpu_xcr0_mask on each further CPU,
// later what the running guest has just set.
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
// The state is an XSAVE image of fpu_state_size bytes (domctl
// get/setvcpuextstate). -EINVAL: a component that this machine has not, a bad header, a size that
// does not hold what the header names. The image is the caller's copy.
int fpu_set_xsave(struct fpu_state *s, const void *image, u32 size);

#endif
