// SPDX-License-Identifier: MIT
#include "lib/domu.h"

#define MS 1000000ul

long foreign_map(unsigned int n, domid_t id, u64 mfn, u64 flags)
{
	return HC4(__HYPERVISOR_update_va_mapping_otherdomain, window(n),
		   make_entry(mfn, flags), UVMF_INVLPG, id);
}

static void fill(domid_t id, u64 mfn, const void *data, size_t size)
{
	void *w = window(0);

	CHECK_EQ(foreign_map(0, id, mfn, PTE_RW), 0);
	memset(w, 0, PAGE_SIZE);
	memcpy(w, data, size);
	window(0);
}

static void build_tables(struct domu *d)
{
	const u64 l1[4] = { 0, make_entry(d->code, PTE_RO),
			    make_entry(d->stack, PTE_RW | PTE_U),
			    make_entry(d->data, PTE_RW | PTE_U) };
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE };
	u64 upper;

	fill(d->id, d->tables[0], l1, sizeof(l1));
	for (int i = 1; i < 4; i++) {
		upper = make_entry(d->tables[i - 1], PTE_TABLE);
		fill(d->id, d->tables[i], &upper, sizeof(upper));
	}
	pin.arg1.mfn = d->tables[3];
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, &pin, 1, NULL, d->id), 0);
}

void domu_context(struct vcpu_guest_context *c, u64 base)
{
	memset(c, 0, sizeof(*c));
	c->flags = VGCF_in_kernel | VGCF_online;
	c->user_regs.rip = DOMU_CODE;
	c->user_regs.rsp = DOMU_STACK + PAGE_SIZE;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->user_regs.rflags = 0x202;
	c->kernel_ss = FLAT_KERNEL_SS;
	c->kernel_sp = DOMU_STACK + PAGE_SIZE;
	c->ctrlreg[3] = base << 12;
}

long domu_set_context(domid_t id, struct vcpu_guest_context *c)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext,
				 .domain = id };

	set_xen_guest_handle(op.u.vcpucontext.ctxt, c);
	return domctl(&op);
}

bool domu_make(struct domu *d, const void *code, const void *data, size_t size)
{
	d->id = domain_create();
	return d->id != DOMID_INVALID && domu_build(d, code, data, size);
}

bool domu_build(struct domu *d, const void *code, const void *data, size_t size)
{
	static struct vcpu_guest_context context;

	d->code = domain_page(d->id, 0);
	for (u64 i = 0; i < 4; i++)
		d->tables[i] = domain_page(d->id, 1 + i);
	d->stack = domain_page(d->id, 5);
	d->data = domain_page(d->id, 6);
	fill(d->id, d->code, code, code ? 256 : 0);
	fill(d->id, d->data, data, size);
	build_tables(d);
	domu_context(&context, d->tables[3]);
	CHECK_EQ(domu_set_context(d->id, &context), 0);
	return true;
}

void domu_unpause(const struct domu *d)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_unpausedomain,
				 .domain = d->id };

	CHECK_EQ(domctl(&op), 0);
}

long domu_outcome(domid_t id, u64 patience)
{
	u64 until = system_time() + patience;
	struct xen_domctl op;

	do {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
		memset(&op, 0, sizeof(op));
		op.cmd = XEN_DOMCTL_getdomaininfo;
		op.domain = id;
		CHECK_EQ(domctl(&op), 0);
		if (op.u.getdomaininfo.flags & XEN_DOMINF_shutdown)
			return op.u.getdomaininfo.flags >>
				       XEN_DOMINF_shutdownshift &
			       XEN_DOMINF_shutdownmask;
	} while (system_time() < until);
	return DOMU_RUNS;
}
