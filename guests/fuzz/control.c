// SPDX-License-Identifier: MIT
// domctl: on a domain that is made for it, and anew each time it is gone.
#include "fuzz/fuzz.h"
#include "lib/domu.h"

static const u8 sleeper[] = {
#ifdef __x86_64__
	0xbf, 1,    0, 0, 0, // mov $SCHEDOP_block, %edi
	0xb8, 29,   0, 0, 0, // mov $__HYPERVISOR_sched_op, %eax
	0x0f, 0x05,	     // syscall
#else
	0xbb, 1,    0, 0, 0, // mov $SCHEDOP_block, %ebx
	0xb8, 29,   0, 0, 0, // mov $__HYPERVISOR_sched_op, %eax
	0xcd, 0x82,	     // int $0x82
#endif
	0xeb, 0xf2, // and again
};
static struct domu victim;
static bool alive;
static struct vcpu_guest_context context;

// Asked for, as a call that could not say what it did may have made or ended it.
static bool victim_exists(void)
{
	struct xen_domctl x = { .cmd = XEN_DOMCTL_getdomaininfo,
				.domain = VICTIM_ID };

	return !domctl(&x) && x.domain == VICTIM_ID;
}

void victim_end(void)
{
	if (victim_exists())
		domain_destroy(VICTIM_ID);
	alive = false;
}

static void victim_make(void)
{
	if (alive && victim_exists())
		return;
	victim_end();
	victim.id = domain_create_as(VICTIM_ID);
	alive = victim.id == VICTIM_ID && domu_build(&victim, sleeper, NULL, 0);
	if (!alive)
		broken("there is no domain to work on");
}

void control_init(void)
{
	machine_init();
	victim_make();
}

void control_reset(void)
{
	victim_end();
	machine_reset();
	leaks_check();
	victim_make();
}

static domid_t whom(void)
{
	static const domid_t ids[] = { VICTIM_ID - 1, VICTIM_ID + 1, 0x7fef,
				       0x7ff0,	      0x7ff1,	     0xffff };

	return chance(95) ? VICTIM_ID : ids[below(ARRAY_SIZE(ids))];
}

static struct xen_domctl *ctl(struct call *c)
{
	struct xen_domctl *x = arg_in(c, 0, sizeof(*x));

	victim_make();
	x->cmd = c->op->cmd;
	x->interface_version = XEN_DOMCTL_INTERFACE_VERSION + chance(1);
	x->domain = whom();
	c->first = 2;
	return x;
}

static void *out(void)
{
	return (void *)(OUT_AREA + below(4) * 8);
}

static u32 some_vcpu(void)
{
	return chance(90) ? 0 : below(3);
}

// With what a domain needs to live, if nobody else has it.
static void make_create(struct call *c)
{
	if (chance(70))
		victim_end();
	struct xen_domctl *x = arg_in(c, 0, sizeof(*x));

	c->first = 2;
	x->cmd = c->op->cmd;
	x->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	x->domain = VICTIM_ID;
	x->u.createdomain.max_vcpus = 1 + below(4);
	x->u.createdomain.max_evtchn_port = 1023;
	x->u.createdomain.max_grant_frames = 1 + (int)below(8);
	x->u.createdomain.max_maptrack_frames = 1 + (int)below(8);
	x->u.createdomain.grant_opts = 1 + below(2);
}

static void done_create(struct call *c, long rc)
{
	(void)c;
	if (!rc)
		alive = false; // it has nothing yet
}

static void make_plain(struct call *c)
{
	ctl(c);
}

static void make_info(struct call *c)
{
	struct xen_domctl *x = ctl(c);

	x->domain = (domid_t)(chance(70) ? VICTIM_ID : below(0x10000));
}

static void make_max_vcpus(struct call *c)
{
	ctl(c)->u.max_vcpus.max = chance(80) ? 1 : below(200);
}

static void make_max_mem(struct call *c)
{
	ctl(c)->u.max_mem.max_memkb = 1024 + below(4096);
}

static void make_handle(struct call *c)
{
	ctl(c)->u.setdomainhandle.handle[below(16)] = (u8)below(256);
}

static void make_scheduler(struct call *c)
{
	struct xen_domctl_scheduler_op *a = &ctl(c)->u.scheduler_op;

	a->sched_id = chance(95) ? XEN_SCHEDULER_CREDIT2 : below(10);
	a->cmd = below(4);
	a->u.credit2.weight = (u16)(1 + below(65535));
	a->u.credit2.cap = (u16)below(120);
	if (a->cmd > 1) {
		a->u.v.vcpus.p = out();
		a->u.v.nr_vcpus = below(3);
		memset(out_pages, 0, 256);
	}
}

static void make_nodes(struct call *c)
{
	struct xen_domctl_nodeaffinity *a = &ctl(c)->u.nodeaffinity;

	out_pages[0][0] |= 1;
	a->nodemap.bitmap.p = (void *)OUT_AREA;
	a->nodemap.nr_bits = chance(80) ? 64 : below(5000);
}

static void make_virq(struct call *c)
{
	ctl(c)->u.set_virq_handler.virq = chance(80) ? VIRQ_TBUF : below(30);
}

static void make_offset(struct call *c)
{
	ctl(c)->u.settimeoffset.time_offset_seconds = below(100000);
}

static void make_tsc(struct call *c)
{
	struct xen_domctl_tsc_info *a = &ctl(c)->u.tsc_info;

	a->tsc_mode = below(3);
	a->gtsc_khz = 1000000;
	a->incarnation = below(4);
	a->elapsed_nsec = random_next() >> below(64);
}

static void make_affinity(struct call *c)
{
	struct xen_domctl_vcpuaffinity *a = &ctl(c)->u.vcpuaffinity;

	memset(in_page, 0xff, 16);
	in_page[0] = (u8)(1 + below(255));
	a->vcpu = some_vcpu();
	a->flags = 1 + below(chance(90) ? 3 : 8);
	a->cpumap_hard.bitmap.p = a->cpumap_soft.bitmap.p = (void *)IN_AREA;
	a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits =
		chance(80) ? 64 : below(5000);
}

static void make_context(struct call *c)
{
	struct xen_domctl_vcpucontext *a = &ctl(c)->u.vcpucontext;

	a->vcpu = some_vcpu();
	a->ctxt.p = (void *)OUT_AREA;
	if (c->op->cmd == XEN_DOMCTL_getvcpucontext)
		return;
	domu_context(&context, domu_base(&victim));
	if (chance(50))
		context.flags &= ~(u32)VGCF_online;
	memcpy(out_pages, &context, sizeof(context));
	if (chance(15))
		((u64 *)out_pages)[below(sizeof(context) / 8)] = odd_value();
}

static void make_vcpuinfo(struct call *c)
{
	ctl(c)->u.getvcpuinfo.vcpu = some_vcpu();
}

static void make_ext(struct call *c)
{
	struct xen_domctl_ext_vcpucontext *a = &ctl(c)->u.ext_vcpucontext;

	a->vcpu = some_vcpu();
	a->size = sizeof(*a);
	a->sysenter_callback_eip = random_next() >> 17;
}

static void make_get_state(struct call *c)
{
	struct xen_domctl_vcpuextstate *a = &ctl(c)->u.vcpuextstate;

	a->vcpu = some_vcpu();
	a->size = chance(50) ? 0 : 8192;
	a->buffer.p = (void *)(chance(80) ? OUT_AREA : 0);
}

// What was got, most of the time.
static void make_set_state(struct call *c)
{
	struct xen_domctl_vcpuextstate *a = &ctl(c)->u.vcpuextstate;
	struct xen_domctl get = { .cmd = XEN_DOMCTL_getvcpuextstate,
				  .domain = VICTIM_ID };

	domctl(&get);
	get.u.vcpuextstate.buffer.p = (void *)OUT_AREA;
	domctl(&get);
	*a = get.u.vcpuextstate;
	if (chance(20))
		((u64 *)out_pages)[below(90)] = odd_value();
}

static void make_msrs(struct call *c)
{
	struct xen_domctl_vcpu_msrs *a = &ctl(c)->u.vcpu_msrs;

	a->vcpu = some_vcpu();
	a->msr_count = below(3);
	a->msrs.p = (void *)(chance(80) ? OUT_AREA : 0);
	((u64 *)out_pages)[0] = chance(50) ? 0xc0000103 : 0x140;
	((u64 *)out_pages)[1] = below(16);
}

static void make_trigger(struct call *c)
{
	struct xen_domctl_sendtrigger *a = &ctl(c)->u.sendtrigger;

	a->trigger = chance(80) ? XEN_DOMCTL_SENDTRIGGER_NMI : below(5);
	a->vcpu = some_vcpu();
}

static void make_frames(struct call *c)
{
	struct xen_domctl_getpageframeinfo3 *a = &ctl(c)->u.getpageframeinfo3;

	a->num = chance(90) ? below(9) : odd_value();
	a->array.p = (void *)IN_AREA;
	for (u64 i = 0; i < 8; i++)
		IN[i] = i < 4 ? victim.tables[i] : odd_frame();
	IN[5] = victim.code;
}

static void make_page(struct call *c)
{
	ctl(c)->u.hypercall_init.gmfn =
		chance(80) ? victim.data : max_frame + below(3);
}

static void make_size(struct call *c)
{
	ctl(c)->u.address_size.size = chance(80) ? WIDTH : below(65);
}

static void make_irq(struct call *c)
{
	struct xen_domctl_irq_permission *a = &ctl(c)->u.irq_permission;

	a->pirq = (u8)below(32);
	a->allow_access = (u8)below(2);
}

static void make_iomem(struct call *c)
{
	struct xen_domctl_iomem_permission *a = &ctl(c)->u.iomem_permission;

	a->first_mfn = 0xe0000 + below(16) * 2;
	a->nr_mfns = 1 + below(8);
	a->allow_access = (u8)below(2);
}

static void make_ports(struct call *c)
{
	struct xen_domctl_ioport_permission *a = &ctl(c)->u.ioport_permission;

	a->first_port = below(0x10000);
	a->nr_ports = 1 + below(64);
	a->allow_access = (u8)below(2);
}

static void make_mapping(struct call *c)
{
	struct xen_domctl_memory_mapping *a = &ctl(c)->u.memory_mapping;

	struct xen_domctl allow = { .cmd = XEN_DOMCTL_iomem_permission,
				    .domain = VICTIM_ID };

	a->first_gfn = a->first_mfn = 0xe0000 + below(16);
	a->nr_mfns = 1 + below(8);
	allow.u.iomem_permission.first_mfn = 0xe0000;
	allow.u.iomem_permission.nr_mfns = 32;
	allow.u.iomem_permission.allow_access = chance(90);
	domctl(&allow);
	a->add_mapping = below(2);
}

static void make_policy(struct call *c)
{
	struct xen_domctl_cpu_policy *a = &ctl(c)->u.cpu_policy;
	bool get = c->op->cmd == XEN_DOMCTL_get_cpu_policy;

	a->nr_leaves = chance(80) ? (get ? 800 : 0) : below(1000);
	a->nr_msrs = chance(80) ? (get ? 100 : 0) : below(100);
	a->leaves.p = (void *)OUT_AREA;
	a->msrs.p = (void *)(OUT_AREA + 6 * PAGE_SIZE);
}

static void make_debugging(struct call *c)
{
	ctl(c)->u.setdebugging.enable = (u8)below(2);
}

#define OP(name, make)                                            \
	{                                                         \
		"domctl:" #name, make, NULL, __HYPERVISOR_domctl, \
			XEN_DOMCTL_##name, 4, OP_CONTROL          \
	}

static const struct op ops[] = {
	{ "domctl:createdomain", make_create, done_create, __HYPERVISOR_domctl,
	  XEN_DOMCTL_createdomain, 4, OP_CONTROL },
	{ "domctl:destroydomain", make_plain, NULL, __HYPERVISOR_domctl,
	  XEN_DOMCTL_destroydomain, 4, OP_CONTROL },
	OP(pausedomain, make_plain),
	OP(unpausedomain, make_plain),
	OP(resumedomain, make_plain),
	OP(getdomaininfo, make_info),
	OP(max_vcpus, make_max_vcpus),
	OP(max_mem, make_max_mem),
	OP(setdomainhandle, make_handle),
	OP(setdebugging, make_debugging),
	OP(scheduler_op, make_scheduler),
	OP(setnodeaffinity, make_nodes),
	OP(getnodeaffinity, make_nodes),
	OP(set_virq_handler, make_virq),
	OP(settimeoffset, make_offset),
	OP(settscinfo, make_tsc),
	OP(gettscinfo, make_tsc),
	OP(setvcpuaffinity, make_affinity),
	OP(getvcpuaffinity, make_affinity),
	OP(setvcpucontext, make_context),
	OP(getvcpucontext, make_context),
	OP(getvcpuinfo, make_vcpuinfo),
	OP(set_ext_vcpucontext, make_ext),
	OP(get_ext_vcpucontext, make_ext),
	OP(setvcpuextstate, make_set_state),
	OP(getvcpuextstate, make_get_state),
	OP(set_vcpu_msrs, make_msrs),
	OP(get_vcpu_msrs, make_msrs),
	OP(sendtrigger, make_trigger),
	OP(getpageframeinfo3, make_frames),
	OP(hypercall_init, make_page),
	OP(set_address_size, make_size),
	OP(get_address_size, make_size),
	OP(irq_permission, make_irq),
	OP(iomem_permission, make_iomem),
	OP(ioport_permission, make_ports),
	OP(memory_mapping, make_mapping),
	OP(set_cpu_policy, make_policy),
	OP(get_cpu_policy, make_policy),
};
const struct op_list control_ops = { ops, ARRAY_SIZE(ops) };
