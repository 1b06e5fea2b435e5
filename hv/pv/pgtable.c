// SPDX-License-Identifier: MIT
// Validation of page tables and its undo (docs/page-types.md). A table's aux
// says how many of its entries hold references, from the first on; with
// AUX_CHILD the entry after them has a reference whose type's undo is not
// finished.
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "pv/private.h"
#include "x86/softirq.h"

#define AUX_CHILD BIT(31)
#define AUX_DONE  0x3ffu

// Bits that no entry of an upper level may have: large pages are refused.
#define TABLE_FORBIDDEN (PTE_PWT | PTE_PCD | PTE_PS | PTE_G)

static unsigned int type_level(u64 type)
{
	return (unsigned int)(type >> 60);
}

static struct domain *owner_of(const struct page_info *pg)
{
	return container_of(page_owner(pg), struct domain, account);
}

static int l1_validate(struct page_info *pg)
{
	struct domain *d = owner_of(pg);
	u64 *t = map_frame(page_to_mfn(pg));
	unsigned int i;
	int rc = 0;

	for (i = 0; i < PTES; i++) {
		u64 e = t[i];

		if (!(e & PTE_P))
			continue;
		rc = l1_get(e, d, d);
		if (rc < 0)
			break;
		if (rc == 1)
			e &= ~PTE_W;
		t[i] = l1e_adjust(e);
	}
	if (rc < 0)
		while (i-- > 0)
			l1_put(t[i], d);
	unmap_frame(t);
	return rc < 0 ? rc : 0;
}

static void l1_undo(struct page_info *pg)
{
	struct domain *d = owner_of(pg);
	u64 *t = map_frame(page_to_mfn(pg));

	for (unsigned int i = 0; i < PTES; i++)
		l1_put(t[i], d);
	unmap_frame(t);
}

static bool slot_is_checked(unsigned int level, unsigned int i)
{
	return level < 4 || l4_slot_is_guest(i);
}

// A base table has our slots from the moment that it is one.
static void l4_fill(u64 *t, const struct domain *d)
{
	for (unsigned int i = SLOT_M2P; i < SLOT_END; i++)
		t[i] = hv_l4[i];
	t[SLOT_PERDOM] =
		pte_make(d->pv->perdom_l3_mfn, PTE_P | PTE_W | PTE_U | PTE_A);
}

// What table_get left behind when it failed in the middle is the vcpu's debt;
// the parent, which fails too, takes it over as its own child. Any other debt
// stays one.
static u32 debt_to_child(struct page_info *pg, u32 child)
{
	struct pv_vcpu *pv = current->pv;

	if (!pv || pv->old_table != pg)
		return child;
	pv->old_table = NULL;
	if (child)
		page_put(pg);
	return AUX_CHILD;
}

// Level 2 to 4, from entry aux on. 0, -ERESTART with aux set, or an error
// with aux set to what is to be undone.
static int upper_validate(struct page_info *pg, unsigned int level)
{
	struct domain *d = owner_of(pg);
	u64 *t = map_frame(page_to_mfn(pg));
	unsigned int i = pg->aux & AUX_DONE;
	u32 child = pg->aux & AUX_CHILD;
	int rc = 0;

	for (; i < PTES; i++) {
		u64 e = t[i];

		if (!slot_is_checked(level, i) || !(e & PTE_P))
			continue;
		if (!child && softirq_pending() && i > (pg->aux & AUX_DONE)) {
			rc = -ERESTART;
			break;
		}
		rc = e & TABLE_FORBIDDEN
			     ? -EINVAL
			     : table_get(d, pte_mfn(e), (u64)(level - 1) << 60,
					 false);
		if (rc == -EAGAIN)
			rc = -ERESTART;
		if (rc)
			break;
		// The old undo's reference: the entry has one of its own now.
		if (child)
			page_put(mfn_to_page(pte_mfn(e)));
		child = 0;
		t[i] = table_entry_adjust(e);
	}
	if (!rc && level == 4)
		l4_fill(t, d);
	if (rc && rc != -ERESTART)
		child = debt_to_child(mfn_to_page(pte_mfn(t[i])), child);
	pg->aux = i | child;
	unmap_frame(t);
	return rc;
}

// Undoes the entries below aux, last one first. 0 or -ERESTART.
static int upper_undo(struct page_info *pg, unsigned int level)
{
	u64 *t = map_frame(page_to_mfn(pg));
	unsigned int i = pg->aux == PTES ? PTES : pg->aux & AUX_DONE;
	int rc = 0;

	if (pg->aux & AUX_CHILD)
		rc = table_undo_resume(mfn_to_page(pte_mfn(t[i])));
	if (rc) {
		unmap_frame(t);
		return rc;
	}
	while (i > 0) {
		if (softirq_pending()) {
			rc = -ERESTART;
			break;
		}
		i--;
		if (!slot_is_checked(level, i) || !(t[i] & PTE_P))
			continue;
		if (table_put(mfn_to_page(pte_mfn(t[i])))) {
			pg->aux = i | AUX_CHILD;
			unmap_frame(t);
			return -ERESTART;
		}
	}
	// Nobody shall read where our own tables are.
	if (!rc && level == 4)
		memset(&t[SLOT_M2P], 0, (SLOT_END - SLOT_M2P) * sizeof(*t));
	pg->aux = i;
	unmap_frame(t);
	return rc;
}

// The caller has the type's last count. 0: type gone; -ERESTART: it went to
// the PARTIAL flag.
static int table_undo(struct page_info *pg)
{
	unsigned int level = type_level(pg->type & PGT_TYPE);
	int rc = 0;

	if (level == 1)
		l1_undo(pg);
	else
		rc = upper_undo(pg, level);
	if (rc)
		page_type_interrupt(pg);
	else
		page_type_abort(pg);
	return rc;
}

// As table_undo for a validation that failed; what cannot be done at once is
// left to the vcpu's debt.
static void table_validate_failed(struct page_info *pg, unsigned int level)
{
	struct pv_vcpu *pv = current->pv;

	if (level == 1 || !pg->aux) {
		page_type_abort(pg);
		return;
	}
	page_type_interrupt(pg);
	if (pv && !pv->old_table && page_get_any(pg))
		pv->old_table = pg;
}

static int table_validate(struct page_info *pg, u64 type)
{
	unsigned int level = type_level(type);
	int rc = level == 1 ? l1_validate(pg) : upper_validate(pg, level);

	if (!rc)
		page_type_commit(pg);
	else if (rc == -ERESTART)
		page_type_interrupt(pg);
	else
		table_validate_failed(pg, level);
	return rc;
}

int table_get(struct domain *d, mfn_t m, u64 type, bool can_wait)
{
	struct page_info *pg = mfn_to_page(m);
	int rc;

	if (!mfn_valid(m) || !page_get(pg, &d->account))
		return -EINVAL;
	rc = page_type_begin(pg, type, can_wait);
	// In use as something else: as Xen answers, unlike for L1 entries.
	if (rc == -EBUSY)
		rc = -EINVAL;
	if (rc == 2)
		page_put(pg);
	if (rc > 0)
		rc = table_validate(pg, type);
	if (rc)
		page_put(pg);
	return rc;
}

int table_put(struct page_info *pg)
{
	if (page_type_put(pg) && table_undo(pg))
		return -ERESTART;
	page_put(pg);
	return 0;
}

int table_undo_resume(struct page_info *pg)
{
	// Somebody may have taken it over and made it valid again.
	if (page_type_claim(pg) && table_undo(pg))
		return -ERESTART;
	page_put(pg);
	return 0;
}

int old_table_settle(struct vcpu *v)
{
	struct page_info *pg = v->pv->old_table;

	if (likely(!pg))
		return 0;
	v->pv->old_table = NULL;
	if (!table_undo_resume(pg))
		return 0;
	v->pv->old_table = pg;
	return -ERESTART;
}

int table_put_deferred(struct page_info *pg)
{
	struct pv_vcpu *pv = current->pv;

	if (!table_put(pg))
		return 0;
	// One debt at a time. What is more keeps the PARTIAL flag's reference,
	// until the frame is that type again or its domain ends.
	if (pv && !pv->old_table)
		pv->old_table = pg;
	else
		page_put(pg);
	return -ERESTART;
}

u64 guest_l1e_maddr(const struct vcpu *v, u64 va)
{
	u64 maddr = v->hot.cr3_kernel & PTE_ADDR;

	if (!va_is_guest(va) || !va_canonical(va))
		return 0;
	for (unsigned int level = 4; level > 1; level--) {
		u64 *t = map_frame(maddr_to_mfn(maddr));
		u64 e = READ_ONCE(t[pte_index(va, level)]);

		unmap_frame(t);
		maddr = e & PTE_ADDR;
		// No reference is held: another vcpu may take the table away
		// and write to it. Only memory of the domain is looked at.
		if (!(e & PTE_P) || (e & PTE_PS) || !mfn_valid(pte_mfn(e)) ||
		    page_owner(mfn_to_page(pte_mfn(e))) != &v->domain->account)
			return 0;
	}
	return maddr + pte_index(va, 1) * 8;
}

bool guest_l1e_read(const struct vcpu *v, u64 va, u64 *e)
{
	u64 maddr = guest_l1e_maddr(v, va);
	u64 *t;

	if (!maddr)
		return false;
	t = map_frame(maddr_to_mfn(maddr));
	*e = READ_ONCE(t[(maddr & ~PAGE_MASK) / 8]);
	unmap_frame(t);
	return true;
}
