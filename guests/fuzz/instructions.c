// SPDX-License-Identifier: MIT
// What is no hypercall but is checked and done by the hypervisor as well: stores
// to page tables, privileged instructions.
#include "fuzz/fuzz.h"
#include "lib/cpu.h"

// 0, or minus a number that tells of the trap.
#define TRY(statement) (CATCH(statement) ? -(long)EFAULT : 0)
#ifdef __x86_64__
#define WORD "q"
#else
#define WORD "l"
#endif
// With a place, a value and an index.
#define STORE(text, place) \
	__asm__ volatile(text : "+q"(value) : "r"(place), "r"(index) : "memory")
// Place, number and port of a string instruction.
#define STRING                          \
	: "+D"(at), "+S"(from), "+c"(n)         \
	: "d"(port)                             \
	: "memory"

// Where, what, and how wide.
static void make_store(struct call *c)
{
	int page = page_table(0);
	int target = page_plain();

	c->args[0] =
		page < 0 ? AREA(18) : ADDRESS(pages[page].at) + below(512) * 8;
	c->args[1] = target < 0 || chance(30)
			     ? 0
			     : make_entry(page_mfn(target), PTE_RW | PTE_U);
	if (page >= 0 && pages[page].level > 1) {
		target = page_table(pages[page].level - 1);
		c->args[1] = target < 0
				     ? 0
				     : make_entry(page_mfn(target), PTE_TABLE);
	}
	if (chance(10))
		c->args[1] = make_entry(odd_frame(), random_next() & 0xfff);
	c->args[2] = chance(40) ? 0 : below(20);
	if (chance(5))
		c->args[0] += below(8);
}

// Forms that a compiler seldom makes.
static long store_more(u64 form, u64 *at, uptr value)
{
	uptr index = 2;

	switch (form) {
	case 8:
		return TRY(STORE("mov %0, -0x1000(%1, %2, 4)", at + 511));
	case 9:
		return TRY(STORE("mov" WORD " $0, 0x10(%1)", at - 2));
	case 10:
		return TRY(STORE("movnti %0, (%1)", at));
	case 11:
		return TRY(STORE("lock xadd %0, (%1)", at));
	case 12:
		return TRY(STORE("lock or" WORD " $0x20, (%1)", at));
	case 13:
		return TRY(STORE("lock bts" WORD " $6, (%1)", at));
	case 14:
		return TRY(STORE("lock btr %2, (%1)", at));
	case 15:
		return TRY(STORE("xorl %k0, (%1)", at));
	case 16:
		return TRY(STORE("addw %w0, 6(%1)", at));
	case 17:
		return TRY(STORE("notb (%1)", at));
	case 18:
		return TRY(STORE("inc" WORD " (%1)", at));
	default:
		return TRY(STORE("fs movb %b0, (%1)", at));
	}
}

static void compare_exchange(u64 *at, u64 value)
{
	u64 old = 0;

#ifdef __x86_64__
	__asm__ volatile("lock cmpxchg %2, (%1)"
			 : "+a"(old)
			 : "r"(at), "r"(value)
			 : "memory");
#else
	__asm__ volatile("lock cmpxchg8b (%1)"
			 : "+A"(old)
			 : "r"(at), "b"((u32)value), "c"((u32)(value >> 32))
			 : "memory");
#endif
}

static long run_store(struct call *c)
{
	u64 *at = (u64 *)(uptr)c->args[0], value = c->args[1];
	uptr count = 1;

	switch (c->args[2]) {
	case 1:
		return TRY(*(volatile u32 *)at = (u32)value);
	case 2:
		return TRY(*(volatile u16 *)at = (u16)value);
	case 3:
		return TRY(*(volatile u8 *)at = (u8)value);
	case 4:
		return TRY(__atomic_exchange_n((uptr *)at, (uptr)value,
					       __ATOMIC_SEQ_CST));
	case 5:
		return TRY(compare_exchange(at, value));
	case 6:
		return TRY(__atomic_fetch_and((uptr *)at, ~(uptr)1,
					      __ATOMIC_SEQ_CST));
	case 7:
		return TRY(__asm__ volatile("rep stos" WORD
					    : "+D"(at), "+c"(count)
					    : "a"((uptr)value)
					    : "memory"));
	case 0:
		return TRY(*(volatile u64 *)at = value);
	default:
		return store_more(c->args[2], at, value);
	}
}

static void make_cpuid(struct call *c)
{
	static const u64 bases[] = { 0, 0x80000000, 0x40000000, 0x40000100 };

	c->args[0] = bases[below(4)] + below(chance(90) ? 32 : 0x10000);
	c->args[1] = below(8);
	c->args[2] = below(2);
}

static long run_cpuid(struct call *c)
{
	u32 a = (u32)c->args[0], b, x = (u32)c->args[1], d;

	if (c->args[2])
		return TRY(
			__asm__ volatile("ud2\n\t.ascii \"xen\"\n\tcpuid"
					 : "+a"(a), "=b"(b), "+c"(x), "=d"(d)));
	return TRY(__asm__ volatile("cpuid"
				    : "+a"(a), "=b"(b), "+c"(x), "=d"(d)));
}

static u64 some_msr(void)
{
	static const u32 msrs[] = {
		0x10,	    0x1b,	0x8b,	    0xce,	0xfe,
		0x140,	    0x174,	0x179,	    0x1a0,	0x1d9,
		0x200,	    0x277,	0x2ff,	    0x345,	0x480,
		0x6e0,	    0x800,	0xc0000080, 0xc0000081, 0xc0000100,
		0xc0000101, 0xc0000102, 0xc0000103, 0xc0010010, 0xc0010015,
		0xc0010055, 0xc0010064, 0xc0011029
	};

	return chance(80) ? msrs[below(ARRAY_SIZE(msrs))]
			  : (u32)(random_next() >> below(32));
}

static void make_msr(struct call *c)
{
	c->args[0] = some_msr();
}

static long run_rdmsr(struct call *c)
{
	return TRY(read_msr((u32)c->args[0]));
}

// What is there already, but where nothing can happen.
static long run_wrmsr(struct call *c)
{
	u32 msr = (u32)c->args[0];
	u64 value = 0;

	if (TRY(value = read_msr(msr)))
		return is_control ? -EFAULT : TRY(write_msr(msr, odd_value()));
	if (msr >= 0xc0000100 && msr <= 0xc0000102)
		value = chance(80) ? SLOT(3) : odd_pointer();
	return TRY(write_msr(msr, value));
}

static void make_port(struct call *c)
{
	static const u16 ports[] = { 0x20,  0x40,  0x43,  0x61, 0x64,  0x70,
				     0x71,  0x80,  0x92,  0xa1, 0x3f8, 0x3fd,
				     0x4d0, 0xcf8, 0xcf9, 0xcfc };

	c->args[0] =
		chance(60) ? ports[below(ARRAY_SIZE(ports))] : below(0x10000);
	c->args[1] = below(3);
}

static long run_in(struct call *c)
{
	u16 port = (u16)c->args[0];
	u32 value;

	switch (c->args[1]) {
	case 0:
		return TRY(__asm__ volatile("inb %%dx"
					    : "=a"(value)
					    : "d"(port)));
	case 1:
		return TRY(__asm__ volatile("inw %%dx"
					    : "=a"(value)
					    : "d"(port)));
	default:
		return TRY(__asm__ volatile("inl %%dx"
					    : "=a"(value)
					    : "d"(port)));
	}
}

// The hardware's owner could do real harm.
static long run_out(struct call *c)
{
	u16 port = is_control ? 0x80 : (u16)c->args[0];

	if (c->args[1])
		return TRY(__asm__ volatile("outl %%dx" ::"a"(0), "d"(port)));
	return TRY(__asm__ volatile("outb %%dx" ::"a"(0), "d"(port)));
}

static void make_string(struct call *c)
{
	static const u64 places[] = { OUT_AREA, OUT_AREA + PAGE_SIZE - 4,
				      AREA(18) - 5, ARG_RO, AREA(18) };

	make_port(c);
	c->args[2] =
		chance(90) ? places[below(ARRAY_SIZE(places))] : odd_pointer();
	c->args[3] = below(10);
	c->args[4] = below(8);
}

// The owner of the hardware reads and writes where nothing answers.
static long run_string(struct call *c)
{
	uptr port = is_control ? 0x80 : c->args[0];
	uptr at = c->args[2], n = c->args[3], from = at;

	switch (c->args[4]) {
	case 0:
		return TRY(__asm__ volatile("rep insb" STRING));
	case 1:
		return TRY(__asm__ volatile("rep insw" STRING));
	case 2:
		return TRY(__asm__ volatile("rep insl" STRING));
	case 3:
		return TRY(__asm__ volatile("insb" STRING));
	case 4:
		return TRY(__asm__ volatile("rep outsb" STRING));
	case 5:
		return TRY(__asm__ volatile("rep outsw" STRING));
	case 6:
		return TRY(__asm__ volatile("fs rep outsl" STRING));
	default:
		return TRY(__asm__ volatile("insl" STRING));
	}
}

// Selectors: of the guest's own tables, the hypervisor's, none.
static void make_selector(struct call *c)
{
	static const u16 known[] = { 0,	     3,	     FLAT_KERNEL_CS,
				     0xe02b, 0xe033, 0xe023,
				     0xe008, 0xe010, 0xe040 };

	c->args[0] = chance(40) ? known[below(ARRAY_SIZE(known))]
				: below(chance(70) ? 64 : 0x10000);
	c->args[1] = below(6);
}

// Loaded; then a yield takes it in and out of the hypervisor. It must not be there
// when the compiler's code goes on.
#ifdef __x86_64__
#define NUMBER	 "D"
#define YIELD	 "syscall"
#define CLOBBERS "rcx", "r11", "memory"
#define FLAT	 0
#else
#define NUMBER	 "b"
#define YIELD	 "int $0x82"
#define CLOBBERS "memory"
#define FLAT	 FLAT_USER_DS
#endif
#define LOAD(segment)                                                \
	TRY(__asm__ volatile("mov %w[value], %%" segment "\n"        \
			     "	" YIELD "\n"                         \
			     "	mov %w[flat], %%" segment            \
			     : "+a"(yield)                           \
			     : [value] "r"(value), [flat] "r"(FLAT), \
			       NUMBER(SCHEDOP_yield)                 \
			     : CLOBBERS))

static long run_selector(struct call *c)
{
	uptr value = (u16)c->args[0], out = 0, yield = __HYPERVISOR_sched_op;

	switch (c->args[1]) {
	case 0:
		return LOAD("fs");
	case 1:
		return LOAD("es");
	case 2:
		return TRY(__asm__ volatile("lar %1, %0"
					    : "=r"(out)
					    : "r"(value)));
	case 3:
		return TRY(__asm__ volatile("lsl %1, %0"
					    : "=r"(out)
					    : "r"(value)));
	case 4:
		return TRY(__asm__ volatile("lldt %w0" ::"r"(value)));
	default:
		return LOAD("ds");
	}
}

static void make_trap(struct call *c)
{
	c->args[0] = below(16);
	// What is called must not be there.
	c->args[1] = c->args[0] != 2 && chance(50) ? odd_pointer() : nowhere();
}

static long run_trap(struct call *c)
{
	volatile u64 *at = (volatile u64 *)(uptr)c->args[1];
	uptr zero = 0;

	switch (c->args[0]) {
	case 0:
		return TRY((void)*at);
	case 1:
		return TRY(*at = 0);
	case 2:
		return TRY(((void (*)(void))at)());
	case 3:
		return TRY(__asm__ volatile("divl %k0" ::"r"(zero)
					    : "rax", "rdx"));
	case 4:
		return TRY(__asm__ volatile("int3"));
	case 5:
		return TRY(__asm__ volatile("int $0x80"));
	case 6:
		return TRY(__asm__ volatile("int $14"));
	case 7:
		return TRY(__asm__ volatile("int $0xff"));
	case 8:
		return TRY(__asm__ volatile("ud2"));
	case 9:
		return TRY(__asm__ volatile("fnop"));
	case 10:
		return TRY(__asm__ volatile("sysenter" ::: "rcx", "rdx"));
	case 11:
		return TRY(__asm__ volatile("rdpmc" ::"c"(0) : "rax", "rdx"));
	case 12:
		return TRY(__asm__ volatile("xsetbv" ::"c"(0), "a"(3), "d"(0)));
	case 13:
		return TRY(__asm__ volatile("mov %%cr8, %0" : "=r"(zero)));
	case 14:
		return TRY(__asm__ volatile("ltr %w0" ::"r"(zero)));
	default:
		return TRY(__asm__ volatile("rdtsc" ::: "rax", "rdx"));
	}
}

static void make_which(struct call *c)
{
	c->args[0] = below(16);
	c->args[1] = SLOT((u64)below(SLOTS));
}

static long run_control(struct call *c)
{
	const uptr at = (uptr)c->args[1];
	uptr v = 0;

	switch (c->args[0]) {
	case 0:
		return TRY(__asm__ volatile("mov %%cr0, %0\n\tmov %0, %%cr0"
					    : "=&r"(v)));
	case 1:
		return TRY(__asm__ volatile("mov %%cr2, %0" : "=r"(v)));
	case 2:
		return TRY(__asm__ volatile("mov %%cr3, %0\n\tmov %0, %%cr3"
					    : "=&r"(v)));
	case 3:
		return TRY(__asm__ volatile("mov %%cr4, %0\n\tmov %0, %%cr4"
					    : "=&r"(v)));
	case 4:
		return TRY(__asm__ volatile("clts"));
	case 5:
		return TRY(__asm__ volatile("mov %%db0, %0" : "=r"(v)));
	case 6:
		return TRY(__asm__ volatile("mov %%db6, %0" : "=r"(v)));
	case 7:
		return TRY(__asm__ volatile("mov %%db7, %0" : "=r"(v)));
	case 8:
		return TRY(__asm__ volatile("mov %0, %%db1" ::"r"(at)));
	case 9:
		return TRY(__asm__ volatile("wbinvd"));
	case 10:
		return TRY(__asm__ volatile("invlpg (%0)" ::"r"(at)));
	case 11:
		return TRY(__asm__ volatile("lgdt (%0)" ::"r"(at)));
	case 12:
		return TRY(__asm__ volatile("xgetbv" ::"c"(0) : "rax", "rdx"));
	case 13:
		return TRY(__asm__ volatile("cli\n\tsti"));
	case 14:
		return TRY(__asm__ volatile("int $0x55"));
	default:
		return TRY(__asm__ volatile("rdtscp" ::: "rax", "rcx", "rdx"));
	}
}

#define OP(name, make, run, weight)                           \
	{                                                     \
		name, make, NULL, 0, 0, weight, OP_EXACT, run \
	}

static const struct op ops[] = {
	OP("store to a table", make_store, run_store, 24),
	OP("cpuid", make_cpuid, run_cpuid, 6),
	OP("rdmsr", make_msr, run_rdmsr, 6),
	OP("wrmsr", make_msr, run_wrmsr, 6),
	OP("in", make_port, run_in, 6),
	OP("out", make_port, run_out, 6),
	OP("string in, out", make_string, run_string, 8),
	OP("selector", make_selector, run_selector, 8),
	OP("trap", make_trap, run_trap, 8),
	OP("control", make_which, run_control, 8),
};
const struct op_list instruction_ops = { ops, ARRAY_SIZE(ops) };
