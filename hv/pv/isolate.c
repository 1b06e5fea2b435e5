// SPDX-License-Identifier: MIT
// Isolated vcpus: while their code runs, the tables that are loaded have next to
// nothing of the hypervisor's (docs/xpti.md).
#include "lib/errno.h"
#include "mm/alloc.h"
#include "mm/paging.h"
#include "pv/private.h"
#include "x86/cpuid.h"
#include "x86/desc.h"
#include "x86/patch.h"

// A CPU's root tables for guest user and kernel mode.
struct roots {
	struct spinlock lock; // of what the tables say; RANK_ROOTS
	u64 *table[2];
	u64 of[2]; // the base table that each is a copy of; 0: none
};
static DEFINE_PERCPU(struct roots, roots);

struct by_domain opt_xpti = { -1, -1 }, opt_pv_l1tf = { -1, -1 };
u64 l1tf_end;

// What guests need in order to come in: text, IDT, stacks of the CPU.
static __init int roots_make(unsigned int cpu)
{
	struct roots *r = &per_cpu(roots, cpu);
	u64 block = STACKS_START + (u64)cpu * STACK_SIZE, idt = (u64)desc_idt;
	int rc = 0;

	spin_init(&r->lock, RANK_ROOTS);
	r->table[0] = hvpages_alloc(0);
	r->table[1] = hvpages_alloc(0);
	if (!r->table[0] || !r->table[1])
		return -ENOMEM;
	rc = tables_map(r->table[0], IMAGE_START, image_maddr,
			(u64)(__text_end - __image_start), HV_RX);
	if (!rc)
		rc = tables_map(r->table[0], idt, hv_maddr(idt), PAGE_SIZE,
				HV_RO);
	for (u64 va = block; !rc && va < block + STACK_SIZE; va += PAGE_SIZE)
		if (hv_maddr(va))
			rc = tables_map(r->table[0], va, hv_maddr(va),
					PAGE_SIZE, HV_RW);
	r->table[1][SLOT_IMAGE] = r->table[0][SLOT_IMAGE];
	return rc;
}

__init int isolation_init(unsigned int cpus)
{
	// Until somebody shows that it is not so.
	bool leaks = cpu_host.vendor != CPU_AMD && !cpu_has(RDCL_NO);
	bool l1tf = leaks && cpu_host.vendor == CPU_INTEL;
	int rc = 0;

	// All that may be memory, firmware's too, and yet less than what kernels
	// that invert such entries make of it.
	l1tf_end = (cpu_host.phys_bits < 44 ? 1UL << cpu_host.phys_bits
					    : 3UL << 42) -
		   1;

	opt_xpti.dom0 = opt_xpti.dom0 < 0 ? leaks : opt_xpti.dom0;
	opt_xpti.domu = opt_xpti.domu < 0 ? leaks : opt_xpti.domu;
	opt_pv_l1tf.dom0 = opt_pv_l1tf.dom0 > 0;
	opt_pv_l1tf.domu = opt_pv_l1tf.domu < 0 ? l1tf : opt_pv_l1tf.domu;
	printk("page-table isolation: Dom0 %s, DomU %s; L1TF rules: Dom0 %s, "
	       "DomU %s\n",
	       opt_xpti.dom0 ? "on" : "off", opt_xpti.domu ? "on" : "off",
	       opt_pv_l1tf.dom0 ? "on" : "off",
	       opt_pv_l1tf.domu ? "on" : "off");
	if (!opt_xpti.dom0 && !opt_xpti.domu)
		return 0;
	for (unsigned int cpu = 0; cpu < cpus && !rc; cpu++)
		rc = roots_make(cpu);
	isolate_entries();
	return rc;
}

static bool copied(unsigned int slot)
{
	return l4_slot_is_guest(slot) || slot == SLOT_M2P ||
	       slot == SLOT_PERDOM;
}

void isolation_leave(struct vcpu *v)
{
	struct roots *r = &this_cpu(roots);
	unsigned int mode = (unsigned int)v->hot.mode_kernel;
	u64 base = mode ? v->hot.cr3_kernel : v->hot.cr3_user, *from;
	u64 *to = r->table[mode];

	ASSERT(base);
	if (r->of[mode] != base) {
		from = map_frame(maddr_to_mfn(base));
		spin_lock(&r->lock);
		r->of[mode] = base;
		for (unsigned int i = 0; i < PTES; i++)
			if (copied(i))
				to[i] = READ_ONCE(from[i]);
		spin_unlock(&r->lock);
		unmap_frame(from);
	}
	cpu_info()->cr3_hv = base;
	write_cr3(virt_to_maddr(to));
}

void isolation_forget(void)
{
	struct roots *r = &this_cpu(roots);

	WRITE_ONCE(r->of[0], 0);
	WRITE_ONCE(r->of[1], 0);
	cpu_info()->cr3_hv = 0;
}

void isolation_update(const struct page_info *pg, unsigned int slot)
{
	u64 base = mfn_to_maddr(page_to_mfn(pg));
	const u64 *from = map_frame(page_to_mfn(pg));
	unsigned int cpu;

	// The entry is written before it is asked who runs: a CPU that begins
	// now copies it.
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for_each_cpu_in(cpu, READ_ONCE(owner_of(pg)->account.tlb_cpus)) {
		struct roots *r = &per_cpu(roots, cpu);
		SPIN_GUARD_IRQ(&r->lock);

		for (unsigned int mode = 0; mode < 2; mode++)
			if (r->of[mode] == base)
				WRITE_ONCE(r->table[mode][slot],
					   READ_ONCE(from[slot]));
	}
	unmap_frame(from);
}
