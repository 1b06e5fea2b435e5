// SPDX-License-Identifier: MIT
// Shared by irq.c and msi.c.
#ifndef X86_IRQ_PRIVATE_H
#define X86_IRQ_PRIVATE_H

#include "x86/irq.h"
#include "x86/spinlock.h"

struct irq_desc {
	irq_handler_t *fn; // NULL: free
	void *data;
	u8 vector;  // 0: none
	u8 cpu;	    // where it goes
	u8 running; // handlers at work, atomic
	bool level, active_low;
	bool masked;	 // by the owner
	bool in_service; // level: masked from delivery to irq_eoi()
};

extern struct spinlock irq_lock; // RANK_IRQ_DESC: all of this
extern struct irq_desc irq_desc[MAX_IRQS];

// n free vectors in a row, aligned to n, for irq numbers from irq on: the
// first one, or 0.
u8 irq_vectors_take(unsigned int irq, unsigned int n);
void irq_vectors_give(u8 vector, unsigned int n);

#endif
