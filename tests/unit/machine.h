// SPDX-License-Identifier: MIT
// A made-up machine for tests of mm/ and pv/: RAM, frame table and M2P are
// plain memory of the test, locks really lock (tests with threads), the TLB
// is a clock. Include it before anything of hv/; #define RAM_FRAMES first.
#ifndef UNIT_MACHINE_H
#define UNIT_MACHINE_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define HOST_TEST
#define DEBUG	      1
#define __XEN_TOOLS__ 1
#include "lib/types.h"

#define X86_LAYOUT_H
#define MAX_MFN		  0x50000000UL
#define STACK_SIZE	  0x10000
#define HV_START	  0xffff800000000000
#define M2P_START	  0xffff800000000000
#define PERDOM_START	  0xffff820000000000
#define SLOT_M2P	  256
#define SLOT_PERDOM	  260
#define SLOT_END	  272
#define GDT_GUEST_PAGES	  14
#define SEL_LDT		  0xe050
#define SEL_RING1_CS	  0xe019
#define SEL_RING1_DS	  0xe021
#define SEL_RING3_CS64	  0xe033
#define SEL_RING3_DS	  0xe02b
#define PERDOM_VCPU_SHIFT 17
#define PERDOM_GDT(v)	  (PERDOM_START + ((u64)(v) << PERDOM_VCPU_SHIFT))
#define PERDOM_LDT(v)	  (PERDOM_GDT(v) + 0x10000)
#define DIRECT_START	  ram_base
#define FRAMES_START	  records_base
#define M2P_RW_START	  m2p_base
static u64 ram_base, records_base, m2p_base;

#define X86_PERCPU_H
#include "lib/cpumask.h"
#include "x86/regs.h"
struct vcpu;
struct cpu_info {
	struct cpu_regs regs;
	struct vcpu *vcpu;
	u32 cpu, softirq_pending;
};
static __thread struct cpu_info host_cpu;
static inline struct cpu_info *cpu_info(void)
{
	return &host_cpu;
}
#define current	     (cpu_info()->vcpu)
#define currd	     (current->domain)
#define smp_cpu_id() (cpu_info()->cpu)
extern cpumask_t cpu_online;
cpumask_t cpu_online = 1;

#include "mm/alloc.h"
#include "x86/panic.h"
#include "x86/tlb.h"
#include "unit.h"
#include "no_pv32.h"

u64 max_mfn = RAM_FRAMES, frame_chunks[RAM_FRAMES / 65536 / 64 + 1];
u32 tlb_clock = 1;
static u32 tlb_flushed = 1; // clock of the last flush
static unsigned int tlb_flushes;
static void (*tlb_hook)(void);

void table_lock_note(int n)
{
}

void spin_lock(struct spinlock *l)
{
	while (__atomic_exchange_n(&l->holder, 1, __ATOMIC_SEQ_CST))
		sched_yield();
}

void spin_unlock(struct spinlock *l)
{
	if (!__atomic_exchange_n(&l->holder, 0, __ATOMIC_SEQ_CST))
		abort();
}

void tlb_flush_mask(cpumask_t mask)
{
	if (!mask)
		return;
	__atomic_fetch_add(&tlb_flushes, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&tlb_flushed,
			 __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST),
			 __ATOMIC_SEQ_CST);
	if (tlb_hook)
		tlb_hook();
}

cpumask_t tlb_filter(cpumask_t mask, u32 stamp)
{
	return READ_ONCE(tlb_flushed) > stamp ? 0 : mask;
}

u64 virt_to_maddr(const void *p)
{
	return (u64)p - ram_base;
}

void panic(const char *fmt, ...)
{
	printf("panic: %s\n", fmt);
	fflush(stdout);
	abort();
}

void *boot_pages(u64 size);
void *boot_pages(u64 size)
{
	(void)size;
	abort();
}

static inline u64 map_area(u64 size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return (u64)p;
}

static inline void machine_make(void)
{
	ram_base = map_area(RAM_FRAMES * PAGE_SIZE);
	records_base = map_area(RAM_FRAMES * sizeof(struct page_info));
	m2p_base = map_area(RAM_FRAMES * 8);
	for (u64 i = 0; i < DIV_UP(RAM_FRAMES, 65536); i++)
		frame_chunks[i / 64] |= BIT(i % 64);
}

// Numbers that are the same in each run.
static __thread u64 random_state = 88172645463325252UL;

static inline u64 random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static inline u64 random_below(u64 n)
{
	return random_u64() % n;
}

#endif
