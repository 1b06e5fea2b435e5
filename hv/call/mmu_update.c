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

// The page-table page that a batch is at: its reference and its lock are
// taken once for neighbouring updates of the same page.
struct table_window {
	struct page_info *pg;
	u64 mfn;
	bool locked; // else a plain page, writable reference held
};

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
	struct page_info *pg = mfn_to_page(mfn(m));
	int rc = 0;

	if (w->pg && w->mfn == m)
		return 0;
	window_close(w);
	if (!mfn_valid(mfn(m)) || !page_get(pg, &d->account))
		return -EINVAL;
	w->locked = page_lock(pg);
	if (!w->locked) {
		rc = page_type_begin(pg, PGT_WRITABLE, true);
		if (rc) {
			page_put(pg);
			return -EINVAL;
		}
	}
	w->pg = pg;
	w->mfn = m;
	return 0;
}

static int entry_update(struct table_window *w, u64 ptr, u64 val, bool keep_ad,
			struct domain *pt_owner, struct domain *from)
{
	int rc = window_open(w, ptr >> PAGE_SHIFT, pt_owner);
	u64 *t;

	if (rc)
		return rc;
	if (w->locked)
		return table_entry_set(w->pg, ptr & ~PAGE_MASK, val, keep_ad,
				       current, from);
	t = map_frame(mfn(w->mfn));
	WRITE_ONCE(t[(ptr & ~PAGE_MASK) / 8], val);
	unmap_frame(t);
	return 0;
}

static int m2p_update(u64 m, u64 pfn, struct domain *from)
{
	struct page_info *pg = mfn_to_page(mfn(m));

	if (!mfn_valid(mfn(m)) || !page_get(pg, &from->account))
		return -EINVAL;
	m2p_set(mfn(m), pfn);
	page_put(pg);
	return 0;
}

// Both domains of a call, references held. 0, -ESRCH, -EPERM.
struct mmu_targets {
	struct domain *tables, *frames;
};

static void targets_put(struct mmu_targets *t)
{
	if (t->tables)
		domain_put(t->tables);
	if (t->frames)
		domain_put(t->frames);
}

struct domain *mmu_frames_owner(u16 domid)
{
	struct domain *d;

	switch (domid) {
	case DOMID_IO:
	case DOMID_XEN:
		d = domid == DOMID_IO ? dom_io : dom_xen;
		if (!currd->is_control && domid == DOMID_XEN)
			return NULL;
		domain_get(d);
		return d;
	default:
		return domain_get_self_or(domid);
	}
}

static int targets_get(struct mmu_targets *t, u64 foreigndom)
{
	u32 tables = (u32)foreigndom >> 16;

	t->frames = NULL;
	t->tables = tables ? domain_get_by_id((u16)(tables - 1))
			   : domain_get_self_or(DOMID_SELF);
	if (!t->tables)
		return -EINVAL;
	t->frames = mmu_frames_owner((u16)foreigndom);
	if (!t->frames) {
		targets_put(t);
		return -ESRCH;
	}
	if ((t->tables != currd && !domain_may_control(currd, t->tables)) ||
	    (t->frames != currd && t->frames != dom_io &&
	     !domain_may_control(currd, t->frames))) {
		targets_put(t);
		return -EPERM;
	}
	return 0;
}

static int update_one(struct table_window *w, const struct mmu_update *req,
		      struct mmu_targets *t)
{
	u64 ptr = req->ptr & ~7UL;

	switch (req->ptr & 7) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_NO_TRANSLATE:
		return entry_update(w, ptr, req->val, false, t->tables,
				    t->frames);
	case MMU_PT_UPDATE_PRESERVE_AD:
		return entry_update(w, ptr, req->val, true, t->tables,
				    t->frames);
	case MMU_MACHPHYS_UPDATE:
		return m2p_update(ptr >> PAGE_SHIFT, req->val, t->frames);
	default:
		return -ENOSYS;
	}
}

// Upper half of count in a continuation: how many have been done before.
long call_mmu_update(u64 ureqs, u64 ucount, u64 updone, u64 foreigndom, u64 a5)
{
	struct mmu_targets t;
	struct table_window w = { 0 };
	struct mmu_update req;
	u32 count = (u32)ucount, done = 0, i;
	int rc;

	(void)a5;
	if (count & MMU_UPDATE_PREEMPTED) {
		count &= ~MMU_UPDATE_PREEMPTED;
		if (updone && copy_from_guest(&done, updone, sizeof(done)))
			return -EFAULT;
	}
	if (pv_settle(current))
		return call_again(__HYPERVISOR_mmu_update, 4, ureqs,
				  count | MMU_UPDATE_PREEMPTED, updone,
				  foreigndom, 0);
	rc = targets_get(&t, foreigndom);
	if (rc)
		return rc;
	for (i = 0; i < count && !rc; i++, ureqs += sizeof(req)) {
		if (i && preempt_check()) {
			rc = -ERESTART;
			break;
		}
		if (copy_struct_from_guest(&req, ureqs))
			rc = -EFAULT;
		else
			rc = update_one(&w, &req, &t);
		if (rc)
			break;
		if (pv_settle(current)) {
			rc = -ERESTART;
			i++, ureqs += sizeof(req);
			break;
		}
	}
	window_close(&w);
	targets_put(&t);
	done += i;
	if (updone && copy_to_guest(updone, &done, sizeof(done)))
		return -EFAULT;
	if (rc == -ERESTART) {
		if (i == count)
			return 0;
		return call_again(__HYPERVISOR_mmu_update, 4, ureqs,
				  (count - i) | MMU_UPDATE_PREEMPTED, updone,
				  foreigndom, 0);
	}
	return rc;
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
	(void)a4, (void)a5;
	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping, 3, va, val,
				  flags, 0, 0);
	return va_mapping(va, val, flags, currd);
}

long call_update_va_mapping_otherdomain(u64 va, u64 val, u64 flags, u64 domid,
					u64 a5)
{
	struct domain *d;
	long rc = -EPERM;

	(void)a5;
	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping_otherdomain, 4,
				  va, val, flags, domid, 0);
	d = mmu_frames_owner((u16)domid);
	if (!d)
		return -ESRCH;
	if (d == currd || d == dom_io || domain_may_control(currd, d))
		rc = va_mapping(va, val, flags, d);
	domain_put(d);
	return rc;
}
