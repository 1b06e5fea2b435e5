// SPDX-License-Identifier: MIT
// What evtchn/ stands on, for tests: locks that are counted, frames, lines.
#ifndef UNIT_EVTCHN_MACHINE_H
#define UNIT_EVTCHN_MACHINE_H

#define HOST_TEST

#include <stdlib.h>
#include <string.h>

#include "lib/types.h"

/* Stand-ins for headers that touch the machine. */
#define X86_INSN_H
#define X86_PERCPU_H
#define MM_ALLOC_H
static inline u64 irq_save(void)
{
	return 0;
}
static inline void irq_restore(u64 flags)
{
	(void)flags;
}
#include "lib/cpumask.h"
#include "x86/regs.h"
struct cpu_info {
	u32 softirq_pending;
};
static struct cpu_info the_cpu;
static inline struct cpu_info *cpu_info(void)
{
	return &the_cpu;
}
static struct vcpu *running;
#define current running
#define currd	(current->domain)
#include "mm/page.h"
#include "evtchn/evtchn.h"

static u32 frame[8][1024];
static int frame_refs[8];
u64 max_mfn = 8;
u64 frame_chunks[1] = { 1 };

static void *map_frame(mfn_t m)
{
	return frame[mfn_val(m)];
}
static void unmap_frame(const void *p)
{
	(void)p;
}
static struct page_info *virt_to_page(const void *p)
{
	return mfn_to_page(mfn(((u64)p - (u64)frame) / sizeof(frame[0])));
}
static void *heap_alloc(size_t n)
{
	return calloc(1, n);
}
static void *heap_alloc_array(size_t n, size_t size)
{
	return calloc(n, size);
}
static void heap_free(void *p)
{
	free(p);
}

#include "../../hv/evtchn/channel.c"
#undef BUSY_MAX
#include "../../hv/evtchn/fifo.c"
#include "../../hv/evtchn/pirq.c"
#include "../../hv/evtchn/send.c"
#include "../../hv/evtchn/words.c"
#include "lib/rangeset.h"
#include "../../hv/lib/rangeset.c"
#include "quiet.h"
#include "unit.h"

static int locks;
// What another CPU does, before a lock is taken and after it was let go.
static void (*lock_hook)(void);
void spin_lock(struct spinlock *l)
{
	if (lock_hook)
		lock_hook();
	if (l->next++)
		abort();
	locks++;
}
void spin_unlock(struct spinlock *l)
{
	l->next--;
	locks--;
	if (lock_hook)
		lock_hook();
}
int page_get_writable(struct page_info *pg, const struct page_account *who)
{
	(void)who;
	frame_refs[pg - frame_table]++;
	return 0;
}
void page_put_writable(struct page_info *pg)
{
	frame_refs[pg - frame_table]--;
}

static struct domain dom[2];
static struct vcpu vcpus[2][2], *vcpu_table[2][2];
static struct shared_info shared[2];
static struct vcpu_info infos[2][2];
struct domain *dom0 = &dom[0];
struct domain *domain_list;
struct spinlock domain_list_lock;
static unsigned int kicks, unblocks;

void vcpu_kick_other(struct vcpu *v)
{
	(void)v;
	kicks++;
}
void vcpu_unblock(struct vcpu *v)
{
	(void)v;
	unblocks++;
}
struct domain *domain_get_self_or(u16 id)
{
	struct domain *d = id == DOMID_SELF ? currd : id < 2 ? &dom[id] : NULL;

	if (d)
		d->ref++;
	return d;
}
void domain_get(struct domain *d)
{
	d->ref++;
}
void domain_put(struct domain *d)
{
	d->ref--;
}
void (*con_input_hook)(u32 virq);
void (*sched_send_virq)(struct vcpu *v, u32 virq);
void (*domain_send_virq)(u32 virq);

unsigned int nr_gsis = 24;
static irq_handler_t *irq_fn;
static void *irq_data;
static int eois, unmasks;
int irq_request(unsigned int irq, irq_handler_t *fn, void *data)
{
	if (irq == 4 || irq_fn)
		return -EBUSY;
	irq_fn = fn;
	irq_data = data;
	return 0;
}
void irq_free(unsigned int irq)
{
	(void)irq;
	irq_fn = NULL;
}
void irq_unmask(unsigned int irq)
{
	(void)irq;
	unmasks++;
}
void irq_eoi(unsigned int irq)
{
	(void)irq;
	eois++;
}
bool irq_is_level(unsigned int irq)
{
	return irq >= 16;
}
void irq_set_affinity(unsigned int irq, unsigned int cpu)
{
	(void)irq, (void)cpu;
}
bool irq_leave(unsigned int irq, unsigned int cpu)
{
	return irq == 20 && cpu == 3;
}

#endif
