// SPDX-License-Identifier: MIT
#ifndef TRAPS_TRAPS_H
#define TRAPS_TRAPS_H

#define FLAG_CF	  0x1ul
#define FLAG_TF	  0x100ul
#define FLAG_IF	  0x200ul
#define FLAG_DF	  0x400ul
#define FLAG_IOPL 0x3000ul
#define FLAG_NT	  0x4000ul
#define FLAG_RF	  0x10000ul
#define FLAG_VM	  0x20000ul
#define FLAG_AC	  0x40000ul
#define FLAG_VIF  0x80000ul
#define FLAG_VIP  0x100000ul
#define FLAG_ID	  0x200000ul

// Its RPL is 0 when the frame was made in kernel mode.
#define KERNEL_CS_IN_FRAME (FLAT_KERNEL_CS & ~3ul)
#define NON_CANONICAL	   0x8000000000000000

extern u64 seen_rsp;

#endif
