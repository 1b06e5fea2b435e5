// SPDX-License-Identifier: MIT
/*
 * The boot stage: from the loader's information to the hypervisor proper.
 * Everything is read out of the loader's memory first; only the modules are
 * used in place. The hypervisor and the unpacked kernel go as high as possible
 * below 4 GiB, so that the low memory stays in one piece.
 */
#include "lib/string.h"
#include "stage/stage.h"
#include "stage/entry.h"

#define MIB	    0x100000ULL
#define GIB	    0x40000000ULL
#define PAGE_2M	    0x200000ULL
#define PTES	    512
#define PTE_TABLE   0x63 /* dirty, accessed, writable, present */
#define PTE_2M	    0xe3 /* the same, a large page */
#define CMDLINE_MAX 4096

typedef uint64_t page_table[PTES] __attribute__((aligned(4096)));
typedef void (*ctor)(void);

/* entry.S and stage.lds */
extern page_table boot_pml4, boot_pdpt;
extern const struct hv_header hv_blob;
extern const uint8_t stage_begin[], stage_end[];
extern const ctor ctors_begin[], ctors_end[];
_Noreturn void die(const char *text);

uint64_t stage_main(uint32_t magic, uint64_t maddr);
_Noreturn void __stack_chk_fail(void);

struct handover handover;
static struct boot_info info;
static struct memory memory;
static page_table hv_pdpt, hv_pd, high_pd[2 * BOOT_MODULES];
static char hv_cmdline[CMDLINE_MAX], kernel_cmdline[CMDLINE_MAX];

_Noreturn void __stack_chk_fail(void)
{
	die("Ringlet: the boot stage overran its stack. ");
}

/*
 * Where the BIOS keeps the table if it is there, else the loader's copy: the
 * original has the longer life.
 */
static uint64_t find_rsdp(void)
{
	uint64_t ebda = *(const uint16_t *)at(0x40e) * 16ULL;
	const uint8_t *p = NULL;

	if (info.rsdp)
		return info.rsdp;
	if (ebda >= 0x80000 && ebda < 0xa0000)
		p = rsdp_find(at(ebda), 1024);
	if (!p)
		p = rsdp_find(at(0xe0000), 0x20000);
	if (!p && info.rsdp_size)
		p = info.rsdp_copy;
	return (uint64_t)p;
}

/* Ask the BIOS data area if the loader did not tell: mode and columns. */
static bool has_vga_text(void)
{
	uint8_t mode = *(const uint8_t *)at(0x449);
	uint16_t columns = *(const uint16_t *)at(0x44a);

	if (info.vga_known)
		return info.vga_text;
	return (mode == 2 || mode == 3 || mode == 7) && columns == 80;
}

/* Map a module that lies above 4 GiB, one to one. */
static bool map_high(const struct boot_module *mod)
{
	static unsigned used;

	for (uint64_t a = mod->start & ~(GIB - 1); a < mod->end; a += GIB) {
		uint64_t slot = a / GIB;

		if (slot < 4 || (slot < PTES && boot_pdpt[slot]))
			continue;
		if (slot >= PTES || used == 2 * BOOT_MODULES)
			return false;
		for (unsigned i = 0; i < PTES; i++)
			high_pd[used][i] = (a + i * PAGE_2M) | PTE_2M;
		boot_pdpt[slot] = (uint64_t)high_pd[used++] | PTE_TABLE;
	}
	return true;
}

/* Take the loader's information before its memory is used again. */
static void take_info(uint32_t magic, uint64_t maddr)
{
	const char *error = boot_info_parse(magic, maddr, &info);
	const struct boot_module *mod = info.module;

	if (error)
		die(error);
	str_copy(handover.loader, info.loader, sizeof(handover.loader));
	str_copy(hv_cmdline, cmdline_arguments(info.cmdline, info.named),
		 CMDLINE_MAX);
	if (info.nr_modules)
		str_copy(kernel_cmdline,
			 cmdline_arguments(mod[0].cmdline, info.named),
			 CMDLINE_MAX);
	handover.hv_cmdline = (uint64_t)hv_cmdline;
	handover.kernel_cmdline = (uint64_t)kernel_cmdline;
	handover.stage_maddr = (uint64_t)stage_begin;
	handover.stage_size = stage_end - stage_begin;
	handover.rsdp = find_rsdp();
	handover.has_vga_text = has_vga_text();
	if (info.nr_modules > 1) {
		handover.initrd_maddr = mod[1].start;
		handover.initrd_size = mod[1].end - mod[1].start;
	}
}

static void memory_init(void)
{
	handover.nr_ranges = memmap_sanitize(info.range, info.nr_ranges,
					     handover.range, HANDOVER_RANGES);
	if (!handover.nr_ranges)
		die("Ringlet: the memory map has too many ranges. ");
	memory.range = handover.range;
	memory.nr_ranges = handover.nr_ranges;
	memory.limit = 4 * GIB;
	memory_keep(&memory, 0, MIB);
	memory_keep(&memory, handover.stage_maddr,
		    handover.stage_maddr + handover.stage_size);
	for (unsigned i = 0; i < BOOT_MODULES; i++)
		memory_keep(&memory, info.module[i].start, info.module[i].end);
}

/* Place and map the hypervisor. Returns its entry. */
static uint64_t load_hv(void)
{
	const struct hv_header *hv = &hv_blob;
	uint64_t maddr = memory_take(&memory, hv->mem_size, PAGE_2M);
	unsigned pages = (hv->mem_size + PAGE_2M - 1) / PAGE_2M;

	if (hv->magic != HV_MAGIC || hv->file_size > hv->mem_size)
		die("Ringlet: the image is damaged; install it again. ");
	if (!maddr)
		die("Ringlet: no room for the hypervisor below 4 GiB. ");
	memcpy(at(maddr), hv, hv->file_size);
	memset(at(maddr + hv->file_size), 0, hv->mem_size - hv->file_size);
	handover.hv_maddr = maddr;
	handover.hv_size = (hv->mem_size + 4095) & ~4095ULL;

	for (unsigned i = 0; i < pages; i++)
		hv_pd[hv->virt_base / PAGE_2M % PTES + i] =
			(maddr + i * PAGE_2M) | PTE_2M;
	hv_pdpt[hv->virt_base / GIB % PTES] = (uint64_t)hv_pd | PTE_TABLE;
	boot_pml4[hv->virt_base / GIB / PTES % PTES] =
		(uint64_t)hv_pdpt | PTE_TABLE;
	boot_pml4[hv->direct / GIB / PTES % PTES] = boot_pml4[0];
	return hv->entry;
}

/* The decompressors get the largest piece of memory that is left. */
static void heap_place(void)
{
	struct span best = { 0, 0 }, s = { 0, 0 };

	while ((s = memory_next(&memory, s.end)).end)
		if (s.end - s.start > best.end - best.start)
			best = s;
	heap_init(best.start, best.end);
}

/* Unpack what needs it. Returns NULL, or a text that says what is wrong. */
static const char *load_kernel(const struct boot_module *mod)
{
	const char *error;
	struct packed p;

	if (!info.nr_modules)
		return "Dom0 kernel: there is none; name a Linux kernel as "
		       "first module in the boot entry";
	if (!map_high(&mod[0]) || !map_high(&mod[1]))
		return "Dom0 kernel: the modules lie beyond the stage's reach; "
		       "use another boot loader";
	error = image_find_kernel(at(mod->start), mod->end - mod->start, &p);
	if (error)
		return error;
	handover.kernel_maddr = (uint64_t)p.data;
	handover.kernel_size = p.unpacked_size;
	if (p.format == PACK_NONE)
		return NULL;

	handover.kernel_maddr = memory_take(&memory, p.unpacked_size, 4096);
	if (!handover.kernel_maddr)
		return "Dom0 kernel: memory is too small to unpack it; give "
		       "the machine more";
	heap_place();
	return unpack(&p, at(handover.kernel_maddr));
}

uint64_t stage_main(uint32_t magic, uint64_t maddr)
{
	const char *error;
	uint64_t entry;

	for (const ctor *c = ctors_begin; c < ctors_end; c++)
		(*c)();
	take_info(magic, maddr);
	memory_init();
	entry = load_hv();
	error = load_kernel(info.module);
	if (error) {
		str_copy(handover.error, error, sizeof(handover.error));
		handover.kernel_maddr = handover.kernel_size = 0;
	}
	return entry;
}
