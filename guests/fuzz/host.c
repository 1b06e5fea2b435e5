// SPDX-License-Identifier: MIT
// `domu` on Dom0's command line: another copy of this image, Dom0's module,
// runs the calls in a domain without rights. Dom0 builds it and looks on.
#include "fuzz/host.h"
#include "lib/cpu.h"
#include "lib/domu.h"

#define ID	  3000
#define MEMORY	  2048ul // pages, which four tables map
#define L1S	  (MEMORY / 512)
#define BASE	  (tables_pfn + L1S + TABLE_LEVELS - 2)
#define MAX_VCPUS 4
#define WINDOW	  3
#define VA(pfn)	  (VIRT_BASE + (uptr)(pfn)*PAGE_SIZE)
#ifdef __x86_64__
#define MAGIC "xen-3.0-x86_64"
#else
#define MAGIC "xen-3.0-x86_32p"
#endif
#define SLOT_OF(va, level) ((va) >> (3 + 9 * (level)) & 511)

extern u8 hypercall_page[], guest_entry[];
static xen_pfn_t frames[MEMORY];
// Behind the image: the list of frames, start info, tables L1 first.
static u64 list_pfn, info_pfn, tables_pfn;

// The parts of an ELF header that a loader needs.
struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	uptr entry, phoff, shoff;
};
struct elf_segment {
#ifdef __x86_64__
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
#else
	u32 type, offset, vaddr, paddr, filesz, memsz, flags, align;
#endif
};

static long control(u32 cmd, struct xen_domctl *op)
{
	op->cmd = cmd;
	op->domain = ID;
	return domctl(op);
}

static bool create(void)
{
	struct xen_domctl op = { .domain = ID };

	op.cmd = XEN_DOMCTL_createdomain;
	op.u.createdomain.max_vcpus = MAX_VCPUS;
	op.u.createdomain.max_evtchn_port = 4095;
	op.u.createdomain.max_grant_frames = 64;
	op.u.createdomain.max_maptrack_frames = 16;
	op.u.createdomain.grant_opts = 2;
	op.u.createdomain.handle[0] = 2;
	if (!CHECK_EQ(domctl(&op), 0))
		return false;
	op.u.address_size.size = WIDTH;
	CHECK_EQ(control(XEN_DOMCTL_set_address_size, &op), 0);
	op.u.max_vcpus.max = MAX_VCPUS;
	CHECK_EQ(control(XEN_DOMCTL_max_vcpus, &op), 0);
	op.u.max_mem.max_memkb = (MEMORY + 64) * 4;
	CHECK_EQ(control(XEN_DOMCTL_max_mem, &op), 0);
	for (u64 pfn = 0; pfn < MEMORY; pfn++)
		frames[pfn] = domain_page(ID, pfn);
	return true;
}

// A page of it, zeroed, to be written here.
static void *page_open(u64 pfn)
{
	void *p = window_at(WINDOW);

	CHECK_EQ(foreign_map(WINDOW, ID, frames[pfn], PTE_RW), 0);
	memset(p, 0, PAGE_SIZE);
	return p;
}

static bool load(void)
{
	const u8 *file = (const u8 *)start_info->mod_start;
	const struct elf_header *h = (const void *)file;
	const struct elf_segment *s = (const void *)(file + h->phoff);

	if (!CHECK(start_info->mod_len > sizeof(*h)) ||
	    !CHECK_EQ(s->vaddr, VIRT_BASE))
		return false;
	for (u64 at = 0; at < s->filesz; at += PAGE_SIZE) {
		u64 n = s->filesz - at < PAGE_SIZE ? s->filesz - at : PAGE_SIZE;

		memcpy(page_open(at / PAGE_SIZE), file + s->offset + at, n);
	}
	list_pfn = virt_to_pfn(guest_end);
	info_pfn = list_pfn + sizeof(frames) / PAGE_SIZE;
	tables_pfn = info_pfn + 1;
	return true;
}

static void write_list(void)
{
	for (u64 i = 0; i < info_pfn - list_pfn; i++)
		memcpy(page_open(list_pfn + i), (u8 *)frames + i * PAGE_SIZE,
		       PAGE_SIZE);
}

// Tables map themselves, read-only, as every other page.
static void write_tables(void)
{
	u64 end = BASE + 1, *t;

	for (u64 i = 0; i < L1S; i++) {
		t = page_open(tables_pfn + i);
		for (u64 j = 0; j < 512; j++) {
			u64 pfn = i * 512 + j;
			bool table = pfn >= tables_pfn && pfn < end;

			t[j] = make_entry(frames[pfn],
					  table ? PTE_RO : PTE_RW | PTE_U);
		}
	}
	t = page_open(tables_pfn + L1S);
	for (u64 i = 0; i < L1S; i++)
		t[SLOT_OF(VIRT_BASE, 2) + i] =
			make_entry(frames[tables_pfn + i], PTE_TABLE);
	for (int level = 3; level <= TABLE_LEVELS; level++) {
		u64 pfn = tables_pfn + L1S + (u64)level - 2;

		t = page_open(pfn);
		t[SLOT_OF(VIRT_BASE, level)] =
			make_entry(frames[pfn - 1], PTE_TABLE);
	}
	window(WINDOW);
}

static void write_info(void)
{
	struct xen_domctl op = { 0 };
	struct start_info *info;

	CHECK_EQ(control(XEN_DOMCTL_getdomaininfo, &op), 0);
	info = page_open(info_pfn);
	memcpy(info->magic, MAGIC, sizeof(MAGIC));
	info->nr_pages = MEMORY;
	info->shared_info = op.u.getdomaininfo.shared_info_frame << 12;
	info->pt_base = VA(BASE);
	info->nr_pt_frames = BASE + 1 - tables_pfn;
	info->mfn_list = VA(list_pfn);
	snprintf((char *)info->cmd_line, sizeof(info->cmd_line),
		 "seed=%" LL "u calls=%" LL "u start=%" LL "u from=%" LL
		 "u domid=%u%s",
		 number_word("seed", 1), number_word("calls", 3000),
		 number_word("start", 0), number_word("from", ~0ul), ID,
		 has_word("race") ? " race" : "");
	window(WINDOW);
}

static void start(void)
{
	static struct vcpu_guest_context c;
	u64 base = frames[BASE];
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE + TABLE_LEVELS -
					1 };
	struct xen_domctl op = { 0 };

	pin.arg1.mfn = base;
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, &pin, 1, NULL, ID), 0);
	op.u.hypercall_init.gmfn = frames[virt_to_pfn(hypercall_page)];
	CHECK_EQ(control(XEN_DOMCTL_hypercall_init, &op), 0);
	domu_context(&c, base);
	c.user_regs.REGISTER(ip) = (uptr)guest_entry;
	c.user_regs.REGISTER(si) = VA(info_pfn);
	c.kernel_sp = VA(info_pfn + 1);
	CHECK_EQ(domu_set_context(ID, &c), 0);
	CHECK_EQ(control(XEN_DOMCTL_unpausedomain, &op), 0);
}

void host_run(void)
{
	long outcome; // its own verdict is on the console
	u64 before;

	my_id = ID; // whom the canary knows
	is_control = true;
	max_frame = ~0ul;
	if (!canary_start())
		return;
	before = frames_count();
	if (!create() || !load())
		return;
	write_list();
	write_tables();
	write_info();
	start();
	do {
		outcome = domu_outcome(ID, 1000 * MS);
		canary_check();
	} while (outcome == DOMU_RUNS && !checks_failed(NULL));
	domain_destroy(ID);
	frames_back(before);
	domains_kept = has_word("race");
	canary_end();
}
