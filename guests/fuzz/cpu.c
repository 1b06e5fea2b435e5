// SPDX-License-Identifier: MIT
// The processor as a guest has it, multicalls, and what asks for facts.
#include "fuzz/fuzz.h"
#include <xen/nmi.h>

static void restore_callbacks(struct call *c, long rc)
{
	(void)c;
	(void)rc;
	callbacks_set();
}

static void make_traps(struct call *c)
{
	struct trap_info *t = arg_in(c, 0, 4 * sizeof(*t));
	u32 n = below(4);

	for (u32 i = 0; i < n; i++) {
		u8 vector = (u8)below(32);

		t[i] = (struct trap_info){ vector, (u8)below(4), FLAT_KERNEL_CS,
					   (uptr)trap_entries[vector] };
	}
}

static void done_traps(struct call *c, long rc)
{
	(void)c;
	(void)rc;
	HC1(__HYPERVISOR_set_trap_table,
	    NULL); // an odd one may be of any vector
	trap_table_load(0);
}

static void make_callbacks(struct call *c)
{
#ifdef __x86_64__
	c->args[0] = (u64)event_entry;
	c->args[1] = (u64)failsafe_entry;
	c->args[2] = (u64)syscall_entry;
#else
	c->args[0] = c->args[2] = FLAT_KERNEL_CS;
	c->args[1] = ADDRESS(event_entry);
	c->args[3] = ADDRESS(failsafe_entry);
#endif
}

static xen_callback_t callback(u64 address)
{
#ifdef __x86_64__
	return address;
#else
	return (xen_callback_t){ FLAT_KERNEL_CS, (uptr)address };
#endif
}

// No other one that could be called: it stays.
static u64 nmi_entry(void)
{
	return WIDTH == 32 || chance(80) ? ADDRESS(trap_entries[2])
					 : 0x0000800000000000;
}

static void make_register(struct call *c)
{
	struct callback_register *r = arg(c, sizeof(*r));

	r->type = (u16)below(8);
	r->flags = (u16)below(2);
	r->address = callback(ADDRESS(event_entry));
	if (r->type == CALLBACKTYPE_nmi)
		r->address = callback(nmi_entry());
	else if (chance(10))
		r->address = callback(odd_pointer());
}

static void make_unregister(struct call *c)
{
	struct callback_unregister *r = arg(c, sizeof(*r));

	r->type = chance(50) ? CALLBACKTYPE_nmi : (u16)below(8);
}

static void make_nmi(struct call *c)
{
	struct xennmi_callback *r = arg(c, sizeof(*r));

	r->handler_address = (unsigned long)nmi_entry();
}

static void make_stack(struct call *c)
{
	c->args[0] = FLAT_KERNEL_SS;
	c->args[1] = SLOT(5);
}

static void make_ts(struct call *c)
{
	c->args[0] = below(2);
}

static void make_set_debug(struct call *c)
{
	c->args[0] = below(8);
	c->args[1] = SLOT((u64)below(SLOTS)) + below(512) * 8;
	if (c->args[0] > 3)
		c->args[1] =
			chance(70) ? random_next() & 0xffff03ff : odd_value();
}

static void make_get_debug(struct call *c)
{
	c->args[0] = below(8);
}

static void make_base(struct call *c)
{
	c->args[0] = chance(95) ? below(4) : odd_value();
	c->args[1] = SLOT((u64)below(SLOTS));
	if (c->args[0] == 3) // a selector
		c->args[1] = chance(50) ? FLAT_USER_DS : below(0x10000);
}

static void make_timer(struct call *c)
{
	c->args[0] = chance(20) ? 0 : system_time() / MS * MS + below(50) * MS;
}

static void make_assist(struct call *c)
{
	c->args[0] = below(2);
	c->args[1] = chance(90) ? below(6) : 32 + below(3);
}

static void make_write(struct call *c)
{
	c->args[0] = CONSOLEIO_write;
	c->args[1] = chance(80) ? 0 : 16;
	c->args[2] = c->args[1] ? nowhere() : OUT_AREA;
}

static void make_read(struct call *c)
{
	c->args[0] = CONSOLEIO_read;
	c->args[1] = below(100);
	c->args[2] = OUT_AREA;
}

static void make_version(struct call *c)
{
	c->args[0] = c->op->cmd;
	c->args[1] = OUT_AREA;
}

static void make_features(struct call *c)
{
	u32 *a = arg(c, 8);

	a[0] = chance(80) ? 0 : below(4);
}

// Each call of the batch is one that leaves nothing behind.
static struct multicall_entry some_call(void)
{
	struct multicall_entry e = { .op = __HYPERVISOR_xen_version };

	switch (below(8)) {
	case 0:
		e.args[0] = XENVER_get_features;
		e.args[1] = OUT_AREA;
		break;
	case 1:
		e.op = __HYPERVISOR_update_va_mapping;
		e.args[0] = AREA(200);
		e.args[WIDTH == 32 ? 3 : 2] = UVMF_INVLPG;
		break;
	case 2:
		e.op = __HYPERVISOR_sched_op;
		e.args[0] = SCHEDOP_yield;
		break;
	case 3:
		e.op = __HYPERVISOR_event_channel_op;
		e.args[0] = EVTCHNOP_send;
		e.args[1] = IN_AREA;
		break;
	case 4:
		e.op = __HYPERVISOR_multicall;
		e.args[0] = ARG_AREA;
		e.args[1] = below(3);
		break;
	case 5:
		e.op = __HYPERVISOR_mmuext_op;
		e.args[0] = IN_AREA;
		e.args[1] = 1;
		e.args[3] = DOMID_SELF;
		break;
	case 6:
		e.op = 60 + below(200);
		break;
	default:
		e.args[0] = XENVER_version;
	}
	return e;
}

static void make_multicall(struct call *c)
{
	u32 n = 1 + below(8);
	struct multicall_entry *e = arg_in(c, 0, n * sizeof(*e));

	memset(IN, 0, 64);
	IN[0] = MMUEXT_TLB_FLUSH_LOCAL;
	for (u32 i = 0; i < n; i++)
		e[i] = some_call();
	c->args[1] = n;
	// What lies behind the list are the arguments of other calls, so a wrong
	// number goes with a list in front of a hole.
	if (chance(80))
		return;
	c->args[0] =
		chance(60) ? ARG_AREA + 2 * PAGE_SIZE - c->size : nowhere();
	memcpy((u8 *)arg_pages + 2 * PAGE_SIZE - c->size, e, c->size);
	c->args[1] = chance(50) ? odd_value() : below(n + 1);
}

// Flags as they come; what of them stays is put right at once.
static void make_iret(struct call *c)
{
	static const u64 bits[] = { 1,	    4,	     0x40,    0x80,
				    0x100,  0x200,   0x400,   0x800,
				    0x4000, 0x10000, 0x40000, 0x200000 };
	u64 *frame = c->words;

	memset(frame, 0, 4 * sizeof(*frame));
	frame[0] = 0x202;
	for (u32 i = below(5); i; i--)
		frame[0] |= bits[below(ARRAY_SIZE(bits))];
	frame[1] = FLAT_KERNEL_CS;
	frame[2] = FLAT_KERNEL_SS;
#ifdef __x86_64__
	frame[1] &= ~3ul; // else it leads to user mode
	frame[3] = chance(50) ? VGCF_in_syscall : 0;
#endif
}

#ifdef __x86_64__
static long run_iret(struct call *c)
{
	struct iret_context frame = { .rflags = c->words[0],
				      .cs = c->words[1],
				      .ss = c->words[2],
				      .flags = c->words[3] };
	u64 rax = __HYPERVISOR_iret;

	__asm__ volatile("pushfq\n"
			 "	movq $1f, %c[rip](%[frame])\n"
			 "	movq %%rsp, %c[rsp](%[frame])\n"
			 "	movq %[frame], %%rsp\n"
			 "	syscall\n"
			 "1:	popfq\n"
			 : "+a"(rax)
			 : [frame] "r"(&frame),
			   [rip] "i"(offsetof(struct iret_context, rip)),
			   [rsp] "i"(offsetof(struct iret_context, rsp))
			 : "rcx", "r11", "memory");
	event_mask_all();
	return (long)rax;
}
#else
// To where it is, with the flags; EAX comes from the frame as well.
static long run_iret(struct call *c)
{
	uptr eax = __HYPERVISOR_iret;

	__asm__ volatile(
		"pushf\n"
		"	push %[flags]\n"
		"	push %[cs]\n"
		"	push $1f\n"
		"	push $0\n"
		"	int $0x82\n"
		"1:	popf\n"
		: "+a"(eax)
		: [flags] "r"((uptr)c->words[0]), [cs] "r"((uptr)c->words[1])
		: "memory");
	event_mask_all();
	return (long)eax;
}
#endif

#define VERSION(name)                                              \
	{                                                          \
		"version:" #name, make_version, NULL,              \
			__HYPERVISOR_xen_version, XENVER_##name, 3 \
	}

static const struct op ops[] = {
	{ "set_trap_table", make_traps, done_traps,
	  __HYPERVISOR_set_trap_table },
	{ "set_callbacks", make_callbacks, restore_callbacks,
	  __HYPERVISOR_set_callbacks },
	{ "callback:register", make_register, restore_callbacks,
	  __HYPERVISOR_callback_op, CALLBACKOP_register, 8, OP_EXACT },
	{ "callback:unregister", make_unregister, restore_callbacks,
	  __HYPERVISOR_callback_op, CALLBACKOP_unregister },
	{ "nmi:register", make_nmi, NULL, __HYPERVISOR_nmi_op,
	  XENNMI_register_callback, 8, OP_EXACT },
	{ "nmi:unregister", make_nmi, NULL, __HYPERVISOR_nmi_op,
	  XENNMI_unregister_callback, 8, OP_EXACT },
	{ "stack_switch", make_stack, NULL, __HYPERVISOR_stack_switch },
	{ "fpu_taskswitch", make_ts, NULL, __HYPERVISOR_fpu_taskswitch },
	{ "set_debugreg", make_set_debug, NULL, __HYPERVISOR_set_debugreg },
	{ "get_debugreg", make_get_debug, NULL, __HYPERVISOR_get_debugreg },
	{ "set_segment_base", make_base, NULL, __HYPERVISOR_set_segment_base },
	{ "set_timer_op", make_timer, NULL, __HYPERVISOR_set_timer_op },
	{ "vm_assist", make_assist, NULL, __HYPERVISOR_vm_assist },
	{ "console:write", make_write, NULL, __HYPERVISOR_console_io, 0, 8,
	  OP_EXACT },
	{ "console:read", make_read, NULL, __HYPERVISOR_console_io, 0, 8,
	  OP_CONTROL | OP_EXACT },
	{ "multicall", make_multicall, NULL, __HYPERVISOR_multicall, 0, 16,
	  OP_EXACT },
	{ "iret", make_iret, NULL, __HYPERVISOR_iret, 0, 8, OP_EXACT,
	  run_iret },
	VERSION(version),
	VERSION(extraversion),
	VERSION(compile_info),
	VERSION(capabilities),
	VERSION(changeset),
	VERSION(platform_parameters),
	{ "version:get_features", make_features, NULL, __HYPERVISOR_xen_version,
	  XENVER_get_features, 3 },
	VERSION(pagesize),
	VERSION(guest_handle),
	VERSION(commandline),
	VERSION(build_id),
};
const struct op_list cpu_ops = { ops, ARRAY_SIZE(ops) };
