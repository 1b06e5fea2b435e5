// SPDX-License-Identifier: MIT
#include "lib/domu.h"
#include <xen/foreign/x86_32.h>
#include <xen/foreign/x86_64.h>

#define MS 1000000ul

long foreign_map(unsigned int n, domid_t id, u64 mfn, u64 flags)
{
	return update_va_of(id, window(n), make_entry(mfn, flags));
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
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE + d->levels - 1 };
	u64 upper;

	fill(d->id, d->tables[0], l1, sizeof(l1));
	for (unsigned int i = 1; i < d->levels; i++) {
		upper = make_entry(d->tables[i - 1], PTE_TABLE);
		fill(d->id, d->tables[i], &upper, sizeof(upper));
	}
	pin.arg1.mfn = (xen_pfn_t)d->tables[d->levels - 1];
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, &pin, 1, NULL, d->id), 0);
}

#define CONTEXT(c, code, data, cr3)                             \
	do {                                                    \
		memset(c, 0, sizeof(*(c)));                     \
		(c)->flags = VGCF_in_kernel | VGCF_online;      \
		(c)->user_regs.eip = DOMU_CODE;                 \
		(c)->user_regs.esp = DOMU_STACK + PAGE_SIZE;    \
		(c)->user_regs.cs = (code);                     \
		(c)->user_regs.ss = (data);                     \
		(c)->user_regs.ds = (c)->user_regs.es = (data); \
		(c)->user_regs.eflags = 0x202;                  \
		(c)->kernel_ss = (data);                        \
		(c)->kernel_sp = DOMU_STACK + PAGE_SIZE;        \
		(c)->ctrlreg[3] = (cr3);                        \
	} while (0)

void domu_context(struct vcpu_guest_context *c, u64 base)
{
	CONTEXT(c, FLAT_KERNEL_CS, FLAT_KERNEL_SS, xen_pfn_to_cr3(base));
}

// In the layout of the domain's width (public header domctl.h).
static long context_set(domid_t id, void *c)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_setvcpucontext,
				 .domain = id };

	set_xen_guest_handle(op.u.vcpucontext.ctxt, c);
	return domctl(&op);
}

long domu_set_context(domid_t id, struct vcpu_guest_context *c)
{
	return context_set(id, c);
}

static union {
	struct vcpu_guest_context_x86_32 bits32;
	struct vcpu_guest_context_x86_64 bits64;
} context;

static void build(struct domu *d, unsigned int bits, const void *code,
		  const void *data, size_t size)
{
	d->levels = bits == 32 ? 3 : 4;
	d->code = domain_page(d->id, 0);
	for (unsigned int i = 0; i < d->levels; i++)
		d->tables[i] = domain_page(d->id, 1 + i);
	d->stack = domain_page(d->id, 5);
	d->data = domain_page(d->id, 6);
	fill(d->id, d->code, code, code ? 256 : 0);
	fill(d->id, d->data, data, size);
	build_tables(d);
	if (bits == 32)
		CONTEXT(&context.bits32, FLAT_RING1_CS_X86_32,
			FLAT_RING1_SS_X86_32,
			xen_pfn_to_cr3_x86_32(d->tables[2]));
	else
		CONTEXT(&context.bits64, FLAT_RING3_CS64_X86_64,
			FLAT_RING3_SS64_X86_64, d->tables[3] << 12);
	CHECK_EQ(context_set(d->id, &context), 0);
}

bool domu_build(struct domu *d, const void *code, const void *data, size_t size)
{
	build(d, WIDTH, code, data, size);
	return true;
}

bool domu_make_of(struct domu *d, unsigned int bits, const void *code,
		  const void *data, size_t size)
{
	d->id = domain_create_of(bits);
	if (d->id == DOMID_INVALID)
		return false;
	build(d, bits, code, data, size);
	return true;
}

bool domu_make(struct domu *d, const void *code, const void *data, size_t size)
{
	return domu_make_of(d, WIDTH, code, data, size);
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
