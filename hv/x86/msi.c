// SPDX-License-Identifier: MIT
// Message-signalled interrupts: irq numbers and vectors for them, and the
// message that raises one (Intel SDM vol. 3, 10.11).
#include "lib/errno.h"
#include "x86/irq_private.h"
#include "x86/percpu.h"

#define MSI_ADDRESS    0xfee00000UL // physical destination, no redirection
#define MSI_DEST_SHIFT 12
#define MSI_MAX	       32

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
	u64 flags;
	u8 vector = 0;

	if (!n || n > MSI_MAX || (n & (n - 1)))
		return -ENOSPC;
	flags = spin_lock_irqsave(&irq_lock);
	irq = find_numbers(n);
	if (irq)
		vector = irq_vectors_take(irq, n);
	for (unsigned int i = 0; vector && i < n; i++)
		irq_desc[irq + i] =
			(struct irq_desc){ .vector = (u8)(vector + i) };
	spin_unlock_irqrestore(&irq_lock, flags);
	return vector ? (int)irq : -ENOSPC;
}

void irq_free_msi(unsigned int irq, unsigned int n)
{
	u64 flags = spin_lock_irqsave(&irq_lock);

	irq_vectors_give(irq_desc[irq].vector, n);
	for (unsigned int i = 0; i < n; i++)
		irq_desc[irq + i].vector = 0;
	spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_msi_message(unsigned int irq, struct msi_msg *msg)
{
	const struct irq_desc *d = &irq_desc[irq];
	u32 id = cpu_apic_id[d->cpu];

	msg->address = MSI_ADDRESS | (u64)(id & 0xff) << MSI_DEST_SHIFT;
	msg->data = d->vector; // fixed delivery, edge
}
