// SPDX-License-Identifier: MIT
// What succeeds once in the life of a vcpu or a domain: each call is made by a
// domain of its own, which is there for nothing else.
#include "fuzz/fuzz.h"
#include "lib/domu.h"

#define ID	 9029
#define VCPUS	 4
#define ARGUMENT (DOMU_STACK + 0x800) // nothing needs the stack above it
#define REQUEST	 (DOMU_DATA + 0xe00)
#define NEVER	 0x7e7e // in place of a result: the call did not return

static struct domu domain;
static struct request {
	u64 nr, a1, a2, a3;
	int64_t rc;
	u64 reason; // struct sched_shutdown
} request;
static union {
	struct vcpu_guest_context context;
	struct vcpu_register_vcpu_info info;
	struct physdev_pirq_eoi_gmfn page;
	u64 words[sizeof(struct vcpu_guest_context) / 8];
} argument;
_Static_assert(ARGUMENT + sizeof(argument) <= REQUEST, "they lie apart");

// Makes the call, keeps its result, ends the domain.
extern const u8 once_code[];
__asm__(".pushsection .rodata\n"
	"once_code:\n"
#ifdef __x86_64__
	"	mov $0x3e00, %ebx\n"
	"	mov (%rbx), %rax\n"
	"	mov 8(%rbx), %rdi\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdx\n"
	"	syscall\n"
	"	mov %rax, 32(%rbx)\n"
	"	mov $29, %eax\n" // sched_op
	"	mov $2, %edi\n"	 // shutdown
	"	lea 40(%rbx), %rsi\n"
	"	syscall\n"
#else
	"	mov $0x3e00, %ebp\n"
	"	mov (%ebp), %eax\n"
	"	mov 8(%ebp), %ebx\n"
	"	mov 16(%ebp), %ecx\n"
	"	mov 24(%ebp), %edx\n"
	"	int $0x82\n"
	"	cltd\n"
	"	mov %eax, 32(%ebp)\n"
	"	mov %edx, 36(%ebp)\n"
	"	mov $29, %eax\n" // sched_op
	"	mov $2, %ebx\n"	 // shutdown
	"	lea 40(%ebp), %ecx\n"
	"	int $0x82\n"
#endif
	"	ud2\n"
	"	.skip 256\n" // domu_build() copies so much
	".popsection\n");

static bool create(void)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_createdomain, .domain = ID };

	op.u.createdomain.max_vcpus = VCPUS;
	op.u.createdomain.max_evtchn_port = 1023;
	op.u.createdomain.max_grant_frames = 1;
	op.u.createdomain.max_maptrack_frames = 1;
	op.u.createdomain.grant_opts = 1;
	if (domctl(&op))
		return false;
	op.cmd = XEN_DOMCTL_set_address_size;
	op.u.address_size.size = WIDTH;
	domctl(&op);
	op.cmd = XEN_DOMCTL_max_vcpus;
	op.u.max_vcpus.max = VCPUS;
	domctl(&op);
	op.cmd = XEN_DOMCTL_max_mem;
	op.u.max_mem.max_memkb = 1024;
	domctl(&op);
	domain.id = ID;
	return domu_build(&domain, once_code, NULL, 0);
}

// Its pages of stack and data, as one.
static void write(u64 at, const void *from, size_t size)
{
	size_t n;

	for (; size; size -= n, at += n, from = (const u8 *)from + n) {
		n = PAGE_SIZE - at % PAGE_SIZE;
		n = n < size ? n : size;
		foreign_map(0, ID, at < DOMU_DATA ? domain.stack : domain.data,
			    PTE_RW);
		memcpy((u8 *)window_at(0) + at % PAGE_SIZE, from, n);
	}
	window(0);
}

static long result(void)
{
	long rc;

	foreign_map(0, ID, domain.data, PTE_RW);
	rc = (long)((struct request *)((u8 *)window_at(0) +
				       REQUEST % PAGE_SIZE))
		     ->rc;
	window(0);
	return rc;
}

static void ask(struct call *c, u64 a2, u64 a3)
{
	request = (struct request){ c->op->nr, c->op->cmd, a2,
				    a3,	       NEVER,	   SHUTDOWN_poweroff };
	if (!create())
		broken("there is no domain for one call");
	memset(&argument, 0, sizeof(argument));
	c->args[0] = a2;
	c->args[1] = a3;
}

// A word of the argument is another one.
static void odd(struct call *c, u32 words)
{
	u32 i = below(words);

	if (chance(75))
		return;
	argument.words[i] = odd_value();
	c->args[2] = i;
	c->args[3] = argument.words[i];
}

static long run(struct call *c)
{
	long outcome, rc;

	write(ARGUMENT, &argument, sizeof(argument));
	write(REQUEST, &request, sizeof(request));
	domu_unpause(&domain);
	outcome = domu_outcome(ID, 500 * MS);
	rc = result();
	if (outcome == DOMU_RUNS)
		broken("the domain of one call runs on");
	else if (rc == NEVER && c->op->cmd != SCHEDOP_shutdown)
		broken("a call did not return, outcome %ld", outcome);
	domain_destroy(ID);
	return rc == NEVER ? outcome : rc;
}

static void make_initialise(struct call *c)
{
	ask(c, 1 + below(VCPUS), ARGUMENT);
	domu_context(&argument.context, domu_base(&domain));
	odd(c, sizeof(argument.context) / 8);
}

static void make_info(struct call *c)
{
	ask(c, below(VCPUS + 1), ARGUMENT);
	argument.info.mfn = domain.stack;
	argument.info.offset = 64 * below(64);
	odd(c, sizeof(argument.info) / 8);
}

static void make_page(struct call *c)
{
	ask(c, ARGUMENT, 0);
	argument.page.gmfn = chance(70) ? domain.stack : domain.data;
	odd(c, 1);
}

static void make_shutdown(struct call *c)
{
	ask(c, ARGUMENT, 0);
	argument.words[0] = below(5);
	odd(c, 1);
}

#define OP(name, make, nr, cmd)                                          \
	{                                                                \
		name, make, NULL, nr, cmd, 1, OP_CONTROL | OP_EXACT, run \
	}

static const struct op ops[] = {
	OP("vcpu:initialise", make_initialise, __HYPERVISOR_vcpu_op,
	   VCPUOP_initialise),
	OP("vcpu:register_vcpu_info", make_info, __HYPERVISOR_vcpu_op,
	   VCPUOP_register_vcpu_info),
	OP("physdev:pirq_eoi_gmfn_v1", make_page, __HYPERVISOR_physdev_op,
	   PHYSDEVOP_pirq_eoi_gmfn_v1),
	OP("physdev:pirq_eoi_gmfn_v2", make_page, __HYPERVISOR_physdev_op,
	   PHYSDEVOP_pirq_eoi_gmfn_v2),
	OP("sched:shutdown", make_shutdown, __HYPERVISOR_sched_op,
	   SCHEDOP_shutdown),
};
const struct op_list once_ops = { ops, ARRAY_SIZE(ops) };
