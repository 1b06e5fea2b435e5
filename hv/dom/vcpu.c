// SPDX-License-Identifier: MIT
// Vcpus: made once by the domain's builder, freed with their domain.
#include "dom/private.h"
#include "lib/errno.h"
#include "mm/alloc.h"

// Ids from here on have no place in the shared info page.
#define SHARED_VCPUS XEN_LEGACY_MAX_VCPUS

struct vcpu_info dummy_vcpu_info;

void vcpu_destroy(struct vcpu *v)
{
	v->domain->ops->vcpu_exit(v);
	for (unsigned int i = domain_units; i--;)
		if (domain_unit[i]->vcpu_exit)
			domain_unit[i]->vcpu_exit(v);
	v->domain->vcpu[v->id] = NULL;
	heap_free(v);
}

int vcpu_create(struct domain *d, unsigned int id, struct vcpu **out)
{
	struct vcpu *v;
	int rc = 0;

	if (id >= d->max_vcpus)
		return -EINVAL;
	if (d->vcpu[id])
		return -EEXIST;
	v = heap_alloc(sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->domain = d;
	v->id = id;
	v->pause_flags = VPF_DOWN;
	v->affinity_hard = v->affinity_soft = CPUMASK_ALL;
	v->info = id < SHARED_VCPUS ? &d->shared->vcpu_info[id]
				    : &dummy_vcpu_info;
	// A kernel takes events when it has said where to.
	v->info->evtchn_upcall_mask = 1;
	for (unsigned int i = 0; i < domain_units && !rc; i++)
		if (domain_unit[i]->vcpu_init)
			rc = domain_unit[i]->vcpu_init(v);
	if (!rc)
		rc = d->ops->vcpu_init(v);
	if (rc) {
		vcpu_destroy(v);
		return rc;
	}
	// Published whole: others walk the array without a lock.
	__atomic_store_n(&d->vcpu[id], v, __ATOMIC_RELEASE);
	if (out)
		*out = v;
	return 0;
}

void vcpu_info_release(struct vcpu *v)
{
	struct page_info *pg = v->info_page;

	__atomic_store_n(&v->info, &dummy_vcpu_info, __ATOMIC_RELEASE);
	v->info_page = NULL;
	if (pg)
		page_put_writable(pg);
}
