// SPDX-License-Identifier: MIT
// Dom0's builder: lays the kernel out as the public header xen.h ("start of
// day memory layout") and the kernel's notes ask, and makes its first vcpu.
#include "boot/boot.h"
#include "call/compat.h"
#include "con/con.h"
#include "evtchn/evtchn.h"
#include "lib/elf.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "pv/pv.h"
#include "pv/tables.h"
#include "sched/sched.h"
#include "x86/platform.h"
#include "x86/pte.h"
#include "x86/softirq.h"

#define MB4 (4UL << 20)

// Virtual addresses, and frame numbers of the domain (pfn).
struct dom0_layout {
	u64 base, end; // the mapped region; base is pfn 0
	u64 initrd;    // when mapped
	u64 p2m, p2m_bytes;
	u64 start_info, tables, nr_tables, stack;
	u64 p2m_pfn, p2m_frames; // list and its tables outside of the region
	u64 initrd_pfn;
	u64 frames;	// all of the above
	u64 mfn;	// of pfn 0
	u64 next_table; // pfn of the next frame that map_page() takes
	bool initrd_mapped, p2m_outside;
	bool pv32; // PAE tables, a list of 4 bytes a frame
};

static __init unsigned int levels(const struct dom0_layout *l)
{
	return l->pv32 ? 3 : 4;
}

// Tables needed to map [from, to) with 4 KiB pages, base table excluded.
static __init u64 tables_for(const struct dom0_layout *l, u64 from, u64 to)
{
	u64 n = 0;

	for (unsigned int shift = 21; shift < 3 + 9 * levels(l) + 9; shift += 9)
		n += ((to - 1) >> shift) - (from >> shift) + 1;
	return n;
}

static __init void layout_make(struct dom0_layout *l,
			       const struct elf_image *img,
			       const struct handover *h, u64 frames)
{
	u64 va = ROUND_UP(img->virt_end, PAGE_SIZE), n, tables = 1;

	l->base = img->virt_base;
	l->pv32 = img->pv32;
	l->initrd_mapped = h->initrd_size && !img->mod_start_pfn;
	if (l->initrd_mapped) {
		l->initrd = va;
		va += ROUND_UP(h->initrd_size, PAGE_SIZE);
	}
	l->p2m_bytes = ROUND_UP(frames * (l->pv32 ? 4 : 8), PAGE_SIZE);
	l->p2m_outside = img->init_p2m != ELF_NONE;
	l->p2m = l->p2m_outside ? img->init_p2m : va;
	if (!l->p2m_outside)
		va += l->p2m_bytes;
	l->start_info = va;
	l->tables = va + PAGE_SIZE;
	// The tables map themselves: the number settles in a few rounds. Past
	// the end of the address space it falls, and is refused as too large.
	do {
		n = tables;
		l->stack = l->tables + n * PAGE_SIZE;
		l->end = ROUND_UP(l->stack + PAGE_SIZE + (512UL << 10), MB4);
		tables = 1 + tables_for(l, l->base, l->end);
	} while (tables > n);
	l->nr_tables = tables;
	// Behind the mapped region: the p2m list with its tables, the initrd.
	l->p2m_pfn = (l->end - l->base) >> PAGE_SHIFT;
	l->p2m_frames =
		l->p2m_outside
			? (l->p2m_bytes >> PAGE_SHIFT) +
				  tables_for(l, l->p2m, l->p2m + l->p2m_bytes)
			: 0;
	l->initrd_pfn = l->initrd_mapped ? (l->initrd - l->base) >> PAGE_SHIFT
					 : l->p2m_pfn + l->p2m_frames;
	l->frames = l->p2m_pfn + l->p2m_frames +
		    (l->initrd_mapped ? 0 : PAGES_UP(h->initrd_size));
}

static __init bool span_possible(const struct dom0_layout *l, u64 from, u64 to)
{
	return from < to && va_is_guest(from) && va_is_guest(to - 1) &&
	       (!l->pv32 || to <= HOLE32_START);
}

// Whole pages, all where guests may be; a p2m list of its own address apart.
static __init bool layout_possible(const struct dom0_layout *l,
				   const struct elf_image *img)
{
	u64 p2m_end = l->p2m + l->p2m_bytes;

	return !((l->base | l->p2m) % PAGE_SIZE) &&
	       img->virt_end <= l->start_info && l->start_info < l->end &&
	       span_possible(l, l->base, l->end) &&
	       span_possible(l, l->p2m, p2m_end) &&
	       (!l->p2m_outside || l->p2m >= l->end || p2m_end <= l->base);
}

// The layout's frames in one piece, so that pfn and mfn differ by a constant.
static __init void frames_first(struct dom0_layout *l, struct domain *d)
{
	unsigned int order = 0;
	struct page_info *pg;
	u64 n;

	while (1UL << order < l->frames)
		order++;
	pg = frames_alloc(order, l->pv32 ? 32 : 0, ALLOC_NOSCRUB);
	if (!pg)
		boot_fail("Dom0 needs %lu MiB of contiguous memory to start; "
			  "give the machine more",
			  1UL << order >> 8);
	l->mfn = mfn_val(page_to_mfn(pg));
	for (n = 0; n < l->frames; n++)
		if (page_assign(&d->account, pg + n, 0))
			boot_fail("Dom0's first frames");
	for (; n < 1UL << order; n++)
		frames_free(pg + n, 0);
}

static __init void *frame_of(const struct dom0_layout *l, u64 pfn_)
{
	return maddr_to_virt((l->mfn + pfn_) << PAGE_SHIFT);
}

static __init void *virt_of(const struct dom0_layout *l, u64 va)
{
	return (char *)frame_of(l, 0) + (va - l->base);
}

static __init void p2m_entry(const struct dom0_layout *l, u64 pfn_, u64 m)
{
	void *list =
		l->p2m_outside ? frame_of(l, l->p2m_pfn) : virt_of(l, l->p2m);

	if (l->pv32)
		((u32 *)list)[pfn_] = (u32)m;
	else
		((u64 *)list)[pfn_] = m;
	m2p_set(mfn(m), pfn_);
}

// The rest of its memory, in pieces as large as there are.
static __init u64 frames_rest(struct dom0_layout *l, struct domain *d, u64 want)
{
	unsigned int order = MAX_ORDER;
	u64 pfn_ = 0;

	for (; pfn_ < l->frames; pfn_++)
		p2m_entry(l, pfn_, l->mfn + pfn_);
	while (pfn_ < want) {
		struct page_info *pg = NULL;

		if (1UL << order <= want - pfn_)
			pg = frames_alloc(order, 0, ALLOC_NOSCRUB);
		if (!pg) {
			if (!order)
				break;
			order--;
			continue;
		}
		if (page_assign(&d->account, pg, order))
			boot_fail("Dom0's frames");
		for (u64 i = 0; i < 1UL << order; i++)
			p2m_entry(l, pfn_++, mfn_val(page_to_mfn(pg)) + i);
	}
	return pfn_;
}

static __init void kernel_load(const struct dom0_layout *l,
			       const struct elf_image *img)
{
	for (unsigned int i = 0; i < img->nr_segments; i++) {
		const struct elf_segment *s = &img->segment[i];
		char *to = virt_of(l, s->vaddr);

		memcpy(to, img->data + s->offset, s->file_size);
		memset(to + s->file_size, 0, s->mem_size - s->file_size);
	}
	// Kernels of today may make their hypercalls themselves.
	if (img->hypercall_page != ELF_NONE)
		hypercall_page_fill(virt_of(l, img->hypercall_page), l->pv32);
}

static __init void map_page(struct dom0_layout *l, u64 va, u64 entry)
{
	u64 *t = virt_of(l, l->tables);

	for (unsigned int level = levels(l); level > 1; level--) {
		u64 *e = &t[pte_index(va, level)];

		if (!(*e & PTE_P)) {
			u64 pfn_ = l->next_table++;

			memset(frame_of(l, pfn_), 0, PAGE_SIZE);
			*e = pte_make(mfn(l->mfn + pfn_),
				      PTE_P | PTE_W | PTE_U | PTE_A | PTE_D);
		}
		t = maddr_to_virt(*e & PTE_ADDR);
	}
	t[pte_index(va, 1)] = entry;
}

static __init void tables_make(struct dom0_layout *l)
{
	u64 rw = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	u64 first = (l->tables - l->base) >> PAGE_SHIFT;

	memset(frame_of(l, first), 0, PAGE_SIZE);
	l->next_table = first + 1;
	for (u64 va = l->base; va < l->end; va += PAGE_SIZE) {
		u64 pfn_ = (va - l->base) >> PAGE_SHIFT;
		bool table = pfn_ - first < l->nr_tables;

		map_page(
			l, va,
			pte_make(mfn(l->mfn + pfn_), table ? rw & ~PTE_W : rw));
	}
	if (!l->p2m_outside)
		return;
	l->next_table = l->p2m_pfn + (l->p2m_bytes >> PAGE_SHIFT);
	for (u64 i = 0; i < l->p2m_bytes >> PAGE_SHIFT; i++)
		map_page(l, l->p2m + (i << PAGE_SHIFT),
			 pte_make(mfn(l->mfn + l->p2m_pfn + i), rw));
}

static __init void start_info_fill(const struct dom0_layout *l,
				   const struct domain *d,
				   const struct handover *h)
{
	char *page = virt_of(l, l->start_info);
	struct start_info *si = (void *)page;
	struct dom0_vga_console_info *vga = (void *)(si + 1);

	memset(page, 0, PAGE_SIZE);
	// Behind the place of the 32-bit form, which is made of it.
	if (l->pv32)
		si = (void *)(page + PAGE_SIZE / 2);
	str_copy(si->magic, l->pv32 ? "xen-3.0-x86_32p" : "xen-3.0-x86_64",
		 sizeof(si->magic));
	si->nr_pages = d->account.total;
	si->shared_info = virt_to_maddr(d->shared);
	si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
	if (h->has_vga_text && !platform.no_vga && !l->pv32) {
		vga->video_type = XEN_VGATYPE_TEXT_MODE_3;
		vga->u.text_mode_3.font_height = 16;
		vga->u.text_mode_3.rows = 25;
		vga->u.text_mode_3.columns = 80;
		si->console.dom0.info_off = sizeof(*si);
		si->console.dom0.info_size = sizeof(*vga);
	}
	si->pt_base = l->tables;
	si->nr_pt_frames = l->nr_tables;
	si->mfn_list = l->p2m;
	if (l->p2m_outside) {
		si->first_p2m_pfn = l->p2m_pfn;
		si->nr_p2m_frames = l->p2m_frames;
	}
	if (h->initrd_size) {
		si->mod_len = h->initrd_size;
		si->mod_start = l->initrd_mapped ? l->initrd : l->initrd_pfn;
		if (!l->initrd_mapped)
			si->flags |= SIF_MOD_START_PFN;
	}
	if (!str_copy((char *)si->cmd_line, maddr_to_virt(h->kernel_cmdline),
		      sizeof(si->cmd_line)))
		printk(LOG_WARN "Dom0's command line was cut at %zu bytes\n",
		       sizeof(si->cmd_line) - 1);
	if (l->pv32) {
		compat_narrow(LAYOUT32_start_info, si, page);
		memset(si, 0, PAGE_SIZE / 2);
	}
}

static __init void vcpu_first(struct vcpu *v, const struct dom0_layout *l,
			      const struct elf_image *img)
{
	u64 base = l->mfn + ((l->tables - l->base) >> PAGE_SHIFT);
	int rc;

	do {
		rc = pv_new_base(v, gfn(base), false);
		irq_disable();
		softirq_run();
		irq_enable();
	} while (rc == -ERESTART);
	// The kernel begins by unpinning it.
	if (!rc)
		rc = table_pin(v->domain, gfn(base), l->pv32 ? PGT_L3 : PGT_L4);
	if (rc)
		boot_fail("Dom0's page tables were refused (%d)", rc);
	memset(&v->regs, 0, sizeof(v->regs));
	v->regs.rip = img->entry;
	v->regs.rsp = l->stack + PAGE_SIZE;
	v->regs.rsi = l->start_info;
	v->regs.cs = l->pv32 ? SEL_RING1_CS : SEL_RING3_CS64;
	v->regs.ss = l->pv32 ? SEL_RING1_DS : SEL_RING3_DS;
	if (l->pv32)
		v->pv->ds = v->pv->es = SEL_RING1_DS;
	v->regs.rflags = 0x202;
	v->initialised = true;
}

static __init struct domain *domain_make(void)
{
	struct domain_config cfg = {
		.domid = 0,
		.max_evtchn_port = ~0u,
		.max_grant_frames = 64,
		.max_maptrack_frames = 1024,
		.grant_version = 2,
		.ops = &pv_guest_ops,
	};
	u32 n = cpumask_weight(cpu_online), max = boot_options.dom0_vcpus_max;
	struct domain *d;
	struct vcpu *v;

	n = MAX(n, boot_options.dom0_vcpus_min);
	cfg.max_vcpus = max && n > max ? max : n;
	if (domain_create(&cfg, &d))
		boot_fail("not enough memory for Dom0");
	for (u32 i = 0; i < cfg.max_vcpus; i++)
		if (vcpu_create(d, i, &v))
			boot_fail("not enough memory for Dom0's vcpus");
	d->account.max = ~0UL >> PAGE_SHIFT;
	dom0_permissions(d);
	return d;
}

// Before it has memory.
static __init void width_set(struct domain *d, const struct elf_image *img)
{
	int rc;

	do {
		rc = pv_set_address_size(d, img->pv32 ? 32 : 64);
		irq_disable();
		softirq_run();
		irq_enable();
	} while (rc == -ERESTART);
	if (rc)
		boot_fail("not enough memory for a 32-bit Dom0");
}

__init void dom0_build(const struct handover *h)
{
	struct elf_image *img = heap_alloc(sizeof(*img));
	struct dom0_layout l = { 0 };
	struct domain *d = domain_make();
	u64 frames, got, avail;
	const char *why = NULL;

	if (!img)
		boot_fail("not enough memory");
	if (elf_parse(img, maddr_to_virt(h->kernel_maddr), h->kernel_size,
		      &why))
		boot_fail("the Dom0 kernel cannot be used: %s", why);
	// What the modules lie in comes back before Dom0 runs.
	width_set(d, img);
	avail = frames_free_count();
	frames = dom0_frames(&boot_options, avail + PAGES_UP(h->kernel_size) +
						    PAGES_UP(h->initrd_size));
	layout_make(&l, img, h, frames);
	if (l.pv32 && l.base < 3UL << 30)
		boot_fail("a 32-bit Dom0 kernel must lie above 3 GiB");
	if (l.frames > frames)
		boot_fail("Dom0 needs at least %lu MiB (dom0_mem)",
			  (l.frames >> 8) + 1);
	if (!layout_possible(&l, img))
		boot_fail("the Dom0 kernel cannot be used: its notes ask for "
			  "impossible addresses");
	frames_first(&l, d);
	memcpy(frame_of(&l, l.initrd_pfn), maddr_to_virt(h->initrd_maddr),
	       h->initrd_size);
	mm_boot_free(h->initrd_maddr, h->initrd_size);
	kernel_load(&l, img);
	mm_boot_free(h->kernel_maddr, h->kernel_size);
	got = frames_rest(&l, d, frames);
	printk("Dom0 has %lu MiB, %u vcpus, kernel %s %s\n", got >> 8,
	       d->max_vcpus, img->guest_os, img->guest_version);
	tables_make(&l);
	start_info_fill(&l, d, h);
	vcpu_first(d->vcpu[0], &l, img);
	vcpu_up(d->vcpu[0]);
	domain_wallclock_update(d);
	heap_free(img);
}
