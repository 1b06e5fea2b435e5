// SPDX-License-Identifier: MIT
// The code as this machine needs it: written once, at boot, before other CPUs
// run.
#ifndef X86_PATCH_H
#define X86_PATCH_H

#include "lib/types.h"
// Without SMAP: turns its instructions into NOPs.
void smap_remove(void);
// From here on the ways in load cpu_info's cr3_hv.
void isolate_entries(void);

// spec-ctrl= (docs/speculation.md): what an indirect branch goes through, and
// whether returns have a place of their own; -1: as the processor needs it.
enum bti_thunk { THUNK_RETPOLINE, THUNK_LFENCE, THUNK_JMP };
extern enum bti_thunk opt_bti_thunk;
extern s8 opt_return_thunk;
// After cpuid_init_msrs().
void branches_choose(void);

#endif
