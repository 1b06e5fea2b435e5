// SPDX-License-Identifier: MIT
// mmuext_op: pins, base pointers, TLB and cache, LDT, page clear and copy
// (public header xen.h).
#include "access/access.h"
#include "call/call.h"
#include "call/mmu.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pgmod.h"
#include "pv/pv.h"
#include "x86/desc.h"
#include "x86/insn.h"
#include "x86/pte.h"
#include "x86/tlb.h"

int vcpu_bitmap_to_cpus(u64 gva, cpumask_t *out)
{
	cpumask_t mask = 0;
	struct vcpu *v;

	for (u32 id = 0; id < currd->max_vcpus; id += 64) {
		u64 bits = 0;
		u64 bytes = MIN(DIV_UP(currd->max_vcpus - id, 8), 8UL);

		if (copy_from_guest(&bits, gva + id / 8, bytes))
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
	return b->ext.cmd == MMUEXT_NEW_BASEPTR
		       ? pv_new_base(current, gfn(b->ext.arg1.mfn))
		       : pv_new_user_base(current, gfn(b->ext.arg1.mfn));
}

static int do_flush(struct mmu_batch *b)
{
	cpumask_t mask = cpumask_of(smp_cpu_id());
	u64 va = b->ext.arg1.linear_addr;
	u32 cmd = b->ext.cmd;

	if (cmd == MMUEXT_TLB_FLUSH_ALL || cmd == MMUEXT_INVLPG_ALL)
		mask = READ_ONCE(currd->account.tlb_cpus);
	else if ((cmd == MMUEXT_TLB_FLUSH_MULTI ||
		  cmd == MMUEXT_INVLPG_MULTI) &&
		 vcpu_bitmap_to_cpus((u64)b->ext.arg2.vcpumask.p, &mask))
		return -EINVAL;
	if (cmd == MMUEXT_TLB_FLUSH_LOCAL || cmd == MMUEXT_TLB_FLUSH_MULTI ||
	    cmd == MMUEXT_TLB_FLUSH_ALL)
		tlb_flush_mask(mask);
	else if (va_canonical(va) && va_is_guest(va))
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
	    (entries && (!va_canonical(base) || !access_ok(base, entries * 8))))
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

static int do_super(struct mmu_batch *b)
{
	return -EOPNOTSUPP;
}

static int (*const handlers[])(struct mmu_batch *b) = {
	[MMUEXT_PIN_L1_TABLE] = do_pin,
	[MMUEXT_PIN_L2_TABLE] = do_pin,
	[MMUEXT_PIN_L3_TABLE] = do_pin,
	[MMUEXT_PIN_L4_TABLE] = do_pin,
	[MMUEXT_UNPIN_TABLE] = do_unpin,
	[MMUEXT_NEW_BASEPTR] = do_new_base,
	[MMUEXT_TLB_FLUSH_LOCAL] = do_flush,
	[MMUEXT_INVLPG_LOCAL] = do_flush,
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
	[MMUEXT_MARK_SUPER] = do_super,
	[MMUEXT_UNMARK_SUPER] = do_super,
};

static int ext_one(struct mmu_batch *b)
{
	u32 cmd = b->ext.cmd;

	if (cmd >= ARRAY_SIZE(handlers))
		return -ENOSYS;
	cmd = (u32)index_nospec(cmd, ARRAY_SIZE(handlers));
	return handlers[cmd] ? handlers[cmd](b) : -ENOSYS;
}

static int ext_begin(struct mmu_batch *b, u64 dom)
{
	struct domain *d = b->frames = mmu_frames_owner((u16)dom);

	if (!d)
		return -ESRCH;
	return d == currd || (d != dom_io && domain_may_control(currd, d) &&
			      d->ops == currd->ops)
		       ? 0
		       : -EPERM;
}

long call_mmuext_op(u64 uops, u64 ucount, u64 updone, u64 domid, u64 a5)
{
	static const struct mmu_batch_kind kind = {
		.call = __HYPERVISOR_mmuext_op,
		.size = sizeof(struct mmuext_op),
		.begin = ext_begin,
		.one = ext_one,
	};

	return mmu_batch_call(&kind, uops, ucount, updone, domid);
}
