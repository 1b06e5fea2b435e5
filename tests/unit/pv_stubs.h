// SPDX-License-Identifier: MIT
// What pv/ calls of other rooms and pv_pgtable.c does not look at.
#ifndef UNIT_PV_STUBS_H
#define UNIT_PV_STUBS_H

struct by_domain opt_xpti, opt_pv_l1tf;
u64 l1tf_end;

void domain_crash(struct domain *d, const char *why, ...)
{
	abort();
}

void isolation_forget(void)
{
	abort();
}

void isolation_update(const struct page_info *pg, unsigned int slot)
{
	abort();
}

void *heap_alloc(size_t size)
{
	return calloc(1, size);
}

void heap_free(void *p)
{
	free(p);
}

bool pci_mfn_is_readonly(mfn_t m)
{
	return mfn_val(m) == 0x40001;
}

void tlb_flush_va_mask(cpumask_t mask, u64 va)
{
}

void tlb_flush_local(void)
{
}

void tlb_switch_cr3(u64 cr3)
{
}

int pv_vcpu_init(struct vcpu *v)
{
	return 0;
}

void pv_vcpu_exit(struct vcpu *v)
{
}

void pv_switch_from(struct vcpu *v)
{
}

void pv_switch_to(struct vcpu *v)
{
}

int pv_context_set(struct vcpu *v, const struct vcpu_guest_context *c)
{
	return 0;
}

void pv_context_get(struct vcpu *v, struct vcpu_guest_context *c)
{
}

void entry_resume_guest(void)
{
	abort();
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	return 0;
}

#endif
