// SPDX-License-Identifier: MIT
// Interrupts of devices: vectors, handlers, lines, messages.
#include "x86/irq.h"
#include "lib/errno.h"
#include "x86/apic.h"
#include "x86/percpu.h"
#include "x86/platform.h"
#include "x86/time.h"
#include "x86/tlb.h"

#define ISA_LINES      16u
#define MAX_GSIS       (MAX_IRQS / 2u)
#define VECTOR_SYSCALL 0x80
// A message that raises an interrupt (Intel SDM vol. 3, 10.11).
#define MSI_ADDRESS    0xfee00000UL // physical destination, no redirection
#define MSI_DEST_SHIFT 12
#define MSI_MAX	       32
#define APIC_ID_MAX    0xfe // what IO-APICs and MSIs can address

struct irq_desc {
	irq_handler_t *fn; // NULL: free
	void *data;
	u8 vector;		      // 0: none
	u8 cpu;			      // where it goes
	u8 running;		      // handlers at work, atomic
	bool level, active_low, told; // PHYSDEVOP_setup_gsi
	bool masked;		      // by the owner
	bool in_service; // level: masked from delivery to irq_eoi()
};

static struct spinlock irq_lock = SPINLOCK_INIT(RANK_IRQ_DESC); // all of this
static struct irq_desc irq_desc[MAX_IRQS];
unsigned int nr_gsis;

static u16 vector_irq[256]; // irq + 1

static bool vector_free(unsigned int v)
{
	return v >= VECTOR_FIRST && v <= VECTOR_LAST && v != VECTOR_SYSCALL &&
	       v != EV_INT82 && !vector_irq[v];
}

// n free vectors in a row, aligned to n, for irq numbers from irq on: the
// first one, or 0.
static u8 vectors_take(unsigned int irq, unsigned int n)
{
	for (unsigned int v = VECTOR_FIRST, i; v <= VECTOR_LAST; v += n) {
		v = (unsigned int)ROUND_UP(v, n);
		for (i = 0; i < n && vector_free(v + i); i++)
			;
		if (i < n)
			continue;
		for (i = 0; i < n; i++)
			vector_irq[v + i] = (u16)(irq + i + 1);
		return (u8)v;
	}
	return 0;
}

static void vectors_give(u8 vector, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		vector_irq[vector + i] = 0;
}

static struct irq_desc *desc_of(unsigned int irq)
{
	return &irq_desc[index_nospec(irq, MAX_IRQS)];
}

// The line's entry as the record wants it. irq_lock held.
static void line_update(unsigned int irq)
{
	struct irq_desc *d = desc_of(irq);
	u32 low = d->vector;

	if (irq >= nr_gsis)
		return;
	if (d->level)
		low |= RTE_LEVEL;
	if (d->active_low)
		low |= RTE_ACTIVE_LOW;
	if (d->masked || d->in_service || !d->vector)
		low |= RTE_MASKED;
	ioapic_write(irq, false, low);
}

int irq_request(unsigned int irq, irq_handler_t *fn, void *data)
{
	struct irq_desc *d = desc_of(irq);
	bool line = irq < nr_gsis;

	if (irq >= MAX_IRQS || (line && !ioapic_has(irq)))
		return -EINVAL;
	SPIN_GUARD_IRQ(&irq_lock);
	if (d->fn)
		return -EBUSY;
	if (line && !d->vector)
		d->vector = vectors_take(irq, 1);
	if (!d->vector)
		return line ? -ENOSPC : -EINVAL;
	d->fn = fn;
	d->data = data;
	d->masked = line;
	d->in_service = false;
	if (line)
		ioapic_write(irq, true, RTE_TARGET(cpu_apic_id[d->cpu]));
	line_update(irq);
	return 0;
}

static void handler_take(unsigned int irq, struct irq_desc *d)
{
	SPIN_GUARD_IRQ(&irq_lock);
	d->fn = NULL;
	d->masked = true;
	line_update(irq);
}

void irq_free(unsigned int irq)
{
	struct irq_desc *d = desc_of(irq);

	handler_take(irq, d);
	while (__atomic_load_n(&d->running, __ATOMIC_ACQUIRE))
		cpu_relax();
	SPIN_GUARD_IRQ(&irq_lock);
	if (irq < nr_gsis && !d->fn && d->vector) {
		vectors_give(d->vector, 1);
		d->vector = 0;
	}
}

void irq_unmask(unsigned int irq)
{
	SPIN_GUARD_IRQ(&irq_lock);
	desc_of(irq)->masked = false;
	line_update(irq);
}

void irq_eoi(unsigned int irq)
{
	struct irq_desc *d = desc_of(irq);

	SPIN_GUARD_IRQ(&irq_lock);
	if (d->in_service) {
		d->in_service = false;
		line_update(irq);
	}
}

bool irq_is_level(unsigned int irq)
{
	return desc_of(irq)->level;
}

void irq_set_affinity(unsigned int irq, unsigned int cpu)
{
	struct irq_desc *d = desc_of(irq);

	if (!cpumask_test(READ_ONCE(cpu_online), cpu))
		cpu = 0;
	SPIN_GUARD_IRQ(&irq_lock);
	if (cpu_apic_id[cpu] > APIC_ID_MAX || d->cpu == cpu)
		return;
	d->cpu = (u8)cpu;
	// Its vector means the same on every CPU.
	if (irq < nr_gsis)
		ioapic_write(irq, true, RTE_TARGET(cpu_apic_id[cpu]));
}

bool irq_leave(unsigned int irq, unsigned int cpu)
{
	const struct irq_desc *d = desc_of(irq);

	if (d->cpu == cpu)
		irq_set_affinity(irq, 0);
	return d->fn;
}

int irq_setup_gsi(unsigned int gsi, bool level, bool active_low)
{
	struct irq_desc *d = desc_of(gsi);

	if (gsi >= nr_gsis || !ioapic_has(gsi))
		return -EINVAL;
	SPIN_GUARD_IRQ(&irq_lock);
	if (d->told || d->fn)
		return -EEXIST;
	d->told = true;
	d->level = level;
	d->active_low = active_low;
	return 0;
}

// The lock is not held while the handler runs; irq_free() waits for `running`.
static void device_interrupt(u8 vector)
{
	struct irq_desc d = { 0 };
	unsigned int irq;

	spin_lock(&irq_lock);
	irq = vector_irq[vector] - 1u;
	if (irq < MAX_IRQS)
		d = irq_desc[irq];
	if (d.fn)
		irq_desc[irq].running++;
	if (d.fn && d.level) {
		irq_desc[irq].in_service = true;
		line_update(irq);
	}
	spin_unlock(&irq_lock);
	apic_eoi();
	if (!d.fn)
		return; // on its way when the line was freed
	d.fn(irq, d.data);
	spin_lock(&irq_lock);
	__atomic_store_n(&irq_desc[irq].running, irq_desc[irq].running - 1,
			 __ATOMIC_RELEASE);
	spin_unlock(&irq_lock);
}

void irq_dispatch(struct cpu_regs *regs)
{
	u8 vector = (u8)regs->entry_vector;

	if (vector < VECTOR_TIMER) {
		// The PIC's spurious interrupt never was in the local APIC.
		if (vector >= VECTOR_FIRST)
			device_interrupt(vector);
		return;
	}
	if (vector == VECTOR_SPURIOUS)
		return;
	apic_eoi();
	if (vector == VECTOR_TIMER)
		timer_interrupt();
	else if (vector == VECTOR_FLUSH)
		tlb_answer();
	else if (vector == VECTOR_ERROR)
		apic_error_interrupt();
	// VECTOR_KICK: softirqs are looked at on the way out.
}

// n free numbers in a row; 0 when there are none (0 is a GSI).
static unsigned int find_numbers(unsigned int n)
{
	for (unsigned int irq = nr_gsis, run = 0; irq < MAX_IRQS; irq++) {
		run = irq_desc[irq].vector ? 0 : run + 1;
		if (run == n)
			return irq + 1 - n;
	}
	return 0;
}

int irq_alloc_msi(unsigned int n)
{
	unsigned int irq;
	u8 vector;

	if (!n || n > MSI_MAX || (n & (n - 1)))
		return -ENOSPC;
	SPIN_GUARD_IRQ(&irq_lock);
	irq = find_numbers(n);
	vector = irq ? vectors_take(irq, n) : 0;
	if (!vector)
		return -ENOSPC;
	for (unsigned int i = 0; i < n; i++)
		irq_desc[irq + i] =
			(struct irq_desc){ .vector = (u8)(vector + i) };
	return (int)irq;
}

void irq_free_msi(unsigned int irq, unsigned int n)
{
	SPIN_GUARD_IRQ(&irq_lock);
	vectors_give(irq_desc[irq].vector, n);
	for (unsigned int i = 0; i < n; i++)
		irq_desc[irq + i].vector = 0;
}

void irq_msi_message(unsigned int irq, struct msi_msg *msg)
{
	const struct irq_desc *d = &irq_desc[irq];
	u32 id = cpu_apic_id[d->cpu];

	msg->address = MSI_ADDRESS | (u64)(id & 0xff) << MSI_DEST_SHIFT;
	msg->data = d->vector; // fixed delivery, edge
}

unsigned int irq_of_isa(unsigned int isa)
{
	for (u32 i = 0; i < platform.nr_overrides; i++)
		if (platform.override[i].isa == isa)
			return platform.override[i].gsi;
	return isa;
}

void __init irq_init(void)
{
	nr_gsis = MAX(ioapic_init(), ISA_LINES);
	nr_gsis = MIN(nr_gsis, MAX_GSIS);
	// PCI's lines are level-triggered and low, ISA's edge and high.
	for (unsigned int i = ISA_LINES; i < nr_gsis; i++)
		irq_desc[i].level = irq_desc[i].active_low = true;
	for (u32 i = 0; i < platform.nr_overrides; i++) {
		const struct override *o = &platform.override[i];

		if (o->gsi >= nr_gsis)
			continue;
		irq_desc[o->gsi].level = o->level;
		irq_desc[o->gsi].active_low = o->active_low;
	}
}
