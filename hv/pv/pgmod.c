// SPDX-License-Identifier: MIT
// Changing one entry of a table that is in use: take what the new entry
// needs, write it, give back what the old one held.
#include "pv/pgmod.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"

#define TABLE_FORBIDDEN (PTE_PWT | PTE_PCD | PTE_PS | PTE_G)

// Bits that may change without another look at the frame.
#define L1_CHEAP                                                           \
	(PTE_NX | PTE_AVAIL | (PTE_AVAILH & ~PTE_GNTTAB) | PTE_G | PTE_D | \
	 PTE_A | PTE_U)
#define TABLE_CHEAP (PTE_NX | PTE_AVAIL | PTE_AVAILH | PTE_D | PTE_A | PTE_U)

struct change {
	u64 *entry;
	u64 old, want;
	bool keep_ad;
	bool compare; // old is what the guest expects
};

// The processor sets accessed and dirty bits meanwhile; nobody else writes, as
// the table is locked. False: the entry is not the expected one.
static bool entry_write(struct change *c)
{
	u64 old = READ_ONCE(*c->entry), want;

	do {
		if (c->compare && old != c->old)
			return false;
		want = c->want;
		if (c->keep_ad && (old & PTE_P) && (want & PTE_P))
			want |= old & (PTE_A | PTE_D);
		if (!c->keep_ad && !c->compare) {
			// A write replaces the bits: what the old entry held is
			// told by `old`, A and D aside.
			WRITE_ONCE(*c->entry, want);
			return true;
		}
	} while (!__atomic_compare_exchange_n(c->entry, &old, want, false,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

static int l1_set(struct change *c, struct domain *owner, struct domain *from)
{
	u64 asked = c->want;
	int rc;

	if (!(asked & PTE_P))
		goto write;
	if (asked & PTE_GNTTAB)
		return -EINVAL;
	if ((c->old & PTE_P) && !((c->old ^ asked) & ~L1_CHEAP)) {
		c->want = l1e_adjust(asked);
		return entry_write(c) ? 0 : -EAGAIN;
	}
	rc = l1_get(asked, owner, from);
	if (rc < 0)
		return rc;
	if (rc == 1)
		asked &= ~PTE_W;
	c->want = l1e_adjust(asked);
write:
	if (!entry_write(c)) {
		if (c->want & PTE_P)
			l1_put(c->want, owner);
		return -EAGAIN;
	}
	l1_put(c->old, owner);
	return 0;
}

static int upper_set(struct change *c, struct domain *d, unsigned int level)
{
	int rc = 0;

	c->want = table_entry_adjust(c->want);
	if (c->want & PTE_P) {
		if (c->want & TABLE_FORBIDDEN)
			return -EINVAL;
		if ((c->old & PTE_P) && !((c->old ^ c->want) & ~TABLE_CHEAP))
			return entry_write(c) ? 0 : -EAGAIN;
		rc = table_get(d, pte_mfn(c->want), (u64)(level - 1) << 60,
			       false);
		if (rc == -EAGAIN)
			rc = -ERESTART;
		if (rc)
			return rc;
	}
	if (!entry_write(c)) {
		if (c->want & PTE_P)
			table_put_deferred(mfn_to_page(pte_mfn(c->want)));
		return -EAGAIN;
	}
	// What is left of a long undo is the vcpu's debt, not this change's.
	if (c->old & PTE_P)
		table_put_deferred(mfn_to_page(pte_mfn(c->old)));
	return 0;
}

static int change_apply(struct page_info *pg, unsigned int offset,
			struct change *c, struct domain *from)
{
	struct domain *d = container_of(page_owner(pg), struct domain, account);
	unsigned int level = (unsigned int)((pg->type & PGT_TYPE) >> 60);
	u64 *t = map_frame(page_to_mfn(pg));
	int rc;

	c->entry = &t[offset / 8];
	if (!c->compare)
		c->old = READ_ONCE(*c->entry);
	if (level == 4 && !l4_slot_is_guest(offset / 8))
		rc = -EINVAL;
	else if (level == 1)
		rc = l1_set(c, d, from);
	else
		rc = upper_set(c, d, level);
	unmap_frame(t);
	return rc;
}

int table_entry_set(struct page_info *pg, unsigned int offset, u64 entry,
		    bool keep_ad, struct vcpu *v, struct domain *from)
{
	struct change c = { .want = entry, .keep_ad = keep_ad };

	(void)v;
	return change_apply(pg, offset, &c, from);
}

int table_entry_cmpxchg(struct page_info *pg, unsigned int offset, u64 expected,
			u64 entry, struct vcpu *v)
{
	struct change c = { .want = entry, .old = expected, .compare = true };

	return change_apply(pg, offset, &c, v->domain);
}

// False: there is no pin.
static bool pin_drop(struct page_info *pg)
{
	if (!(__atomic_fetch_and(&pg->type, ~PGT_PINNED, __ATOMIC_SEQ_CST) &
	      PGT_PINNED))
		return false;
	table_put_deferred(pg);
	return true;
}

int table_pin(struct domain *d, gfn_t gfn, u64 type)
{
	mfn_t m = mfn(gfn_val(gfn));
	struct page_info *pg = mfn_to_page(m);
	int rc = table_get(d, m, type, false);

	if (rc == -EAGAIN)
		rc = -ERESTART;
	if (rc)
		return rc;
	if (__atomic_fetch_or(&pg->type, PGT_PINNED, __ATOMIC_SEQ_CST) &
	    PGT_PINNED) {
		table_put_deferred(pg);
		return -EINVAL;
	}
	// The domain may have begun to die and walked past this frame.
	if (unlikely(d->state != DOM_ALIVE))
		pin_drop(pg);
	return 0;
}

int table_unpin(struct domain *d, gfn_t gfn)
{
	mfn_t m = mfn(gfn_val(gfn));
	struct page_info *pg = mfn_to_page(m);
	bool pinned;

	if (!mfn_valid(m) || !page_get(pg, &d->account))
		return -EINVAL;
	pinned = pin_drop(pg);
	page_put(pg);
	return pinned ? 0 : -EINVAL;
}

int pv_settle(struct vcpu *v)
{
	return old_table_settle(v);
}

u64 pv_l1e_maddr(const struct vcpu *v, u64 va)
{
	return guest_l1e_maddr(v, va);
}
