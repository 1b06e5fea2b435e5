// SPDX-License-Identifier: MIT
// Validation of page tables and its undo (docs/page-types.md). A table's aux
// says how many of its entries hold references, from the first on; with
// AUX_CHILD the entry after them has a reference whose type's undo is not
// finished.
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "pv/l1.h"
#include "x86/softirq.h"

#define AUX_CHILD BIT(31)
#define AUX_DONE  0x3ffu

// Most tables are mostly empty. The first entry from i on that is not 0, or PTES.
static __noinline unsigned int skip_up(const u64 *t, unsigned int i)
{
	const u64 *p = t + i, *end = t + PTES;

	while (p + 8 <= end &&
	       !(p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7]))
		p += 8;
	while (p < end && !*p)
		p++;
	return (unsigned int)(p - t);
}

// The first entry of those below i that are all 0; i, if there are none.
static __noinline unsigned int skip_down(const u64 *t, unsigned int i)
{
	const u64 *p = t + i;

	while (p >= t + 8 &&
	       !(p[-1] | p[-2] | p[-3] | p[-4] | p[-5] | p[-6] | p[-7] | p[-8]))
		p -= 8;
	while (p > t && !p[-1])
		p--;
	return (unsigned int)(p - t);
}

static int l1_validate(struct page_info *pg)
{
	struct domain *d = owner_of(pg);
	u64 *t = map_frame(page_to_mfn(pg));
	unsigned int i;
	int rc = 0;

	for (i = 0; i < PTES; i++) {
		if (!(t[i] & PTE_P)) {
			if (unlikely(l1tf_refused(d, t[i], false))) {
				rc = -EINVAL;
				break;
			}
			if (!t[i])
				i = skip_up(t, i) - 1;
			continue;
		}
		rc = l1_get(t[i], d, d);
		if (rc < 0)
			break;
		t[i] = l1e_adjust(rc == 1 ? t[i] & ~PTE_W : t[i], d);
	}
	while (rc < 0 && i-- > 0)
		l1_put(t[i], d);
	unmap_frame(t);
	return MIN(rc, 0);
}

// A page of descriptors holds nothing: there is no undo.
static int segdesc_validate(struct page_info *pg)
{
	u64 *t = map_frame(page_to_mfn(pg));
	unsigned int i = 0;

	while (i < PTES && pv_descriptor_check(&t[i], owner_of(pg)->pv32))
		i++;
	unmap_frame(t);
	return i < PTES ? -EINVAL : 0;
}

static int l1_undo(struct page_info *pg)
{
	struct domain *d = owner_of(pg);
	u64 *t = map_frame(page_to_mfn(pg));

	for (unsigned int i = 0; i < PTES; i++) {
		if (t[i])
			l1_put(t[i], d);
		else
			i = skip_up(t, i) - 1;
	}
	unmap_frame(t);
	return 0;
}

static bool slot_is_checked(unsigned int level, unsigned int i)
{
	return level < 4 || l4_slot_is_guest(i);
}

// Slots from this one on are not the guest's.
static unsigned int slots_end(const struct page_info *pg)
{
	u64 type = READ_ONCE(pg->type) & PGT_TYPE;

	if (likely(type == PGT_L2 || type == PGT_L4))
		return PTES;
	if (type == PGT_L2_TOP)
		return L2_TOP_SLOTS;
	return owner_of(pg)->pv32 ? L3_SLOTS32 : PTES;
}

bool table_slot_is_guest(const struct page_info *pg, unsigned int i)
{
	return slot_is_checked(type_level(pg->type & PGT_TYPE), i) &&
	       i < slots_end(pg);
}

u64 table_child_type(const struct page_info *pg, unsigned int i, u64 entry)
{
	u64 type = pg->type & PGT_TYPE;
	bool base32 = type == PGT_L3 && owner_of(pg)->pv32;

	if (entry & (base32 ? L3_FORBIDDEN32 : TABLE_FORBIDDEN))
		return 0;
	return base32 && i == L3_SLOTS32 - 1 ? PGT_L2_TOP
					     : (type_level(type) - 1UL) << 60;
}

// The slots of a 32-bit guest's tables that are not its own: the M2P's, or, as
// the processor has more than PAE, none.
static void slots_fill(u64 *t, unsigned int end, unsigned int level)
{
	for (unsigned int i = end; i < PTES; i++)
		t[i] = level == 2 ? m2p32_entry(i - end) : 0;
}

// CR3 of a 32-bit guest has no more bits, unless it says that it knows how to
// write them; the tools make its tables before they say so for it.
static bool base32_is_low(const struct page_info *pg)
{
	const struct vcpu *v = owner_of(pg)->vcpu[0];

	return !v || !v->initialised ||
	       owner_of(pg)->vm_assist & BIT(VMASST_TYPE_pae_extended_cr3) ||
	       mfn_val(page_to_mfn(pg)) < 1UL << (32 - PAGE_SHIFT);
}

// A base table has our slots from the moment that it is one.
void l4_fill(u64 *t, const struct domain *d)
{
	for (unsigned int i = SLOT_M2P; i < SLOT_END; i++)
		t[i] = hv_l4[i];
	t[SLOT_PERDOM] = pte_make(virt_to_mfn(d->pv->perdom_l3),
				  PTE_P | PTE_W | PTE_U | PTE_A);
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
	u64 *t;
	unsigned int i = pg->aux & AUX_DONE;
	unsigned int end = slots_end(pg);
	u32 child = pg->aux & AUX_CHILD;
	int rc = 0;

	if (end == L3_SLOTS32 && !pg->aux && !base32_is_low(pg))
		return -EINVAL;
	t = map_frame(page_to_mfn(pg));
	for (; i < end; i++) {
		u64 e = t[i], type;

		if (!e) {
			i = MIN(skip_up(t, i), end) - 1;
			continue;
		}
		if (!slot_is_checked(level, i))
			continue;
		if (!(e & PTE_P) && l1tf_refused(d, e, true)) {
			rc = -EINVAL;
			break;
		}
		if (!(e & PTE_P))
			continue;
		if (!child && softirq_pending() && i > (pg->aux & AUX_DONE)) {
			rc = -ERESTART;
			break;
		}
		type = table_child_type(pg, i, e);
		rc = type ? table_get(d, pte_mfn(e), type) : -EINVAL;
		if (rc)
			break;
		// The old undo's reference: the entry has one of its own now.
		if (child)
			page_put(mfn_to_page(pte_mfn(e)));
		child = 0;
		t[i] = table_entry_adjust(e, level, d->pv32);
	}
	if (!rc && level == 4)
		l4_fill(t, d);
	else if (!rc)
		slots_fill(t, end, level);
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
	unsigned int i = pg->aux & AUX_DONE, end = slots_end(pg);
	bool child = pg->aux & AUX_CHILD;
	int rc = 0;

	if (child)
		rc = table_undo_resume(mfn_to_page(pte_mfn(t[i])));
	child = rc;
	while (!rc && (i = skip_down(t, i)) > 0) {
		// One at least, so that it ends.
		if (i < (pg->aux & AUX_DONE) && softirq_pending()) {
			rc = -ERESTART;
			break;
		}
		i--;
		if (i < end && slot_is_checked(level, i) && t[i] & PTE_P)
			rc = table_put(mfn_to_page(pte_mfn(t[i])));
		child = rc;
	}
	// Nobody shall read where our own tables are.
	if (!rc && level == 4)
		memset(&t[SLOT_M2P], 0, (SLOT_END - SLOT_M2P) * sizeof(*t));
	else if (!rc)
		memset(&t[end], 0, (PTES - end) * sizeof(*t));
	pg->aux = i | (child ? AUX_CHILD : 0);
	unmap_frame(t);
	return rc;
}

// The caller has the type's last count. 0: type gone; -ERESTART: it went to
// the PARTIAL flag.
static int table_undo(struct page_info *pg)
{
	unsigned int level = type_level(pg->type & PGT_TYPE);
	int rc = level == 1 ? l1_undo(pg) : upper_undo(pg, level);

	if (rc)
		page_type_interrupt(pg);
	else
		page_type_abort(pg);
	return rc;
}

// Of one that failed, what cannot be undone at once is left to the vcpu's debt.
static int table_validate(struct page_info *pg, u64 type)
{
	unsigned int level = type_level(type);
	struct pv_vcpu *pv;
	int rc = level == 1	       ? l1_validate(pg)
		 : type == PGT_SEGDESC ? segdesc_validate(pg)
				       : upper_validate(pg, level);

	if (!rc) {
		page_type_commit(pg);
	} else if (rc != -ERESTART && !pg->aux) {
		page_type_abort(pg);
	} else {
		page_type_interrupt(pg);
		pv = rc == -ERESTART ? NULL : current->pv;
		if (pv && !pv->old_table && page_get_any(pg))
			pv->old_table = pg;
	}
	return rc;
}

int table_get(struct domain *d, mfn_t m, u64 type)
{
	struct page_info *pg = frame_get(m, &d->account);
	int rc;

	if (!pg)
		return -EINVAL;
	rc = page_type_begin(pg, type, type == PGT_SEGDESC);
	if (likely(!rc))
		return 0;
	// In use as something else: as Xen answers, unlike for L1 entries.
	if (rc == -EBUSY)
		rc = -EINVAL;
	if (rc == -EAGAIN)
		rc = -ERESTART;
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

	v->pv->old_table = NULL;
	if (!table_undo_resume(pg))
		return 0;
	v->pv->old_table = pg;
	return -ERESTART;
}

void table_put_deferred(struct page_info *pg)
{
	struct pv_vcpu *pv = current->pv;

	if (!table_put(pg))
		return;
	// One debt at a time. What is more keeps the PARTIAL flag's reference,
	// until the frame is that type again or its domain ends.
	if (pv && !pv->old_table)
		pv->old_table = pg;
	else
		page_put(pg);
}

// Machine address of the L1 entry for va in the kernel tables of v; 0: none. It
// is still to be looked whose frame that is.
static __forced_inline u64 l1e_maddr(const struct vcpu *v, u64 va)
{
	const struct page_account *who = &v->domain->account;
	u64 maddr = v->hot.cr3_kernel & PTE_ADDR;
	u64 limit = max_mfn << PAGE_SHIFT;

	if (!va_is_guest(va))
		return 0;
#pragma GCC unroll 3
	for (unsigned int level = 4; level > 1; level--) {
		u64 *entry = map_entry(maddr + pte_index(va, level) * 8);
		u64 e = READ_ONCE(*entry);

		unmap_frame(entry);
		maddr = e & PTE_ADDR;
		if (!(e & PTE_P))
			return 0;
		if (level == 2)
			return maddr + pte_index(va, 1) * 8;
		// No reference is held: another vcpu may take the table away
		// and write to it. Only memory of the domain is looked at.
		if (maddr >= limit ||
		    !page_is_of(mfn_to_page(maddr_to_mfn(maddr)), who))
			return 0;
	}
	return 0;
}

static __noinline struct page_info *open_l1_slow(const struct domain *d,
						 u64 maddr, u64 **entry)
{
	struct page_info *pg = table_lock(maddr_to_mfn(maddr), &d->account);

	if (!pg)
		return NULL;
	if ((pg->type & PGT_TYPE) != PGT_L1) {
		page_unlock(pg);
		return NULL;
	}
	*entry = map_entry(maddr);
	return pg;
}

static __forced_inline struct page_info *open_l1(const struct domain *d,
						 u64 maddr, u64 **entry)
{
	mfn_t m = maddr_to_mfn(maddr);
	struct page_info *pg = mfn_to_page(m);

	if (unlikely(!maddr || mfn_val(m) >= max_mfn))
		return NULL;
	if (unlikely(!table_lock_free(pg, PGT_L1, &d->account)))
		return open_l1_slow(d, maddr, entry);
	*entry = map_entry(maddr);
	return pg;
}

struct page_info *l1_lock(const struct domain *d, u64 maddr, u64 **entry)
{
	return open_l1(d, maddr, entry);
}

u64 l1_entry_of(const struct vcpu *v, u64 va)
{
	return l1e_maddr(v, va);
}

struct page_info *l1_lock_va(const struct vcpu *v, u64 va, u64 **entry)
{
	return open_l1(v->domain, l1e_maddr(v, va), entry);
}

bool guest_l1e_read(const struct vcpu *v, u64 va, u64 *e)
{
	u64 maddr = l1e_maddr(v, va), *entry;
	mfn_t m = maddr_to_mfn(maddr);

	if (!maddr || mfn_val(m) >= max_mfn ||
	    !page_is_of(mfn_to_page(m), &v->domain->account))
		return false;
	entry = map_entry(maddr);
	*e = READ_ONCE(*entry);
	unmap_frame(entry);
	return true;
}
