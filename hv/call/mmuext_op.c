// SPDX-License-Identifier: MIT
// mmuext_op: pins, base pointers, TLB and cache, LDT, page clear and copy
// (public header xen.h).
#include "access/access.h"
#include "call/call.h"
#include "call/mmu.h"
#include "lib/rangeset.h"
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

struct mmuext {
	struct mmuext_op op;
	struct domain *d; // whose frames: pins, clear, copy
};

static int do_pin(struct mmuext *m)
{
	u64 type = (u64)(m->op.cmd - MMUEXT_PIN_L1_TABLE + 1) << 60;

	return table_pin(m->d, gfn(m->op.arg1.mfn), type);
}

static int do_unpin(struct mmuext *m)
{
	return table_unpin(m->d, gfn(m->op.arg1.mfn));
}

static int do_new_base(struct mmuext *m)
{
	return m->d == currd ? pv_new_base(current, gfn(m->op.arg1.mfn))
			     : -EPERM;
}

static int do_new_user_base(struct mmuext *m)
{
	return m->d == currd ? pv_new_user_base(current, gfn(m->op.arg1.mfn))
			     : -EPERM;
}

static int do_flush(struct mmuext *m)
{
	cpumask_t mask = cpumask_of(smp_cpu_id());
	u64 va = m->op.arg1.linear_addr;

	switch (m->op.cmd) {
	case MMUEXT_TLB_FLUSH_MULTI:
	case MMUEXT_INVLPG_MULTI:
		if (vcpu_bitmap_to_cpus((u64)m->op.arg2.vcpumask.p, &mask))
			return -EINVAL;
		break;
	case MMUEXT_TLB_FLUSH_ALL:
	case MMUEXT_INVLPG_ALL:
		mask = READ_ONCE(currd->account.tlb_cpus);
		break;
	default:
		break;
	}
	switch (m->op.cmd) {
	case MMUEXT_INVLPG_LOCAL:
	case MMUEXT_INVLPG_MULTI:
	case MMUEXT_INVLPG_ALL:
		if (va_canonical(va) && va_is_guest(va))
			tlb_flush_va_mask(mask, va);
		return 0;
	default:
		tlb_flush_mask(mask);
		return 0;
	}
}

static bool may_flush_caches(const struct domain *d)
{
	return d->is_hardware || d->io_mem->used || d->io_ports->used;
}

static int do_flush_cache(struct mmuext *m)
{
	if (!may_flush_caches(currd))
		return -EACCES;
	if (m->op.cmd == MMUEXT_FLUSH_CACHE_GLOBAL)
		cache_flush_mask(cpu_online);
	else
		wbinvd();
	return 0;
}

static int do_set_ldt(struct mmuext *m)
{
	u64 base = m->op.arg1.linear_addr;
	u32 entries = m->op.arg2.nr_ents;
	struct vcpu *v = current;

	if (m->d != currd)
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

static int do_clear_page(struct mmuext *m)
{
	struct page_info *pg = mfn_to_page(mfn(m->op.arg1.mfn));
	void *p;

	if (!mfn_valid(mfn(m->op.arg1.mfn)) ||
	    page_get_writable(pg, &m->d->account))
		return -EINVAL;
	p = map_frame(mfn(m->op.arg1.mfn));
	memset(p, 0, PAGE_SIZE);
	unmap_frame(p);
	page_put_writable(pg);
	return 0;
}

static int do_copy_page(struct mmuext *m)
{
	mfn_t to = mfn(m->op.arg1.mfn), from = mfn(m->op.arg2.src_mfn);
	struct page_info *src = mfn_to_page(from), *dst = mfn_to_page(to);
	void *a, *b;

	if (!mfn_valid(from) || !page_get(src, &m->d->account))
		return -EINVAL;
	if (!mfn_valid(to) || page_get_writable(dst, &m->d->account)) {
		page_put(src);
		return -EINVAL;
	}
	a = map_frame(to);
	b = map_frame(from);
	memcpy(a, b, PAGE_SIZE);
	unmap_frame(b);
	unmap_frame(a);
	page_put_writable(dst);
	page_put(src);
	return 0;
}

static int do_super(struct mmuext *m)
{
	(void)m;
	return -EOPNOTSUPP;
}

static int (*const handlers[])(struct mmuext *m) = {
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
	[MMUEXT_NEW_USER_BASEPTR] = do_new_user_base,
	[MMUEXT_CLEAR_PAGE] = do_clear_page,
	[MMUEXT_COPY_PAGE] = do_copy_page,
	[MMUEXT_FLUSH_CACHE_GLOBAL] = do_flush_cache,
	[MMUEXT_MARK_SUPER] = do_super,
	[MMUEXT_UNMARK_SUPER] = do_super,
};

static int one(struct mmuext *m)
{
	u32 cmd = m->op.cmd;

	if (cmd >= ARRAY_SIZE(handlers))
		return -ENOSYS;
	cmd = (u32)index_nospec(cmd, ARRAY_SIZE(handlers));
	return handlers[cmd] ? handlers[cmd](m) : -ENOSYS;
}

long call_mmuext_op(u64 uops, u64 ucount, u64 updone, u64 domid, u64 a5)
{
	u32 count = (u32)ucount & ~MMU_UPDATE_PREEMPTED, done = 0, i;
	struct mmuext m;
	int rc = 0;

	(void)a5;
	if (((u32)ucount & MMU_UPDATE_PREEMPTED) && updone &&
	    copy_from_guest(&done, updone, sizeof(done)))
		return -EFAULT;
	if (pv_settle(current))
		return call_again(__HYPERVISOR_mmuext_op, 4, uops,
				  count | MMU_UPDATE_PREEMPTED, updone, domid,
				  0);
	m.d = mmu_frames_owner((u16)domid);
	if (!m.d)
		return -ESRCH;
	if (m.d != currd && (m.d == dom_io || !domain_may_control(currd, m.d) ||
			     m.d->ops != currd->ops)) {
		domain_put(m.d);
		return -EPERM;
	}
	for (i = 0; i < count; i++, uops += sizeof(m.op)) {
		if ((i && preempt_check()) || pv_settle(current)) {
			rc = -ERESTART;
			break;
		}
		if (copy_struct_from_guest(&m.op, uops))
			rc = -EFAULT;
		else
			rc = one(&m);
		if (rc)
			break;
	}
	domain_put(m.d);
	done += i;
	if (updone && copy_to_guest(updone, &done, sizeof(done)))
		return -EFAULT;
	if (rc == -ERESTART)
		return call_again(__HYPERVISOR_mmuext_op, 4, uops,
				  (count - i) | MMU_UPDATE_PREEMPTED, updone,
				  domid, 0);
	return rc;
}
