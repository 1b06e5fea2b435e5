// SPDX-License-Identifier: MIT
// What one vcpu does alone: hypercalls, entries of page tables, user mode, events.
#include "bench/bench.h"

#define ROUNDS	     15
#define CLOCK_ROUNDS 20000
#define BATCH	     WINDOWS
#define VGCF_SYSCALL 256
#define USER_UNMAP   0x1111
#define USER_NOTHING 0x2222

unsigned int rounds = ROUNDS;
bool by_clock;
u64 clock_ns[64];

static u8 stack[4096] __attribute__((aligned(16)));
static u8 *page, *spare;
static unsigned int faults, calls, unmaps;

void only_in(const char *group)
{
	if (((const char *)start_info->cmd_line)[0] && !has_word(group))
		test_skip("not of this group");
}

void value_tell(const char *what, u64 value)
{
	printf("VALUE %s %" LL "u\n", what, value);
}

TEST(begin)
{
	by_clock = has_word("clock");
	if (by_clock)
		rounds = CLOCK_ROUNDS;
	CHECK_EQ(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
}

TEST(hypercalls)
{
	struct mmu_update none = { 0 };
	struct multicall_entry sub[BATCH];
	u64 far = system_time() + 1000 * SECOND;
	long rc = 0;

	only_in("alone");
	SECTION(HYPERCALL, rc |= version_op(XENVER_version, NULL) < 0);
	SECTION(STACK_SWITCH, rc |= HC2(__HYPERVISOR_stack_switch,
					FLAT_KERNEL_SS, stack + sizeof(stack)));
	SECTION(SET_TIMER, rc |= set_timer(far));
	SECTION(MMU_UPDATE_0,
		rc |= HC4(__HYPERVISOR_mmu_update, &none, 0, NULL, DOMID_SELF));
	SECTION(YIELD, rc |= sched_op(SCHEDOP_yield, NULL));
	memset(sub, 0, sizeof(sub));
	for (int i = 0; i < BATCH; i++)
		sub[i].op = __HYPERVISOR_xen_version;
	SECTION(MULTICALL, rc |= HC2(__HYPERVISOR_multicall, sub, BATCH));
	SECTION(MULTICALL_0, rc |= HC2(__HYPERVISOR_multicall, sub, 0));
	CHECK_EQ(rc, 0);
	CHECK_EQ(set_timer(0), 0);
}

TEST(entries)
{
	struct mmu_update map[BATCH], unmap[BATCH];
	u64 mfn = virt_to_mfn(page = page_alloc());
	u64 entry = make_entry(mfn, PTE_RW | PTE_U);
	long rc = 0;

	only_in("alone");
	for (unsigned int i = 0; i < BATCH; i++) {
		u64 at = entry_maddr(window(i), 1);

		map[i] = (struct mmu_update){ at, entry };
		unmap[i] = (struct mmu_update){ at, 0 };
	}
	for (unsigned int i = 0; i < rounds; i++) {
		MARK(MAP_BATCH, 1);
		rc |= HC4(__HYPERVISOR_mmu_update, map, BATCH, NULL,
			  DOMID_SELF);
		MARK(MAP_BATCH, 2);
		MARK(UNMAP_BATCH, 1);
		rc |= HC4(__HYPERVISOR_mmu_update, unmap, BATCH, NULL,
			  DOMID_SELF);
		MARK(UNMAP_BATCH, 2);
	}
	SECTION(UPDATE_VA, rc |= update_va(page, entry, 0));
	SECTION(UPDATE_VA_FLUSH, rc |= update_va(page, entry, UVMF_INVLPG));
	SECTION(FLUSH_LOCAL, rc |= mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
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
	if (regs->vector != USER_RETURN_VECTOR || regs->rax == USER_RETURN)
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
#ifdef __x86_64__
	__asm__ volatile("syscall" : "+a"(number)::"rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80" : "+a"(number)::"memory");
#endif
}

static long user_body(long arg)
{
	u64 start;

	(void)arg;
	SECTION(SYSTEM_CALL, user_syscall(USER_NOTHING));
	start = system_time();
	for (unsigned int i = 0; i < rounds; i++) {
		user_syscall(USER_UNMAP);
		MARK(PAGE_FAULT, 1);
		(void)*(volatile u8 *)spare;
		MARK(PAGE_FAULT, 2);
	}
	clock_ns[PAGE_FAULT] = system_time() - start;
	return 0;
}

TEST(user_mode)
{
	only_in("alone");
	// Unmaps it, so not in user mode.
	spare = window(0);
	trap_hook = user_hook;
	user_call(user_body, 0);
	CHECK_EQ(faults, rounds);
	CHECK_EQ(calls, rounds);
	CHECK_EQ(unmaps, rounds);
}

u32 port_of_ipi(u32 vcpu)
{
	struct evtchn_bind_ipi bind = { .vcpu = vcpu };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	port_unmask(bind.port);
	return bind.port;
}

bool port_take(u32 port)
{
	uptr bit = 1ul << port % WIDTH;

	return __atomic_fetch_and(&shared->evtchn_pending[port / WIDTH], ~bit,
				  __ATOMIC_SEQ_CST) &
	       bit;
}

void port_wait(u32 port)
{
	evtchn_port_t ports[1] = { port };
	struct sched_poll poll = { .nr_ports = 1 };

	set_xen_guest_handle(poll.ports, ports);
	while (!port_take(port))
		sched_op(SCHEDOP_poll, &poll);
}

TEST(events)
{
	u32 port;

	only_in("alone");
	port = port_of_ipi(0);
	event_unmask_all();
	SECTION(EVENT_SELF, port_send(port));
	CHECK_EQ(event_counts[port], rounds);
	event_mask_all();
	CHECK_EQ(port_close(port), 0);
}

// How late a timer wakes who sleeps, by the guest's clock. At first the hypervisor
// may have work of its own in an idle CPU: Xen scrubs free memory there.
TEST(lateness)
{
	struct sched_poll settle = { .timeout = system_time() + SECOND };
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
	u64 late, most = 0, sum = 0;

	only_in("alone");
	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &bind), 0);
	port_unmask(bind.port);
	sched_op(SCHEDOP_poll, &settle);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		u64 when = system_time() + MS + 37 * MS / 100 * i;

		port_take(bind.port);
		MARK(TIMER_WAKE, 1);
		set_timer(when);
		port_wait(bind.port);
		MARK(TIMER_WAKE, 2);
		late = system_time() - when;
		CHECK(late < SECOND);
		sum += late;
		most = late > most ? late : most;
	}
	value_tell("lateness", sum / ROUNDS);
	value_tell("lateness-most", most);
	CHECK_EQ(port_close(bind.port), 0);
}
