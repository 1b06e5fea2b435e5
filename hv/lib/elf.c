// SPDX-License-Identifier: MIT
// The input is a guest's: every offset and size is checked against the file,
// and headers are copied out because the file may lie at any alignment.
#include "lib/elf.h"
#include "lib/abi.h"
#include "lib/errno.h"
#include "lib/string.h"
#include <elf.h>
#include <xen/elfnote.h>

#define MAX_PHDRS 64
#define MAX_NOTES 256

// Where notes lie; bounds checked by the holder.
struct notes {
	const u8 *data;
	u64 size;
};

static bool read_at(const struct elf_image *img, u64 off, void *to, u64 n)
{
	if (off > img->size || n > img->size - off)
		return false;
	memcpy(to, img->data + off, n);
	return true;
}

// The XENFEAT_* that a FEATURES note may require.
static const char *const features[] = {
	"writable_page_tables",	   "writable_descriptor_tables",
	"auto_translated_physmap", "supervisor_mode_kernel",
	"pae_pgdir_above_4gb",	   "dom0",
};

// "a|!b|c": false when one with '!', which is required, is not known.
static bool features_known(const char *s, u64 size)
{
	u64 len, end = strnlen(s, size);

	for (u64 at = 0; at < end; at += len + 1) {
		bool good = s[at] != '!';

		for (len = 0; at + len < end && s[at + len] != '|'; len++)
			;
		for (u32 i = 0; i < ARRAY_SIZE(features) && !good; i++)
			good = strlen(features[i]) == len - 1 &&
			       !memcmp(features[i], s + at + 1, len - 1);
		if (!good)
			return false;
	}
	return true;
}

static void note_string(char *to, u64 room, struct notes desc)
{
	u64 n = MIN(strnlen((const char *)desc.data, desc.size), room - 1);

	memcpy(to, desc.data, n);
	to[n] = 0;
}

static u64 note_number(struct notes desc)
{
	u64 v = 0;

	if (desc.size == 4 || desc.size == 8)
		memcpy(&v, desc.data, desc.size);
	return v;
}

// Notes that fill one field with a text or a number.
#define NOTE(type, text, field)                                              \
	{                                                                    \
		XEN_ELFNOTE_##type, text, offsetof(struct elf_image, field), \
			sizeof(((struct elf_image *)NULL)->field)            \
	}

static const struct {
	u8 type;
	bool text;
	u16 field, size;
} simple_notes[] = {
	NOTE(GUEST_OS, true, guest_os),
	NOTE(GUEST_VERSION, true, guest_version),
	NOTE(LOADER, true, loader),
	NOTE(XEN_VERSION, true, xen_version),
	NOTE(ENTRY, false, entry),
	NOTE(VIRT_BASE, false, virt_base),
	NOTE(PADDR_OFFSET, false, paddr_offset),
	NOTE(HYPERCALL_PAGE, false, hypercall_page),
	NOTE(INIT_P2M, false, init_p2m),
	NOTE(MOD_START_PFN, false, mod_start_pfn),
};

static void simple_note(struct elf_image *img, u32 i, struct notes desc)
{
	u8 *field = (u8 *)img + simple_notes[i].field;

	if (simple_notes[i].text)
		note_string((char *)field, simple_notes[i].size, desc);
	else
		*(u64 *)field = note_number(desc);
}

static bool xen_note(struct elf_image *img, u32 type, struct notes desc)
{
	for (u32 i = 0; i < ARRAY_SIZE(simple_notes); i++)
		if (simple_notes[i].type == type)
			simple_note(img, i, desc);
	return type != XEN_ELFNOTE_FEATURES ||
	       features_known((const char *)desc.data, desc.size);
}

// False when the image asks for a feature nobody knows. What is cut off at
// the end of the area is no note.
static bool parse_notes(struct elf_image *img, struct notes area)
{
	struct notes desc;
	Elf64_Nhdr n;
	u64 at = 0, name;

	for (u32 i = 0; i < MAX_NOTES && area.size - at >= sizeof(n); i++) {
		memcpy(&n, area.data + at, sizeof(n));
		name = at + sizeof(n);
		at = name + ROUND_UP((u64)n.n_namesz, 4);
		if (at > area.size || n.n_descsz > area.size - at)
			break;
		desc.data = area.data + at;
		desc.size = n.n_descsz;
		if (n.n_namesz == 4 && !memcmp(area.data + name, "Xen", 4) &&
		    !xen_note(img, n.n_type, desc))
			return false;
		at = MIN(at + ROUND_UP((u64)n.n_descsz, 4), area.size);
	}
	return true;
}

// A note area by offset and size; what is not in the file has no notes.
static bool notes_at(struct elf_image *img, u64 off, u64 size)
{
	if (off > img->size || size > img->size - off)
		return true;
	return parse_notes(img, (struct notes){ img->data + off, size });
}

static const char *add_segment(struct elf_image *img, const Elf64_Phdr *ph)
{
	if (!ph->p_memsz)
		return NULL;
	if (img->nr_segments == ELF_MAX_SEGMENTS)
		return "too many segments in the kernel's ELF header";
	if (ph->p_offset > img->size ||
	    ph->p_filesz > img->size - ph->p_offset ||
	    ph->p_filesz > ph->p_memsz ||
	    ph->p_paddr + ph->p_memsz < ph->p_paddr)
		return "a segment of the kernel is not inside its file";
	img->segment[img->nr_segments++] = (struct elf_segment){
		.vaddr = ph->p_vaddr,
		.paddr = ph->p_paddr,
		.offset = ph->p_offset,
		.file_size = ph->p_filesz,
		.mem_size = ph->p_memsz,
	};
	return NULL;
}

// What the headers of both classes have, as that of 64 bits.
#define EHDR_FIELDS(F) \
	F(e_type) F(e_machine) F(e_entry) F(e_phoff) F(e_phentsize) F(e_phnum)
#define PHDR_FIELDS(F) \
	F(p_type) F(p_offset) F(p_vaddr) F(p_paddr) F(p_filesz) F(p_memsz)

static bool header_read(const struct elf_image *img, Elf64_Ehdr *eh)
{
	Elf32_Ehdr n;

	if (!img->pv32)
		return read_at(img, 0, eh, sizeof(*eh));
	if (!read_at(img, 0, &n, sizeof(n)))
		return false;
#define F(field) eh->field = n.field;
	EHDR_FIELDS(F)
#undef F
	return true;
}

static bool phdr_read(const struct elf_image *img, u64 at, Elf64_Phdr *ph)
{
	Elf32_Phdr n;

	if (!img->pv32)
		return read_at(img, at, ph, sizeof(*ph));
	if (!read_at(img, at, &n, sizeof(n)))
		return false;
#define F(field) ph->field = n.field;
	PHDR_FIELDS(F)
#undef F
	return true;
}

static const char *program_headers(struct elf_image *img, const Elf64_Ehdr *eh)
{
	u64 size = img->pv32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
	const char *why = NULL;
	Elf64_Phdr ph;

	if (eh->e_phentsize != size || eh->e_phnum > MAX_PHDRS ||
	    eh->e_phoff > img->size)
		return "the kernel's program headers are damaged";
	for (u32 i = 0; i < eh->e_phnum && !why; i++) {
		if (!phdr_read(img, eh->e_phoff + i * size, &ph))
			return "the kernel's program headers are cut off";
		if (ph.p_type == PT_LOAD)
			why = add_segment(img, &ph);
		else if (ph.p_type == PT_NOTE &&
			 !notes_at(img, ph.p_offset, ph.p_filesz))
			why = "the kernel requires an unknown feature";
	}
	if (!why && !img->nr_segments)
		why = "the kernel has nothing to load";
	return why;
}

// An address that may be left out, else lies in the kernel.
static bool inside(const struct elf_image *img, u64 va)
{
	return va == ELF_NONE || (va >= img->virt_start && va < img->virt_end);
}

// Where segments run: by physical address, since Linux' per-CPU segment has
// virtual address 0 (public header elfnote.h, PADDR_OFFSET and VIRT_BASE).
static const char *place(struct elf_image *img)
{
	u64 shift = img->virt_base - img->paddr_offset, end;

	if (img->virt_base == ELF_NONE || strcmp(img->loader, "generic"))
		return "it lacks the Xen notes VIRT_BASE or LOADER; use a "
		       "kernel with Xen PV support (CONFIG_XEN_PV)";
	img->virt_start = ~0UL;
	for (u32 i = 0; i < img->nr_segments; i++) {
		img->segment[i].vaddr = img->segment[i].paddr + shift;
		end = img->segment[i].vaddr + img->segment[i].mem_size;
		if (end < img->segment[i].vaddr)
			return "the kernel's segments wrap around";
		img->virt_start = MIN(img->virt_start, img->segment[i].vaddr);
		img->virt_end = MAX(img->virt_end, end);
	}
	if (img->virt_start < img->virt_base)
		return "it is linked below its VIRT_BASE";
	if (img->entry == ELF_NONE || !inside(img, img->entry))
		return "the kernel's entry point is outside of it";
	if (!inside(img, img->hypercall_page) ||
	    (img->hypercall_page != ELF_NONE &&
	     img->hypercall_page % PAGE_SIZE))
		return "the kernel's hypercall page is outside of it";
	if (img->xen_version[0] && strcmp(img->xen_version, "xen-3.0"))
		return "the kernel is for another version of the Xen ABI";
	return NULL;
}

static const char *parse(struct elf_image *img)
{
	u8 ident[] = { ELFMAG0,	   ELFMAG1,	ELFMAG2,   ELFMAG3,
		       ELFCLASS64, ELFDATA2LSB, EV_CURRENT };
	u8 found[sizeof(ident)];
	const char *why;
	Elf64_Ehdr eh;

	if (!read_at(img, 0, found, sizeof(found)))
		return "the kernel is not an ELF image";
	img->pv32 = found[EI_CLASS] == ELFCLASS32;
	if (img->pv32)
		ident[EI_CLASS] = ELFCLASS32;
	if (memcmp(found, ident, sizeof(ident)) || !header_read(img, &eh))
		return "the kernel is not an ELF image";
	if ((eh.e_type != ET_EXEC && eh.e_type != ET_DYN) ||
	    eh.e_machine != (img->pv32 ? EM_386 : EM_X86_64))
		return "the kernel is not a program for x86";
	img->entry = eh.e_entry;
	why = program_headers(img, &eh);
	return why ? why : place(img);
}

int elf_parse(struct elf_image *img, const void *data, u64 size,
	      const char **why)
{
	*img = (struct elf_image){ .data = data,
				   .size = size,
				   .virt_base = ELF_NONE,
				   .hypercall_page = ELF_NONE,
				   .init_p2m = ELF_NONE };
	*why = parse(img);
	return *why ? -EINVAL : 0;
}
