// SPDX-License-Identifier: MIT
// Attacks: what a domain might try in order to get more than it may have. The
// hypervisor refuses, and is still whole afterwards.
#include "attack/attack.h"
#include "lib/cpu.h"
#include <xen/sysctl.h>

#ifdef __x86_64__
#define POKE_ABI
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".globl code_requests\n"
	"code_requests:\n"
	"	mov $0x3000, %ebx\n"
	"1:	mov (%rbx), %rax\n"
	"	cmp $-1, %rax\n"
	"	je 2f\n"
	"	cmp $0x3800, %rbx\n"
	"	jae 2f\n"
	"	mov 8(%rbx), %rdi\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdx\n"
	"	mov 32(%rbx), %r10\n"
	"	mov 40(%rbx), %r8\n"
	"	syscall\n"
	"	mov %rax, 48(%rbx)\n"
	"	add $64, %rbx\n"
	"	jmp 1b\n"
	"2:	push $0\n"
	"	mov %rsp, %rsi\n"
	"	mov $2, %edi\n"
	"	mov $29, %eax\n"
	"	syscall\n"
	".popsection\n"
	"poke_code:\n"
	"	mov %rsi, (%rdi)\n"
	"	mov $1, %eax\n"
	"	ret\n"
	"poke_trapped:\n"
	"	xor %eax, %eax\n"
	"	ret\n");
#else
#define POKE_ABI __attribute__((regparm(2)))
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".globl code_requests\n"
	"code_requests:\n"
	"	mov $0x3000, %ebp\n"
	"1:	mov (%ebp), %eax\n"
	"	cmp $-1, %eax\n"
	"	je 2f\n"
	"	cmp $0x3400, %ebp\n"
	"	jae 2f\n"
	"	mov 4(%ebp), %ebx\n"
	"	mov 8(%ebp), %ecx\n"
	"	mov 12(%ebp), %edx\n"
	"	mov 16(%ebp), %esi\n"
	"	mov 20(%ebp), %edi\n"
	"	int $0x82\n"
	"	mov %eax, 24(%ebp)\n"
	"	add $32, %ebp\n"
	"	jmp 1b\n"
	"2:	push $0\n"
	"	push $0\n"
	"	mov %esp, %ecx\n"
	"	mov $2, %ebx\n"
	"	mov $29, %eax\n"
	"	int $0x82\n"
	".popsection\n"
	"poke_code:\n" // the lower half
	"	mov %edx, (%eax)\n"
	"	mov $1, %eax\n"
	"	ret\n"
	"poke_trapped:\n"
	"	xor %eax, %eax\n"
	"	ret\n");
#endif
POKE_ABI extern bool poke_code(volatile void *at, uptr value);
extern u8 poke_trapped[];

static u8 stack[16384] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));
static struct vcpu_guest_context context;
static void (*volatile work)(void);
#define ROUNDS 60 // of each side of a race,
#define LEAST  2  // and on a machine that is busy for long
static volatile u64 rounds;
static volatile bool started;

bool poke(volatile void *at, u64 value)
{
	return poke_code(at, (uptr)value);
}

bool poke_hook(struct regs *regs)
{
	if (regs->rip != (uptr)poke_code)
		return false;
	regs->rip = (uptr)poke_trapped;
	return true;
}

struct request_page *requests_open(const struct domu *d)
{
	struct request_page *p = window(1);

	_Static_assert(sizeof(*p) <= PAGE_SIZE, "one page");
	CHECK_EQ(foreign_map(1, d->id, d->data, PTE_RW), 0);
	return p;
}

u64 free_pages(void)
{
	static struct xen_sysctl op;

	memset(&op, 0, sizeof(op));
	op.cmd = XEN_SYSCTL_physinfo;
	op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	CHECK_EQ(HC1(__HYPERVISOR_sysctl, &op), 0);
	return op.u.physinfo.free_pages;
}

// What destroyed domains still have comes back by and by.
u64 free_pages_settled(void)
{
	u64 now = free_pages(), last = now;

	for (int same = 0; same < 6; same = now == last ? same + 1 : 0) {
		struct sched_poll poll = { .timeout = system_time() + 20 * MS };

		last = now;
		sched_op(SCHEDOP_poll, &poll);
		now = free_pages();
	}
	return now;
}

bool free_again(u64 want)
{
	for (int i = 0; i < 500 && free_pages() != want; i++) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
	}
	return CHECK_EQ(free_pages(), want);
}

bool page_exchange(void *page)
{
	xen_pfn_t in = (xen_pfn_t)virt_to_mfn(page);
	xen_pfn_t out = (xen_pfn_t)virt_to_pfn(page);
	struct xen_memory_exchange x = {
		.in = { .nr_extents = 1, .domid = DOMID_SELF },
		.out = { .nr_extents = 1, .domid = DOMID_SELF },
	};
	long rc;

	if (!CHECK_EQ(update_va(page, 0, UVMF_INVLPG | UVMF_ALL), 0))
		return false;
	set_xen_guest_handle(x.in.extent_start, &in);
	set_xen_guest_handle(x.out.extent_start, &out);
	rc = memory_op(XENMEM_exchange, &x);
	if (!rc)
		p2m()[virt_to_pfn(page)] = out;
	CHECK_EQ(page_set_rw(page), 0);
	return !rc;
}

// Without work it is down, so that nobody waits for it to flush its TLB.
static void second_main(void)
{
	void (*now)(void);

	started = true;
	for (;;) {
		now = work;
		if (now) {
			now();
			rounds++;
		} else {
			vcpu_op(VCPUOP_down, 1, NULL);
		}
	}
}

static void second_rests(void)
{
	u64 until = system_time() + 2000 * MS;

	work = NULL;
	while (vcpu_op(VCPUOP_is_up, 1, NULL) && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
}

void race(void (*mine)(void), void (*other)(void), u64 time)
{
	u64 until = system_time() + time, last = until + 20000 * MS;
	u64 count = 0, before = rounds, now;

	second_rests();
	trap_hook = poke_hook;
	work = other;
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	do {
		mine();
		count++;
		now = system_time();
		// A busy machine lets the two run one after the other.
	} while (now < until ||
		 (now < last && (count < ROUNDS || rounds - before < ROUNDS)));
	second_rests();
	if (count < ROUNDS || rounds - before < ROUNDS)
		printf("race: %" LL "u rounds here, %" LL "u there\n", count,
		       rounds - before);
	CHECK(count >= LEAST);
	CHECK(rounds - before >= LEAST);
}

static void make_context(void)
{
	context_make(&context, second_main, stack + sizeof(stack),
		     trap_stack + sizeof(trap_stack));
	for (unsigned int i = 0; i < 32; i++)
		context.trap_ctxt[i] =
			(struct trap_info){ (u8)i, 0, FLAT_KERNEL_CS,
					    (uptr)trap_entries[i] };
}

static long initialise(void)
{
	return vcpu_op(VCPUOP_initialise, 1, &context);
}

// A base table of the kernel's that nobody has pinned.
static u64 *unpinned_base(void)
{
	const u64 *old = (const u64 *)start_info->pt_base;
	u64 *base = page_alloc();

#ifdef __x86_64__
	for (int i = 0; i < 512; i++) {
		if (i < 256 || i >= 272)
			base[i] = old[i];
	}
#else
	for (int i = 0; i < 4; i++)
		base[i] = old[i] & (PTE_FRAME | PTE_P);
#endif
	CHECK_EQ(page_set_ro(base), 0);
	return base;
}

TEST(initialise_without_table)
{
	make_context();
	context.ctrlreg[3] = 0;
	CHECK_EQ(initialise(), -EINVAL);
	CHECK_EQ(initialise(), -EINVAL);
	context.ctrlreg[3] = xen_pfn_to_cr3((uptr)NO_FRAME);
	CHECK_EQ(initialise(), -EINVAL);
	context.ctrlreg[3] = ~0ul;
	CHECK_EQ(initialise(), -EINVAL);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), -EINVAL);
}

// Errors with a good kernel table: whoever holds what, in the end everything
// comes back, and the vcpu starts with the right one.
TEST(initialise_again)
{
	u64 *l4 = unpinned_base();

	make_context();
	context.ctrlreg[3] = xen_pfn_to_cr3((uptr)virt_to_mfn(l4));
#ifdef __x86_64__
	context.ctrlreg[1] = virt_to_maddr(stack) | 1; // no table
	CHECK_EQ(initialise(), -EINVAL);
	CHECK_EQ(initialise(), -EINVAL);
	// User mode, but no user table.
	context.ctrlreg[1] = 0;
	context.flags &= ~(u32)VGCF_in_kernel;
#else // which has one table: a GDT that is none
	context.gdt_ents = 512;
	context.gdt_frames[0] = (uptr)virt_to_mfn(stack);
#endif
	CHECK_EQ(initialise(), -EINVAL);
	CHECK_EQ(initialise(), -EINVAL);
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), -EINVAL);
	make_context();
	CHECK_EQ(initialise(), 0);
	CHECK_EQ(initialise(), -EEXIST);
	// No reference is left.
	if (CHECK_EQ(page_set_rw(l4), 0)) {
		CHECK(page_exchange(l4));
		page_free(l4);
	}
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	for (u64 until = system_time() + 2000 * MS;
	     !started && system_time() < until;)
		sched_op(SCHEDOP_yield, NULL);
	CHECK(started);
	second_rests();
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 1, NULL), 0);
}

// Another domain on tables that are not its own.
TEST(foreign_context)
{
	static struct vcpu_guest_context c;
	struct domu d;
	u64 before;

	before = free_pages_settled();
	d.id = domain_create();
	domu_context(&c, virt_to_mfn((void *)start_info->pt_base));
	CHECK_EQ(domu_set_context(d.id, &c), -EINVAL);
	domu_context(&c, 0);
	CHECK_EQ(domu_set_context(d.id, &c), -EINVAL);
	domu_context(&c, virt_to_mfn(stack));
	CHECK_EQ(domu_set_context(d.id, &c), -EINVAL);
	domain_destroy(d.id);
	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	domu_context(&c, virt_to_mfn((void *)start_info->pt_base));
	CHECK_EQ(domu_set_context(d.id, &c), -EOPNOTSUPP);
#ifdef __x86_64__
	domu_context(&c, domu_base(&d));
	c.ctrlreg[1] = virt_to_maddr((void *)start_info->pt_base) | 1;
	CHECK_EQ(domu_set_context(d.id, &c), -EOPNOTSUPP);
#endif
	domu_context(&c, domu_base(&d));
#ifdef __x86_64__ // others' registers reach their own 4 GiB only
	c.debugreg[0] = 0xffff830000000000;
	c.debugreg[1] = 0xffff800000000000;
#endif
	c.debugreg[7] = 0x33000f;
	CHECK_EQ(domu_set_context(d.id, &c), 0);
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getvcpucontext,
				 .domain = d.id };

	set_xen_guest_handle(op.u.vcpucontext.ctxt, &c);
	CHECK_EQ(domctl(&op), 0);
	CHECK_EQ(c.debugreg[0], 0);
	CHECK_EQ(c.debugreg[1], 0);
	domain_destroy(d.id);
	free_again(before);
}
