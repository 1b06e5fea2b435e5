// SPDX-License-Identifier: MIT
// What domains and vcpus are doing: for crashes, panics and debug keys.
#include "con/con.h"
#include "dom/private.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/desc.h"
#include "x86/pte.h"

#define STACK_BYTES 128

// The 8-byte word that a guest address is in, through the tables that v uses.
// False: nothing of the domain's own is mapped there.
static bool peek(const struct vcpu *v, u64 va, u64 *out)
{
	const struct page_account *who = &v->domain->account;
	u64 at = v->hot.mode_kernel ? v->hot.cr3_kernel : v->hot.cr3_user;
	const u64 *table;
	u64 pte;

	if (!va_is_guest(va))
		return false;
	for (unsigned int level = 4;; level--) {
		mfn_t m = maddr_to_mfn(at & PTE_ADDR);

		// A 32-bit kernel's first one is the hypervisor's.
		if (!mfn_valid(m) || (!(v->hot.pv32 && level == 4) &&
				      page_owner(mfn_to_page(m)) != who))
			return false;
		table = map_frame(m);
		pte = READ_ONCE(table[level ? pte_index(va, level)
					    : (va & ~PAGE_MASK) / 8]);
		unmap_frame(table);
		if (!level)
			break;
		if (!(pte & PTE_P) || (level > 1 && (pte & PTE_PS)))
			return false;
		at = pte;
	}
	*out = pte;
	return true;
}

static void show_stack(const struct vcpu *v, u64 sp)
{
	const u64 size = v->hot.pv32 ? 4 : 8;
	char line[80];
	int n = 0;
	u64 word;

	sp &= -size;
	for (u64 i = size; i <= STACK_BYTES; i += size, sp += size) {
		if (!peek(v, sp, &word))
			break;
		if (size == 4)
			word = (u32)(word >> (sp & 4) * 8);
		n += snprintf(line + n, sizeof(line) - (size_t)n,
			      size == 4 ? " %08lx" : " %016lx", word);
		if (i % 32 == 0) {
			printk(LOG_ERR "stack%s\n", line);
			n = 0;
		}
	}
	if (n)
		printk(LOG_ERR "stack%s\n", line);
}

static void show(const struct vcpu *v, const struct cpu_regs *r)
{
	bool kernel = v->hot.pv32 ? cs_is_ring1(r->cs) : v->hot.mode_kernel;

	printk(LOG_ERR "d%uv%u on CPU %u, guest %s mode, cr3 %lx\n",
	       v->domain->id, v->id, v->cpu, kernel ? "kernel" : "user",
	       v->hot.mode_kernel ? v->hot.cr3_kernel : v->hot.cr3_user);
	show_general(r);
	if (v == current)
		printk(LOG_ERR "vector %x error %x cr2 %016lx\n",
		       r->entry_vector, r->error_code, read_cr2());
	show_stack(v, r->rsp);
}

static const struct cpu_info *info_of(unsigned int cpu)
{
	return (const struct cpu_info *)cpu_stack_top(cpu);
}

// A running guest's registers are where its last entry left them.
void vcpu_show(struct vcpu *v)
{
	show(v, v->running ? &info_of(v->cpu)->regs : &v->regs);
}

// r: the guest's registers, or NULL when a trap of our own came in between.
static void show_current(const struct cpu_regs *r)
{
	struct vcpu *v = current;

	if (v && v->is_idle)
		printk(LOG_ERR "CPU %u: idle\n", v->cpu);
	else if (v)
		show(v, r ? r : &cpu_info()->regs);
}

static void key_dom0(char key)
{
	struct vcpu *v;

	for_each_vcpu(dom0, v)
		vcpu_show(v);
}

// A vcpu that runs stays while its domain cannot leave the list.
static void key_cpus(char key)
{
	unsigned int cpu;

	SPIN_GUARD(&domain_list_lock);
	for_each_cpu_in(cpu, cpu_online) {
		struct vcpu *v = READ_ONCE(info_of(cpu)->vcpu);

		// Before Dom0 runs there is no vcpu at all.
		if (!v || v->is_idle)
			printk("CPU %u: idle\n", cpu);
		else
			vcpu_show(v);
	}
}

static void show_domain(struct domain *d)
{
	struct vcpu *v;

	printk("d%u: %lu of %lu frames, %u references, %u pauses%s%s\n", d->id,
	       d->account.total, d->account.max, d->ref, d->pause_count,
	       d->shut_down ? ", shut down" : "",
	       d->state == DOM_ALIVE ? "" : ", dying");
	for_each_vcpu(d, v)
		printk("  d%uv%u: CPU %u%s, flags %x, %u pauses, events %u "
		       "masked %u, affinity %lx soft %lx\n",
		       d->id, v->id, v->cpu, v->running ? " runs" : "",
		       v->pause_flags, v->pause_count,
		       v->info->evtchn_upcall_pending,
		       v->info->evtchn_upcall_mask, v->affinity_hard,
		       v->affinity_soft);
}

static void key_domains(char key)
{
	domains_visit(show_domain);
}

void show_init(void)
{
	panic_show_guest = show_current;
	debug_key_register('0', key_dom0, "registers of Dom0");
	debug_key_register('d', key_cpus, "who runs, and registers");
	debug_key_register('q', key_domains, "domains and vcpus");
}
