// SPDX-License-Identifier: MIT
// mmu_update, update_va_mapping(_otherdomain) and mmuext_op: changes of page
// tables, one or in batches; pins, base pointers, TLB and cache, LDT, page clear
// and copy (public header xen.h).
#include "access/access.h"
#include "call/call.h"
#include "dom/domain.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pv.h"
#include "pv/tables.h"
#include "x86/desc.h"
#include "x86/insn.h"
#include "x86/pte.h"
#include "x86/tlb.h"

// In a count: the call goes on after a preemption (Xen 4.17's own bit, not in
// the public headers).
#define MMU_UPDATE_PREEMPTED (1u << 31)

// The page-table page that a batch is at: its lock is taken once for
// neighbouring updates of the same page.
struct table_window {
	struct page_info *pg;
	u64 mfn; // NO_MFN: closed
	u8 *page;
	enum { PLAIN, UPPER, L1 } kind; // plain: writable reference, no lock
};

#define NO_MFN (~0UL)

// A batch of structures in work, and the domains it concerns, referenced.
struct mmu_batch {
	struct domain *tables; // whose tables change; may be NULL
	struct domain *frames; // whose frames they map
	bool foreign;	       // references may be held
	struct table_window window;
	union {
		struct mmu_update update;
		struct mmuext_op ext;
		u64 words[3];
	};
};

struct mmu_batch_kind {
	u32 call, size; // its number, bytes of a structure
	int (*begin)(struct mmu_batch *b, u64 dom); // not for current's own
	int (*one)(struct mmu_batch *b);
};

static void window_close(struct table_window *w)
{
	if (w->mfn == NO_MFN)
		return;
	unmap_frame(w->page);
	w->mfn = NO_MFN;
	if (w->kind == PLAIN)
		page_put_writable(w->pg);
	else
		page_unlock(w->pg);
}

static int window_open(struct table_window *w, u64 m, struct domain *d)
{
	window_close(w);
	w->pg = table_lock(mfn(m), &d->account);
	if (w->pg) {
		w->kind = (w->pg->type & PGT_TYPE) == PGT_L1 ? L1 : UPPER;
	} else {
		w->kind = PLAIN;
		w->pg = frame_get_writable(mfn(m), &d->account);
	}
	if (!w->pg)
		return -EINVAL;
	w->mfn = m;
	w->page = map_frame(mfn(m));
	return 0;
}

static int entry_update(struct mmu_batch *b, u64 ptr, bool keep_ad)
{
	struct table_window *w = &b->window;
	unsigned int offset = ptr & ~PAGE_MASK;
	u64 *entry;
	int rc;

	if (unlikely(w->mfn != ptr >> PAGE_SHIFT)) {
		rc = window_open(w, ptr >> PAGE_SHIFT, b->tables);
		if (rc)
			return rc;
	}
	entry = (u64 *)(w->page + offset);
	if (likely(w->kind == L1 && !keep_ad))
		return l1_replace(entry, b->update.val, b->tables, b->frames);
	if (w->kind != PLAIN)
		return table_entry_set(w->pg, offset, b->update.val, keep_ad,
				       NULL, b->frames);
	WRITE_ONCE(*entry, b->update.val);
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

// Owner of foreign frames by domid, DOMID_IO and DOMID_XEN too; a reference,
// or NULL.
static struct domain *frames_owner(u16 domid)
{
	struct domain *d = domid == DOMID_IO ? dom_io : dom_xen;

	if (domid != DOMID_IO && domid != DOMID_XEN)
		return domain_get_self_or(domid);
	domain_get(d);
	return d;
}

// The running domain stays without a reference.
static struct domain *batch_domain(u16 domid)
{
	return domid == DOMID_SELF || domid == currd->id ? currd
							 : frames_owner(domid);
}

static void batch_domain_end(struct domain *d)
{
	if (unlikely(d && d != currd))
		domain_put(d);
}

static inline void batch_end(struct mmu_batch *b)
{
	window_close(&b->window);
	if (likely(!b->foreign))
		return;
	batch_domain_end(b->tables);
	batch_domain_end(b->frames);
}

// A whole hypercall: arguments as mmu_update and mmuext_op have them. Of each
// its own loop.
static __forced_inline long batch_call(const struct mmu_batch_kind *k, u64 list,
				       u64 ucount, u64 updone, u64 dom)
{
	u32 count = (u32)ucount & ~MMU_UPDATE_PREEMPTED, done = 0, i = 0;
	struct mmu_batch b;
	int rc = 0;

	b.window.mfn = NO_MFN;

	// Where the guest wants the number, but cannot have it, none goes.
	if ((u32)ucount != count && updone)
		(void)word_from_guest(&done, updone);
	b.tables = b.frames = currd;
	b.foreign = (u32)dom != DOMID_SELF;
	if (b.foreign) {
		rc = k->begin(&b, dom);
		if (rc) {
			batch_end(&b);
			return rc;
		}
	}
	for (; i < count; i++, list += k->size) {
		rc = -ERESTART;
		if ((i && preempt_check()) || pv_settle(current))
			break;
		rc = k->size % 8 ? copy_from_guest(&b.ext, list, k->size)
				 : words_from_guest(b.words, list, k->size / 8);
		if (!rc)
			rc = k->one(&b);
		if (rc)
			break;
	}
	batch_end(&b);
	// What the last one left behind may be memory of a domain that ends.
	if (!rc && pv_settle(current))
		rc = -ERESTART;
	done += i;
	if (updone)
		(void)word_to_guest(updone, done);
	return rc == -ERESTART ? call_again(k->call, list,
					    (count - i) | MMU_UPDATE_PREEMPTED,
					    updone, dom)
			       : rc;
}

// Device frames may be named by anybody.
static __noinline int update_begin(struct mmu_batch *b, u64 dom)
{
	u32 tables = (u32)dom >> 16;

	b->tables = !tables || tables - 1 == currd->id
			    ? currd
			    : domain_get_by_id((u16)(tables - 1));
	b->frames = batch_domain((u16)dom);
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

	return batch_call(&kind, ureqs, ucount, updone, foreigndom);
}

// The CPUs on which the vcpus of a guest's bitmap may have translations.
static int vcpu_bitmap_to_cpus(u64 gva, cpumask_t *out)
{
	cpumask_t mask = 0;
	struct vcpu *v;

	for (u32 id = 0; id < currd->max_vcpus; id += 64) {
		u64 bits = 0;

		// By whole words of the guest's.
		if (copy_from_guest(
			    &bits, gva + id / 8,
			    currd->pv32 && currd->max_vcpus - id <= 32 ? 4 : 8))
			return -EFAULT;
		for (; bits; bits &= bits - 1) {
			v = domain_vcpu(currd, id + (u32)__builtin_ctzl(bits));
			if (v)
				mask |= cpumask_of(READ_ONCE(v->cpu));
		}
	}
	*out = mask & READ_ONCE(currd->account.tlb_cpus);
	return 0;
}

// Not of this CPU alone.
static __noinline int flush_there(u64 va, u64 type, u64 bitmap)
{
	cpumask_t mask = READ_ONCE(currd->account.tlb_cpus);

	if (bitmap != UVMF_ALL && vcpu_bitmap_to_cpus(bitmap, &mask))
		return -EFAULT;
	if (type == UVMF_TLB_FLUSH)
		tlb_flush_mask(mask);
	else
		tlb_flush_va_mask(mask, va);
	return 0;
}

static __forced_inline long va_mapping(const struct vcpu *v, u64 va, u64 val,
				       u64 flags, struct domain *from)
{
	u64 type = flags & UVMF_FLUSHTYPE_MASK, bitmap = flags & ~3UL;
	struct page_info *pg;
	long rc, flushed;
	u64 *entry;

	pg = l1_lock_va(v, va, &entry);
	if (unlikely(!pg))
		return -EINVAL;
	rc = l1_replace(entry, val, v->domain, from);
	l1_unlock(pg, entry);
	if (type == UVMF_NONE)
		return rc;
	if (likely(!bitmap)) {
		if (type == UVMF_TLB_FLUSH)
			tlb_flush_local();
		else
			invlpg(va);
		return rc;
	}
	flushed = flush_there(va, type, bitmap);
	return rc ? rc : flushed;
}

long call_update_va_mapping(u64 va, u64 val, u64 flags, u64 a4, u64 a5)
{
	struct vcpu *v = current;

	if (pv_settle(v))
		return call_again(__HYPERVISOR_update_va_mapping, va, val,
				  flags);
	return va_mapping(v, va, val, flags, v->domain);
}

long call_update_va_mapping_otherdomain(u64 va, u64 val, u64 flags, u64 domid,
					u64 a5)
{
	struct domain *d __domain_ref = NULL;

	if (pv_settle(current))
		return call_again(__HYPERVISOR_update_va_mapping_otherdomain,
				  va, val, flags, domid);
	d = frames_owner((u16)domid);
	if (!d)
		return -ESRCH;
	return domain_may_control(currd, d)
		       ? va_mapping(current, va, val, flags, d)
		       : -EPERM;
}

static int do_pin(struct mmu_batch *b)
{
	u64 type = (u64)(b->ext.cmd - MMUEXT_PIN_L1_TABLE + 1) << 60;

	return table_pin(b->frames, gfn(b->ext.arg1.mfn), type);
}

static int do_unpin(struct mmu_batch *b)
{
	return table_unpin(b->frames, gfn(b->ext.arg1.mfn));
}

static int do_new_base(struct mmu_batch *b)
{
	if (b->frames != currd)
		return -EPERM;
	return pv_new_base(current, gfn(b->ext.arg1.mfn),
			   b->ext.cmd != MMUEXT_NEW_BASEPTR);
}

static int do_flush_here(struct mmu_batch *b)
{
	tlb_flush_local();
	return 0;
}

static int do_invlpg_here(struct mmu_batch *b)
{
	if (va_is_guest(b->ext.arg1.linear_addr))
		invlpg(b->ext.arg1.linear_addr);
	return 0;
}

static int do_flush(struct mmu_batch *b)
{
	cpumask_t mask = READ_ONCE(currd->account.tlb_cpus);
	u64 va = b->ext.arg1.linear_addr;
	u32 cmd = b->ext.cmd;

	if ((cmd == MMUEXT_TLB_FLUSH_MULTI || cmd == MMUEXT_INVLPG_MULTI) &&
	    vcpu_bitmap_to_cpus((u64)b->ext.arg2.vcpumask.p, &mask))
		return -EINVAL;
	if (cmd == MMUEXT_TLB_FLUSH_MULTI || cmd == MMUEXT_TLB_FLUSH_ALL)
		tlb_flush_mask(mask);
	else if (va_is_guest(va))
		tlb_flush_va_mask(mask, va);
	return 0;
}

static bool may_flush_caches(const struct domain *d)
{
	return d->is_hardware || d->rights[RIGHT_MEM].used ||
	       d->rights[RIGHT_PORTS].used;
}

static int do_flush_cache(struct mmu_batch *b)
{
	if (!may_flush_caches(currd))
		return -EACCES;
	if (b->ext.cmd == MMUEXT_FLUSH_CACHE_GLOBAL)
		cache_flush_mask(cpu_online);
	else
		wbinvd();
	return 0;
}

static int do_set_ldt(struct mmu_batch *b)
{
	u64 base = b->ext.arg1.linear_addr;
	u32 entries = b->ext.arg2.nr_ents;
	struct vcpu *v = current;

	if (b->frames != currd)
		return -EPERM;
	if ((base & ~PAGE_MASK) || entries > 8192 ||
	    (entries && !access_ok(base, entries * 8)))
		return -EINVAL;
	if (v->pv->ldt_base == base && v->pv->ldt_entries == entries)
		return 0;
	pv_clear_ldt(v);
	v->pv->ldt_base = base;
	v->pv->ldt_entries = entries;
	irq_disable();
	ldt_load(PERDOM_LDT(v->id), entries);
	irq_enable();
	return 0;
}

static int do_clear_page(struct mmu_batch *b)
{
	mfn_t m = mfn(b->ext.arg1.mfn);
	struct page_info *pg = frame_get_writable(m, &b->frames->account);
	void *p;

	if (!pg)
		return -EINVAL;
	p = map_frame(m);
	memset(p, 0, PAGE_SIZE);
	unmap_frame(p);
	page_put_writable(pg);
	return 0;
}

static int do_copy_page(struct mmu_batch *b)
{
	mfn_t to = mfn(b->ext.arg1.mfn), from = mfn(b->ext.arg2.src_mfn);
	struct page_info *src = frame_get(from, &b->frames->account), *dst;
	void *p, *q;

	if (!src)
		return -EINVAL;
	dst = frame_get_writable(to, &b->frames->account);
	if (!dst) {
		page_put(src);
		return -EINVAL;
	}
	p = map_frame(to);
	q = map_frame(from);
	memcpy(p, q, PAGE_SIZE);
	unmap_frame(q);
	unmap_frame(p);
	page_put_writable(dst);
	page_put(src);
	return 0;
}

static int (*const handlers[])(struct mmu_batch *b) = {
	[MMUEXT_PIN_L1_TABLE] = do_pin,
	[MMUEXT_PIN_L2_TABLE] = do_pin,
	[MMUEXT_PIN_L3_TABLE] = do_pin,
	[MMUEXT_PIN_L4_TABLE] = do_pin,
	[MMUEXT_UNPIN_TABLE] = do_unpin,
	[MMUEXT_NEW_BASEPTR] = do_new_base,
	[MMUEXT_TLB_FLUSH_LOCAL] = do_flush_here,
	[MMUEXT_INVLPG_LOCAL] = do_invlpg_here,
	[MMUEXT_TLB_FLUSH_MULTI] = do_flush,
	[MMUEXT_INVLPG_MULTI] = do_flush,
	[MMUEXT_TLB_FLUSH_ALL] = do_flush,
	[MMUEXT_INVLPG_ALL] = do_flush,
	[MMUEXT_FLUSH_CACHE] = do_flush_cache,
	[MMUEXT_SET_LDT] = do_set_ldt,
	[MMUEXT_NEW_USER_BASEPTR] = do_new_base,
	[MMUEXT_CLEAR_PAGE] = do_clear_page,
	[MMUEXT_COPY_PAGE] = do_copy_page,
	[MMUEXT_FLUSH_CACHE_GLOBAL] = do_flush_cache,
};

static int ext_one(struct mmu_batch *b)
{
	u32 cmd = b->ext.cmd;

	if (cmd >= ARRAY_SIZE(handlers))
		return cmd == MMUEXT_MARK_SUPER || cmd == MMUEXT_UNMARK_SUPER
			       ? -EOPNOTSUPP
			       : -ENOSYS;
	cmd = (u32)index_nospec(cmd, ARRAY_SIZE(handlers));
	return handlers[cmd] ? handlers[cmd](b) : -ENOSYS;
}

static __noinline int ext_begin(struct mmu_batch *b, u64 dom)
{
	struct domain *d = b->frames = batch_domain((u16)dom);

	b->tables = NULL;
	if (!d)
		return -ESRCH;
	return d == currd || (d != dom_io && domain_may_control(currd, d) &&
			      d->ops == currd->ops)
		       ? 0
		       : -EPERM;
}

// As 32-bit kernels have it: number and two words.
static int ext_one32(struct mmu_batch *b)
{
	u32 n[3];

	memcpy(n, &b->ext, sizeof(n));
	b->ext = (struct mmuext_op){ .cmd = n[0],
				     .arg1.mfn = n[1],
				     .arg2.src_mfn = n[2] };
	return ext_one(b);
}

long call32_mmuext_op(u64 uops, u64 ucount, u64 updone, u64 domid, u64 a5)
{
	static const struct mmu_batch_kind kind = {
		.call = __HYPERVISOR_mmuext_op,
		.size = 3 * sizeof(u32),
		.begin = ext_begin,
		.one = ext_one32,
	};

	return batch_call(&kind, uops, ucount, updone, domid);
}

long call_mmuext_op(u64 uops, u64 ucount, u64 updone, u64 domid, u64 a5)
{
	static const struct mmu_batch_kind kind = {
		.call = __HYPERVISOR_mmuext_op,
		.size = sizeof(struct mmuext_op),
		.begin = ext_begin,
		.one = ext_one,
	};

	return batch_call(&kind, uops, ucount, updone, domid);
}
