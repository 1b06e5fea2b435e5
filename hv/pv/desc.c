// SPDX-License-Identifier: MIT
// Guests' GDT and LDT: frames of checked descriptors, shown to the processor
// through the vcpu's window in slot 260.
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"
#include "x86/desc.h"
#include "x86/insn.h"
#include "x86/tlb.h"

static const u64 empty_descriptors[PTES] __aligned(PAGE_SIZE);

#define DESC_PRESENT BIT(47)
#define DESC_SEGMENT BIT(44) // code or data, not system
#define DESC_DPL     (3UL << 45)
#define DESC_TYPE    (15UL << 40)

bool pv_descriptor_check(u64 *desc)
{
	u64 d = *desc;

	if (!(d & DESC_PRESENT))
		return true;
	// System descriptors and gates are ours; type 0 is harmless.
	if (!(d & DESC_SEGMENT))
		return !(d & DESC_TYPE);
	if (!(d & DESC_DPL))
		*desc = d | DESC_DPL;
	return true;
}

static int segdesc_validate(struct page_info *pg)
{
	u64 *t = map_frame(page_to_mfn(pg));
	int rc = 0;

	for (unsigned int i = 0; !rc && i < PAGE_SIZE / 8; i++)
		if (!pv_descriptor_check(&t[i]))
			rc = -EINVAL;
	unmap_frame(t);
	return rc;
}

int pv_segdesc_get(struct domain *d, mfn_t m)
{
	struct page_info *pg = mfn_to_page(m);
	int rc;

	if (!mfn_valid(m) || !page_get(pg, &d->account))
		return -EINVAL;
	rc = page_type_begin(pg, PGT_SEGDESC, true);
	if (rc > 0) {
		rc = segdesc_validate(pg);
		if (rc)
			page_type_abort(pg);
		else
			page_type_commit(pg);
	}
	if (rc)
		page_put(pg);
	return rc ? -EINVAL : 0;
}

void segdesc_put(mfn_t m)
{
	page_type_put(mfn_to_page(m));
	page_put(mfn_to_page(m));
}

static void gdt_drop(struct domain *d, u64 *frames, unsigned int n)
{
	(void)d;
	while (n-- > 0)
		if (frames[n])
			segdesc_put(mfn(frames[n]));
}

// What a guest has not set are descriptors that are not present.
void pv_clear_gdt(struct vcpu *v)
{
	u64 empty = pte_make(virt_to_mfn(empty_descriptors),
			     PTE_P | PTE_A | PTE_NX);

	for (unsigned int i = 0; i < PV_GDT_FRAMES; i++) {
		perdom_map(v->domain, PERDOM_GDT(v->id) + i * PAGE_SIZE, empty);
		if (v->pv->gdt_frames[i])
			segdesc_put(mfn(v->pv->gdt_frames[i]));
		v->pv->gdt_frames[i] = 0;
	}
	v->pv->gdt_entries = 0;
}

// The caller flushes: a vcpu changes its own GDT only, or does not run.
int pv_set_gdt(struct vcpu *v, const u64 *frames, unsigned int entries)
{
	unsigned int n = (entries + 511) / 512;
	int rc;

	if (entries > PV_GDT_FRAMES * 512)
		return -EINVAL;
	for (unsigned int i = 0; i < n; i++) {
		rc = pv_segdesc_get(v->domain, mfn(frames[i]));
		if (rc) {
			u64 taken[PV_GDT_FRAMES];

			for (unsigned int k = 0; k < i; k++)
				taken[k] = frames[k];
			gdt_drop(v->domain, taken, i);
			return rc;
		}
	}
	pv_clear_gdt(v);
	for (unsigned int i = 0; i < n; i++) {
		v->pv->gdt_frames[i] = frames[i];
		perdom_map(v->domain, PERDOM_GDT(v->id) + i * PAGE_SIZE,
			   pte_make(mfn(frames[i]),
				    PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX));
	}
	v->pv->gdt_entries = entries;
	return 0;
}

void pv_clear_ldt(struct vcpu *v)
{
	u64 va = PERDOM_LDT(v->id);
	struct pv_vcpu *pv = v->pv;

	spin_lock(&pv->ldt_lock);
	for (unsigned int i = 0; pv->ldt_mapped && i < PV_LDT_PAGES; i++) {
		if (!(pv->ldt_mapped >> i & 1))
			continue;
		pv->ldt_mapped &= ~(1u << i);
		perdom_map(v->domain, va + i * PAGE_SIZE, 0);
		tlb_flush_va_mask(v->domain->account.tlb_cpus,
				  va + i * PAGE_SIZE);
		segdesc_put(mfn(pv->ldt_mfn[i]));
	}
	spin_unlock(&pv->ldt_lock);
}

// A page of the LDT is shown when the processor asks for it first.
static bool ldt_map(struct vcpu *v, u64 offset)
{
	struct pv_vcpu *pv = v->pv;
	unsigned int i = (unsigned int)(offset >> PAGE_SHIFT);
	bool done = false;
	u64 e;

	if (!guest_l1e_read(v, pv->ldt_base + (offset & PAGE_MASK), &e) ||
	    !(e & PTE_P) || pv_segdesc_get(v->domain, pte_mfn(e)))
		return false;
	spin_lock(&pv->ldt_lock);
	if (!(pv->ldt_mapped >> i & 1)) {
		pv->ldt_mfn[i] = mfn_val(pte_mfn(e));
		pv->ldt_mapped |= 1u << i;
		perdom_map(v->domain, PERDOM_LDT(v->id) + i * PAGE_SIZE,
			   pte_make(pte_mfn(e),
				    PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX));
		done = true;
	}
	spin_unlock(&pv->ldt_lock);
	if (!done)
		segdesc_put(pte_mfn(e));
	return true;
}

bool ldt_fault(struct vcpu *v, u64 address)
{
	u64 offset = address - PERDOM_LDT(v->id);

	if (offset >= LDT_WINDOW || offset / 8 >= v->pv->ldt_entries)
		return false;
	return ldt_map(v, offset);
}
