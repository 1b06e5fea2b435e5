// SPDX-License-Identifier: MIT
// The ways back: iret with all kinds of frames, system calls, events.
#include "lib/guest.h"
#include "traps/traps.h"

// Continues in the kernel with these flags; shows those that it finds.
__asm__(".pushsection .text\n"
	"flags_here:\n"
	"	mov " R_CX ", first_seen\n"
	"	mov " R_SECOND ", second_seen\n"
	"	pushf\n"
#ifdef __x86_64__
	"	pop flags_seen\n"
	"	push $0x202\n"
#else
	"	popl flags_seen\n"
	"	pushl $0x202\n"
#endif
	"	popf\n"
	"	cld\n"
	"	int $0x80\n"
	".popsection\n");
uptr flags_seen, first_seen, second_seen;
extern u8 flags_here[];

static u8 other_stack[4096] __attribute__((aligned(16)));

static struct regs kernel_regs(uptr rflags)
{
	return (struct regs){ .rip = (uptr)flags_here,
			      .cs = KERNEL_CS_IN_FRAME,
			      .ss = FLAT_KERNEL_SS,
			      .rflags = rflags,
			      .rcx = 0x77,
			      .r_second = 0x88,
			      .rsp = (uptr)other_stack + 2000 };
}

// Of a 32-bit kernel's own the stack goes on where the frame ends.
static unsigned long resume(struct regs regs)
{
	struct regs *at = (struct regs *)(other_stack + 3000);

	*at = regs;
	CATCH(regs_resume(at));
	return trap_last.regs.vector;
}

TEST(iret_flags)
{
	static const struct {
		uptr asked, seen;
	} cases[] = {
		{ 0x2, 0x202 },
		{ 0x202, 0x202 },
		{ 0x202 | FLAG_CF, 0x202 | FLAG_CF },
		{ 0x202 | FLAG_DF, 0x202 | FLAG_DF },
		{ 0x202 | FLAG_IOPL, 0x202 },
		{ 0x202 | FLAG_NT, 0x202 | FLAG_NT },
		{ 0x202 | FLAG_AC, 0x202 | FLAG_AC },
		{ 0x202 | FLAG_ID, 0x202 | FLAG_ID },
		{ 0x202 | FLAG_VIF | FLAG_VIP, 0x202 },
		{ 0x202 | FLAG_RF, 0x202 },
#ifdef __x86_64__
		{ 0x202 | FLAG_VM, 0x202 },
		{ 0xffffffff00000202, 0x202 },
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(resume(kernel_regs(cases[i].asked)), VECTOR_SOFT);
		CHECK_EQ(flags_seen, cases[i].seen);
		CHECK_EQ(first_seen, 0x77);
		CHECK_EQ(second_seen, 0x88);
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
	struct regs regs = kernel_regs(0x202);

#ifdef __x86_64__
	static const u64 bad[] = { 0x0000800000000000, 0xffff7fffffffffff,
				   0x8000000000000000, 0x7fffffffffffffff };

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
#else
	// Flat segments have no limit: all of 4 GiB is an address, the M2P and
	// what lies behind it too.
	static const uptr bad[] = { 0, 0x7ffffffe, HYPERVISOR_VIRT_START,
				    0xffe00000, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		regs.rip = bad[i];
		CHECK_EQ(resume(regs), 14);
		CHECK_EQ(trap_last.cr2, bad[i]);
		CHECK_EQ(trap_last.regs.rip, bad[i]);
		CHECK_EQ(trap_last.regs.cs, KERNEL_CS_IN_FRAME);
	}
#endif
}

TEST(iret_segments)
{
#ifdef __x86_64__
	static const u16 bad[] = { 0,	   0x1230, 0x1234, 0xe008,
				   0xe010, 0xe02b, 0xe040, 0xfff8 };
#else
	// Ring 0 ends the domain: guests/crash. Of the others each is empty,
	// the hypervisor's, data, or of another ring than its RPL.
	static const u16 bad[] = { 0x1231, 0x1237, 0xe009, 0xe00b, 0xe011,
				   0xe021, 0xe029, 0xe033, 0xe01b, 0xe01a,
				   0xe02a, 0xe041, 0xe043, 0xfffb };
#endif
	struct regs regs = kernel_regs(0x202);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		regs.cs = bad[i];
		CHECK_EQ(resume(regs), 13);
		CHECK_EQ(trap_last.regs.error, bad[i] & ~3);
		CHECK_EQ(trap_last.regs.rip, flags_here);
	}
	regs = kernel_regs(0x202);
	if (WIDTH == 32) // only then the frame has a stack
		regs.cs = FLAT_USER_CS;
	regs.ss = 0x1234;
	CHECK_EQ(resume(regs), 13);
	CHECK_EQ(trap_last.regs.error, 0x1234);
	regs.ss = 0xe010;
	CHECK_EQ(resume(regs), 13);
	CHECK_EQ(trap_last.regs.error, 0xe010);
#ifdef __x86_64__
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
#else
	regs.ss = FLAT_KERNEL_SS;
	CHECK_EQ(resume(regs), 13);
	CHECK_EQ(trap_last.regs.error, FLAT_KERNEL_SS & ~3);
	// The upper half of the word with CS is the event mask's place.
	regs = kernel_regs(0x202);
	regs.cs |= 0xffff0000;
	CHECK_EQ(resume(regs), VECTOR_SOFT);
	CHECK_EQ(trap_last.regs.cs, KERNEL_CS_IN_FRAME);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
#endif
}

static long flags_now(long x)
{
	uptr flags;

	__asm__ volatile("pushf; pop %0" : "=r"(flags));
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

	__asm__ volatile("syscall_here: " CALL_INSN "\n"
			 : "+a"(rax)
			 :
#ifdef __x86_64__
			 : "rcx", "r11", "memory");
#else
			 : "memory");
#endif
	return rax;
}

static struct regs syscall_regs;

static bool answer_syscall(struct regs *regs)
{
	if (regs->vector != USER_RETURN_VECTOR || regs->rax == USER_RETURN)
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
	CHECK_EQ(syscall_regs.rip, syscall_here + 2);
	CHECK_EQ(syscall_regs.cs, FLAT_USER_CS);
	CHECK_EQ(syscall_regs.ss, FLAT_USER_SS);
	CHECK_EQ(syscall_regs.rflags & FLAG_IF, FLAG_IF);
#ifdef __x86_64__
	CHECK_EQ(syscall_regs.rcx, syscall_here + 2);
	CHECK_EQ(syscall_regs.r11 & FLAG_IF, FLAG_IF);
#endif
}

#ifdef __x86_64__ // 32-bit kernels' is a trap: trap_masks_events
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

#endif

static uptr event_cs, event_rip, event_mask;
static u32 looked_for;

// In a DomU the console's events come in between.
static bool is_pending(u32 port)
{
	return shared->evtchn_pending[port / WIDTH] >> port % WIDTH & 1;
}

static bool look_at_event(struct regs *regs)
{
	if (regs->vector != VECTOR_EVENT || !is_pending(looked_for))
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
	u32 port = own_port(), upcalls = event_counts[port];

	looked_for = port;
	trap_hook = look_at_event;
	event_mask_all();
	port_send(port);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_pending, 1);
	CHECK_EQ(event_counts[port], upcalls);
	event_unmask_all();
	CHECK_EQ(event_counts[port], upcalls + 1);
	CHECK_EQ(event_mask, 1);
	CHECK_EQ(event_cs, KERNEL_CS_IN_FRAME);
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 0);
	port_send(port);
	CHECK_EQ(event_counts[port], upcalls + 2);
	// Pending, and taken by the first instruction of user mode.
	event_mask_all();
	port_send(port);
	CHECK_EQ(user_call(flags_now, 0) & FLAG_IF, FLAG_IF);
	CHECK_EQ(event_counts[port], upcalls + 3);
	CHECK_EQ(event_cs, FLAT_USER_CS);
	CHECK_EQ(event_rip, flags_now);
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
