// SPDX-License-Identifier: MIT
// The way from pv/'s entry to the hypercall table above it (up-call 6).
#ifndef PV_HYPERCALL_H
#define PV_HYPERCALL_H

#include "x86/regs.h"

// One hypercall of the running guest: number in RAX, arguments in RDI, RSI,
// RDX, R10, R8; result to RAX.
void hypercall(struct cpu_regs *regs);

#endif
