/* SPDX-License-Identifier: MIT */
/* Numbers that entry.S and the C code share. */
#ifndef STAGE_ENTRY_H
#define STAGE_ENTRY_H

#define BOOT_MAGIC_MB1 0x2badb002
#define BOOT_MAGIC_MB2 0x36d76289
#define BOOT_MAGIC_PVH 0x336ec578

#define STACK_SIZE     32768

#endif
