// SPDX-License-Identifier: MIT
// The ways back: iret with all kinds of frames, system calls, events.
#include "lib/guest.h"
#include "traps/traps.h"

static u64 flags_seen, rcx_seen, r11_seen;

// Continues in the kernel with these flags; returns those that it finds.
__asm__(".pushsection .text\n"
	"flags_here:\n"
	"	mov %rcx, rcx_seen_at\n"
	"	mov %r11, r11_seen_at\n"
	"	pushfq\n"
	"	pop flags_seen_at\n"
	"	pushq $0x202\n"
	"	popfq\n"
	"	cld\n"
	"	int $0x80\n"
	".popsection\n");
u64 flags_seen_at, rcx_seen_at, r11_seen_at;
extern u8 flags_here[];

static u8 other_stack[4096] __attribute__((aligned(16)));

static struct regs kernel_regs(u64 rflags)
{
	return (struct regs){ .rip = (u64)flags_here,
			      .cs = KERNEL_CS_IN_FRAME,
			      .ss = FLAT_KERNEL_SS,
			      .rflags = rflags,
			      .rcx = 0x77,
			      .r11 = 0x88,
			      .rsp = (u64)other_stack + 4000 };
}

static unsigned long resume(struct regs regs)
{
	CATCH(regs_resume(&regs));
	flags_seen = flags_seen_at;
	rcx_seen = rcx_seen_at;
	r11_seen = r11_seen_at;
	return trap_last.regs.vector;
}

TEST(iret_flags)
{
	static const struct {
		u64 asked, seen;
	} cases[] = {
		{ 0x2, 0x202 },
		{ 0x202, 0x202 },
		{ 0x202 | FLAG_CF, 0x202 | FLAG_CF },
		{ 0x202 | FLAG_DF, 0x202 | FLAG_DF },
		{ 0x202 | FLAG_IOPL, 0x202 },
		{ 0x202 | FLAG_NT, 0x202 | FLAG_NT },
		{ 0x202 | FLAG_VM, 0x202 },
		{ 0x202 | FLAG_AC, 0x202 | FLAG_AC },
		{ 0x202 | FLAG_ID, 0x202 | FLAG_ID },
		{ 0x202 | FLAG_VIF | FLAG_VIP, 0x202 },
		{ 0x202 | FLAG_RF, 0x202 },
		{ 0xffffffff00000202, 0x202 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(resume(kernel_regs(cases[i].asked)), VECTOR_SOFT);
		CHECK_EQ(flags_seen, cases[i].seen);
		CHECK_EQ(rcx_seen, 0x77);
		CHECK_EQ(r11_seen, 0x88);
	}
}

TEST(iret_mask)
{
	resume(kernel_regs(0x202));
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
	resume(kernel_regs(0x2));
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 1);
}

TEST(iret_rip)
{
	static const u64 bad[] = { 0x0000800000000000, 0xffff7fffffffffff,
				   0x8000000000000000, 0x7fffffffffffffff };
	struct regs regs = kernel_regs(0x202);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		regs.rip = bad[i];
		CHECK_EQ(resume(regs), 13);
		CHECK_EQ(trap_last.regs.error, 0);
		CHECK_EQ(trap_last.regs.rip, bad[i]);
	}
	// Canonical addresses with nothing there, the hypervisor's too.
	regs.rip = 0x00007fffffffffff;
	CHECK_EQ(resume(regs), 14);
	CHECK_EQ(trap_last.cr2, regs.rip);
	CHECK_EQ(trap_last.regs.rip, regs.rip);
	regs.rip = 0xffff830000000000;
	CHECK_EQ(resume(regs), 14);
	CHECK_EQ(trap_last.regs.rip, regs.rip);
}

TEST(iret_segments)
{
	static const u16 bad[] = { 0,	   0x1230, 0x1234, 0xe008,
				   0xe010, 0xe02b, 0xe040, 0xfff8 };
	struct regs regs = kernel_regs(0x202);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		regs.cs = bad[i];
		CHECK_EQ(resume(regs), 13);
		CHECK_EQ(trap_last.regs.error, bad[i] & ~3);
		CHECK_EQ(trap_last.regs.rip, (u64)flags_here);
	}
	regs = kernel_regs(0x202);
	regs.ss = 0x1234;
	CHECK_EQ(resume(regs), 13);
	CHECK_EQ(trap_last.regs.error, 0x1234);
	regs.ss = 0xe010;
	CHECK_EQ(resume(regs), 13);
	CHECK_EQ(trap_last.regs.error, 0xe010);
	// Any RPL of a kernel selector is the kernel's.
	for (u64 rpl = 0; rpl < 3; rpl++) {
		regs = kernel_regs(0x202);
		regs.cs = KERNEL_CS_IN_FRAME | rpl;
		CHECK_EQ(resume(regs), VECTOR_SOFT);
		CHECK_EQ(trap_last.regs.cs & 0xffff, KERNEL_CS_IN_FRAME);
	}
	regs = kernel_regs(0x202);
	regs.ss = FLAT_KERNEL_SS & ~3ul;
	CHECK_EQ(resume(regs), VECTOR_SOFT);
}

static long flags_now(long x)
{
	u64 flags;

	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return (long)flags + x;
}

TEST(user_flags)
{
	CHECK_EQ(user_call_flags(flags_now, 0, 0x2) & ~0x8d5l, 0x202);
	CHECK_EQ(user_call_flags(flags_now, 0, 0x202 | FLAG_NT) & ~0x8d5l,
		 0x202 | FLAG_NT);
	CHECK_EQ(user_call_flags(flags_now, 0, 0x202 | FLAG_IOPL) & ~0x8d5l,
		 0x202);
	CHECK_EQ(user_call_flags(flags_now, 0, 0x202 | FLAG_ID) & ~0x8d5l,
		 0x202 | FLAG_ID);
}

static long my_syscall(long number)
{
	long rax = number;

	__asm__ volatile("syscall_here: syscall\n"
			 : "+a"(rax)
			 :
			 : "rcx", "r11", "memory");
	return rax;
}

static struct regs syscall_regs;

static bool answer_syscall(struct regs *regs)
{
	if (regs->vector != VECTOR_SYSCALL || regs->rax == USER_RETURN)
		return false;
	syscall_regs = *regs;
	regs->rax = regs->rax * 2;
	return true;
}

TEST(syscalls)
{
	extern u8 syscall_here[];

	trap_hook = answer_syscall;
	CHECK_EQ(user_call(my_syscall, 21), 42);
	CHECK_EQ(syscall_regs.rax, 21);
	CHECK_EQ(syscall_regs.rip, (u64)syscall_here + 2);
	CHECK_EQ(syscall_regs.rcx, (u64)syscall_here + 2);
	CHECK_EQ(syscall_regs.cs, FLAT_USER_CS);
	CHECK_EQ(syscall_regs.ss, FLAT_USER_SS);
	CHECK_EQ(syscall_regs.r11 & FLAG_IF, FLAG_IF);
	CHECK_EQ(syscall_regs.rflags & FLAG_IF, FLAG_IF);
}

TEST(syscall_masks_events)
{
	struct callback_register reg = { .type = CALLBACKTYPE_syscall,
					 .flags = CALLBACKF_mask_events,
					 .address = (u64)syscall_entry };
	u8 mask = 7;

	event_unmask_all();
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &reg), 0);
	CHECK_EQ(user_call(my_syscall, USER_RETURN), USER_RETURN);
	mask = vcpu_info_of(0)->evtchn_upcall_mask;
	CHECK_EQ(mask, 1);
	reg.flags = 0;
	CHECK_EQ(HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &reg), 0);
	event_unmask_all();
	CHECK_EQ(user_call(my_syscall, USER_RETURN), USER_RETURN);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
}

static u64 event_cs, event_rip, event_mask;

static bool look_at_event(struct regs *regs)
{
	if (regs->vector != VECTOR_EVENT)
		return false;
	event_cs = regs->cs;
	event_rip = regs->rip;
	event_mask = vcpu_info_of(0)->evtchn_upcall_mask;
	return false;
}

static u32 own_port(void)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };

	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	return bind.port;
}

TEST(events)
{
	u32 port = own_port(), upcalls = event_upcalls;

	trap_hook = look_at_event;
	event_mask_all();
	port_send(port);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_pending, 1);
	CHECK_EQ(event_upcalls, upcalls);
	event_unmask_all();
	CHECK_EQ(event_upcalls, upcalls + 1);
	CHECK_EQ(event_counts[port], 1);
	CHECK_EQ(event_mask, 1);
	CHECK_EQ(event_cs, KERNEL_CS_IN_FRAME);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
	port_send(port);
	CHECK_EQ(event_upcalls, upcalls + 2);
	// Pending, and taken by the first instruction of user mode.
	event_mask_all();
	port_send(port);
	CHECK_EQ(user_call(flags_now, 0) & FLAG_IF, FLAG_IF);
	CHECK_EQ(event_upcalls, upcalls + 3);
	CHECK_EQ(event_cs, FLAT_USER_CS);
	CHECK_EQ(event_rip, (u64)flags_now);
	port_close(port);
}

// Each call of a batch has its own result.
TEST(multicalls)
{
	static struct multicall_entry batch[2];

	memset(batch, 0, sizeof(batch));
	batch[0].op = __HYPERVISOR_xen_version;
	batch[0].args[0] = XENVER_version;
	batch[1].op = __HYPERVISOR_xen_version;
	batch[1].args[0] = 999;
	CHECK_EQ(HC2(__HYPERVISOR_multicall, batch, 2), 0);
	CHECK_EQ(batch[0].result, 4 << 16 | 17);
	CHECK_EQ(batch[1].result, -ENOSYS);
}
