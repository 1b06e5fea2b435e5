// SPDX-License-Identifier: MIT
// A 32-bit program that calls its 64-bit kernel in every way there is: int 0x80,
// what the kernel's vDSO has for it, and syscall and sysenter by hand. The kernel
// goes on behind those two at a fixed place of the vDSO, which pops ebp, edx and
// ecx and returns; so they are called, and push these. No library: i386 ones are
// not where this is built.
//
// Prints what the vDSO has, and for each way "well" (six arguments arrive, all
// registers, flags and segments are kept, a signal interrupts, single steps go
// on), what was wrong, or the signal that it ends with. With an argument it leaves
// out the direction flag.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint8_t u8;

// Numbers of the calls on i386.
enum {
	EXIT = 1,
	FORK = 2,
	READ = 3,
	WRITE = 4,
	CLOSE = 6,
	WAITPID = 7,
	GETPID = 20,
	PIPE = 42,
	SIGACTION = 67,
	MUNMAP = 91,
	SETITIMER = 104,
	PWRITE = 180 + 1,
	MMAP2 = 192,
	SET_THREAD_AREA = 243,
	MEMFD_CREATE = 356,
};
#define EBADF	   9
#define ENOSYS	   38
#define SIGTRAP	   5
#define SIGALRM	   14
#define SA_RESTART 0x10000000u
#define AT_SYSINFO 32
#define TF	   0x100u
#define FLAGS	   0x40cc1u // AC, OF, DF, SF, ZF, CF
#define DF	   0x400u
#define PAGE	   4096u
#define MAGIC	   0x5a17c0deu

struct registers {
	u32 eax, ebx, ecx, edx, esi, edi, ebp, flags, esp;
	uint16_t segments[6];
};
struct registers in, out;
static struct registers first; // behind a call of nothing
u32 way, before[4], sysinfo;

// Loads `in`, calls the way, stores `out`.
void called(void);
extern const u8 behind[], by_nothing[], by_int80[], by_vdso[], by_syscall[],
	by_sysenter[];
__asm__(".text\n"
	"called:\n"
	"	pusha\n"
	"	mov %esp, before\n"
	"	mov in + 4, %ebx\n"
	"	mov in + 8, %ecx\n"
	"	mov in + 12, %edx\n"
	"	mov in + 16, %esi\n"
	"	mov in + 20, %edi\n"
	"	mov in + 24, %ebp\n"
	"	mov in, %eax\n"
	"	pushl in + 28\n"
	"	popf\n"
	"	call *way\n"
	"behind:\n"
	"	pushf\n"
	"	popl out + 28\n"
	"	pushl $0x202\n"
	"	popf\n"
	"	mov %esp, out + 32\n"
	"	mov before, %esp\n"
	"	mov %eax, out\n"
	"	mov %ebx, out + 4\n"
	"	mov %ecx, out + 8\n"
	"	mov %edx, out + 12\n"
	"	mov %esi, out + 16\n"
	"	mov %edi, out + 20\n"
	"	mov %ebp, out + 24\n"
	"	movw %cs, out + 36\n"
	"	movw %ss, out + 38\n"
	"	movw %ds, out + 40\n"
	"	movw %es, out + 42\n"
	"	movw %fs, out + 44\n"
	"	movw %gs, out + 46\n"
	"	popa\n"
	"	ret\n"
	"by_int80:\n"
	"	int $0x80\n"
	"by_nothing:\n"
	"	ret\n"
	"by_vdso:\n"
	"	jmp *sysinfo\n"
	"by_syscall:\n"
	"	push %ecx\n"
	"	push %edx\n"
	"	push %ebp\n"
	"	mov %ecx, %ebp\n"
	"	syscall\n"
	"	ud2\n"
	"by_sysenter:\n"
	"	push %ecx\n"
	"	push %edx\n"
	"	push %ebp\n"
	"	mov %esp, %ebp\n"
	"	sysenter\n"
	"	ud2\n"
	".globl _start\n"
	"_start:\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call start\n");
_Static_assert(offsetof(struct registers, segments) == 36, "in the code above");

static const char *wrong; // what was found first
static u32 flags = FLAGS;

static long sys(u32 nr, u32 b, u32 c, u32 d, u32 si, u32 di)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(nr), "b"(b), "c"(c), "d"(d), "S"(si), "D"(di)
			 : "memory");
	return result;
}
#define SYS3(nr, b, c, d) sys(nr, (u32)(b), (u32)(c), (u32)(d), 0, 0)

static void say(const char *text)
{
	u32 size = 0;

	while (text[size])
		size++;
	SYS3(WRITE, 1, text, size);
}

static void expect(bool good, const char *what)
{
	if (!good && !wrong)
		wrong = what;
}

static void arguments(u32 nr, u32 b, u32 c, u32 d, u32 si, u32 di, u32 bp,
		      u32 with)
{
	in = (struct registers){ .eax = nr,
				 .ebx = b,
				 .ecx = c,
				 .edx = d,
				 .esi = si,
				 .edi = di,
				 .ebp = bp,
				 .flags = with | 0x202 };
}

static void hex(char *at, u32 value)
{
	for (int i = 0; i < 4; i++)
		at[i] = "0123456789abcdef"[value >> 4 * (3 - i) & 15];
}

static void segment_lost(int i)
{
	static char text[] = "xs is 0000, was 0000";

	text[0] = "csdefg"[i];
	hex(text + 6, out.segments[i]);
	hex(text + 16, first.segments[i]);
	expect(false, text);
}

// The way, with all but its result as before; flags may have lost the step's.
static u32 call(u32 nr, u32 b, u32 c, u32 d, u32 si, u32 di, u32 bp)
{
	u32 word;

	arguments(nr, b, c, d, si, di, bp, flags);
	called();
	expect(out.ebx == b && out.ecx == c && out.edx == d && out.esi == si &&
		       out.edi == di && out.ebp == bp,
	       "a register is lost");
	expect((out.flags & (FLAGS | TF)) == flags, "a flag is lost");
	expect(out.esp == before[0], "the stack is elsewhere");
	for (int i = 0; i < 6; i++)
		// A null selector gets an RPL by a signal's return.
		if (out.segments[i] != first.segments[i] &&
		    (out.segments[i] | first.segments[i]) > 3)
			segment_lost(i);
	__asm__ volatile("movl %%gs:0, %0" : "=r"(word));
	expect(word == MAGIC, "what gs names is lost");
	return out.eax;
}

static u32 file;

// The file's pages begin with their number.
static void make_file(void)
{
	static const u32 name = 'f';

	file = (u32)SYS3(MEMFD_CREATE, &name, 0, 0);
	for (u32 i = 0; i < 8; i++)
		sys(PWRITE, file, (u32)&i, 4, i * PAGE, 0);
}

static void check_arguments(void)
{
	const u32 at = 0x50000000;

	for (u32 i = 0; i < 200; i++) {
		u32 page = i % 7;
		volatile u32 *map = (volatile u32 *)at;

		// Readable, private, fixed.
		expect(call(MMAP2, at, 2 * PAGE, 1, 0x12, file, page) == at,
		       "mmap2 fails");
		if (wrong)
			return;
		expect(map[0] == page && map[PAGE / 4] == page + 1,
		       "mmap2 maps another page");
		expect(call(MUNMAP, at, 2 * PAGE, 3, 4, 5, 6) == 0,
		       "munmap fails");
	}
	expect(call(GETPID, 1, 2, 3, 4, 5, 6) == (u32)SYS3(GETPID, 0, 0, 0),
	       "getpid is another's");
	expect(call(CLOSE, ~0u, 2, 3, 4, 5, 6) == -(u32)EBADF, "no EBADF");
	expect(call(100000, 1, 2, 3, 4, 5, 6) == -(u32)ENOSYS, "no ENOSYS");
}

static u32 pipe_ends[2], alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
	SYS3(WRITE, pipe_ends[1], "!", 1);
}

// struct sigcontext of i386: what is used of it.
struct context {
	u32 segments[4], edi, esi, ebp, esp, ebx, edx, ecx, eax;
	u32 trap, error, eip, cs, eflags;
};
static u32 steps, step_behind, step_flags;

static void on_trap(int signal, struct context context)
{
	(void)signal;
	steps++;
	if (context.eip == (u32)behind) {
		step_behind++;
		step_flags = context.eflags;
	}
}

static void handle(u32 signal, u32 handler)
{
	struct {
		u32 handler, mask, flags, restorer;
	} action = { handler, 0, SA_RESTART, 0 };

	SYS3(SIGACTION, signal, &action, 0);
}

// A read that waits, is interrupted, and goes on by itself.
static void check_signal(void)
{
	static u32 timer[4] = { 0, 0, 0, 30000 };
	static char byte;

	byte = 0;
	alarms = 0;
	SYS3(SETITIMER, 0, timer, 0);
	expect(call(READ, pipe_ends[0], (u32)&byte, 1, 4, 5, 6) == 1,
	       "read is not restarted");
	expect(alarms == 1 && byte == '!', "no signal");
}

static void check_steps(void)
{
	steps = step_behind = 0;
	arguments(GETPID, 1, 2, 3, 4, 5, 6, TF);
	called();
	expect(out.eax == (u32)SYS3(GETPID, 0, 0, 0), "getpid in steps");
	expect(steps > 2 && step_behind == 1 && step_flags & TF,
	       "steps end at the call");
}

static void check_way(const char *name, const u8 *code)
{
	static char number[] = ": signal 00\n";
	u32 status = 0;
	long child = SYS3(FORK, 0, 0, 0);

	way = (u32)code;
	wrong = NULL;
	if (!child) {
		// The first one may be the last.
		call(GETPID, 1, 2, 3, 4, 5, 6);
		check_arguments();
		check_signal();
		check_steps();
		say(name);
		say(wrong ? ": " : ": well\n");
		if (wrong) {
			say(wrong);
			say("\n");
		}
		SYS3(EXIT, 0, 0, 0);
	}
	SYS3(WAITPID, child, &status, 0);
	if (!(status & 0x7f))
		return;
	number[9] = (char)('0' + (status & 0x7f) / 10);
	number[10] = (char)('0' + (status & 0x7f) % 10);
	say(name);
	say(number);
}

static bool has(const u8 *at, u8 first, u8 second)
{
	return at[0] == first && at[1] == second;
}

// From its beginning to its ret: the instructions that call, in their order.
static void show_vdso(void)
{
	const u8 *at = (const u8 *)sysinfo;

	say("vdso:");
	for (u32 i = 0; i < 64 && at[i] != 0xc3; i++) {
		if (has(at + i, 0x0f, 0x34))
			say(" sysenter");
		else if (has(at + i, 0x0f, 0x05))
			say(" syscall");
		else if (has(at + i, 0xcd, 0x80))
			say(" int80");
	}
	say("\n");
}

// Something behind gs, as threads have it.
static void make_segment(void)
{
	static const u32 magic = MAGIC;
	struct {
		u32 entry, base, limit, flags;
	} area = { ~0u, (u32)&magic, 0xfffff, 0x51 }; // 32-bit, pages, usable

	SYS3(SET_THREAD_AREA, &area, 0, 0);
	__asm__ volatile("movw %w0, %%gs" : : "r"(area.entry * 8 + 3));
}

void start(const u32 *stack) __attribute__((noreturn));
void start(const u32 *stack)
{
	const u32 *aux = stack + 1 + stack[0] + 1; // behind the arguments

	if (stack[0] > 1)
		flags &= ~DF;
	while (*aux++)
		; // the environment
	for (; aux[0]; aux += 2)
		if (aux[0] == AT_SYSINFO)
			sysinfo = aux[1];
	make_segment();
	make_file();
	SYS3(PIPE, pipe_ends, 0, 0);
	handle(SIGALRM, (u32)on_alarm);
	handle(SIGTRAP, (u32)on_trap);
	way = (u32)by_nothing;
	called();
	first = out;
	if (sysinfo)
		show_vdso();
	check_way("int80", by_int80);
	check_way("vdso", by_vdso);
	check_way("syscall", by_syscall);
	check_way("sysenter", by_sysenter);
	for (;;)
		SYS3(EXIT, 0, 0, 0);
}
