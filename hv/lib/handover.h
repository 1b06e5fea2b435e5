// SPDX-License-Identifier: MIT
/*
 * What the boot stage hands to the hypervisor proper.
 *
 * On the jump: 64-bit mode, interrupts off, DF clear, paging on. The low
 * 4 GiB are mapped one to one with 2 MiB pages, and so is every module that
 * lies higher, both at hv_header.direct as well; the hypervisor is mapped at hv_header.virt_base with 2 MiB
 * pages (writable and executable, so is everything else). CR4 has PAE,
 * OSFXSR and OSXMMEXCPT; EFER has LME, LMA and NXE. RDI holds the physical
 * address of struct handover, RSP a stack in the stage's memory. There is no
 * IDT, and GDT, stack and page tables lie in the stage's memory too.
 *
 * Free once the hypervisor has copied what it needs: all RAM of the map but
 * the hypervisor, the Dom0 kernel and the initrd. The structure, all strings
 * and possibly the RSDP lie inside [stage_maddr, stage_maddr + stage_size).
 */
#ifndef LIB_HANDOVER_H
#define LIB_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#define HV_MAGIC	0x3154454c474e4952ULL /* "RINGLET1" */

#define HANDOVER_RANGES 128

/* The start of the hypervisor's flat binary. */
struct hv_header {
	uint64_t magic;
	uint64_t virt_base; /* of this header; 2 MiB aligned */
	uint64_t direct;    /* where physical address 0 is to be seen */
	uint32_t file_size;
	uint32_t mem_size; /* file and bss; the stage zeroes the rest */
	uint64_t entry;	   /* virtual address */
};

/* E820 types. Any other number from a loader becomes E820_RESERVED. */
enum e820_type {
	E820_RAM = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3,
	E820_NVS = 4,
	E820_UNUSABLE = 5,
};

struct handover_range {
	uint64_t start;
	uint64_t end; /* exclusive */
	uint32_t type;
	uint32_t pad;
};

/* All addresses are physical, all sizes in bytes. */
struct handover {
	uint32_t nr_ranges;
	uint32_t has_vga_text;
	char loader[32]; /* "multiboot1", "multiboot2" or "pvh" */
	uint64_t hv_maddr;
	uint64_t hv_size; /* mem_size, rounded up to 4 KiB */
	uint64_t stage_maddr;
	uint64_t stage_size;
	uint64_t kernel_maddr; /* ELF64, at any alignment; 0 on error */
	uint64_t kernel_size;
	uint64_t kernel_cmdline; /* string, never 0 */
	uint64_t initrd_maddr;
	uint64_t initrd_size; /* 0: there is none */
	uint64_t hv_cmdline;  /* string, never 0 */
	uint64_t rsdp;	      /* 0: not found */
	char error[160];      /* not empty: print it and halt */
	/* Sorted, without overlaps; RAM begins and ends at pages. */
	struct handover_range range[HANDOVER_RANGES];
};

// tools/, hv.lds and boot/header.S know this one too.
_Static_assert(sizeof(struct hv_header) == 40, "hv_header");

#endif
