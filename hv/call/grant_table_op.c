// SPDX-License-Identifier: MIT
// Grant tables: public header grant_table.h. Batched operations go through
// their array one structure at a time; when work waits, the call is issued
// again with the rest of the array.
#include "access/access.h"
#include "call/call.h"
#include "grant/grant.h"

#define UNMAP_BATCH 16 // unmappings that share a TLB flush

// Both unmapping structures are taken for one.
#define UNMAP_SIZE sizeof(struct gnttab_unmap_grant_ref)
_Static_assert(UNMAP_SIZE == sizeof(struct gnttab_unmap_and_replace) &&
		       offsetof(struct gnttab_unmap_grant_ref, handle) ==
			       offsetof(struct gnttab_unmap_and_replace,
					handle),
	       "same form");

// An operation that is one call.
#define DO(name, type) SUB_FN(name, type, (a->status = (s16)grant_##name(a), 0))

DO(map, gnttab_map_grant_ref)
DO(transfer, gnttab_transfer)
DO(copy, gnttab_copy)
DO(swap, gnttab_swap_grant_ref)

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
	for (u32 i = 0; i < n; i++) {
		u64 frame = grant_frame_number(d, i, status), at;

		if (!access_index(list, i, sizeof(frame), &at) ||
		    copy_struct_to_guest(at, &frame))
			return -EFAULT;
	}
	return 0;
}

static long op_setup_table(void *arg)
{
	struct gnttab_setup_table *op = arg;
	struct domain *d __domain_ref = named_domain(op->dom, &op->status);
	u64 list = handle_gva(op->frame_list);

	if (!d)
		return 0;
	if (!access_ok(list, op->nr_frames * 8UL))
		return -EFAULT;
	op->status = (s16)grant_setup(d, op->nr_frames);
	if (op->status == GNTST_okay &&
	    copy_frame_list(d, list, op->nr_frames, false))
		op->status = GNTST_bad_virt_addr;
	return 0;
}

static long op_status_frames(void *arg)
{
	struct gnttab_get_status_frames *op = arg;
	struct domain *d __domain_ref = named_domain(op->dom, &op->status);

	if (!d)
		return 0;
	op->status = (s16)grant_status_check(d, op->nr_frames);
	return op->status == GNTST_okay
		       ? copy_frame_list(d, handle_gva(op->frame_list),
					 op->nr_frames, true)
		       : 0;
}

static long op_query_size(void *arg)
{
	struct gnttab_query_size *op = arg;
	struct domain *d __domain_ref = named_domain(op->dom, &op->status);

	if (!d)
		return 0;
	op->nr_frames = grant_frames(d);
	op->max_nr_frames = grant_max_frames(d);
	op->status = GNTST_okay;
	return 0;
}

static long op_set_version(void *arg)
{
	struct gnttab_set_version *op = arg;
	long rc = grant_set_version(op->version);

	op->version = grant_version(currd);
	return rc;
}

static long op_get_version(void *arg)
{
	struct gnttab_get_version *op = arg;
	s16 status;
	struct domain *d __domain_ref = named_domain(op->dom, &status);

	if (!d)
		return status == GNTST_bad_domain ? -ESRCH : -EPERM;
	op->version = grant_version(d);
	return 0;
}

// Without a function: unmapped in batches.
static const struct sub_op ops[] = {
	SUB_OP(GNTTABOP_map_grant_ref, map, gnttab_map_grant_ref, SUB_OUT),
	[GNTTABOP_unmap_grant_ref] = { NULL, UNMAP_SIZE, 0 },
	SUB_OP(GNTTABOP_setup_table, setup_table, gnttab_setup_table,
	       SUB_OUT | SUB_ONE),
	SUB_OP(GNTTABOP_transfer, transfer, gnttab_transfer, SUB_OUT),
	SUB_OP(GNTTABOP_copy, copy, gnttab_copy, SUB_OUT),
	SUB_OP(GNTTABOP_query_size, query_size, gnttab_query_size,
	       SUB_OUT | SUB_ONE),
	[GNTTABOP_unmap_and_replace] = { NULL, UNMAP_SIZE, 0 },
	SUB_OP(GNTTABOP_set_version, set_version, gnttab_set_version,
	       SUB_OUT_ANY | SUB_ONE),
	SUB_OP(GNTTABOP_get_status_frames, status_frames,
	       gnttab_get_status_frames, SUB_OUT | SUB_ONE),
	SUB_OP(GNTTABOP_get_version, get_version, gnttab_get_version,
	       SUB_OUT | SUB_ONE),
	SUB_OP(GNTTABOP_swap_grant_ref, swap, gnttab_swap_grant_ref, SUB_OUT),
};

static int unmap_begin(u32 cmd, u64 at, struct grant_unmap *u)
{
	struct gnttab_unmap_grant_ref op;

	if (copy_struct_from_guest(&op, at))
		return -EFAULT;
	u->host_addr = op.host_addr;
	u->handle = op.handle;
	if (cmd == GNTTABOP_unmap_grant_ref)
		u->dev_addr = op.dev_bus_addr;
	else
		u->new_addr = op.dev_bus_addr;
	op.status = (s16)grant_unmap_begin(u);
	return copy_struct_to_guest(at + offsetof(typeof(op), status),
				    &op.status);
}

// Up to UNMAP_BATCH operations: nothing that was unmapped is left to anybody
// before every CPU has forgotten the translation.
static int unmap_batch(u32 cmd, u64 at, u32 n)
{
	struct grant_unmap u[UNMAP_BATCH];
	u32 done = 0;
	int rc = 0;

	while (done < n && !rc) {
		u[done] = (struct grant_unmap){ 0 };
		rc = unmap_begin(cmd, at, &u[done++]);
		at += UNMAP_SIZE;
	}
	grant_unmap_flush();
	for (u32 i = 0; i < done; i++)
		grant_unmap_end(&u[i]);
	return rc;
}

static long array_op(u32 cmd, u64 at, u32 count)
{
	bool unmap = !ops[cmd].fn;
	u32 n;

	for (u32 i = 0; i < count; i += n, at += n * ops[cmd].size) {
		long rc;

		if (i && preempt_check())
			return call_again(__HYPERVISOR_grant_table_op, cmd, at,
					  count - i);
		n = unmap ? MIN(count - i, (u32)UNMAP_BATCH) : 1;
		rc = unmap ? unmap_batch(cmd, at, n)
			   : sub_op_run(&ops[cmd], at);
		if (rc)
			return rc;
	}
	return 0;
}

long call_grant_table_op(u64 cmd64, u64 uop, u64 count64, u64 a4, u64 a5)
{
	u32 cmd = (u32)cmd64, count = (u32)count64;

	// Bits from 20 on are cache_flush's progress on other machines.
	if ((s32)count < 0 ||
	    (cmd >> 20 && (cmd & 0xfffff) != GNTTABOP_cache_flush))
		return -EINVAL;
	if (cmd == GNTTABOP_cache_flush)
		return -EOPNOTSUPP;
	if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].size)
		return -ENOSYS;
	cmd = (u32)index_nospec(cmd, ARRAY_SIZE(ops));
	if (!(ops[cmd].flags & SUB_ONE))
		return array_op(cmd, uop, count);
	if (count != 1 && cmd != GNTTABOP_set_version &&
	    cmd != GNTTABOP_get_version)
		return -EINVAL;
	return sub_op_run(&ops[cmd], uop);
}
