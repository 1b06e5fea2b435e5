// SPDX-License-Identifier: MIT
// Vcpus: made once by the domain's builder, freed with their domain.
#include "dom/private.h"
#include "lib/errno.h"
#include "mm/alloc.h"
#include "x86/panic.h"

// Ids from here on have no place in the shared info page.
#define SHARED_VCPUS XEN_LEGACY_MAX_VCPUS

struct vcpu_info dummy_vcpu_info;

static struct vcpu_info *first_info(const struct domain *d, unsigned int id)
{
	return id < SHARED_VCPUS ? &d->shared->vcpu_info[id] : &dummy_vcpu_info;
}

// Undoes the first n units.
static void units_exit(struct vcpu *v, unsigned int n)
{
	while (n--)
		if (domain_unit[n]->vcpu_exit)
			domain_unit[n]->vcpu_exit(v);
}

static int units_init(struct vcpu *v)
{
	for (unsigned int i = 0; i < domain_units; i++) {
		int rc = domain_unit[i]->vcpu_init
				 ? domain_unit[i]->vcpu_init(v)
				 : 0;

		if (rc) {
			units_exit(v, i);
			return rc;
		}
	}
	return 0;
}

int vcpu_create(struct domain *d, unsigned int id, struct vcpu **out)
{
	struct vcpu *v;
	int rc;

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
	v->info = first_info(d, id);
	// A kernel takes events when it has said where to.
	v->info->evtchn_upcall_mask = 1;
	rc = units_init(v);
	if (rc)
		goto free;
	rc = d->ops->vcpu_init(v);
	if (rc)
		goto units;
	// Published whole: others walk the array without a lock.
	__atomic_store_n(&d->vcpu[id], v, __ATOMIC_RELEASE);
	if (out)
		*out = v;
	return 0;
units:
	units_exit(v, domain_units);
free:
	heap_free(v);
	return rc;
}

void vcpu_info_release(struct vcpu *v)
{
	struct page_info *pg = v->info_page;

	__atomic_store_n(&v->info, &dummy_vcpu_info, __ATOMIC_RELEASE);
	v->info_page = NULL;
	if (pg)
		page_put_writable(pg);
}

void vcpu_destroy(struct vcpu *v)
{
	v->domain->ops->vcpu_exit(v);
	units_exit(v, domain_units);
	v->domain->vcpu[v->id] = NULL;
	heap_free(v);
}
