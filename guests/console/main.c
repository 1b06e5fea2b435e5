// SPDX-License-Identifier: MIT
// Does what the words on its command line say, one after the other, as
// tests/boot/console.py wants it: what the console and the ends of a domain
// look like from outside. A register or stack word that a test looks for is
// 0xfeed0000000000NN.
#include "lib/domu.h"

#define MS   1000000ul
#define WAIT (10000 * MS)

// Registers and stack words with their marks; then LAST at a known address.
#ifdef __x86_64__
#define MARKS(last)                           \
	"	movabs $0xfeed000000000001, %rax\n" \
	"	lea 1(%rax), %rbx\n"                \
	"	lea 2(%rax), %rcx\n"                \
	"	lea 3(%rax), %rdx\n"                \
	"	lea 4(%rax), %rsi\n"                \
	"	lea 5(%rax), %rdi\n"                \
	"	lea 6(%rax), %rbp\n"                \
	"	lea 7(%rax), %r8\n"                 \
	"	lea 8(%rax), %r9\n"                 \
	"	lea 9(%rax), %r10\n"                \
	"	lea 10(%rax), %r11\n"               \
	"	lea 11(%rax), %r12\n"               \
	"	lea 12(%rax), %r13\n"               \
	"	lea 13(%rax), %r14\n"               \
	"	lea 14(%rax), %r15\n"               \
	"	push %r15\n"                        \
	"	push %r14\n"                        \
	"	push %r13\n" last

__asm__(".pushsection .text\n"
	"marked_spin:\n" MARKS("1:	jmp 1b\n") "marked_ud2:\n" MARKS(
		"	ud2\n") ".popsection\n"
				// A domain: writes 100 lines, from "flood 00" on, leaves what the last
				// write answered on its stack and faults.
				".pushsection .rodata\n"
				"code_flood:\n"
				"	mov $100, %r15d\n"
				"2:	xor %edi, %edi\n"
				"	mov $9, %esi\n"
				"	mov $0x3000, %edx\n"
				"	mov $18, %eax\n" // console_io(CONSOLEIO_write, 9, text)
				"	syscall\n"
				"	incb 0x3007\n"
				"	cmpb $0x3a, 0x3007\n"
				"	jne 3f\n"
				"	movb $0x30, 0x3007\n"
				"	incb 0x3006\n"
				"3:	dec %r15d\n"
				"	jnz 2b\n"
				"	push %rax\n" MARKS(
					"	ud2\n") ".popsection\n");
extern const u8 code_flood[];
#else // 0xfeed00NN
#define MARKS(last)                 \
	"	movl $0xfeed0001, %eax\n" \
	"	lea 1(%eax), %ebx\n"      \
	"	lea 2(%eax), %ecx\n"      \
	"	lea 3(%eax), %edx\n"      \
	"	lea 4(%eax), %esi\n"      \
	"	lea 5(%eax), %edi\n"      \
	"	lea 6(%eax), %ebp\n"      \
	"	push %ebp\n"              \
	"	push %edi\n"              \
	"	push %esi\n" last
__asm__(".pushsection .text\n"
	"marked_spin:\n" MARKS("1:	jmp 1b\n") "marked_ud2:\n" MARKS(
		"	ud2\n") ".popsection\n");
#endif
void marked_spin(void);
void marked_ud2(void);

static void do_echo(void)
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_CONSOLE };
	evtchn_port_t port;
	struct sched_poll poll = { .nr_ports = 1 };
	char c = 0;

	event_op(EVTCHNOP_bind_virq, &bind);
	port = bind.port;
	set_xen_guest_handle(poll.ports, &port);
	printf("echo starts\n");
	while (c != 'q') {
		shared->evtchn_pending[port / WIDTH] = 0;
		if (HC3(__HYPERVISOR_console_io, CONSOLEIO_read, 1, &c) == 1)
			printf("read %02x\n", (unsigned int)(u8)c);
		else
			sched_op(SCHEDOP_poll, &poll);
	}
}

static void do_spin(void)
{
	printf("spins\n");
	marked_spin();
}

// The trap ends the domain: it has no handler any more.
static void do_fault(void)
{
	HC1(__HYPERVISOR_set_trap_table, NULL);
	printf("faults\n");
	marked_ud2();
}

#ifdef __x86_64__
static void do_domu(void)
{
	static const char text[] = "flood 00\n";
	struct domu d;

	if (!domu_make(&d, code_flood, text, sizeof(text)))
		return;
	domu_unpause(&d);
	printf("domain %u ended, reason %ld\n", d.id, domu_outcome(d.id, WAIT));
	domain_destroy(d.id);
}
#endif

static void do_watchdog(void)
{
	struct sched_watchdog dog = { .id = 0, .timeout = 1 };

	printf("watchdog %ld\n", sched_op(SCHEDOP_watchdog, &dog));
	for (;;)
		sched_op(SCHEDOP_poll, &(struct sched_poll){ 0 });
}

static void do_screen(void)
{
	const struct dom0_vga_console_info *info =
		(const void *)((const u8 *)start_info +
			       start_info->console.dom0.info_off);

	printf("screen type %u, %u columns, %u rows\n", info->video_type,
	       info->u.text_mode_3.columns, info->u.text_mode_3.rows);
}

// 200 lines of 40 characters in one call, and how long it took.
static void do_burst(void)
{
	static char text[8001];
	u64 begin;

	for (unsigned int i = 0; i < 200; i++)
		snprintf(text + i * 40, 41, "burst %03u %s\n", i,
			 "56789012345678901234567890123");
	begin = system_time();
	HC3(__HYPERVISOR_console_io, CONSOLEIO_write, 8000, text);
	printf("burst took %" LL "u us\n", (system_time() - begin) / 1000);
}

// "reason-N": the domain ends with it; "code-N": when it ends, then with it.
static void shut_down(const char *word, const char *prefix, int cmd)
{
	size_t n = strlen(prefix);
	struct sched_shutdown how = { .reason = (unsigned int)(word[n] - '0') };

	if (memcmp(word, prefix, n))
		return;
	printf("shutdown %u\n", how.reason);
	printf("answer %ld\n", sched_op(cmd, &how));
}

static const struct {
	const char *word;
	void (*fn)(void);
} actions[] = {
	{ "echo", do_echo },	 { "spin", do_spin },
	{ "burst", do_burst },	 { "fault", do_fault },
	{ "screen", do_screen }, { "watchdog", do_watchdog },
#ifdef __x86_64__
	{ "domu", do_domu },
#endif
};

TEST(words)
{
	const char *s = (const char *)start_info->cmd_line;
	size_t n;

	for (; *s; s += n + (s[n] == ' ')) {
		for (n = 0; s[n] && s[n] != ' '; n++)
			;
		for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
			if (strlen(actions[i].word) == n &&
			    !memcmp(actions[i].word, s, n))
				actions[i].fn();
		shut_down(s, "reason-", SCHEDOP_shutdown);
		shut_down(s, "code-", SCHEDOP_shutdown_code);
	}
}
