// SPDX-License-Identifier: MIT
// Interrupts of devices: IO-APIC lines (irq number = GSI) and MSIs (numbers
// from nr_gsis on), each given to one handler.
#ifndef X86_IRQ_H
#define X86_IRQ_H

#include "lib/cpumask.h"
#include "x86/regs.h"

#define MAX_IRQS 512

struct msi_msg {
	u64 address;
	u32 data;
};

extern unsigned int nr_gsis;

void irq_init(void);			  // boot CPU: every IO-APIC line masked
void irq_dispatch(struct cpu_regs *regs); // from entry, interrupts off
unsigned int irq_of_isa(unsigned int isa); // irq number of an ISA line

// Runs with interrupts off. For a level-triggered line the source stays
// masked until irq_eoi().
typedef void irq_handler_t(unsigned int irq, void *data);

// -EBUSY when taken, -EINVAL when there is no such line, -ENOSPC without
// vectors. The line starts masked.
int irq_request(unsigned int irq, irq_handler_t *fn, void *data);
void irq_free(unsigned int irq); // masks; returns when the handler has ended
void irq_unmask(unsigned int irq);
void irq_eoi(unsigned int irq);
bool irq_is_level(unsigned int irq);
// Where it is delivered from now on; an MSI only when its owner programs the
// new irq_msi_message().
void irq_set_affinity(unsigned int irq, unsigned int cpu);
// Away from a CPU that is offline by now, to CPU 0; true when it is in use.
bool irq_leave(unsigned int irq, unsigned int cpu);
// Trigger and polarity of a GSI, before it is requested (PHYSDEVOP_setup_gsi).
// -EINVAL: no such line; -EEXIST: it is known already, or in use.
int irq_setup_gsi(unsigned int gsi, bool level, bool active_low);

// n consecutive vectors (a power of two up to 32, aligned) for MSIs:
// returns the first irq number, or -ENOSPC. The message to program is
// irq_msi_message(). MSI masking is the owner's business (pci/).
int irq_alloc_msi(unsigned int n);
void irq_free_msi(unsigned int irq, unsigned int n);
void irq_msi_message(unsigned int irq, struct msi_msg *msg);

#endif
