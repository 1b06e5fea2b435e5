// SPDX-License-Identifier: MIT
// Guests' GDT and LDT: frames of checked descriptors, shown to the processor
// through the vcpu's window in slot 260.
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"
#include "x86/tlb.h"

static const u64 empty_descriptors[PTES] __aligned(PAGE_SIZE);

#define DESC_PRESENT BIT(47)
#define DESC_SEGMENT BIT(44) // code or data, not system
#define DESC_DPL     (3UL << 45)
#define DESC_DPL1    (1UL << 45)
#define DESC_LONG    BIT(53)
#define DESC_TYPE    (15UL << 40)

bool pv_descriptor_check(u64 *desc, bool pv32)
{
	u64 d = *desc;

	if (!(d & DESC_PRESENT))
		return true;
	// System descriptors and gates are ours; type 0 is harmless.
	if (!(d & DESC_SEGMENT))
		return !(d & DESC_TYPE);
	// Ring 1 in 64-bit code would reach the hypervisor, whose pages are the
	// supervisor's.
	if (pv32 && d & DESC_LONG)
		return false;
	if (!(d & DESC_DPL))
		*desc = d | (pv32 ? DESC_DPL1 : DESC_DPL);
	return true;
}

// Slot i of the GDT window and of the vcpu's own record.
static void gdt_slot_set(struct vcpu *v, unsigned int i, u64 frame)
{
	u64 empty = pte_make(virt_to_mfn(empty_descriptors),
			     PTE_P | PTE_A | PTE_NX);

	perdom_map(v->domain, PERDOM_GDT(v->id) + i * PAGE_SIZE,
		   frame ? pte_make(mfn(frame), WINDOW_PAGE) : empty);
	if (v->pv->gdt_frames[i])
		table_put(mfn_to_page(mfn(v->pv->gdt_frames[i])));
	v->pv->gdt_frames[i] = frame;
}

// The caller flushes: a vcpu changes its own GDT only, or does not run. What a
// guest has not set are descriptors that are not present.
int pv_set_gdt(struct vcpu *v, const u64 *frames, unsigned int entries)
{
	unsigned int n = DIV_UP(entries, 512), i;

	if (entries > PV_GDT_FRAMES * 512)
		return -EINVAL;
	for (i = 0; i < n; i++)
		if (table_get(v->domain, mfn(frames[i]), PGT_SEGDESC))
			break;
	if (i < n) {
		while (i-- > 0)
			table_put(mfn_to_page(mfn(frames[i])));
		return -EINVAL;
	}
	for (i = 0; i < PV_GDT_FRAMES; i++)
		gdt_slot_set(v, i, i < n ? frames[i] : 0);
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
		table_put(mfn_to_page(mfn(pv->ldt_mfn[i])));
	}
	spin_unlock(&pv->ldt_lock);
}

// A page of the LDT is shown when the processor asks for it first.
bool ldt_fault(struct vcpu *v, u64 address)
{
	u64 e, offset = address - PERDOM_LDT(v->id);
	unsigned int i = (unsigned int)(offset >> PAGE_SHIFT);
	struct pv_vcpu *pv = v->pv;

	if (offset >= LDT_WINDOW || offset / 8 >= pv->ldt_entries ||
	    !guest_l1e_read(v, pv->ldt_base + (offset & PAGE_MASK), &e) ||
	    !(e & PTE_P) || table_get(v->domain, pte_mfn(e), PGT_SEGDESC))
		return false;
	SPIN_GUARD(&pv->ldt_lock);
	if (pv->ldt_mapped >> i & 1) {
		table_put(mfn_to_page(pte_mfn(e)));
		return true;
	}
	pv->ldt_mfn[i] = mfn_val(pte_mfn(e));
	pv->ldt_mapped |= 1u << i;
	perdom_map(v->domain, address & PAGE_MASK,
		   pte_make(pte_mfn(e), WINDOW_PAGE));
	return true;
}
