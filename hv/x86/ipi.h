// SPDX-License-Identifier: MIT
// One CPU asks others to run a function and waits for all of them.
#ifndef X86_IPI_H
#define X86_IPI_H

#include "x86/percpu.h"

// Each kind has its vector and its mailbox. A CPU that waits for flushes does
// so with interrupts off and answers the flushes of others meanwhile, so that
// two that wait for each other both go on. Calls may do anything that an
// interrupt handler may; who waits for one has interrupts on.
enum ipi_kind { IPI_CALL, IPI_FLUSH, IPI_KINDS };

// mask: online CPUs without this one. At most one request of a kind is under
// way from a CPU: not for interrupt handlers.
void ipi_request(enum ipi_kind kind, cpumask_t mask, void (*fn)(void *),
		 void *data);
void ipi_answer(enum ipi_kind kind);

#endif
