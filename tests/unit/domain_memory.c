// SPDX-License-Identifier: MIT
// Domains and their memory, the real dom/domain.c, mm/page.c, mm/frames.c and
// call/memory_*.c on a made-up machine of 64 MiB: after everything is
// destroyed, no frame is missing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sanitizer/lsan_interface.h>
#include <sys/mman.h>
#define HOST_TEST
#define __XEN_TOOLS__ 1
#include "lib/types.h"

// The machine: its own layout and CPU.
#define X86_LAYOUT_H
#define FRAMES	     16384UL
#define MAX_MFN	     0x50000000UL
#define STACK_SIZE   0x10000
#define HV_START     0xffff800000000000
#define M2P_START    0xffff800000000000
#define DIRECT_START ram_base
#define FRAMES_START records_base
#define M2P_RW_START m2p_base
static u64 ram_base, records_base, m2p_base;

#define X86_PERCPU_H
#include "lib/cpumask.h"
#include "x86/regs.h"
struct vcpu;
struct cpu_info {
	struct vcpu *vcpu;
	u32 softirq_pending;
};
static struct cpu_info host_cpu;
static inline struct cpu_info *cpu_info(void)
{
	return &host_cpu;
}
#define current (cpu_info()->vcpu)
#define currd	(current->domain)
extern cpumask_t cpu_online;
cpumask_t cpu_online = 1;

#include "x86/insn.h"
#define irq_save()     0ul
#define irq_restore(x) ((void)(x))
#include "../../hv/mm/page.c"
#include "../../hv/mm/frames.c"
#include "../../hv/dom/domain.c"
#include "../../hv/dom/vcpu.c"
#include "../../hv/lib/rangeset.c"
#include "../../hv/call/memory_exchange.c"
#include "../../hv/call/memory_map.c"
#include "../../hv/call/memory_op.c"
#include "../../hv/call/sub_op.c"
#include "unit.h"
#include "no_pv32.h"

// Callers are 64-bit ones.
int compat32_from_guest(enum layout32 layout, void *arg, u64 gva, u32 size)
{
	abort();
}

int compat32_to_guest(enum layout32 layout, u64 gva, const void *arg)
{
	abort();
}

int pfn_from_guest(u64 *pfn, u64 list, u64 i)
{
	return copy_element_from_guest(pfn, list, i);
}

int pfn_to_guest(u64 list, u64 i, u64 pfn)
{
	return copy_element_to_guest(list, i, &pfn);
}

u64 max_mfn = FRAMES, frame_chunks[8] = { 1 };

u64 hv_maddr(u64 va)
{
	abort();
}
u32 tlb_clock = 1;

void spin_lock(struct spinlock *l)
{
	if (l->holder++)
		abort();
}

void spin_unlock(struct spinlock *l)
{
	if (--l->holder)
		abort();
}

void tlb_flush_mask(cpumask_t mask)
{
}

cpumask_t tlb_filter(cpumask_t mask, u32 stamp)
{
	return 0;
}

u64 virt_to_maddr(const void *p)
{
	return (u64)p - ram_base;
}

void *boot_pages(u64 size)
{
	abort();
}

void *heap_alloc(size_t size)
{
	return calloc(1, size);
}

void *heap_alloc_array(size_t n, size_t size)
{
	return calloc(n, size);
}

void heap_free(void *p)
{
	free(p);
}

void panic(const char *fmt, ...)
{
	puts(fmt);
	abort();
}

// A softirq is pending after so many questions.
static unsigned int preempt_in;
static bool reclaim;

static u64 m2p_of(mfn_t m)
{
	return m2p_rw[mfn_val(m)];
}

static void send_virq(u32 virq)
{
}

static void tick(void)
{
	if (preempt_in && !--preempt_in)
		host_cpu.softirq_pending = 1;
}

int copy_from_guest(void *dst, u64 gva, u64 len)
{
	tick();
	if (!gva || !access_ok(gva, len))
		return -EFAULT;
	(memcpy)(dst, (const void *)gva, len);
	return 0;
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	if (!gva || !access_ok(gva, len))
		return -EFAULT;
	(memcpy)((void *)gva, src, len);
	return 0;
}

void show_init(void)
{
}

bool trace_on;
void trace_record(u32 event, const u32 *extra, unsigned int words)
{
	(void)event, (void)extra, (void)words;
}

void softirq_raise(enum softirq nr)
{
	reclaim = true;
}

void softirq_register(enum softirq nr, void (*fn)(void))
{
}

int grant_frame_get(struct domain *d, u32 i, bool status, mfn_t *out)
{
	*out = mfn(i);
	return i < 64 ? 0 : -EINVAL;
}

struct grant_size grant_size(const struct domain *d)
{
	return (struct grant_size){ .max_frames = 64 };
}

static u64 again_cmd, again_arg;
static unsigned int agains;

long call_again_with(u32 nr, const u64 *args, unsigned int n)
{
	again_cmd = args[0];
	again_arg = args[1];
	agains++;
	host_cpu.softirq_pending = 0;
	return -ERESTART;
}

// The call as a guest sees it, preempted every `every` copies.
static long memory(u64 cmd, void *arg, unsigned int every)
{
	long rc;

	again_cmd = cmd;
	again_arg = (u64)arg;
	do {
		preempt_in = every;
		host_cpu.softirq_pending = 0;
		rc = call_memory_op(again_cmd, again_arg, 0, 0, 0);
	} while (rc == -ERESTART);
	preempt_in = 0;
	host_cpu.softirq_pending = 0;
	return rc;
}

// A kind of guest that has nothing of its own.
static int vcpu_nothing(struct vcpu *v)
{
	return 0;
}

static void vcpu_gone(struct vcpu *v)
{
}

static int domain_nothing(struct domain *d)
{
	return 0;
}

static unsigned int exits;

static void domain_gone(struct domain *d)
{
	exits++;
}

static const struct guest_ops kind = {
	.vcpu_init = vcpu_nothing,
	.vcpu_exit = vcpu_gone,
	.domain_init = domain_nothing,
	.domain_exit = domain_gone,
	.relinquish = domain_nothing,
};

static void pause_nothing(struct domain *d)
{
}

static struct domain *make(u16 id, u64 max)
{
	struct domain_config cfg = { .domid = id,
				     .max_vcpus = 4,
				     .ops = &kind };
	struct domain *d = NULL;
	struct vcpu *v = NULL;

	domain_send_virq = send_virq;
	CHECK(!domain_create(&cfg, &d));
	CHECK(!vcpu_create(d, 0, &v));
	d->account.max = max;
	return d;
}

static void *map_area(u64 size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void machine(void)
{
	struct domain *d;

	ram_base = (u64)map_area(FRAMES * PAGE_SIZE);
	mm_ready = true;
	__lsan_register_root_region((void *)ram_base, FRAMES * PAGE_SIZE);
	records_base = (u64)map_area(FRAMES * sizeof(struct page_info));
	m2p_base = (u64)map_area(FRAMES * 8);
	frames_add(mfn(1), FRAMES - 1);
	sched_hooks.domain_pause = pause_nothing;
	CHECK(!domain_create_idle());
	d = make(0, 4096);
	CHECK(dom0 == d && d->is_control);
	current = d->vcpu[0];
}

// Kills d; its struct goes when nobody has a reference any more.
static void destroy(struct domain *d)
{
	unsigned int before = exits;
	int rc;

	domain_get(d);
	do {
		preempt_in = 0;
		host_cpu.softirq_pending = agains++ & 1;
		rc = domain_kill(d);
	} while (rc == -ERESTART);
	host_cpu.softirq_pending = 0;
	CHECK(!rc && d->state == DOM_DEAD);
	CHECK(exits == before);
	domain_put(d);
}

static void collect(void)
{
	if (reclaim)
		free_waiting();
	reclaim = false;
}

#define N 64
static u64 list[N], list2[N];

static struct xen_memory_reservation reservation(u16 id, u64 *l, u64 n,
						 unsigned int order)
{
	struct xen_memory_reservation r = { .nr_extents = n,
					    .extent_order = order,
					    .domid = id };

	r.extent_start.p = (xen_pfn_t *)l;
	return r;
}

static void populate(u16 id, unsigned int order)
{
	struct xen_memory_reservation r = reservation(id, list, N, order);

	for (u64 i = 0; i < N; i++)
		list[i] = i << order;
	CHECK(memory(XENMEM_populate_physmap, &r, 5) == N);
	for (u64 i = 0; i < N; i++)
		CHECK(m2p_of(mfn(list[i])) == i << order &&
		      page_owner(mfn_to_page(mfn(list[i]))));
}

static void reservations(void)
{
	u64 before = frames_free_count();
	struct domain *d = make(5, 200);
	struct xen_memory_reservation r;
	u64 shared = mfn_val(virt_to_mfn(d->shared));

	agains = 0;
	populate(5, 1);
	CHECK(agains == N / 4 - 1);
	CHECK(d->account.total == 2 * N);
	r = reservation(5, list, N / 2, 1);
	CHECK(memory(XENMEM_decrease_reservation, &r, 3) == N / 2);
	CHECK(d->account.total == N);
	CHECK(m2p_of(mfn(list[0])) == M2P_INVALID);
	// What it gave up is not its any more; bad numbers stop it.
	CHECK(memory(XENMEM_decrease_reservation, &r, 0) == 0);
	list[N / 2 + 1] = ~0UL;
	r = reservation(5, list + N / 2, N / 2, 1);
	CHECK(memory(XENMEM_decrease_reservation, &r, 0) == 1);
	// The hypervisor's page is not the guest's to give.
	r = reservation(5, &shared, 1, 0);
	CHECK(memory(XENMEM_decrease_reservation, &r, 0) == 0);
	CHECK(mfn_to_page(mfn(shared))->count & PGC_ALLOCATED);
	// Over its maximum, and orders that nobody may ask for.
	r = reservation(5, list, N, 2);
	CHECK(memory(XENMEM_increase_reservation, &r, 0) ==
	      (200 - (N - 2)) / 4);
	for (unsigned int order = 19; order < 64; order++) {
		r = reservation(5, list, N, order);
		CHECK(memory(XENMEM_increase_reservation, &r, 0) == 0);
	}
	r = reservation(77, list, N, 0);
	CHECK(memory(XENMEM_increase_reservation, &r, 0) == 0);
	destroy(d);
	collect();
	CHECK(frames_free_count() == before);
}

static struct xen_memory_exchange exchange_of(u16 id, unsigned int in,
					      unsigned int out)
{
	struct xen_memory_exchange x = {
		.in = reservation(id, list, N >> in, in),
		.out = reservation(id, list2, N >> out, out),
	};

	return x;
}

static void exchanges(void)
{
	u64 before = frames_free_count();
	struct domain *d = make(6, 200);
	struct xen_memory_exchange x;
	u64 keep;

	populate(6, 0);
	for (u64 i = 0; i < N; i++)
		list2[i] = 1000 + i * 8;
	x = exchange_of(6, 0, 3);
	CHECK(!memory(XENMEM_exchange, &x, 7));
	CHECK(x.nr_exchanged == N && d->account.total == N);
	for (u64 i = 0; i < N / 8; i++)
		CHECK(m2p_of(mfn(list2[i] + 7)) == 1007 + i * 8);
	// And back, by a chunk that frees more than it takes.
	(memcpy)(list, list2, sizeof(list));
	for (u64 i = 0; i < N; i++)
		list2[i] = i;
	x = exchange_of(6, 3, 0);
	agains = 0;
	CHECK(!memory(XENMEM_exchange, &x, 2));
	CHECK(agains == N / 8 - 1);
	CHECK(x.nr_exchanged == N / 8 && d->account.total == N);
	// A frame in use stops it, and its chunk is left alone.
	(memcpy)(list, list2, sizeof(list));
	CHECK(page_get(mfn_to_page(mfn(list[20])), &d->account));
	x = exchange_of(6, 0, 3);
	CHECK(memory(XENMEM_exchange, &x, 0) == -EINVAL);
	CHECK(x.nr_exchanged == 16 && d->account.total == N);
	for (u64 i = 16; i < N; i++)
		CHECK(page_owner(mfn_to_page(mfn(list[i]))) == &d->account &&
		      m2p_of(mfn(list[i])) == i);
	keep = list[20];
	destroy(d);
	collect();
	// Somebody still has the frame, so the domain still exists.
	CHECK(domain_get_by_id(6) == d);
	domain_put(d);
	page_put(mfn_to_page(mfn(keep)));
	collect();
	CHECK(!domain_get_by_id(6));
	CHECK(frames_free_count() == before);
}

static void exchange_refusals(void)
{
	static const u64 bad[] = { 0xffff800000000000, 0xffff87fffffffff8,
				   0x7ffffffffff8, ~7UL };
	struct xen_memory_exchange x;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		x = exchange_of(DOMID_SELF, 0, 0);
		x.out.extent_start.p = (xen_pfn_t *)bad[i];
		CHECK(memory(XENMEM_exchange, &x, 0) == -EFAULT);
		x = exchange_of(DOMID_SELF, 0, 0);
		x.in.extent_start.p = (xen_pfn_t *)bad[i];
		CHECK(memory(XENMEM_exchange, &x, 0) == -EFAULT);
	}
	x = exchange_of(DOMID_SELF, 0, 0);
	x.in.nr_extents = x.out.nr_extents = 1UL << 61;
	x.nr_exchanged = 1UL << 60;
	CHECK(memory(XENMEM_exchange, &x, 0) == -EFAULT);
	x.nr_exchanged = ~0UL;
	CHECK(memory(XENMEM_exchange, &x, 0) == -EINVAL);
	x = exchange_of(DOMID_SELF, 0, 19);
	CHECK(memory(XENMEM_exchange, &x, 0) == -EPERM);
	x = exchange_of(DOMID_SELF, 0, 0);
	x.out.domid = 5;
	CHECK(memory(XENMEM_exchange, &x, 0) == -EINVAL);
	x = exchange_of(99, 0, 0);
	CHECK(memory(XENMEM_exchange, &x, 0) == -ESRCH);
}

static void others(void)
{
	struct xen_memory_domain who = { .domid = DOMID_SELF };
	struct xen_mem_acquire_resource res = { .domid = 7, .type = 1 };
	struct xen_foreign_memory_map map = { .domid = 7 };
	struct e820_entry e[2] = { { 0, 4096, 1 }, { 8192, 4096, 1 } };
	u64 before = frames_free_count();
	struct vcpu *v0 = current;
	struct domain *d = make(7, 10);

	CHECK(memory(XENMEM_maximum_reservation, &who, 0) == 4096);
	CHECK(memory(XENMEM_maximum_ram_page, NULL, 0) == FRAMES);
	CHECK(memory(63, NULL, 0) == -ENOSYS);
	CHECK(memory(8, NULL, 0) == -ENOSYS);
	CHECK(memory(XENMEM_maximum_ram_page | 64, NULL, 0) == -EINVAL);
	CHECK(!memory(XENMEM_acquire_resource, &res, 0));
	CHECK(res.nr_frames == 64);
	res.frame_list.p = (xen_pfn_t *)list;
	CHECK(!memory(XENMEM_acquire_resource, &res, 1));
	CHECK(list[63] == 63);
	res.frame = 1;
	CHECK(memory(XENMEM_acquire_resource, &res, 1) == -EINVAL);
	map.map.nr_entries = 2;
	map.map.buffer.p = e;
	CHECK(!memory(XENMEM_set_memory_map, &map, 0));
	CHECK(!memory(XENMEM_set_memory_map, &map, 0));
	current = d->vcpu[0];
	map.map.nr_entries = 1;
	e[0].start = 1;
	CHECK(!memory(XENMEM_memory_map, &map.map, 0));
	CHECK(map.map.nr_entries == 1 && !e[0].start);
	who.domid = 0;
	CHECK(memory(XENMEM_maximum_reservation, &who, 0) == -EPERM);
	CHECK(memory(XENMEM_machine_memory_map, &map.map, 0) == -EPERM);
	current = v0;
	CHECK(memory(XENMEM_memory_map, &map.map, 0) == -ENOSYS);
	destroy(d);
	collect();
	CHECK(frames_free_count() == before);
}

static void domain_ids(void)
{
	struct domain_config cfg = { .domid = 9, .max_vcpus = 1, .ops = &kind };
	u64 before = frames_free_count();
	struct domain *d = make(9, 1), *e = make(8, 1), *same;
	struct vcpu *v;

	CHECK(domain_create(&cfg, &same) == -EEXIST);
	CHECK(vcpu_create(d, 0, &v) == -EEXIST);
	CHECK(vcpu_create(d, 4, &v) == -EINVAL);
	CHECK(domain_get_by_id(8) == e);
	domain_put(e);
	cfg.domid = DOMID_SELF;
	CHECK(domain_create(&cfg, &same) == -EINVAL);
	CHECK(!domain_get_by_id(DOMID_XEN) && !domain_get_by_id(10));
	CHECK(domain_kill(dom0) == -EINVAL);
	destroy(d);
	destroy(e);
	collect();
	CHECK(!domain_get_by_id(8) && !domain_get_by_id(9));
	CHECK(frames_free_count() == before);
}

static bool found(u16 id, struct domain *d)
{
	struct domain *got = domain_get_by_id(id);

	if (got)
		domain_put(got);
	return got == d;
}

// Of one hash: all three are there, whichever goes.
static void domain_hash(void)
{
	struct domain *d = make(8, 1), *e = make(264, 1), *f = make(520, 1);
	u64 before = frames_free_count();

	CHECK(found(8, d) && found(264, e) && found(520, f));
	CHECK(found(776, NULL));
	destroy(e);
	collect();
	CHECK(found(8, d) && found(264, NULL) && found(520, f));
	destroy(f);
	collect();
	CHECK(found(8, d) && found(520, NULL));
	destroy(d);
	collect();
	CHECK(found(8, NULL) && frames_free_count() > before);
}

UNIT_MAIN(UNIT(machine), UNIT(reservations), UNIT(exchanges),
	  UNIT(exchange_refusals), UNIT(others), UNIT(domain_ids),
	  UNIT(domain_hash))
