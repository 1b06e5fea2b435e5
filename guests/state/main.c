// SPDX-License-Identifier: MIT
// Registers of x87, SSE and AVX: each vcpu has its own, XCR0 among them, and
// nothing of another's. The other ones are domains that share this one's CPU.
#include "lib/domu.h"

#define MS	 1000000ul
#define OSXSAVE	 0x40000ul
#define X87_SSE	 3ul
#define AVX	 4ul
#define PATIENCE (5000 * MS)

// XSAVE's standard form (Intel SDM volume 1, 13.4), up to AVX.
struct image {
	u16 control, status;
	u8 tags, zero[3];
	u64 pointers[2];
	u32 mxcsr, mxcsr_mask;
	u64 x87[16], sse[32], none[12];
	u64 header[8];
	u64 avx[32];
} __attribute__((packed, aligned(64)));

// A domain's page of data.
struct other {
	struct image own, now, first;
	u64 rounds, wrong, xcr0, seen_xcr0;
} __attribute__((aligned(64)));

_Static_assert(offsetof(struct image, header) == 512, "legacy region");
_Static_assert(offsetof(struct image, avx) == 576, "AVX follows");
_Static_assert(offsetof(struct other, now) == 0x340, "as code_other has it");
_Static_assert(offsetof(struct other, first) == 0x680, "as code_other has it");
_Static_assert(offsetof(struct other, rounds) == 0x9c0, "as code_other has it");

// Shows what it finds, loads its own, and compares them for ever. An x87
// instruction goes first, as emulators' XSAVE may not look at CR0.TS, by which
// Xen 4.17 switches registers when they are used.
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"code_other:\n"
	"	mov %cr4, %rax\n"
	"	or $0x40000, %rax\n"
	"	mov %rax, %cr4\n"
	"	xor %ecx, %ecx\n"
	"	xor %edx, %edx\n"
	"	mov 0x39d0, %eax\n"
	"	xsetbv\n"
	"	fnop\n"
	"	xsave64 0x3680\n"
	"	xrstor64 0x3000\n"
	"1:	xor %ecx, %ecx\n"
	"	xgetbv\n"
	"	mov %eax, 0x39d8\n"
	"	cmp 0x39d0, %eax\n"
	"	jne 2f\n"
	"	fnop\n"
	"	xsave64 0x3340\n"
	"	mov 0x3358, %eax\n" // MXCSR
	"	cmp 0x3018, %eax\n"
	"	jne 2f\n"
	"	mov 0x3340, %ax\n" // the control word
	"	cmp 0x3000, %ax\n"
	"	jne 2f\n"
	"	mov $0x3020, %esi\n" // x87 and SSE
	"	mov $0x3360, %edi\n"
	"	mov $48, %ecx\n"
	"	repe cmpsq\n"
	"	jne 2f\n"
	"	mov $0x3240, %esi\n"
	"	mov $0x3580, %edi\n"
	"	mov $32, %ecx\n"
	"	repe cmpsq\n"
	"	jne 2f\n"
	"	incq 0x39c0\n"
	"	jmp 1b\n"
	"2:	incq 0x39c8\n"
	"	jmp 2b\n"
	".balign 16\n"
	".skip 256\n"
	".popsection\n");
extern const u8 code_other[];

static struct image mine, now;
static u64 mask = X87_SSE;

static u32 cpuid_ecx(u32 leaf)
{
	u32 b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
	return c;
}

static u64 xcr0(void)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

static void xcr0_set(u64 value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(0), "a"((u32)value), "d"((u32)(value >> 32)));
}

static void save(struct image *to)
{
	memset(to, 0, sizeof(*to));
	__asm__ volatile("fnop\n\txsave64 %0"
			 : "+m"(*to)
			 : "a"((u32)mask), "d"(0)
			 : "memory");
}

static void load(const struct image *from)
{
	__asm__ volatile("fnop\n\txrstor64 %0"
			 :
			 : "m"(*from), "a"((u32)mask), "d"(0)
			 : "memory");
}

// Registers that nobody else has. Each is a number of x87, so that no way of
// saving one changes it.
static void fill(struct image *to, u64 seed, u64 components)
{
	memset(to, 0, sizeof(*to));
	to->control = (u16)(0x37f ^ (seed & 3) << 10); // rounding
	to->tags = 0xff;
	to->mxcsr = 0x1f80u | (u32)(seed & 3) << 13 | 1;
	to->header[0] = components;
	for (u64 i = 0; i < 8; i++) {
		to->x87[2 * i] = 1ul << 63 | seed << 8 | i;
		to->x87[2 * i + 1] = 0x3fff;
	}
	for (u64 i = 0; i < ARRAY_SIZE(to->sse); i++) {
		to->sse[i] = seed * 0x0101010101010101 + i;
		to->avx[i] = components & AVX ? ~to->sse[i] : 0;
	}
}

static void check_same(const char *what, const struct image *want)
{
	save(&now);
	CHECK_EQ(xcr0(), mask);
	if (now.control != want->control || now.mxcsr != want->mxcsr)
		check_failed(what, 0, "control words are %x and %x",
			     now.control, now.mxcsr);
	for (int i = 0; i < 16; i++)
		if (now.x87[i] != want->x87[i])
			check_failed(what, i, "x87 is %lx", now.x87[i]);
	for (int i = 0; i < 32; i++) {
		if (now.sse[i] != want->sse[i])
			check_failed(what, i, "SSE is %lx", now.sse[i]);
		if (now.avx[i] != want->avx[i])
			check_failed(what, i, "AVX is %lx", now.avx[i]);
	}
}

static void check_first(const char *what, const struct image *i)
{
	static const struct image zero;

	if (i->control != 0x37f || i->status || i->mxcsr != 0x1f80)
		check_failed(what, 0, "control words are %x, %x, %x",
			     i->control, i->status, i->mxcsr);
	if (memcmp(i->x87, zero.x87, sizeof(zero.x87)) ||
	    memcmp(i->sse, zero.sse, sizeof(zero.sse)) ||
	    memcmp(i->avx, zero.avx, sizeof(zero.avx)))
		check_failed(what, 0, "registers are not empty");
}

// What a vcpu starts with; then all that there is.
TEST(first_state)
{
	u64 cr4;

	CHECK(cpuid_ecx(1) >> 26 & 1);
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | OSXSAVE));
	CHECK_EQ(xcr0() & ~X87_SSE, 0);
	if (cpuid_ecx(1) >> 28 & 1)
		mask |= AVX;
	xcr0_set(mask);
	CHECK_EQ(xcr0(), mask);
	save(&now);
	check_first("own", &now);
	printf("XCR0 %lx\n", mask);
}

static long user_nothing(long x)
{
	return x;
}

static void no_event(void)
{
}

// Neither calls nor traps, events nor user mode change them.
TEST(kept_in_here)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };
	u64 *w = window(0);

	fill(&mine, 0x41, mask);
	CHECK_EQ(user_call(user_nothing, 1), 1); // its tables are made
	load(&mine);
	version_op(XENVER_version, NULL);
	check_same("hypercall", &mine);
	CHECK_TRAP(*(volatile u64 *)w, 14, 0);
	check_same("page fault", &mine);
	CHECK_TRAP(__asm__ volatile("ud2"), 6, 0);
	check_same("trap", &mine);
	CHECK_EQ(user_call(user_nothing, 2), 2);
	check_same("user mode", &mine);
	event_hook = no_event;
	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	event_unmask_all();
	u32 before = event_upcalls;

	CHECK_EQ(port_send(bind.port), 0);
	CHECK_EQ(event_upcalls, before + 1);
	check_same("event", &mine);
	CHECK_EQ(port_close(bind.port), 0);
}

static struct other *others[2];
static struct domu doms[2];

static bool other_start(unsigned int n, u64 seed, u64 components)
{
	static struct other o;

	memset(&o, 0, sizeof(o));
	fill(&o.own, seed, components);
	o.xcr0 = components;
	// domu_make() takes half a page: the words behind it, by hand.
	if (!domu_make(&doms[n], code_other, &o, sizeof(o.own)))
		return false;
	CHECK_EQ(foreign_map(1 + n, doms[n].id, doms[n].data, PTE_RW | PTE_U),
		 0);
	others[n] = window_at(1 + n);
	others[n]->xcr0 = components;
	domu_unpause(&doms[n]);
	return true;
}

static void other_end(unsigned int n)
{
	volatile struct other *o = others[n];

	CHECK(o->rounds > 0);
	CHECK_EQ(o->wrong, 0);
	CHECK_EQ(o->seen_xcr0, o->xcr0);
	window(1 + n);
	domain_destroy(doms[n].id);
}

// Until each of them has had the CPU so many times since.
static void let_run(bool sleep, unsigned int n)
{
	u64 until = system_time() + PATIENCE, seen[2];
	struct sched_poll poll = { 0 };

	for (unsigned int i = 0; i < 6; i++) {
		for (unsigned int k = 0; k < n; k++)
			seen[k] = ((volatile struct other *)others[k])->rounds;
		for (unsigned int k = 0; k < n; k++) {
			volatile struct other *o = others[k];

			while (o->rounds == seen[k] && !o->wrong &&
			       system_time() < until) {
				poll.timeout = system_time() + MS;
				if (sleep)
					sched_op(SCHEDOP_poll, &poll);
			}
			CHECK(o->rounds != seen[k]);
		}
	}
}

// Two domains and this one in turn, each with registers of its own: when it
// gives the CPU up, and when it is taken from it in the middle of its work.
TEST(kept_from_others)
{
	fill(&mine, 0x52, mask);
	load(&mine);
	if (!other_start(0, 0x23, mask) || !other_start(1, 0x34, mask))
		return;
	load(&mine);
	let_run(true, 2);
	check_same("sleep", &mine);
	let_run(false, 2);
	check_same("preemption", &mine);
	for (int i = 0; i < 2; i++)
		check_first("other's", &others[i]->first);
	other_end(0);
	other_end(1);
	check_same("end", &mine);
}

// XCR0 is a vcpu's own: what one has not switched on another one may use.
TEST(own_xcr0)
{
	if (mask == X87_SSE)
		test_skip("a processor without AVX");
	fill(&mine, 0x63, mask);
	if (!other_start(0, 0x45, X87_SSE))
		return;
	load(&mine);
	let_run(true, 1);
	let_run(false, 1);
	check_same("without AVX", &mine);
	check_first("other's", &others[0]->first);
	other_end(0);
	xcr0_set(X87_SSE);
	CHECK_TRAP(__asm__ volatile("vzeroupper"), 6, 0);
	if (!other_start(0, 0x56, mask))
		return;
	let_run(true, 1);
	let_run(false, 1);
	CHECK_EQ(xcr0(), X87_SSE);
	CHECK_TRAP(__asm__ volatile("vzeroupper"), 6, 0);
	other_end(0);
	xcr0_set(mask);
	check_same("with AVX again", &mine);
}

// CR0.TS is a vcpu's own too; the registers behind it stay.
TEST(own_task_switched)
{
	fill(&mine, 0x74, mask);
	load(&mine);
	if (!other_start(0, 0x67, mask))
		return;
	CHECK_EQ(HC1(__HYPERVISOR_fpu_taskswitch, 1), 0);
	let_run(true, 1);
	let_run(false, 1);
	CHECK_TRAP(__asm__ volatile("fnop"), 7, 0);
	check_same("behind TS", &mine);
	other_end(0);
	CHECK_NO_TRAP(__asm__ volatile("fnop"));
}
