// SPDX-License-Identifier: MIT
// domctl, sysctl and platform_op, the whole of ctl/ with policies and frames:
// the input is the caller's structure and memory, and what other rooms say.
#include "fuzz.h"
#define RAM_FRAMES 256UL
#include "machine.h"

extern unsigned int nr_cpus;
extern u32 cpu_apic_id[MAX_CPUS];
static bool softirq_pending(void);
#define X86_SOFTIRQ_H
enum softirq { SOFTIRQ_TRACE };
void softirq_register(enum softirq nr, void (*fn)(void));
#include "x86/insn.h"
#define cpuid	    fuzz_cpuid	   // of one machine, whatever this is
#define sched_yield hv_sched_yield // libc has one

static inline void fuzz_cpuid(u32 leaf, u32 sub, u32 r[4])
{
	memset(r, 0xff, 16);
}

#include "../../hv/call/compat.c"
#include "../../hv/ctl/ctl.c"
#include "../../hv/ctl/domctl.c"
#include "../../hv/ctl/domctl_res.c"
#include "../../hv/ctl/domctl_vcpu.c"
#include "../../hv/ctl/platform_op.c"
#include "../../hv/ctl/sysctl.c"
#include "../../hv/ctl/sysctl_cpu.c"
#define may_use pool_may_use
#include "../../hv/ctl/sysctl_sched.c"
#include "../../hv/ctl/trace_op.c"
#include "../../hv/dom/policy.c"
#include "../../hv/dom/policy_leaves.c"
#include "../../hv/lib/rangeset.c"
#include "../../hv/mm/page.c"

#define FPU_BYTES 1088
#define GUEST	  65536 // the caller's memory, over and over
#define VCPUS	  2
#define AGAIN	  4

unsigned int nr_cpus = 2;
cpumask_t smp_parked, trace_cpus;
u32 trace_events, cpu_apic_id[MAX_CPUS] = { 0, 1 };
struct cpu_host cpu_host;
struct cpupool sched_free, sched_pools[MAX_POOLS];
struct platform platform;
struct domain *domain_list;
struct spinlock domain_list_lock;
u64 fpu_xcr0_mask = 7;
u32 fpu_state_size = FPU_BYTES;
const struct guest_ops pv_guest_ops;
#include "cpuid_words.h"
#include "ctl_machine.h"

static u8 guest[GUEST];
static struct policy first_policy;

static bool softirq_pending(void)
{
	return !fuzz_left || !fuzz_below(8);
}

static int copy(u64 gva, void *here, u64 len, bool to)
{
	if (!access_ok(gva, len) || gva >> 16 & 1)
		return -EFAULT;
	for (u64 i = 0; i < len; i++)
		if (to)
			guest[(gva + i) % GUEST] = ((u8 *)here)[i];
		else
			((u8 *)here)[i] = guest[(gva + i) % GUEST];
	return 0;
}

int copy_from_guest(void *dst, u64 gva, u64 len)
{
	return copy(gva, dst, len, false);
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	return copy(gva, (void *)(u64)src, len, true);
}

int clear_guest(u64 gva, u64 len)
{
	CHECK(len <= PAGE_SIZE);
	return access_ok(gva, len) ? 0 : -EFAULT;
}

long call_again_with(u32 nr, const u64 *args, unsigned int n)
{
	CHECK(n == 1);
	return -ERESTART;
}

void *heap_alloc(size_t size)
{
	return fuzz_below(16) == 15 ? NULL : calloc(1, size);
}

void *heap_alloc_array(size_t n, size_t size)
{
	return heap_alloc(n * size);
}

void heap_free(void *p)
{
	free(p);
}

static void get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
	memset(c, 0, sizeof(*c));
}

static const struct guest_ops kind = { .context_get = get_context };

static void vcpu_make(struct domain *d, struct vcpu *v, u32 id)
{
	static struct pv_vcpu pv[2][VCPUS];
	static u8 fpu[2][VCPUS][FPU_BYTES] __aligned(64);

	v->id = id;
	v->domain = d;
	v->pv = &pv[d->id][id];
	v->pv->fpu = (void *)fpu[d->id][id];
	d->vcpu[id] = v;
}

// One that may do anything, and one it may be done to.
static void domain_make(u16 id)
{
	static struct vcpu vcpus[2][VCPUS], *table[2][VCPUS + 1];
	struct domain *d = maddr_to_virt((16 + id * 16UL) << PAGE_SHIFT);

	memset(d, 0, sizeof(*d));
	doms[id] = d;
	d->id = id;
	d->ref = 1;
	d->account.max = 20;
	d->is_control = d->is_hardware = !id;
	d->max_vcpus = VCPUS + 1; // one was not made
	d->vcpu = table[id];
	d->shared = maddr_to_virt(1 << PAGE_SHIFT);
	d->ops = &kind;
	d->policy = first_policy;
	for (u32 i = 0; i < RIGHTS; i++) {
		rangeset_init(&d->rights[i], heap_alloc, heap_free);
		rangeset_add(&d->rights[i], 0, id ? 100 : 100000);
	}
	memset(vcpus[id], 0, sizeof(vcpus[id]));
	for (u32 i = 0; i < VCPUS; i++)
		vcpu_make(d, &vcpus[id][i], i);
	for (u64 i = 64 + id * 4; i < 68 + id * 4; i++) {
		memset(&frame_table[i], 0, sizeof(frame_table[i]));
		page_assign(&d->account, &frame_table[i], 0);
	}
}

static void begin(void)
{
	machine_make();
	memset(cpu_host.features, 0xff, sizeof(cpu_host.features));
	cpu_host.cpuid_faulting = true;
	cpu_host.vendor = CPU_INTEL;
	cpu_host.max_basic = CPU_MAX_BASIC;
	cpu_host.max_ext = CPU_MAX_EXT;
	cpu_host.features[XEN_X86_FEATURE_MTRR / 32] &=
		~(1u << XEN_X86_FEATURE_MTRR % 32);
	sched_pools[0].exists = true;
	policy_init();
	policy_system(XEN_SYSCTL_cpu_policy_pv_default, &first_policy);
}

static long issue(u32 which, u64 gva)
{
	switch (which) {
	case 0:
		return call_sysctl(gva, 0, 0, 0, 0);
	case 1:
		return call_platform_op(gva, 0, 0, 0, 0);
	default:
		return call_domctl(gva, 0, 0, 0, 0);
	}
}

static const u32 versions[] = { XEN_SYSCTL_INTERFACE_VERSION,
				XENPF_INTERFACE_VERSION,
				XEN_DOMCTL_INTERFACE_VERSION };

// The structure is at 0x1000, with the right version; handles lead anywhere.
static void fuzz_one(const u8 *data, size_t size)
{
	u32 which, tries = 0;

	if (!ram_base)
		begin();
	fuzz_begin(NULL, 0);
	domain_make(0);
	domain_make(1);
	doms[1]->pv32 = doms[1]->vcpu[0]->hot.pv32 =
		doms[1]->vcpu[1]->hot.pv32 = size & 1;
	current = doms[0]->vcpu[0];
	cpu_online = 3;
	smp_parked = 0;
	cpu_switching = 0;
	fuzz_begin(data, size);
	which = fuzz_below(3);
	memset(guest, 0, sizeof(guest));
	fuzz_fill(guest + 0x1000, 144);
	fuzz_fill(guest, fuzz_take(1));
	memcpy(guest + 0x1004, &versions[which], 4);
	while (issue(which, 0x1000) == -ERESTART && tries++ < AGAIN)
		;
	CHECK(!lock.holder && !pauses);
	for (u32 id = 0; id < 2; id++) {
		CHECK(doms[id]->ref == 1 && !doms[id]->lock.holder);
		for (u32 i = 0; i < RIGHTS; i++)
			rangeset_exit(&doms[id]->rights[i]);
		for (u64 i = 64 + id * 4; i < 68 + id * 4; i++)
			CHECK((frame_table[i].count & PGC_COUNT) == 1);
	}
}
