// SPDX-License-Identifier: MIT
// Grant tables: public header grant_table.h. Batched operations go through
// their array one structure at a time; when work waits, the call is issued
// again with the rest of the array.
#include "access/access.h"
#include "call/call.h"
#include "grant/grant.h"

#define UNMAP_BATCH 16 // unmappings that share a TLB flush

// Both unmapping structures: one stride.
#define UNMAP_SIZE sizeof(struct gnttab_unmap_grant_ref)
_Static_assert(UNMAP_SIZE == sizeof(struct gnttab_unmap_and_replace),
	       "same size");

union grant_arg {
	struct gnttab_map_grant_ref map;
	struct gnttab_unmap_grant_ref unmap;
	struct gnttab_unmap_and_replace replace;
	struct gnttab_setup_table setup;
	struct gnttab_transfer transfer;
	struct gnttab_copy copy;
	struct gnttab_query_size query_size;
	struct gnttab_set_version set_version;
	struct gnttab_get_status_frames status_frames;
	struct gnttab_get_version get_version;
	struct gnttab_swap_grant_ref swap;
};

static int op_map(union grant_arg *a)
{
	grant_map(&a->map);
	return 0;
}

static int op_transfer(union grant_arg *a)
{
	grant_transfer(&a->transfer);
	return 0;
}

static int op_copy(union grant_arg *a)
{
	grant_copy(&a->copy);
	return 0;
}

static int op_swap(union grant_arg *a)
{
	grant_swap(&a->swap);
	return 0;
}

// Whom a caller may ask about; NULL with *status set.
static struct domain *named_domain(u16 domid, s16 *status)
{
	struct domain *d = domain_get_self_or(domid);

	*status = GNTST_bad_domain;
	if (!d)
		return NULL;
	if (domain_may_control(currd, d))
		return d;
	*status = GNTST_permission_denied;
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

static int op_setup_table(union grant_arg *a)
{
	struct gnttab_setup_table *op = &a->setup;
	struct domain *d = named_domain(op->dom, &op->status);
	int rc = 0;

	if (!d)
		return 0;
	if (!access_ok(handle_gva(op->frame_list), op->nr_frames * 8UL)) {
		domain_put(d);
		return -EFAULT;
	}
	op->status = (s16)grant_setup(d, op->nr_frames);
	if (op->status == GNTST_okay)
		rc = copy_frame_list(d, handle_gva(op->frame_list),
				     op->nr_frames, false);
	if (rc)
		op->status = GNTST_bad_virt_addr;
	domain_put(d);
	return 0;
}

static int op_status_frames(union grant_arg *a)
{
	struct gnttab_get_status_frames *op = &a->status_frames;
	struct domain *d = named_domain(op->dom, &op->status);
	int rc = 0;

	if (!d)
		return 0;
	op->status = (s16)grant_status_check(d, op->nr_frames);
	if (op->status == GNTST_okay)
		rc = copy_frame_list(d, handle_gva(op->frame_list),
				     op->nr_frames, true);
	domain_put(d);
	return rc;
}

static int op_query_size(union grant_arg *a)
{
	struct gnttab_query_size *op = &a->query_size;
	struct domain *d = named_domain(op->dom, &op->status);

	if (!d)
		return 0;
	grant_query_size(d, &op->nr_frames, &op->max_nr_frames);
	op->status = GNTST_okay;
	domain_put(d);
	return 0;
}

static int op_set_version(union grant_arg *a)
{
	int rc = grant_set_version(a->set_version.version);

	a->set_version.version = grant_version(currd);
	return rc;
}

static int op_get_version(union grant_arg *a)
{
	struct domain *d = domain_get_self_or(a->get_version.dom);
	int rc = 0;

	if (!d)
		return -ESRCH;
	if (domain_may_control(currd, d))
		a->get_version.version = grant_version(d);
	else
		rc = -EPERM;
	domain_put(d);
	return rc;
}

static const struct {
	int (*fn)(union grant_arg *a); // 0, or the call's error
	u8 size;
	bool single;	    // not an array
	bool back_on_error; // the structure is written then too
} ops[] = {
	[GNTTABOP_map_grant_ref] = { op_map,
				     sizeof(struct gnttab_map_grant_ref), false,
				     false },
	[GNTTABOP_setup_table] = { op_setup_table,
				   sizeof(struct gnttab_setup_table), true,
				   false },
	[GNTTABOP_transfer] = { op_transfer, sizeof(struct gnttab_transfer),
				false, false },
	[GNTTABOP_copy] = { op_copy, sizeof(struct gnttab_copy), false, false },
	[GNTTABOP_query_size] = { op_query_size,
				  sizeof(struct gnttab_query_size), true,
				  false },
	[GNTTABOP_set_version] = { op_set_version,
				   sizeof(struct gnttab_set_version), true,
				   true },
	[GNTTABOP_get_status_frames] = { op_status_frames,
					 sizeof(struct
						gnttab_get_status_frames),
					 true, false },
	[GNTTABOP_get_version] = { op_get_version,
				   sizeof(struct gnttab_get_version), true,
				   false },
	[GNTTABOP_swap_grant_ref] = { op_swap,
				      sizeof(struct gnttab_swap_grant_ref),
				      false, false },
};

static int one_op(u32 cmd, u64 at)
{
	union grant_arg a;
	int rc;

	if (copy_from_guest(&a, at, ops[cmd].size))
		return -EFAULT;
	rc = ops[cmd].fn(&a);
	if (rc && !ops[cmd].back_on_error)
		return rc;
	return copy_to_guest(at, &a, ops[cmd].size) ? -EFAULT : rc;
}

static long array_op(u32 cmd, u64 at, u32 count)
{
	for (u32 i = 0; i < count; i++, at += ops[cmd].size) {
		int rc;

		if (i && preempt_check())
			return call_again(__HYPERVISOR_grant_table_op, 3, cmd,
					  at, count - i, 0, 0);
		rc = one_op(cmd, at);
		if (rc)
			return rc;
	}
	return 0;
}

static int unmap_begin(u32 cmd, u64 at, struct grant_unmap *u, s16 *status)
{
	union grant_arg a;

	*u = (struct grant_unmap){ 0 };
	if (cmd == GNTTABOP_unmap_grant_ref) {
		if (copy_struct_from_guest(&a.unmap, at))
			return -EFAULT;
		u->host_addr = a.unmap.host_addr;
		u->dev_addr = a.unmap.dev_bus_addr;
		u->handle = a.unmap.handle;
	} else {
		if (copy_struct_from_guest(&a.replace, at))
			return -EFAULT;
		u->host_addr = a.replace.host_addr;
		u->new_addr = a.replace.new_addr;
		u->handle = a.replace.handle;
	}
	*status = (s16)grant_unmap_begin(u);
	return 0;
}

static int write_status(u32 cmd, u64 at, s16 status)
{
	at += cmd == GNTTABOP_unmap_grant_ref
		      ? offsetof(struct gnttab_unmap_grant_ref, status)
		      : offsetof(struct gnttab_unmap_and_replace, status);
	return copy_struct_to_guest(at, &status);
}

// Up to UNMAP_BATCH operations: nothing that was unmapped is left to anybody
// before every CPU has forgotten the translation.
static int unmap_batch(u32 cmd, u64 at, u32 n)
{
	struct grant_unmap u[UNMAP_BATCH];
	u32 done = 0;
	int rc = 0;

	while (done < n && !rc) {
		s16 status;

		rc = unmap_begin(cmd, at, &u[done], &status);
		if (rc)
			break;
		done++;
		rc = write_status(cmd, at, status);
		at += UNMAP_SIZE;
	}
	grant_unmap_flush();
	for (u32 i = 0; i < done; i++)
		grant_unmap_end(&u[i]);
	return rc;
}

static long unmap_op(u32 cmd, u64 at, u32 count)
{
	u32 n;

	for (u32 i = 0; i < count; i += n) {
		int rc;

		if (i && preempt_check())
			return call_again(__HYPERVISOR_grant_table_op, 3, cmd,
					  at, count - i, 0, 0);
		n = MIN(count - i, (u32)UNMAP_BATCH);
		rc = unmap_batch(cmd, at, n);
		if (rc)
			return rc;
		at += n * UNMAP_SIZE;
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
	if (cmd == GNTTABOP_unmap_grant_ref ||
	    cmd == GNTTABOP_unmap_and_replace)
		return unmap_op(cmd, uop, count);
	if (cmd == GNTTABOP_cache_flush)
		return -EOPNOTSUPP;
	if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].fn)
		return -ENOSYS;
	cmd = (u32)index_nospec(cmd, ARRAY_SIZE(ops));
	if (!ops[cmd].single)
		return array_op(cmd, uop, count);
	if (count != 1 && cmd != GNTTABOP_set_version &&
	    cmd != GNTTABOP_get_version)
		return -EINVAL;
	return one_op(cmd, uop);
}
