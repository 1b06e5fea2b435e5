// SPDX-License-Identifier: MIT
// References and types of frames: docs/page-types.md has the states. Every
// change is one compare-and-exchange of a word.
#include "mm/page.h"
#include "lib/errno.h"
#include "mm/private.h"
#include "x86/insn.h"
#include "x86/percpu.h"

static bool cas(u64 *word, u64 *old, u64 new)
{
	return __atomic_compare_exchange_n(word, old, new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool page_get_any(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->count);

	do {
		// Free, on its way there, or never anybody's; or too many.
		if (!(x & PGC_COUNT) || (x & PGC_COUNT) == PGC_COUNT)
			return false;
	} while (!cas(&pg->count, &x, x + 1));
	return true;
}

static void page_release(struct page_info *pg)
{
	struct page_account *who = page_owner(pg);
	bool last;

	ASSERT(!(pg->type & PGT_COUNT) || (pg->count & PGC_SPECIAL));
	if (!who) {
		frames_free(pg, 0);
		return;
	}
	spin_lock(&who->lock);
	if (pg->count & PGC_SPECIAL) {
		who->special--;
	} else {
		page_list_del(&who->first, pg);
		who->total--;
	}
	last = who->closed && !who->total && !who->special;
	spin_unlock(&who->lock);
	pg->owner = 0;
	frames_free(pg, 0);
	if (last)
		who->empty(who);
}

void page_put(struct page_info *pg)
{
	u64 x = __atomic_sub_fetch(&pg->count, 1, __ATOMIC_SEQ_CST);

	ASSERT((x & PGC_COUNT) != PGC_COUNT);
	if (unlikely(!(x & PGC_COUNT)))
		page_release(pg);
}

bool page_take_allocated(struct page_info *pg)
{
	return __atomic_fetch_and(&pg->count, ~PGC_ALLOCATED,
				  __ATOMIC_SEQ_CST) &
	       PGC_ALLOCATED;
}

int page_steal(struct page_info *pg, struct page_account *who, u64 refs)
{
	u64 x, foreign, expect = PGC_ALLOCATED | (refs + 1);

	SPIN_GUARD(&who->lock);
	x = READ_ONCE(pg->count);
	foreign = x & PGC_FOREIGN;
	if (page_owner(pg) != who || x != (expect | foreign) ||
	    (READ_ONCE(pg->type) & PGT_COUNT) ||
	    !cas(&pg->count, &x, refs | foreign))
		return -EBUSY;
	page_list_del(&who->first, pg);
	who->total--;
	pg->owner = 0;
	pg->type = 0;
	return 0;
}

// The frame becomes something else: no CPU may know a translation of it from
// its old life that grants more than the new one.
static void type_flush(struct page_info *pg)
{
	struct page_account *who = page_owner(pg);
	bool foreign = READ_ONCE(pg->count) & PGC_FOREIGN;

	if (!who)
		return;
	tlb_flush_mask(tlb_filter(
		foreign ? cpu_online : READ_ONCE(who->tlb_cpus), pg->aux));
	// Nobody gets it writable before this is through.
	if (foreign)
		__atomic_fetch_and(&pg->count, ~PGC_FOREIGN, __ATOMIC_SEQ_CST);
}

// The word after one more count of `type`; *rc tells what it means.
static u64 type_next(u64 x, u64 type, int *rc)
{
	*rc = 0;
	if ((x & PGT_COUNT) == PGT_COUNT) {
		*rc = -EINVAL;
		return x;
	}
	if (!(x & PGT_COUNT)) {
		if ((x & PGT_TYPE) == type && (x & PGT_VALIDATED))
			return x + 1;
		// Nobody may use it before the flush.
		*rc = 1;
		return type | 1;
	}
	if ((x & PGT_TYPE) != type) {
		*rc = -EBUSY;
		return x;
	}
	if (x & PGT_VALIDATED)
		return x + 1;
	if (!(x & PGT_PARTIAL)) {
		*rc = -EAGAIN; // somebody is at it
		return x;
	}
	*rc = 2; // taken over where it was left, with the flag's count
	return x & ~PGT_PARTIAL;
}

int page_type_begin(struct page_info *pg, u64 type, bool can_wait)
{
	u64 x = READ_ONCE(pg->type), next;
	int rc;

	for (;;) {
		next = type_next(x, type, &rc);
		if (rc == -EAGAIN && can_wait) {
			cpu_relax();
			x = READ_ONCE(pg->type);
			continue;
		}
		if (rc < 0)
			return rc;
		if (cas(&pg->type, &x, next))
			break;
	}
	if (rc != 1)
		return rc;
	if ((x & PGT_TYPE) != type)
		type_flush(pg);
	// Nothing but tables and descriptors needs looking at before use.
	if (!PGT_IS_TABLE(type) && type != PGT_SEGDESC) {
		page_type_commit(pg);
		return 0;
	}
	pg->aux = 0;
	return 1;
}

void page_type_commit(struct page_info *pg)
{
	__atomic_fetch_or(&pg->type, PGT_VALIDATED, __ATOMIC_SEQ_CST);
}

void page_type_abort(struct page_info *pg)
{
	pg->aux = tlb_stamp();
	__atomic_store_n(&pg->type, 0, __ATOMIC_SEQ_CST);
}

void page_type_interrupt(struct page_info *pg)
{
	page_get_any(pg);
	__atomic_fetch_or(&pg->type, PGT_PARTIAL, __ATOMIC_SEQ_CST);
}

bool page_type_claim(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->type);

	do {
		if (!(x & PGT_PARTIAL))
			return false;
	} while (!cas(&pg->type, &x, x & ~PGT_PARTIAL));
	page_put(pg);
	return true;
}

int page_type_put(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->type), next;
	bool last, undo;

	for (;;) {
		ASSERT(x & PGT_COUNT);
		last = (x & PGT_COUNT) == 1;
		undo = last && PGT_IS_TABLE(x & PGT_TYPE);
		// Who has the lock is at the entries; he does not wait for us:
		// locks are taken from higher levels to lower.
		if (undo && (x & PGT_LOCKED)) {
			cpu_relax();
			x = READ_ONCE(pg->type);
			continue;
		}
		if (last && !undo)
			pg->aux = tlb_stamp();
		// The count stays until the undo is through.
		next = undo ? x & ~PGT_VALIDATED : x - 1;
		if (cas(&pg->type, &x, next))
			break;
	}
	if (undo)
		pg->aux = 512;
	return undo;
}

int page_write_first(struct page_info *pg)
{
	int rc = page_type_begin(pg, PGT_WRITABLE, true);

	if (rc)
		page_put(pg);
	return rc;
}

int page_get_writable(struct page_info *pg, const struct page_account *who)
{
	return page_get(pg, who) ? page_write_first(pg) : -EINVAL;
}

void page_put_writable(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->type);

	// Not the last user: the hot case of page_type_put().
	if ((x & PGT_COUNT) < 2 || !cas(&pg->type, &x, x - 1))
		page_type_put(pg);
	page_put(pg);
}

static inline bool entries_lock(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->type);

	for (;;) {
		if (!(x & PGT_COUNT) || !(x & PGT_VALIDATED) ||
		    !PGT_IS_TABLE(x & PGT_TYPE))
			return false;
		if (x & PGT_LOCKED) {
			cpu_relax();
			x = READ_ONCE(pg->type);
		} else if (cas(&pg->type, &x, x | PGT_LOCKED)) {
			table_lock_note(1);
			return true;
		}
	}
}

struct page_info *table_lock(mfn_t m, const struct page_account *who)
{
	struct page_info *pg = mfn_to_page(m);

	if (mfn_val(m) >= max_mfn || !page_is_of(pg, who) || !entries_lock(pg))
		return NULL;
	// It may have been given away before it was locked.
	if (likely(page_is_of(pg, who)))
		return pg;
	page_unlock(pg);
	return NULL;
}

int page_assign(struct page_account *who, struct page_info *pg,
		unsigned int order)
{
	u64 n = 1UL << order;

	SPIN_GUARD(&who->lock);
	if (who->dying)
		return -EINVAL;
	if (who->total + n > who->max || who->total + n < n)
		return -ENOMEM;
	for (u64 i = 0; i < n; i++) {
		pg[i].owner = account_number(who);
		pg[i].type = 0;
		pg[i].aux = tlb_stamp();
		page_list_add(&who->first, &pg[i]);
		// One that was stolen may be known to other CPUs still.
		__atomic_store_n(&pg[i].count,
				 PGC_ALLOCATED | 1 |
					 (pg[i].count & PGC_FOREIGN),
				 __ATOMIC_RELEASE);
	}
	who->total += n;
	frames_claim_use(who, n);
	return 0;
}

void page_share(struct page_account *who, struct page_info *pg, bool writable)
{
	SPIN_GUARD(&who->lock);
	who->special++;
	pg->owner = account_number(who);
	// A type count of the hypervisor's own: the type never changes.
	pg->type = (writable ? PGT_WRITABLE : PGT_NONE) | PGT_VALIDATED | 1;
	__atomic_store_n(&pg->count, PGC_ALLOCATED | PGC_SPECIAL | 1,
			 __ATOMIC_RELEASE);
}

void page_unshare(struct page_info *pg)
{
	if (page_take_allocated(pg))
		page_put(pg);
}

struct page_info *page_first(struct page_account *who)
{
	return page_of(READ_ONCE(who->first));
}

void page_to_tail(struct page_account *who, struct page_info *pg)
{
	SPIN_GUARD(&who->lock);
	if (page_owner(pg) == who && who->first == page_number(pg))
		who->first = pg->next;
}

struct page_info *page_first_table(struct page_account *who, u64 *most)
{
	struct page_info *pg = NULL;
	u64 left = *most;

	SPIN_GUARD(&who->lock);
	if (!who->first)
		return NULL;
	// On its list means its own as long as the lock is held: page_get() has
	// nothing to put again, which would take the lock.
	for (pg = page_of(who->first); left;
	     pg = &frame_table[pg->next - 1], left--)
		if (unlikely(READ_ONCE(pg->type) &
			     (PGT_PINNED | PGT_PARTIAL)) &&
		    page_get(pg, who))
			break;
	who->first = page_number(pg);
	*most = left;
	return left ? pg : NULL;
}

// The frame is out of everybody's reach then, as one whose last reference was put.
static inline bool take_unused(struct page_info *pg)
{
	u64 x = READ_ONCE(pg->count);

	if ((x & ~PGC_FOREIGN) != (PGC_ALLOCATED | 1) ||
	    !cas(&pg->count, &x, 0))
		return false;
	ASSERT(!(pg->type & PGT_COUNT));
	pg->owner = 0;
	return true;
}

u64 page_free_unused(struct page_account *who, u64 most)
{
	struct page_info *first, *pg;
	u64 n = 0;

	spin_lock(&who->lock);
	ASSERT(!who->closed);
	pg = first = page_of(who->first);
	while (pg && n < most && take_unused(pg)) {
		n++;
		pg = pg->next == page_number(pg) + 1 ? pg + 1 : NULL;
	}
	if (n)
		page_list_del_first(&who->first, first + n - 1);
	who->total -= n;
	spin_unlock(&who->lock);
	if (n)
		frames_add(page_to_mfn(first), n);
	return n;
}

void page_account_close(struct page_account *who)
{
	bool last;

	spin_lock(&who->lock);
	who->closed = true;
	last = !who->total && !who->special;
	spin_unlock(&who->lock);
	if (last)
		who->empty(who);
}
