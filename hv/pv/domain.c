// SPDX-License-Identifier: MIT
// A PV domain: its windows in slot 260 and giving back what its tables hold.
#include "access/access.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "pv/private.h"
#include "x86/entry.h"
#include "x86/softirq.h"

#define VCPUS_PER_L1 (PTES * PAGE_SIZE >> PERDOM_VCPU_SHIFT)
#define HV_TABLE     (PTE_P | PTE_W | PTE_A)

void perdom_map(struct domain *d, u64 va, u64 pte)
{
	u64 page = (va - PERDOM_START) >> PAGE_SHIFT;

	WRITE_ONCE(d->pv->perdom_l1[page / PTES][page % PTES], pte);
}

int perdom_prepare(struct domain *d, unsigned int vcpu_id)
{
	unsigned int i = vcpu_id / VCPUS_PER_L1;
	u64 **l1 = &d->pv->perdom_l1[i];

	if (*l1)
		return 0;
	*l1 = hvpages_alloc(0);
	if (!*l1)
		return -ENOMEM;
	d->pv->perdom_l2[i] = pte_make(virt_to_mfn(*l1), HV_TABLE);
	return 0;
}

static int domain_init(struct domain *d)
{
	struct pv_domain *pv = heap_alloc(sizeof(*pv));

	if (!pv)
		return -ENOMEM;
	d->pv = pv;
	d->l1_adjusted = PTE_P;
	d->isolated = d->is_hardware ? opt_xpti.dom0 : opt_xpti.domu;
	if (d->is_hardware ? opt_pv_l1tf.dom0 : opt_pv_l1tf.domu)
		d->l1tf_end = l1tf_end;
	pv->perdom_l3 = hvpages_alloc(0);
	pv->perdom_l2 = hvpages_alloc(0);
	if (!pv->perdom_l3 || !pv->perdom_l2)
		return -ENOMEM;
	pv->perdom_l3[0] = pte_make(virt_to_mfn(pv->perdom_l2), HV_TABLE);
	return 0;
}

static void domain_exit(struct domain *d)
{
	struct pv_domain *pv = d->pv;

	if (!pv)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(pv->perdom_l1); i++)
		hvpages_free(pv->perdom_l1[i], 0);
	hvpages_free(pv->perdom_l2, 0);
	hvpages_free(pv->perdom_l3, 0);
	heap_free(pv);
	d->pv = NULL;
}

// What a vcpu holds: tables, descriptors, an unfinished undo.
static int vcpu_relinquish(struct vcpu *v)
{
	u64 *const base[] = { v->hot.pv32 ? &v->pv->l4[0] : &v->hot.cr3_kernel,
			      &v->hot.cr3_user };
	struct page_info *pg;

	if (pv_settle(v))
		return -ERESTART;
	pv_clear_ldt(v);
	pv_set_gdt(v, NULL, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(base); i++) {
		if (!*base[i])
			continue;
		pg = mfn_to_page(pte_mfn(*base[i]));
		*base[i] = 0;
		if (table_put(pg)) {
			v->pv->old_table = pg;
			return -ERESTART;
		}
	}
	return 0;
}

// Pin and half-done validation of one frame; the caller has a reference.
static int frame_relinquish(struct page_info *pg)
{
	int rc = 0;

	// An undo that stopped leaves PARTIAL set and the pin's reference.
	if (pin_take(pg) && table_put(pg))
		page_put(pg);
	if ((READ_ONCE(pg->type) & PGT_PARTIAL) && page_get_any(pg)) {
		rc = table_undo_resume(pg);
		if (rc)
			page_put(pg);
	}
	return rc;
}

#define FRAMES_AT_ONCE 1024

// Each frame of the list once.
static int tables_relinquish(struct domain *d)
{
	u64 left = d->pv->relinquish_left - 1, most, now;
	struct page_info *pg;
	int rc = 0;

	while (left && !rc) {
		most = now = MIN(left, (u64)FRAMES_AT_ONCE);
		pg = page_first_table(&d->account, &now);
		left -= most - now;
		// Not taken off the list: it is looked at again, and passed.
		if (pg) {
			rc = frame_relinquish(pg);
			page_put(pg);
		} else if (now) {
			return 0; // nothing on the list
		}
		if (softirq_pending())
			rc = -ERESTART;
	}
	d->pv->relinquish_left = left + 1;
	return rc;
}

static int domain_relinquish(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		if (v->pv && vcpu_relinquish(v))
			return -ERESTART;
	if (!d->pv->relinquish_left)
		d->pv->relinquish_left = d->account.total + 1;
	return tables_relinquish(d);
}

const struct guest_ops pv_guest_ops = {
	.vcpu_init = pv_vcpu_init,
	.vcpu_exit = pv_vcpu_exit,
	.domain_init = domain_init,
	.domain_exit = domain_exit,
	.switch_from = pv_switch_from,
	.switch_to = pv_switch_to,
	.relinquish = domain_relinquish,
	.context_set = pv_context_set,
	.context_get = pv_context_get,
	.resume = entry_resume_guest,
	.kernel_view_begin = pv_kernel_view_begin,
	.kernel_view_end = pv_kernel_view_end,
	.copy_out = copy_to_guest,
};
