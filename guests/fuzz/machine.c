// SPDX-License-Identifier: MIT
// sysctl and platform_op: the machine, as far as it can be put right again.
#include "fuzz/fuzz.h"
#include <xen/platform.h>
#include <xen/sysctl.h>

#define HEAP_PAGES 4 // that the hypervisor's small objects may share

static struct xen_sysctl *ctl(struct call *c)
{
	struct xen_sysctl *x = arg_in(c, 0, sizeof(*x));

	x->cmd = c->op->cmd;
	x->interface_version = XEN_SYSCTL_INTERFACE_VERSION + chance(1);
	c->first = 1;
	return x;
}

static struct xen_platform_op *platform(struct call *c)
{
	struct xen_platform_op *x = arg_in(c, 0, sizeof(*x));

	x->cmd = c->op->cmd;
	x->interface_version = XENPF_INTERFACE_VERSION;
	c->first = 1;
	return x;
}

static long sysctl_call(struct xen_sysctl *x)
{
	x->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return HC1(__HYPERVISOR_sysctl, x);
}

static void make_plain(struct call *c)
{
	ctl(c);
}

static void make_log(struct call *c)
{
	struct xen_sysctl_readconsole *a = &ctl(c)->u.readconsole;

	a->incremental = (u8)below(2);
	a->index = below(20000);
	a->count = below(8192);
	a->buffer.p = (void *)OUT_AREA;
}

static void make_trace(struct call *c)
{
	static const u32 cmds[] = {
		XEN_SYSCTL_TBUFOP_get_info,	XEN_SYSCTL_TBUFOP_set_evt_mask,
		XEN_SYSCTL_TBUFOP_set_cpu_mask, XEN_SYSCTL_TBUFOP_disable,
		XEN_SYSCTL_TBUFOP_enable,	77
	};
	struct xen_sysctl_tbuf_op *a = &ctl(c)->u.tbuf_op;

	a->cmd = cmds[below(ARRAY_SIZE(cmds))];
	a->evt_mask = (u32)random_next();
	a->cpu_mask.bitmap.p = (void *)IN_AREA;
	a->cpu_mask.nr_bits = below(100);
}

static void make_list(struct call *c)
{
	struct xen_sysctl_getdomaininfolist *a = &ctl(c)->u.getdomaininfolist;

	a->first_domain = (domid_t)below(3);
	a->max_domains = below(10);
	a->buffer.p = (void *)OUT_AREA;
}

// Keys that nobody has: the others print much.
static void make_keys(struct call *c)
{
	struct xen_sysctl_debug_keys *a = &ctl(c)->u.debug_keys;

	memset(in_page, 1, 64);
	a->keys.p = (char *)IN_AREA;
	a->nr_keys = below(8);
	if (chance(5))
		a->keys.p = (char *)AREA(18);
}

static void make_cpuinfo(struct call *c)
{
	struct xen_sysctl_getcpuinfo *a = &ctl(c)->u.getcpuinfo;

	a->max_cpus = below(10);
	a->info.p = (void *)OUT_AREA;
}

static void make_heap(struct call *c)
{
	struct xen_sysctl_availheap *a = &ctl(c)->u.availheap;

	a->min_bitwidth = below(40);
	a->max_bitwidth = below(70);
	a->node = (int)below(3) - 1;
}

static void make_pm(struct call *c)
{
	struct xen_sysctl_pm_op *a = &ctl(c)->u.pm_op;

	a->cmd = chance(70) ? XEN_SYSCTL_pm_op_get_max_cstate : below(0x30);
	a->cpuid = below(3);
}

static void make_topology(struct call *c)
{
	struct xen_sysctl_cputopoinfo *a = &ctl(c)->u.cputopoinfo;

	a->num_cpus = below(5);
	a->cputopo.p = (void *)(chance(80) ? OUT_AREA : 0);
}

static void make_numa(struct call *c)
{
	struct xen_sysctl_numainfo *a = &ctl(c)->u.numainfo;

	a->num_nodes = below(3);
	a->meminfo.p = (void *)(chance(80) ? OUT_AREA : 0);
	a->distance.p = (void *)(chance(80) ? OUT_AREA : 0);
}

static void make_hotplug(struct call *c)
{
	struct xen_sysctl_cpu_hotplug *a = &ctl(c)->u.cpu_hotplug;

	a->cpu = chance(80) ? 1 : below(66);
	a->op = below(2) + (chance(10) ? below(4) : 0);
}

static void make_pool(struct call *c)
{
	static const u32 odd[] = { XEN_SYSCTL_CPUPOOL_PAR_ANY, 2, 63, 64 };
	struct xen_sysctl_cpupool_op *a = &ctl(c)->u.cpupool_op;

	a->op = 1 + below(8);
	a->cpupool_id = chance(90) ? below(3) : odd[below(4)];
	a->sched_id = XEN_SCHEDULER_CREDIT2;
	a->domid = VICTIM_ID;
	a->cpu = chance(80) ? 1 : odd[below(4)];
	a->cpumap.bitmap.p = (void *)OUT_AREA;
	a->cpumap.nr_bits = 64;
}

static void make_scheduler(struct call *c)
{
	struct xen_sysctl_scheduler_op *a = &ctl(c)->u.scheduler_op;

	a->cpupool_id = chance(90) ? 0 : below(70);
	a->sched_id = XEN_SCHEDULER_CREDIT2;
	a->cmd = below(2);
	// More would let the others run for that long.
	a->u.sched_credit2.ratelimit_us =
		chance(80) ? below(1100) : 500001 + below(9);
}

static void make_pci(struct call *c)
{
	struct xen_sysctl_pcitopoinfo *a = &ctl(c)->u.pcitopoinfo;

	memset(IN, 0, 256);
	a->num_devs = below(32);
	a->devs.p = (void *)IN_AREA;
	a->nodes.p = (void *)OUT_AREA;
}

static void make_features(struct call *c)
{
	struct xen_sysctl_cpu_featureset *a = &ctl(c)->u.cpu_featureset;

	a->index = below(6);
	a->nr_features = chance(80) ? 64 : below(64);
	a->features.p = (void *)(chance(90) ? OUT_AREA : 0);
}

static void make_policy(struct call *c)
{
	struct xen_sysctl_cpu_policy *a = &ctl(c)->u.cpu_policy;

	a->index = below(6);
	a->nr_leaves = chance(80) ? 800 : below(100);
	a->nr_msrs = chance(80) ? 100 : below(10);
	a->leaves.p = (void *)OUT_AREA;
	a->msrs.p = (void *)(OUT_AREA + 6 * PAGE_SIZE);
}

static void make_time32(struct call *c)
{
	struct xenpf_settime32 *a = &platform(c)->u.settime32;

	a->secs = (u32)random_next();
	a->nsecs = below(1000000000);
	a->system_time = system_time() / MS * MS;
}

static void make_time64(struct call *c)
{
	struct xenpf_settime64 *a = &platform(c)->u.settime64;

	a->secs = random_next() >> 32;
	a->nsecs = below(1000000000);
	a->mbz = chance(5);
	a->system_time = system_time() / MS * MS;
}

static void make_words(struct call *c)
{
	u32 *words = (u32 *)&platform(c)->u;

	words[0] = below(8);
	words[1] = below(4);
}

static void make_cpu(struct call *c)
{
	platform(c)->u.cpu_ol.cpuid = chance(90) ? 1 : below(66);
}

// Never a state that can be entered.
static void make_sleep(struct call *c)
{
	struct xenpf_enter_acpi_sleep *a = &platform(c)->u.enter_acpi_sleep;

	a->sleep_state = (u8)(7 + below(200));
	a->flags = below(4);
}

static void make_firmware(struct call *c)
{
	struct xenpf_firmware_info *a = &platform(c)->u.firmware_info;

	a->type = chance(50) ? XEN_FW_KBD_SHIFT_FLAGS : below(8);
	a->index = below(2);
}

void machine_reset(void)
{
	struct xen_sysctl x = { .cmd = XEN_SYSCTL_cpu_hotplug };

	x.u.cpu_hotplug.cpu = 1;
	x.u.cpu_hotplug.op = XEN_SYSCTL_CPU_HOTPLUG_ONLINE;
	sysctl_call(&x);
	for (u32 id = 1; id < 64; id++) {
		x = (struct xen_sysctl){ .cmd = XEN_SYSCTL_cpupool_op };
		x.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_RMCPU;
		x.u.cpupool_op.cpupool_id = id;
		x.u.cpupool_op.cpu = XEN_SYSCTL_CPUPOOL_PAR_ANY;
		sysctl_call(&x);
		x.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_DESTROY;
		sysctl_call(&x);
	}
	x.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_ADDCPU;
	x.u.cpupool_op.cpupool_id = 0;
	x.u.cpupool_op.cpu = 1;
	sysctl_call(&x);
	x = (struct xen_sysctl){ .cmd = XEN_SYSCTL_tbuf_op };
	x.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_disable;
	sysctl_call(&x);
}

// Those that are free, and the caller's own: a call that cannot say what frame
// it gave has given it all the same.
u64 frames_count(void)
{
	struct xen_sysctl x = { .cmd = XEN_SYSCTL_physinfo };
	domid_t self = DOMID_SELF;

	if (sysctl_call(&x))
		return 0;
	return x.u.physinfo.free_pages +
	       (u64)memory_op(XENMEM_current_reservation, &self);
}

// Once set up, they stay.
void machine_init(void)
{
	struct xen_sysctl x = { .cmd = XEN_SYSCTL_tbuf_op };

	x.u.tbuf_op.cmd = XEN_SYSCTL_TBUFOP_set_size;
	x.u.tbuf_op.size = 1;
	sysctl_call(&x);
}

void frames_back(u64 want)
{
	u64 now = frames_count();

	for (int i = 0; i < 100 && now + HEAP_PAGES < want; i++) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
		now = frames_count();
	}
	if (now + HEAP_PAGES < want)
		broken("%" LL "u frames free or mine, once %" LL "u", now,
		       want);
}

// Without the victim, with all frames in place: always the same number. The
// first resets still come to own what is kept for good.
void leaks_check(void)
{
	static u64 first;
	static unsigned int resets;

	if (++resets < 4)
		first = frames_count();
	frames_back(first);
}

#define OP(name, make)                                            \
	{                                                         \
		"sysctl:" #name, make, NULL, __HYPERVISOR_sysctl, \
			XEN_SYSCTL_##name, 4, OP_CONTROL          \
	}
#define PLATFORM(name, make)                                             \
	{                                                                \
		"platform:" #name, make, NULL, __HYPERVISOR_platform_op, \
			XENPF_##name, 4, OP_CONTROL                      \
	}

static const struct op ops[] = {
	OP(readconsole, make_log),
	OP(tbuf_op, make_trace),
	OP(physinfo, make_plain),
	OP(sched_id, make_plain),
	OP(getdomaininfolist, make_list),
	{ "sysctl:debug_keys", make_keys, NULL, __HYPERVISOR_sysctl,
	  XEN_SYSCTL_debug_keys, 4, OP_CONTROL | OP_EXACT },
	OP(getcpuinfo, make_cpuinfo),
	OP(availheap, make_heap),
	OP(pm_op, make_pm),
	OP(cputopoinfo, make_topology),
	OP(numainfo, make_numa),
	{ "sysctl:cpu_hotplug", make_hotplug, NULL, __HYPERVISOR_sysctl,
	  XEN_SYSCTL_cpu_hotplug, 1, OP_CONTROL },
	OP(cpupool_op, make_pool),
	{ "sysctl:scheduler_op", make_scheduler, NULL, __HYPERVISOR_sysctl,
	  XEN_SYSCTL_scheduler_op, 4, OP_CONTROL | OP_EXACT },
	OP(pcitopoinfo, make_pci),
	OP(get_cpu_levelling_caps, make_plain),
	OP(get_cpu_featureset, make_features),
	OP(get_cpu_policy, make_policy),
	PLATFORM(settime32, make_time32),
	PLATFORM(settime64, make_time64),
	PLATFORM(read_memtype, make_words),
	PLATFORM(platform_quirk, make_words),
	PLATFORM(firmware_info, make_firmware),
	{ "platform:enter_acpi_sleep", make_sleep, NULL,
	  __HYPERVISOR_platform_op, XENPF_enter_acpi_sleep, 4,
	  OP_CONTROL | OP_EXACT },
	PLATFORM(set_processor_pminfo, make_words),
	PLATFORM(get_cpuinfo, make_words),
	PLATFORM(get_cpu_version, make_words),
	{ "platform:cpu_online", make_cpu, NULL, __HYPERVISOR_platform_op,
	  XENPF_cpu_online, 1, OP_CONTROL },
	{ "platform:cpu_offline", make_cpu, NULL, __HYPERVISOR_platform_op,
	  XENPF_cpu_offline, 1, OP_CONTROL },
	PLATFORM(core_parking, make_words),
};
const struct op_list machine_ops = { ops, ARRAY_SIZE(ops) };
