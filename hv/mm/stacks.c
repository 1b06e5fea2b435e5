// SPDX-License-Identifier: MIT
// A CPU's stack block, its copy of the per-CPU variables and its GDT page.
#include "lib/errno.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "mm/private.h"
#include "x86/desc.h"
#include "x86/percpu.h"

// Pages of the block that exist; the others are guards.
#define STACK_PAGES                                                      \
	(BIT(STACK_PAGE_DF) | BIT(STACK_PAGE_MC) | BIT(STACK_PAGE_NMI) | \
	 BIT(STACK_PAGE_DB) | 0xfUL << STACK_PAGE_MAIN)

int cpu_prepare(unsigned int cpu)
{
	u64 block = STACKS_START + (u64)cpu * STACK_SIZE;
	u64 *gdt_page = hvpages_alloc(0);

	if (!gdt_page)
		return -ENOMEM;
	for (unsigned int i = 0; i < STACK_SIZE / PAGE_SIZE; i++) {
		void *p;

		if (!(STACK_PAGES >> i & 1))
			continue;
		p = hvpages_alloc(0);
		if (!p || hv_map(block + i * PAGE_SIZE, virt_to_maddr(p),
				 PAGE_SIZE, HV_RW))
			return -ENOMEM;
	}
	// CPU 0 uses the section itself.
	if (cpu) {
		char *area = heap_alloc((u64)(__percpu_end - __percpu_start));

		if (!area)
			return -ENOMEM;
		percpu_offset[cpu] = (u64)area - (u64)__percpu_start;
	}
	desc_prepare_cpu(cpu, gdt_page);
	return 0;
}
