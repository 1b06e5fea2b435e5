// SPDX-License-Identifier: MIT
// Arguments of 32-bit callers, call/compat.c and call/compat_calls.c: structures
// by layout, lists, contexts, trap tables, calls of their own. The guest's memory
// is the input and ends where it does.
#include "fuzz.h"
#define RAM_FRAMES 1024UL
#include "machine.h"
#include "../../hv/call/compat.c"
#include "../../hv/call/compat_calls.c"

#define NARROW_MAX 2048
#define RING(sel)  ((sel)&3)

static u8 *guest; // a copy: aligned
static size_t guest_size;
static u8 *written; // by copy_to_guest
static u64 written_size;
static struct domain domain = { .pv32 = true };
static struct pv_vcpu pv;
static struct vcpu vcpu = { .domain = &domain, .pv = &pv };

int copy_from_guest(void *dst, u64 gva, u64 len)
{
	if (gva > guest_size || len > guest_size - gva)
		return -EFAULT;
	memcpy(dst, guest + gva, len);
	return 0;
}

int copy_to_guest(u64 gva, const void *src, u64 len)
{
	free(written);
	written = malloc(len);
	memcpy(written, src, len);
	written_size = len;
	return 0;
}

// Of just its size, with bytes that are no zeros.
void *heap_alloc(size_t size)
{
	return calloc(1, size);
}

void heap_free(void *p)
{
	free(p);
}

// What the rest of call/ is asked to do.
static u64 asked[5];
static struct callback_register callbacks[2];
static unsigned int n_callbacks;
static u64 nmi_entry;

static long ask(u64 a, u64 b, u64 c, u64 d, u64 e)
{
	const u64 all[] = { a, b, c, d, e };

	memcpy(asked, all, sizeof(asked));
	return 0;
}

#define ASKED(name)                                              \
	long call_##name(u64 a1, u64 a2, u64 a3, u64 a4, u64 a5) \
	{                                                        \
		return ask(a1, a2, a3, a4, a5);                  \
	}
ASKED(callback_op)
ASKED(update_descriptor)
ASKED(set_timer_op)
ASKED(update_va_mapping)
ASKED(update_va_mapping_otherdomain)

long callback_set(const struct callback_register *r)
{
	CHECK(n_callbacks < ARRAY_SIZE(callbacks));
	callbacks[n_callbacks++] = *r;
	return 0;
}

long nmi_register(u64 address)
{
	nmi_entry = address;
	return 0;
}

int old_table_settle(struct vcpu *v)
{
	return -ERESTART;
}

static u64 again[5];
static unsigned int n_again;

long call_again_with(u32 nr, const u64 *args, unsigned int n)
{
	CHECK(n <= ARRAY_SIZE(again));
	memcpy(again, args, n * sizeof(*args));
	n_again = n;
	return nr;
}

// There and back: the fields are what they were, and nothing is written
// behind the structure. gva 0: the guest's memory from its beginning.
static void layout(enum layout32 l)
{
	u32 n = compat_size(l);
	u8 *narrow = malloc(n), *back = calloc(1, n);
	u8 wide[NARROW_MAX * 2] = { 0 }, again_wide[NARROW_MAX * 2] = { 0 };

	CHECK(n && n <= NARROW_MAX && n % 4 == 0);
	if (!copy_from_guest(narrow, 0, n)) {
		compat_widen(l, wide, narrow);
		compat_narrow(l, wide, back);
		compat_widen(l, again_wide, back);
		CHECK(!memcmp(wide, again_wide, sizeof(wide)));
		for (u32 i = 0; i < n; i++)
			CHECK(back[i] == narrow[i] || !back[i]);
	}
	free(narrow);
	free(back);
	// start_info goes out only.
	if (n > 256)
		return;
	memset(wide, 0, sizeof(wide));
	if (compat32_from_guest(l, wide, 0, 256)) {
		CHECK(guest_size < n);
		return;
	}
	CHECK(guest_size >= n);
	CHECK(!compat32_to_guest(l, 0, wide));
	CHECK(written_size == n);
	for (u32 i = 0; i < n; i++)
		CHECK(written[i] == guest[i] || !written[i]);
}

static void lists(u64 i)
{
	u64 pfn = ~0UL;
	u32 want;

	if (!pfn_from_guest(&pfn, 0, i)) {
		CHECK(i < guest_size / 4);
		memcpy(&want, guest + i * 4, 4);
		CHECK(pfn == want);
	}
	CHECK(!pfn_to_guest(0, i, 0x123456789));
	CHECK(written_size == 4 && *(u32 *)written == 0x23456789);
}

// No entry point is in ring 0, and all lie below 4 GiB.
static void check_entry(u64 entry)
{
	// 0 is none.
	CHECK(!entry || (RING(entry >> 32) && (u32)entry && !(entry >> 48)));
}

static void check_context(const struct vcpu_guest_context *c,
			  const struct vcpu_guest_context_x86_32 *n)
{
	check_entry(c->event_callback_eip);
	check_entry(c->failsafe_callback_eip);
	CHECK((u32)c->event_callback_eip == n->event_callback_eip);
	CHECK((u32)c->failsafe_callback_eip == n->failsafe_callback_eip);
	CHECK(RING(c->kernel_ss) && !(c->kernel_sp >> 32));
	CHECK(!c->ctrlreg[1] && !(c->ctrlreg[3] >> 44));
	CHECK(!c->syscall_callback_eip && !c->fs_base && !c->gs_base_kernel &&
	      !c->gs_base_user);
	CHECK(!(c->user_regs.rip >> 32) && !(c->user_regs.rsp >> 32) &&
	      !(c->user_regs.rflags >> 32) && !c->user_regs.r8);
	CHECK(c->user_regs.cs == n->user_regs.cs);
	for (u32 i = 0; i < 256; i++) {
		const struct trap_info *t = &c->trap_ctxt[i];

		CHECK(t->vector == n->trap_ctxt[i].vector);
		CHECK(!t->address == !n->trap_ctxt[i].address);
		// With its selector.
		if (t->address)
			check_entry(t->address);
	}
}

static void context(void)
{
	struct vcpu_guest_context *c = malloc(sizeof(*c));
	const struct vcpu_guest_context_x86_32 *n, *back;

	if (!context32_from_guest(c, &domain, 0)) {
		CHECK(guest_size >= sizeof(*n));
		n = (const void *)guest;
		check_context(c, n);
		CHECK(!context32_to_guest(0, c));
		CHECK(written_size == sizeof(*back));
		back = (const void *)written;
		CHECK(!memcmp(&back->fpu_ctxt, &n->fpu_ctxt,
			      sizeof(n->fpu_ctxt)));
		CHECK(back->ldt_base == n->ldt_base &&
		      back->ldt_ents == n->ldt_ents &&
		      back->gdt_ents == n->gdt_ents);
		CHECK(!memcmp(back->gdt_frames, n->gdt_frames,
			      sizeof(n->gdt_frames)));
		CHECK(back->ctrlreg[3] == n->ctrlreg[3]);
		CHECK(back->user_regs.eip == n->user_regs.eip &&
		      back->user_regs.eflags == n->user_regs.eflags);
		CHECK(back->event_callback_eip == n->event_callback_eip);
	} else {
		CHECK(guest_size < sizeof(*n));
	}
	free(c);
}

static void traps(void)
{
	struct trap_info t;

	if (trap32_from_guest(&t, 0) || !t.address)
		return;
	check_entry(t.address);
}

static void halves(u64 low, u64 high, u64 whole)
{
	CHECK(whole == ((u64)(u32)high << 32 | (u32)low));
}

static void calls(void)
{
	u32 a[5];
	u64 nr = guest_size ? guest[0] & 1 : 0;

	memset(a, 0, sizeof(a));
	memcpy(a, guest, MIN(guest_size, sizeof(a)));
	n_callbacks = 0;
	n_again = 0;
	call32_stack_switch(a[0], a[1], 0, 0, 0);
	CHECK(RING(vcpu.hot.kernel_ss) && vcpu.hot.kernel_sp == a[1]);
	call32_set_callbacks(a[0], a[1], a[2], a[3], 0);
	CHECK(n_callbacks == 2);
	for (u32 i = 0; i < 2; i++)
		check_entry(callbacks[i].address);
	n_callbacks = 0;
	call32_callback_op(CALLBACKOP_register, 0, 0, 0, 0);
	if (n_callbacks) {
		check_entry(callbacks[0].address);
		CHECK(callbacks[0].type != CALLBACKTYPE_syscall);
	}
	call32_nmi_op(nr, 0, 0, 0, 0);
	if (nmi_entry)
		check_entry(nmi_entry);
	call32_update_descriptor(a[0], a[1], a[2], a[3], 0);
	halves(a[0], a[1], asked[0]);
	halves(a[2], a[3], asked[1]);
	call32_set_timer_op(a[0], a[1], 0, 0, 0);
	halves(a[0], a[1], asked[0]);
	bool unsettled = a[4] & 1;

	pv.old_table = unsettled ? (void *)&pv : NULL;
	call32_update_va_mapping_otherdomain(a[0], a[1], a[2], a[3], a[4]);
	if (unsettled) {
		// The same arguments, in the same places.
		CHECK(n_again == 5);
		for (u32 i = 0; i < 5; i++)
			CHECK(again[i] == a[i]);
	} else {
		CHECK(asked[0] == a[0] && asked[2] == a[3] && asked[3] == a[4]);
		halves(a[1], a[2], asked[1]);
	}
	call32_update_va_mapping(a[0], a[1], a[2], a[3], a[4]);
	if (unsettled)
		CHECK(n_again == 4 && again[3] == a[3]);
	else
		CHECK(asked[0] == a[0] && asked[2] == a[3]);
	pv.old_table = NULL;
}

static void fuzz_one(const u8 *data, size_t size)
{
	u32 what;

	if (size < 2)
		return;
	cpu_info()->vcpu = &vcpu;
	what = data[0];
	guest_size = size - 2;
	guest = malloc(guest_size);
	memcpy(guest, data + 2, guest_size);
	switch (what & 3) {
	case 0:
		layout((enum layout32)(1 +
				       data[1] % (ARRAY_SIZE(layouts) - 1)));
		break;
	case 1:
		lists(data[1]);
		break;
	case 2:
		context();
		traps();
		break;
	default:
		calls();
	}
	free(written);
	written = NULL;
	free(guest);
}
