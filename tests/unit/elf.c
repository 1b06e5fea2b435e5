// SPDX-License-Identifier: MIT
// lib/elf.c with a small image of a Linux-like kernel; also cut off at each
// byte and with random damage, in a block of memory of just its size.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define HOST_TEST
#include "lib/types.h"
#include "../../hv/lib/elf.c"
#include "unit.h"

#define BASE 0xffffffff80000000UL

static u8 image[2048];
static u64 image_size;
static struct elf_image img;
static const char *why;

static u64 append(const void *data, u64 n)
{
	u64 at = image_size;

	memcpy(image + at, data, n);
	image_size = ROUND_UP(at + n, 4);
	return at;
}

static void note(u32 type, const void *desc, u32 n)
{
	Elf64_Nhdr h = { 4, n, type };

	append(&h, sizeof(h));
	append("Xen", 4);
	append(desc, n);
}

static void number(u32 type, u64 v)
{
	note(type, &v, 8);
}

static void string(u32 type, const char *s)
{
	note(type, s, (u32)strlen(s) + 1);
}

static void notes(const char *features)
{
	u32 supported = 1u << XENFEAT_dom0, one = 1;

	string(XEN_ELFNOTE_GUEST_OS, "linux");
	string(XEN_ELFNOTE_GUEST_VERSION, "2.6");
	string(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	string(XEN_ELFNOTE_LOADER, "generic");
	number(XEN_ELFNOTE_VIRT_BASE, BASE);
	number(XEN_ELFNOTE_ENTRY, BASE + 0x1000100);
	number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1001000);
	number(XEN_ELFNOTE_INIT_P2M, 0x8000000000UL);
	number(XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000UL);
	string(XEN_ELFNOTE_FEATURES, features);
	note(XEN_ELFNOTE_SUPPORTED_FEATURES, &supported, 4);
	note(XEN_ELFNOTE_MOD_START_PFN, &one, 4);
}

// Two segments, the second with virtual address 0, and one of notes.
static void build(const char *features)
{
	Elf64_Ehdr eh = { .e_type = ET_EXEC,
			  .e_machine = EM_X86_64,
			  .e_phoff = sizeof(eh),
			  .e_phentsize = 56,
			  .e_phnum = 3,
			  .e_entry = 7 };
	Elf64_Phdr ph[3] = {
		{ .p_type = PT_LOAD,
		  .p_vaddr = BASE + 0x1000000,
		  .p_paddr = 0x1000000,
		  .p_filesz = 64,
		  .p_memsz = 0x2000 },
		{ .p_type = PT_LOAD,
		  .p_paddr = 0x1002000,
		  .p_filesz = 16,
		  .p_memsz = 0x1000 },
		{ .p_type = PT_NOTE },
	};
	u64 at;

	memcpy(eh.e_ident, "\177ELF\2\1\1", 7);
	image_size = sizeof(eh) + sizeof(ph);
	at = image_size;
	notes(features);
	ph[2].p_offset = at;
	ph[2].p_filesz = image_size - at;
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), ph, sizeof(ph));
}

static void good(void)
{
	build("!writable_page_tables|pae_pgdir_above_4gb|else");
	CHECK(!elf_parse(&img, image, image_size, &why) && !why);
	CHECK(img.nr_segments == 2);
	CHECK(img.entry == BASE + 0x1000100);
	CHECK(img.virt_start == BASE + 0x1000000);
	CHECK(img.virt_end == BASE + 0x1003000);
	CHECK(img.segment[1].vaddr == BASE + 0x1002000);
	CHECK(img.init_p2m == 0x8000000000UL);
	CHECK(img.hypercall_page == BASE + 0x1001000 && img.mod_start_pfn == 1);
	CHECK(!strcmp(img.guest_os, "linux"));
	CHECK(!strcmp(img.loader, "generic"));
}

static void bad(void)
{
	build("!else");
	CHECK(elf_parse(&img, image, image_size, &why) == -EINVAL && why);
	build("dom0");
	image[EI_CLASS] = ELFCLASS32;
	CHECK(elf_parse(&img, image, image_size, &why) == -EINVAL && why);
	image[EI_CLASS] = ELFCLASS64;
	CHECK(!elf_parse(&img, image, image_size, &why));
	image[64 + 24 + 3] = image[64 + 56 + 24 + 3] = 0; // entry is outside
	CHECK(elf_parse(&img, image, image_size, &why) == -EINVAL && why);
	build("dom0");
	image[64 + 2 * 56 + 32] = 40; // hardly a note: no VIRT_BASE
	image[64 + 2 * 56 + 33] = 0;
	CHECK(elf_parse(&img, image, image_size, &why) == -EINVAL && why);
	CHECK(img.virt_base == ELF_NONE && img.init_p2m == ELF_NONE);
}

static void cut_off(void)
{
	build("dom0");
	for (u64 n = 0; n < image_size; n++) {
		u8 *copy = malloc(n);

		memcpy(copy, image, n);
		CHECK(!elf_parse(&img, copy, n, &why) == !why);
		free(copy);
	}
}

static void damaged(void)
{
	u8 *copy;

	for (unsigned i = 0; i < 100000; i++) {
		build("!dom0|pae_pgdir_above_4gb");
		copy = malloc(image_size);
		memcpy(copy, image, image_size);
		for (unsigned k = 1 + (unsigned)rand() % 6; k; k--)
			copy[(u64)rand() % (k & 1 ? 240 : image_size)] =
				rand() % 2 ? (u8)rand() : 0xff;
		CHECK(!elf_parse(&img, copy, image_size, &why) == !why);
		for (u32 k = 0; !why && k < img.nr_segments; k++)
			CHECK(img.segment[k].file_size <= image_size);
		free(copy);
	}
}

UNIT_MAIN(UNIT(good), UNIT(bad), UNIT(cut_off), UNIT(damaged))
