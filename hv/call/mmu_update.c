// SPDX-License-Identifier: MIT
// mmu_update, update_va_mapping(_otherdomain): changes of entries in batches
// (public header xen.h).
#include "access/access.h"
#include "call/call.h"
#include "call/mmu.h"
#include "dom/domain.h"
#include "mm/alloc.h"
#include "pv/pgmod.h"
#include "pv/pv.h"
#include "x86/pte.h"
#include "x86/tlb.h"

// In a count: the call goes on after a preemption (Xen 4.17's own bit, not in
// the public headers).
#define MMU_UPDATE_PREEMPTED (1u << 31)

static void window_close(struct table_window *w)
{
	if (!w->pg)
		return;
	if (w->locked) {
		page_unlock(w->pg);
		page_put(w->pg);
	} else {
		page_put_writable(w->pg);
	}
	w->pg = NULL;
}

static int window_open(struct table_window *w, u64 m, struct domain *d)
{
	struct page_info *pg;

	if (w->pg && w->mfn == m)
		return 0;
	window_close(w);
	pg = frame_get(mfn(m), &d->account);
	if (!pg)
		return -EINVAL;
	w->locked = page_lock(pg);
	if (!w->locked && page_type_begin(pg, PGT_WRITABLE, true)) {
		page_put(pg);
		return -EINVAL;
	}
	w->pg = pg;
	w->mfn = m;
	return 0;
}

static int entry_update(struct mmu_batch *b, u64 ptr, bool keep_ad)
{
	struct table_window *w = &b->window;
	int rc = window_open(w, ptr >> PAGE_SHIFT, b->tables);
	u64 *t;

	if (rc)
		return rc;
	if (w->locked)
		return table_entry_set(w->pg, ptr & ~PAGE_MASK, b->update.val,
				       keep_ad, current, b->frames);
	t = map_frame(mfn(w->mfn));
	WRITE_ONCE(t[(ptr & ~PAGE_MASK) / 8], b->update.val);
	unmap_frame(t);
	return 0;
}

static int m2p_update(u64 m, u64 pfn, struct domain *from)
{
	struct page_info *pg = frame_get(mfn(m), &from->account);

	if (!pg)
		return -EINVAL;
	m2p_set(mfn(m), pfn);
	page_put(pg);
	return 0;
}

struct domain *mmu_frames_owner(u16 domid)
{
	struct domain *d = domid == DOMID_IO ? dom_io : dom_xen;

	if (domid != DOMID_IO && domid != DOMID_XEN)
		return domain_get_self_or(domid);
	domain_get(d);
	return d;
}

static void batch_end(struct mmu_batch *b)
{
	window_close(&b->window);
	if (b->tables)
		domain_put(b->tables);
	if (b->frames)
		domain_put(b->frames);
}

long mmu_batch_call(const struct mmu_batch_kind *k, u64 list, u64 ucount,
		    u64 updone, u64 dom)
{
	u32 count = (u32)ucount & ~MMU_UPDATE_PREEMPTED, done = 0, i = 0;
	struct mmu_batch b = { 0 };
	int rc;

	// Where the guest wants the number, but cannot have it, none goes.
	if ((u32)ucount != count && updone)
		(void)copy_struct_from_guest(&done, updone);
	rc = k->begin(&b, dom);
	if (rc) {
		batch_end(&b);
		return rc;
	}
	for (; i < count; i++, list += k->size) {
		rc = -ERESTART;
		if ((i && preempt_check()) || pv_settle(current))
			break;
		rc = copy_from_guest(&b.ext, list, k->size);
		if (!rc)
			rc = k->one(&b);
		if (rc)
			break;
	}
	batch_end(&b);
	done += i;
	if (updone)
		(void)copy_struct_to_guest(updone, &done);
	return rc == -ERESTART ? call_again(k->call, list,
					    (count - i) | MMU_UPDATE_PREEMPTED,
					    updone, dom)
			       : rc;
}

// Device frames may be named by anybody.
static int update_begin(struct mmu_batch *b, u64 dom)
{
	u32 tables = (u32)dom >> 16;

	b->tables = tables ? domain_get_by_id((u16)(tables - 1))
			   : domain_get_self_or(DOMID_SELF);
	b->frames = mmu_frames_owner((u16)dom);
	if (!b->tables || !b->frames)
		return -ESRCH;
	return domain_may_control(currd, b->tables) &&
			       (b->frames == dom_io ||
				domain_may_control(currd, b->frames))
		       ? 0
		       : -EPERM;
}

static int update_one(struct mmu_batch *b)
{
	u64 ptr = b->update.ptr & ~7UL, kind = b->update.ptr & 7;

	switch (kind) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_NO_TRANSLATE:
	case MMU_PT_UPDATE_PRESERVE_AD:
		return entry_update(b, ptr, kind == MMU_PT_UPDATE_PRESERVE_AD);
	case MMU_MACHPHYS_UPDATE:
		return m2p_update(ptr >> PAGE_SHIFT, b->update.val, b->frames);
	default:
		return -ENOSYS;
	}
}

long call_mmu_update(u64 ureqs, u64 ucount, u64 updone, u64 foreigndom, u64 a5)
{
	static const struct mmu_batch_kind kind = {
		.call = __HYPERVISOR_mmu_update,
		.size = sizeof(struct mmu_update),
		.begin = update_begin,
		.one = update_one,
	};

	return mmu_batch_call(&kind, ureqs, ucount, updone, foreigndom);
}

static int flush_after(u64 va, u64 flags)
{
	cpumask_t mask = cpumask_of(smp_cpu_id());
	u64 type = flags & UVMF_FLUSHTYPE_MASK, bitmap = flags & ~3UL;

	if (type == UVMF_NONE)
		return 0;
	if (bitmap == UVMF_ALL)
		mask = currd->account.tlb_cpus;
	else if (bitmap && vcpu_bitmap_to_cpus(bitmap, &mask))
		return -EFAULT;
	if (type == UVMF_TLB_FLUSH)
		tlb_flush_mask(mask);
	else
		tlb_flush_va_mask(mask, va);
	return 0;
}

static long va_mapping(u64 va, u64 val, u64 flags, struct domain *from)
{
	struct table_window w = { 0 };
	u64 maddr;
	int rc, flushed;

	maddr = pv_l1e_maddr(current, va);
	if (!maddr)
		return -EINVAL;
	rc = window_open(&w, maddr >> PAGE_SHIFT, currd);
	if (!rc && !w.locked)
		rc = -EINVAL;
	if (!rc)
		rc = table_entry_set(w.pg, maddr & ~PAGE_MASK, val, false,
				     current, from);
	window_close(&w);
	flushed = flush_after(va, flags);
	return rc ? rc : flushed;
}

long call_update_va_mapping(u64 va, u64 val, u64 flags, u64 a4, u64 a5)
{
	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping, va, val,
				  flags);
	return va_mapping(va, val, flags, currd);
}

long call_update_va_mapping_otherdomain(u64 va, u64 val, u64 flags, u64 domid,
					u64 a5)
{
	struct domain *d __domain_ref = NULL;

	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping_otherdomain,
				  va, val, flags, domid);
	d = mmu_frames_owner((u16)domid);
	if (!d)
		return -ESRCH;
	return domain_may_control(currd, d) ? va_mapping(va, val, flags, d)
					    : -EPERM;
}
