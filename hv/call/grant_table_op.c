// SPDX-License-Identifier: MIT
// Grant tables: public header grant_table.h. Batched operations go through
// their array one structure at a time; when work waits, the call is issued
// again with the rest of the array.
#include "access/access.h"
#include "call/call.h"
#include "grant/grant.h"
#include "x86/panic.h"

#define UNMAP_BATCH 16 // unmappings that share a TLB flush

// An array in work, and the unmappings that are half done.
struct batch {
	struct sub sub;
	u32 n;
	struct grant_unmap u[UNMAP_BATCH];
};

static s16 unmap_begin(struct sub *s, u32 handle, u64 host_addr, u64 dev_addr,
		       u64 new_addr)
{
	struct batch *b = container_of(s, struct batch, sub);

	return (s16)grant_unmap_begin(&b->u[b->n++], handle, host_addr,
				      dev_addr, new_addr);
}

// Nothing that was unmapped is left to anybody before every CPU has forgotten
// the translation.
static void batch_end(struct batch *b)
{
	if (b->n)
		grant_unmap_flush();
	while (b->n)
		grant_unmap_end(&b->u[--b->n]);
}

// Whom a caller may ask about; NULL with *status set.
static struct domain *named_domain(u16 domid, s16 *status)
{
	struct domain *d = domain_get_self_or(domid);

	*status = d ? GNTST_permission_denied : GNTST_bad_domain;
	if (!d || domain_may_control(currd, d))
		return d;
	domain_put(d);
	return NULL;
}

static int copy_frame_list(struct domain *d, u64 list, u32 n, bool status)
{
	int rc = 0;

	for (u32 i = 0; i < n && !rc; i++) {
		u64 frame = grant_frame_number(d, i, status);

		// Those of status frames have 64 bits everywhere.
		rc = status ? copy_element_to_guest(list, i, &frame)
			    : pfn_to_guest(list, i, frame);
	}
	return rc;
}

#define SUB_TABLE      "call/grant.def"
#define SUB_NR(name)   GNTTABOP_##name
#define SUB_TYPE(type) struct gnttab_##type
#include "call/sub_ops.inc"

static long op_setup_table(struct sub *s, struct gnttab_setup_table *op)
{
	struct domain *d __domain_ref = named_domain(op->dom, &op->status);
	u64 list = handle_gva(op->frame_list);

	if (!d)
		return 0;
	if (!access_ok(list, 1))
		return -EFAULT;
	op->status = (s16)grant_setup(d, op->nr_frames);
	if (op->status == GNTST_okay &&
	    copy_frame_list(d, list, op->nr_frames, false))
		op->status = GNTST_bad_virt_addr;
	return 0;
}

static long op_get_status_frames(struct sub *s,
				 struct gnttab_get_status_frames *op)
{
	struct domain *d __domain_ref = named_domain(op->dom, &op->status);

	if (!d)
		return 0;
	op->status = (s16)grant_status_check(d, op->nr_frames);
	return op->status == GNTST_okay
		       ? copy_frame_list(d, handle_gva(op->frame_list),
					 op->nr_frames, true)
		       : 0;
}

static long op_query_size(struct sub *s, struct gnttab_query_size *op)
{
	struct domain *d __domain_ref = named_domain(op->dom, &op->status);

	if (!d)
		return 0;
	op->nr_frames = grant_size(d).frames;
	op->max_nr_frames = grant_size(d).max_frames;
	op->status = GNTST_okay;
	return 0;
}

static long op_set_version(struct sub *s, struct gnttab_set_version *op)
{
	long rc = grant_set_version(op->version);

	op->version = grant_size(currd).version;
	return rc;
}

// As sub_op_run(), of a row that knows no rule but SUB_OUT.
static __noinline long array_one(const struct sub_op *op, struct sub *s)
{
	u64 arg[8];

	ASSERT(op->flags == SUB_OUT && op->size <= sizeof(arg));
	if (compat_from_guest(op->layout32, arg, s->gva, op->size))
		return -EFAULT;
	op->fn(s, arg);
	return compat_to_guest(op->layout32, s->gva, arg, op->size);
}

// The same, of a row that is known here, its layout the caller's.
static __forced_inline long array_one_hot(sub_fn *fn, u32 words, struct sub *s)
{
	u64 arg[5];

	if (words_from_guest(arg, s->gva, words))
		return -EFAULT;
	fn(s, arg);
	return words_to_guest(s->gva, arg, words);
}

// hot: of so many words, if it is not NULL. unmaps: it leaves something for
// batch_end().
static __forced_inline long array_do(u32 cmd, u64 at, u32 count, sub_fn *hot,
				     u32 words, bool unmaps)
{
	const struct sub_op *op = &ops[cmd];
	u32 i, stride = hot ? words * 8 : compat_stride(op->layout32, op->size);
	struct batch b;
	long rc = 0;

	b.n = 0;
	if (count > 1)
		grant_pv_batch(true);
	for (i = 0; i < count && !rc; i++, at += stride) {
		if (i && preempt_check())
			break;
		b.sub.gva = at;
		rc = hot ? array_one_hot(hot, words, &b.sub)
			 : array_one(op, &b.sub);
		if (unmaps && b.n == UNMAP_BATCH)
			batch_end(&b);
	}
	if (unmaps)
		batch_end(&b);
	if (count > 1)
		grant_pv_batch(false);
	return rc || i == count ? rc
				: call_again(__HYPERVISOR_grant_table_op, cmd,
					     at, count - i);
}

static __noinline long array_op(u32 cmd, u64 at, u32 count)
{
	return array_do(cmd, at, count, NULL, 0, true);
}

// Structures of at most 5 words; of all but copy, 32-bit kernels have the same.
#define HOT(name, unmaps)                                                  \
	_Static_assert(sizeof(struct gnttab_##name) % 8 == 0 &&            \
			       sizeof(struct gnttab_##name) <= 40,         \
		       "words");                                           \
	static __noinline long hot_##name(u64 at, u32 count)               \
	{                                                                  \
		return array_do(GNTTABOP_##name, at, count,                \
				(sub_fn *)op_##name,                       \
				sizeof(struct gnttab_##name) / 8, unmaps); \
	}
HOT(map_grant_ref, false)
HOT(unmap_grant_ref, true)
HOT(copy, false)

long call_grant_table_op(u64 cmd64, u64 uop, u64 count64, u64 a4, u64 a5)
{
	u32 cmd = (u32)cmd64, count = (u32)count64;

	// Bits from 20 on are cache_flush's progress on other machines.
	if ((s32)count < 0 ||
	    (cmd >> 20 && (cmd & 0xfffff) != GNTTABOP_cache_flush))
		return -EINVAL;
	if (cmd == GNTTABOP_map_grant_ref)
		return hot_map_grant_ref(uop, count);
	if (cmd == GNTTABOP_unmap_grant_ref)
		return hot_unmap_grant_ref(uop, count);
	if (cmd == GNTTABOP_copy && !currd->pv32)
		return hot_copy(uop, count);
	if (cmd == GNTTABOP_cache_flush)
		return -EOPNOTSUPP;
	if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].fn)
		return -ENOSYS;
	cmd = (u32)index_nospec(cmd, ARRAY_SIZE(ops));
	if (!(ops[cmd].flags & SUB_ONE))
		return array_op(cmd, uop, count);
	if (count != 1 && cmd != GNTTABOP_set_version &&
	    cmd != GNTTABOP_get_version)
		return -EINVAL;
	return sub_op_run(&ops[cmd], &(struct sub){ .gva = uop });
}
