// SPDX-License-Identifier: MIT
// Small operations between markers (bench/plugin.c), each several times. The
// ids are those of SECTIONS in bench/boot_count.py.
#include "lib/guest.h"

#define ROUNDS	     15
#define BATCH	     WINDOWS
#define VGCF_SYSCALL 256
#define USER_UNMAP   0x1111
#define USER_NOTHING 0x2222
#define SECOND	     1000000000ul
#define MARK(id, op)                                             \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80, " #id ", " #op \
			 ", 0xb1, 0x5e" ::                       \
				 : "memory")
// Runs the statement ROUNDS times as section `id`.
#define SECTION(id, statement)                        \
	do {                                          \
		for (int i_ = 0; i_ < ROUNDS; i_++) { \
			MARK(id, 1);                  \
			statement;                    \
			MARK(id, 2);                  \
		}                                     \
	} while (0)

static u8 stack[4096] __attribute__((aligned(16)));
static u8 *page, *spare;
static unsigned int faults, calls, unmaps;

TEST(hypercalls)
{
	struct mmu_update none = { 0 };
	struct multicall_entry sub[BATCH];
	u64 far = system_time() + 10 * SECOND;
	long rc = 0;

	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	SECTION(1, rc |= version_op(XENVER_version, NULL) < 0);
	SECTION(2, rc |= HC2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS,
			     stack + sizeof(stack)));
	SECTION(3, rc |= HC1(__HYPERVISOR_set_timer_op, far));
	SECTION(4,
		rc |= HC4(__HYPERVISOR_mmu_update, &none, 0, NULL, DOMID_SELF));
	SECTION(5, rc |= sched_op(SCHEDOP_yield, NULL));
	memset(sub, 0, sizeof(sub));
	for (int i = 0; i < BATCH; i++)
		sub[i].op = __HYPERVISOR_xen_version;
	SECTION(6, rc |= HC2(__HYPERVISOR_multicall, sub, BATCH));
	SECTION(7, rc |= HC2(__HYPERVISOR_multicall, sub, 0));
	CHECK_EQ(rc, 0);
}

TEST(entries)
{
	struct mmu_update map[BATCH], unmap[BATCH];
	u64 mfn = virt_to_mfn(page = page_alloc());
	long rc = 0;

	for (unsigned int i = 0; i < BATCH; i++) {
		u64 at = entry_maddr(window(i), 1);

		map[i] = (struct mmu_update){ at,
					      make_entry(mfn, PTE_RW | PTE_U) };
		unmap[i] = (struct mmu_update){ at, 0 };
	}
	for (int i = 0; i < ROUNDS; i++) {
		MARK(8, 1);
		rc |= HC4(__HYPERVISOR_mmu_update, map, BATCH, NULL,
			  DOMID_SELF);
		MARK(8, 2);
		MARK(9, 1);
		rc |= HC4(__HYPERVISOR_mmu_update, unmap, BATCH, NULL,
			  DOMID_SELF);
		MARK(9, 2);
	}
	SECTION(10, rc |= update_va(page, make_entry(mfn, PTE_RW | PTE_U), 0));
	CHECK_EQ(rc, 0);
}

static bool user_hook(struct regs *regs)
{
	if (regs->vector == 14) {
		update_va(spare, make_entry(virt_to_mfn(page), PTE_RW | PTE_U),
			  0);
		regs->error = 0;
		faults++;
		return true;
	}
	if (regs->vector != VECTOR_SYSCALL || regs->rax == USER_RETURN)
		return false;
	if (regs->rax == USER_UNMAP) {
		update_va(spare, 0, UVMF_INVLPG);
		unmaps++;
	} else {
		calls++;
	}
	regs->error = VGCF_SYSCALL;
	return true;
}

static void user_syscall(long number)
{
	__asm__ volatile("syscall" : "+a"(number)::"rcx", "r11", "memory");
}

static long user_body(long rounds)
{
	SECTION(11, user_syscall(USER_NOTHING));
	for (int i = 0; i < rounds; i++) {
		user_syscall(USER_UNMAP);
		MARK(12, 1);
		(void)*(volatile u8 *)spare;
		MARK(12, 2);
	}
	return 0;
}

TEST(user_mode)
{
	// Unmaps it, so not in user mode.
	spare = window(0);
	trap_hook = user_hook;
	user_call(user_body, ROUNDS);
	CHECK_EQ(faults, ROUNDS);
	CHECK_EQ(calls, ROUNDS);
	CHECK_EQ(unmaps, ROUNDS);
}

TEST(events)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	port_unmask(bind.port);
	event_unmask_all();
	SECTION(13, port_send(bind.port));
	CHECK_EQ(event_counts[bind.port], ROUNDS);
	event_mask_all();
}

// Only for who counts: the machine stops here.
TEST(stop)
{
	MARK(0, 3);
}
