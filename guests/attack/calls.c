// SPDX-License-Identifier: MIT
// Batches and continuations whose arguments are not what they should be.
#include "attack/attack.h"

#define PREEMPTED (1u << 31)
#define NEVER	  77

static struct multicall_entry version_call(void)
{
	return (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
					 .result = NEVER,
					 .args = { XENVER_version } };
}

TEST(nested_multicall)
{
	static struct multicall_entry inner[2], outer[3];
	uptr version = (uptr)version_op(XENVER_version, NULL);

	inner[0] = inner[1] = outer[0] = outer[2] = version_call();
	outer[1] = (struct multicall_entry){ .op = __HYPERVISOR_multicall,
					     .args = { (uptr)inner, 2 } };
	CHECK_EQ(HC2(__HYPERVISOR_multicall, outer, 3), 0);
	CHECK_EQ(outer[0].result, version);
	CHECK_EQ((long)outer[1].result, -EINVAL);
	CHECK_EQ(outer[2].result, version);
	CHECK_EQ(inner[0].result, NEVER);
	// A batch that works on itself.
	outer[1].args[0] = (uptr)outer;
	CHECK_EQ(HC2(__HYPERVISOR_multicall, outer, 3), 0);
	CHECK_EQ((long)outer[1].result, -EINVAL);
}

#ifdef __x86_64__
// The batch with the stack pointer at an iret frame that leads to the end of
// this function, with its own stack again.
static u64 multicall_at(struct iret_context *frame,
			struct multicall_entry *list, u64 n)
{
	static u64 saved;
	u64 rax = __HYPERVISOR_multicall;

	__asm__ volatile("movq $1f, %c[rip](%[frame])\n"
			 "	movq %%rsp, %c[rsp](%[frame])\n"
			 "	movq %%rsp, %[saved]\n"
			 "	movq %[frame], %%rsp\n"
			 "	syscall\n"
			 "1:	movq %[saved], %%rsp\n"
			 : "+a"(rax), [saved] "=m"(saved), "+D"(list), "+S"(n)
			 : [frame] "r"(frame),
			   [rip] "i"(offsetof(struct iret_context, rip)),
			   [rsp] "i"(offsetof(struct iret_context, rsp))
			 : "rcx", "r11", "memory");
	return rax;
}

static void user_stop(void)
{
	__asm__ volatile("mov $0x777, %%eax\n\tsyscall" ::: "rax");
}

// To user mode: the rest of the batch is not done there.
static void iret_to_user(void *unused)
{
	static struct multicall_entry list[2];
	static u8 stack[1024];
	struct iret_context frame = { .rax = 1,
				      .rip = (u64)user_stop,
				      .cs = FLAT_USER_CS,
				      .ss = FLAT_USER_SS,
				      .rsp = (u64)(stack + sizeof(stack)),
				      .rflags = 0x202 };

	(void)unused;
	list[0] = list[1] = version_call();
	list[0].op = __HYPERVISOR_iret;
	__asm__ volatile("movq %0, %%rsp\n\tsyscall"
			 :
			 : "r"(&frame), "a"(__HYPERVISOR_multicall), "D"(list),
			   "S"(2)
			 : "memory");
}
#else
struct iret_context {
	uptr eax, eip, cs, eflags, esp, ss;
};

static u64 multicall_at(struct iret_context *frame,
			struct multicall_entry *list, uptr n)
{
	static uptr saved;
	uptr eax = __HYPERVISOR_multicall;

	__asm__ volatile("movl $1f, 4(%[frame])\n"
			 "	movl %%esp, %[saved]\n"
			 "	movl %[frame], %%esp\n"
			 "	int $0x82\n"
			 "1:	movl %[saved], %%esp\n"
			 : "+a"(eax), [saved] "=m"(saved), "+b"(list), "+c"(n)
			 : [frame] "r"(frame)
			 : "memory");
	return eax;
}

static void user_stop(void)
{
	__asm__ volatile("mov $0x777, %%eax\n\tint $0x80" ::: "eax");
}

static void iret_to_user(void *unused)
{
	static struct multicall_entry list[2];
	static u8 stack[1024];
	struct iret_context frame = { .eax = 1,
				      .eip = (uptr)user_stop,
				      .cs = FLAT_USER_CS,
				      .ss = FLAT_USER_SS,
				      .esp = (uptr)(stack + sizeof(stack)),
				      .eflags = 0x202 };

	(void)unused;
	list[0] = list[1] = version_call();
	list[0].op = __HYPERVISOR_iret;
	__asm__ volatile("movl %0, %%esp\n\tint $0x82"
			 :
			 : "r"(&frame), "a"(__HYPERVISOR_multicall), "b"(list),
			   "c"(2)
			 : "memory");
}
#endif

TEST(iret_in_multicall)
{
	static struct multicall_entry list[3];
#ifdef __x86_64__
	struct iret_context frame = { .rax = 0x1234,
				      .cs = FLAT_KERNEL_CS & ~3, // in ring 0
				      .ss = FLAT_KERNEL_SS,
				      .rflags = 0x202 };
#else
	struct iret_context frame = { .eax = 0x1234,
				      .cs = FLAT_KERNEL_CS,
				      .eflags = 0x202 };
#endif

	list[0] = list[1] = list[2] = version_call();
	list[1].op = __HYPERVISOR_iret;
	CHECK_EQ(multicall_at(&frame, list, 3), 0x1234);
	CHECK_EQ(list[0].result, version_op(XENVER_version, NULL));
	CHECK_EQ(list[2].result, NEVER);
}

static long user_nothing(long arg)
{
	return arg;
}

TEST(iret_to_user_in_multicall)
{
	CHECK_EQ(user_call(user_nothing, 5), 5);
	CHECK_TRAP(iret_to_user(NULL), USER_RETURN_VECTOR, 0);
	CHECK_EQ(trap_last.regs.rax, 0x777);
	CHECK_EQ(user_call(user_nothing, 6), 6);
}

#define FITS (PAGE_SIZE / sizeof(struct multicall_entry)) // a page

// Two pages at windows 6 and 7; the second one mapped with these flags.
static struct multicall_entry *two_pages(u64 *a, u64 *b, u64 flags)
{
	struct multicall_entry *list = window(6);
	void *next = window(7);

	CHECK_EQ(update_va(list, make_entry(virt_to_mfn(a), PTE_RW),
			   UVMF_INVLPG),
		 0);
	for (u32 i = 0; i < FITS; i++)
		list[i] = version_call();
	CHECK_EQ(update_va(next, make_entry(virt_to_mfn(b), PTE_RW),
			   UVMF_INVLPG),
		 0);
	for (u32 i = FITS; i < 2 * FITS; i++)
		list[i] = version_call();
	CHECK_EQ(update_va(next, flags ? make_entry(virt_to_mfn(b), flags) : 0,
			   UVMF_INVLPG),
		 0);
	return list;
}

TEST(multicall_list_ends)
{
	u64 *a = page_alloc(), *b = page_alloc();
	uptr version = (uptr)version_op(XENVER_version, NULL);
	struct multicall_entry *list = two_pages(a, b, 0);

	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, FITS), 0);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, FITS + 1), -EFAULT);
	CHECK_EQ(list[FITS - 1].result, version);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, 0xffffffff), -EFAULT);
	// One entry across the end; read in between, all are calls of
	// set_trap_table that empties it.
	CHECK_EQ(HC2(__HYPERVISOR_multicall, (u8 *)list + sizeof(*list) / 2,
		     FITS),
		 -EFAULT);
	CHECK_EQ(trap_table_load(0), 0);
	// Read-only: the call is done, its result has no place.
	list = two_pages(a, b, PTE_RO);
	list[FITS - 1].result = NEVER;
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list + FITS - 1, 10), -EFAULT);
	CHECK_EQ(list[FITS - 1].result, version);
	CHECK_EQ(list[FITS].result, NEVER);
#ifdef __x86_64__ // 32-bit kernels may read their M2P
	CHECK_EQ(HC2(__HYPERVISOR_multicall, 0x00007fffffffffc0, 2), -EFAULT);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, machine_to_phys_mapping, 2),
		 -EFAULT);
#endif
	CHECK_EQ(HC2(__HYPERVISOR_multicall, ~(uptr)0x3f, 2), -EFAULT);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, NOT_OURS, 1), -EFAULT);
	CHECK_EQ(HC2(__HYPERVISOR_multicall, 0, 0), 0);
	window(6);
	window(7);
	CHECK(page_exchange(a));
	CHECK(page_exchange(b));
	page_free(a);
	page_free(b);
}

// A batch that takes its own list away.
TEST(multicall_unmaps_itself)
{
	u64 *a = page_alloc(), *b = page_alloc();
	struct multicall_entry *list = two_pages(a, b, PTE_RW);

	list[0].op = __HYPERVISOR_update_va_mapping;
	list[0].args[0] = (uptr)list;
	list[0].args[1] = 0;
	list[0].args[WIDTH == 64 ? 2 : 3] = UVMF_INVLPG;
	CHECK_EQ(HC2(__HYPERVISOR_multicall, list, 3), -EFAULT);
	CHECK_TRAP(*(volatile u64 *)list, 14, 0);
	window(7);
	CHECK(page_exchange(a));
	CHECK(page_exchange(b));
	page_free(a);
	page_free(b);
}

static struct mmu_update self_update(u64 *page)
{
	return (struct mmu_update){ virt_to_maddr(page) | MMU_MACHPHYS_UPDATE,
				    virt_to_pfn(page) };
}

// The guest says that a call was preempted which never was.
// A place for the number that is none is no error.
TEST(continuation_of_nothing)
{
	u64 *page = page_alloc();
	struct mmu_update update = self_update(page);
	struct mmu_update *last = window(6);
	u32 done = 5;

	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &update, PREEMPTED | 1, &done,
		     DOMID_SELF),
		 0);
	CHECK_EQ(done, 6);
	done = 0xffffffff;
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &update, PREEMPTED | 1, &done,
		     DOMID_SELF),
		 0);
	CHECK_EQ(done, 0);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &update, PREEMPTED | 1, NULL,
		     DOMID_SELF),
		 0);
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &update, PREEMPTED | 1, NOT_OURS,
		     DOMID_SELF),
		 0);
	CHECK_EQ(
		HC4(__HYPERVISOR_mmu_update, &update, 1, window(7), DOMID_SELF),
		0);
	// The list ends before the count does.
	CHECK_EQ(update_va(last, make_entry(virt_to_mfn(page), PTE_RW),
			   UVMF_INVLPG),
		 0);
	window(7);
	last += PAGE_SIZE / sizeof(*last) - 1;
	*last = update;
	done = 100;
	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, last, PREEMPTED | 0x7fffffff,
		     &done, DOMID_SELF),
		 -EFAULT);
	CHECK_EQ(done, 101);
	window(6);
	CHECK(page_exchange(page));
	page_free(page);
}

TEST(continuation_of_mmuext)
{
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };
	u32 done = 0xfffffffe;

	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, &op, PREEMPTED | 1, &done,
		     DOMID_SELF),
		 0);
	CHECK_EQ(done, 0xffffffff);
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, &op, PREEMPTED | 1, NOT_OURS,
		     DOMID_SELF),
		 0);
	CHECK_EQ(HC4(__HYPERVISOR_mmuext_op, NOT_OURS, PREEMPTED | 0x7fffffff,
		     &done, DOMID_SELF),
		 -EFAULT);
}

TEST(exchange_beyond_its_end)
{
	xen_pfn_t in[2] = { 1, 1 }, out[2] = { 1, 1 };
	struct xen_memory_exchange x = {
		.in = { .nr_extents = 2, .domid = DOMID_SELF },
		.out = { .nr_extents = 2, .domid = DOMID_SELF },
		.nr_exchanged = 3,
	};

	set_xen_guest_handle(x.in.extent_start, in);
	set_xen_guest_handle(x.out.extent_start, out);
	CHECK_EQ(memory_op(XENMEM_exchange, &x), -EINVAL);
	x.nr_exchanged = ~0ul;
	CHECK_EQ(memory_op(XENMEM_exchange, &x), -EINVAL);
	x.nr_exchanged = 2;
	CHECK_EQ(memory_op(XENMEM_exchange, &x), 0);
	CHECK_EQ(in[0] + in[1] + out[0] + out[1], 4);
}
