// SPDX-License-Identifier: MIT
// ELF images of guest kernels and their Xen notes (public header elfnote.h).
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include "lib/types.h"

#define ELF_MAX_SEGMENTS 16

struct elf_segment {
	u64 vaddr; // paddr - PADDR_OFFSET + VIRT_BASE
	u64 paddr; // as in the header
	u64 offset, file_size, mem_size;
};

#define ELF_NONE (~0UL) // a number that no note gives

// What a PV kernel's notes say.
struct elf_image {
	const u8 *data;
	u64 size;
	bool pv32; // ELF32: a 32-bit kernel
	u64 entry; // XEN_ELFNOTE_ENTRY, else e_entry
	u32 nr_segments;
	struct elf_segment segment[ELF_MAX_SEGMENTS]; // PT_LOAD
	char guest_os[32], guest_version[32], loader[16], xen_version[16];
	u64 virt_base, hypercall_page, init_p2m; // ELF_NONE: not there
	u64 paddr_offset, mod_start_pfn;	 // 0: not there
	u64 virt_start, virt_end; // of all segments, as virtual addresses
};

// 0, or -EINVAL with *why set to a sentence for the user. Checks every offset
// and size against `size`; data is read only inside of it.
int elf_parse(struct elf_image *img, const void *data, u64 size,
	      const char **why);

#endif
