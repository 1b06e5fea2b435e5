// SPDX-License-Identifier: MIT
// Changing one entry of a table that is in use: take what the new entry
// needs, write it, give back what the old one held.
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/l1.h"

// Bits that may change without another look at the frame.
#define TABLE_CHEAP (PTE_NX | PTE_AVAIL | PTE_AVAILH | PTE_D | PTE_A | PTE_U)
#define L1_CHEAP    ((TABLE_CHEAP | PTE_G) & ~PTE_GNTTAB)

struct change {
	u64 *entry;
	u64 old, want;
	bool keep_ad, compare; // compare: old is what the guest expects
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
		if (c->keep_ad && old & want & PTE_P)
			want |= old & (PTE_A | PTE_D);
	} while (!__atomic_compare_exchange_n(c->entry, &old, want, false,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return true;
}

static inline bool l1_same_frame(u64 old, u64 want)
{
	return old & want & PTE_P && !(want & PTE_GNTTAB) &&
	       !((old ^ want) & ~L1_CHEAP);
}

// What the new entry needs.
static __forced_inline int l1_take(u64 *want, struct domain *owner,
				   struct domain *from)
{
	int rc;

	if (!(*want & PTE_P))
		return unlikely(l1tf_refused(owner, *want, false)) ? -EINVAL
								   : 0;
	rc = l1_get(*want, owner, from);
	if (rc == 1)
		*want &= ~PTE_W;
	return MIN(rc, 0);
}

static int l1_set(struct change *c, struct domain *owner, struct domain *from)
{
	bool same = l1_same_frame(c->old, c->want);
	int rc = same ? 0 : l1_take(&c->want, owner, from);

	if (rc)
		return rc;
	c->want = l1e_adjust(c->want, owner);
	if (!entry_write(c)) {
		if (!same)
			l1_put(c->want, owner);
		return -EAGAIN;
	}
	if (!same && c->old & PTE_P)
		l1_put(c->old, owner);
	return 0;
}

static __noinline int l1_exchange(u64 *entry, u64 old, u64 want,
				  struct domain *owner, struct domain *from)
{
	int rc = l1_take(&want, owner, from);

	if (unlikely(rc))
		return rc;
	// A write replaces the bits: what the old entry held is told by `old`,
	// A and D aside.
	WRITE_ONCE(*entry, l1e_adjust(want, owner));
	if (old & PTE_P)
		l1_put(old, owner);
	return 0;
}

int l1_replace(u64 *entry, u64 want, struct domain *owner, struct domain *from)
{
	u64 old = READ_ONCE(*entry);

	if (!l1_same_frame(old, want))
		return l1_exchange(entry, old, want, owner, from);
	WRITE_ONCE(*entry, l1e_adjust(want, owner));
	return 0;
}

static bool upper_write(struct change *c, const struct page_info *pg,
			unsigned int slot)
{
	if (!entry_write(c))
		return false;
	if (unlikely(owner_of(pg)->isolated) && (pg->type & PGT_TYPE) == PGT_L4)
		isolation_update(pg, slot);
	return true;
}

static int upper_set(struct change *c, struct page_info *pg, unsigned int slot)
{
	u64 type = table_child_type(pg, slot, c->want);
	struct domain *d = owner_of(pg);
	int rc;

	if (!table_slot_is_guest(pg, slot))
		return -EINVAL;
	c->want = table_entry_adjust(c->want, type_level(pg->type & PGT_TYPE),
				     d->pv32);
	if (c->want & PTE_P) {
		if (!type)
			return -EINVAL;
		if ((c->old & PTE_P) && !((c->old ^ c->want) & ~TABLE_CHEAP))
			return upper_write(c, pg, slot) ? 0 : -EAGAIN;
		rc = table_get(d, pte_mfn(c->want), type);
		if (rc)
			return rc;
	} else if (unlikely(l1tf_refused(d, c->want, true))) {
		return -EINVAL;
	}
	if (!upper_write(c, pg, slot)) {
		if (c->want & PTE_P)
			table_put_deferred(mfn_to_page(pte_mfn(c->want)));
		return -EAGAIN;
	}
	// What is left of a long undo is the vcpu's debt, not this change's.
	if (c->old & PTE_P)
		table_put_deferred(mfn_to_page(pte_mfn(c->old)));
	return 0;
}

int table_entry_set(struct page_info *pg, unsigned int offset, u64 entry,
		    bool keep_ad, const u64 *expected, struct domain *from)
{
	struct change c = { .want = entry,
			    .keep_ad = keep_ad,
			    .compare = expected };
	u64 *t = map_frame(page_to_mfn(pg));
	int rc;

	c.entry = &t[offset / 8];
	c.old = expected ? *expected : READ_ONCE(*c.entry);
	rc = (pg->type & PGT_TYPE) == PGT_L1 ? l1_set(&c, owner_of(pg), from)
					     : upper_set(&c, pg, offset / 8);
	unmap_frame(t);
	return rc;
}

bool pin_take(struct page_info *pg)
{
	return __atomic_fetch_and(&pg->type, ~PGT_PINNED, __ATOMIC_SEQ_CST) &
	       PGT_PINNED;
}

int table_pin(struct domain *d, gfn_t gfn, u64 type)
{
	mfn_t m = mfn(gfn_val(gfn));
	struct page_info *pg = mfn_to_page(m);
	int rc = type == PGT_L4 && d->pv32 ? -EINVAL : table_get(d, m, type);

	if (rc)
		return rc;
	if (__atomic_fetch_or(&pg->type, PGT_PINNED, __ATOMIC_SEQ_CST) &
	    PGT_PINNED) {
		table_put_deferred(pg);
		return -EINVAL;
	}
	// The domain may have begun to die and walked past this frame.
	if (unlikely(d->state != DOM_ALIVE) && pin_take(pg))
		table_put_deferred(pg);
	return 0;
}

int table_unpin(struct domain *d, gfn_t gfn)
{
	struct page_info *pg = frame_get(mfn(gfn_val(gfn)), &d->account);
	bool pinned;

	if (!pg)
		return -EINVAL;
	pinned = pin_take(pg);
	if (pinned)
		table_put_deferred(pg);
	page_put(pg);
	return pinned ? 0 : -EINVAL;
}
