// SPDX-License-Identifier: MIT
// Event channels (public header event_channel.h): ports, 2-level and FIFO
// ABI, VIRQs, PIRQs. Operations take trusted argument structures (copied in)
// and return 0 or the errno that Xen 4.17 gives.
#ifndef EVTCHN_EVTCHN_H
#define EVTCHN_EVTCHN_H

#include "dom/domain.h"

extern const struct domain_unit evtchn_unit;
// At boot, after sched_init() and the console: VIRQ_TIMER, VIRQ_CONSOLE, keys.
void evtchn_init(void);

int evtchn_alloc_unbound(struct evtchn_alloc_unbound *op);
int evtchn_bind_interdomain(struct evtchn_bind_interdomain *op);
int evtchn_bind_virq(struct evtchn_bind_virq *op);
int evtchn_bind_ipi(struct evtchn_bind_ipi *op);
int evtchn_bind_pirq(struct evtchn_bind_pirq *op);
int evtchn_close(struct domain *d, u32 port);
int evtchn_send(struct domain *d, u32 port);
int evtchn_status(struct evtchn_status *op);
int evtchn_bind_vcpu(u32 port, u32 vcpu_id);
int evtchn_unmask(u32 port);
int evtchn_reset(struct domain *d, bool resuming); // -ERESTART
int evtchn_init_control(struct evtchn_init_control *op);
int evtchn_expand_array(const struct evtchn_expand_array *op);
int evtchn_set_priority(const struct evtchn_set_priority *op);
// Is one of current's ports pending (SCHEDOP_poll)? -EINVAL bad port.
int evtchn_is_pending(struct domain *d, u32 port);

// Sends from the hypervisor; any context, no lock needed.
void virq_send_vcpu(struct vcpu *v, u32 virq);
void virq_send_global(u32 virq); // to whom it is routed, Dom0 by default
int virq_set_handler(struct domain *d, u32 virq); // domctl set_virq_handler
bool virq_is_vcpu(u32 virq);

// SCHEDOP_poll: what v waits for (0 nothing, -1 any of several ports). Set
// VPF_BLOCKED first, then call this, then look at the ports: an event on one
// of them unblocks v.
void evtchn_poll_set(struct vcpu *v, int port);

// PIRQs: evtchn/pirq.c. *pirq: the number wanted, negative: any.
int pirq_map_gsi(struct domain *d, int gsi, int *pirq);
// n irqs from irq on as n numbers from *pirq on (n > 1: any).
int pirq_map_irqs(struct domain *d, int irq, u32 n, int *pirq);
int pirq_unmap(struct domain *d, int pirq);
int pirq_of_irq(struct domain *d, u32 irq);    // -1: not mapped
u32 pirq_count(const struct domain *d);	       // numbers are below this
int pirq_get_free(struct domain *d, bool gsi); // and keeps it for a map call
int pirq_eoi(struct domain *d, u32 pirq);
void pirqs_leave(unsigned int cpu);	  // device interrupts go to other CPUs
int pirq_irq(struct domain *d, u32 pirq); // -1: not mapped
int pirq_set_eoi_map(struct domain *d, u64 gmfn, bool auto_unmask);
// Writes an MSI's present message and mask state into its device: set by
// pci/ at boot. Under the event-channel lock.
extern void (*pirq_msi_update)(unsigned int irq, bool masked);

#endif
