// SPDX-License-Identifier: MIT
// Debug traps and alignment checks out of their own handlers: steps that never
// end, a watched word on the stack that frames are written to, a stack that is
// not aligned. The domain gets nowhere; the machine and the others do.
#include "attack/attack.h"

#define TIME	 (30 * MS)
#define PATIENCE (5000 * MS)
#define WATCHED	 "0x2ef8" // of a frame below 0x2f00

// The table of traps stands behind the count.
#ifdef __x86_64__
#define BEGIN                  \
	"	mov $0x3010, %edi\n" \
	"	xor %eax, %eax\n"    \
	"	syscall\n"
__asm__(".pushsection .rodata\n"
	".balign 256\n"
	"loop_steps:\n" BEGIN "	pushfq\n"
	"	orq $0x100, (%rsp)\n"
	"	popfq\n"
	"1:	jmp 1b\n"
	".org loop_steps + 128, 0x90\n" // the handler: back, with the flag
	"	incq 0x3000\n"
	"	pop %rcx\n"
	"	pop %r11\n"
	"	push $0\n"
	"	push %rcx\n"
	"	push %r11\n"
	"	push %rax\n"
	"	mov $23, %eax\n"
	"	syscall\n"
	".balign 256\n"
	"loop_steps_inside:\n" BEGIN "	pushfq\n"
	"	orq $0x100, (%rsp)\n"
	"	popfq\n"
	"	nop\n"
	".org loop_steps_inside + 128, 0x90\n" // steps itself
	"	incq 0x3000\n"
	"	pushfq\n"
	"	orq $0x100, (%rsp)\n"
	"	popfq\n"
	"	nop\n"
	"2:	jmp 2b\n"
	".balign 256\n"
	"loop_watch:\n" BEGIN "	xor %edi, %edi\n"
	"	mov $" WATCHED ", %esi\n"
	"	mov $8, %eax\n"
	"	syscall\n"
	"	mov $7, %edi\n"
	"	mov $0x90401, %esi\n" // 8 bytes, written
	"	mov $8, %eax\n"
	"	syscall\n"
	".org loop_watch + 128, 0x90\n"
	"	incq 0x3000\n"
	"	mov $0x2f00, %esp\n"
	"	movq $0, " WATCHED "\n"
	"	nop\n"
	"3:	jmp 3b\n"
	".balign 256\n"
	"loop_alignment:\n" BEGIN ".org loop_alignment + 128, 0x90\n"
	"	mov $0x2f01, %esp\n"
	"	incq 0x3000\n"
	"	pushfq\n" // not aligned, without the flag
	"	orq $0x40000, (%rsp)\n"
	"	popfq\n"
	"	push %rax\n"
	"4:	jmp 4b\n"
	".balign 256\n"
	".popsection\n");
#else
#define BEGIN                  \
	"	mov $0x3010, %ebx\n" \
	"	xor %eax, %eax\n"    \
	"	int $0x82\n"
__asm__(".pushsection .rodata\n"
	".balign 256\n"
	"loop_steps:\n" BEGIN "	pushfl\n"
	"	orl $0x100, (%esp)\n"
	"	popfl\n"
	"1:	jmp 1b\n"
	".org loop_steps + 128, 0x90\n"
	"	incl 0x3000\n"
	"	push %eax\n"
	"	mov $23, %eax\n"
	"	int $0x82\n"
	".balign 256\n"
	"loop_steps_inside:\n" BEGIN "	pushfl\n"
	"	orl $0x100, (%esp)\n"
	"	popfl\n"
	"	nop\n"
	".org loop_steps_inside + 128, 0x90\n"
	"	incl 0x3000\n"
	"	pushfl\n"
	"	orl $0x100, (%esp)\n"
	"	popfl\n"
	"	nop\n"
	"2:	jmp 2b\n"
	".balign 256\n"
	"loop_watch:\n" BEGIN "	xor %ebx, %ebx\n"
	"	mov $" WATCHED ", %ecx\n"
	"	mov $8, %eax\n"
	"	int $0x82\n"
	"	mov $7, %ebx\n"
	"	mov $0xd0401, %ecx\n" // 4 bytes, written
	"	mov $8, %eax\n"
	"	int $0x82\n"
	".org loop_watch + 128, 0x90\n"
	"	incl 0x3000\n"
	"	mov $0x2f00, %esp\n"
	"	movl $0, " WATCHED "\n"
	"	nop\n"
	"3:	jmp 3b\n"
	".balign 256\n"
	"loop_alignment:\n" BEGIN ".org loop_alignment + 128, 0x90\n"
	"	mov $0x2f01, %esp\n"
	"	incl 0x3000\n"
	"	pushfl\n"
	"	orl $0x40000, (%esp)\n"
	"	popfl\n"
	"	push %eax\n"
	"4:	jmp 4b\n"
	".balign 256\n"
	".popsection\n");
#endif
extern const u8 loop_steps[], loop_steps_inside[], loop_watch[],
	loop_alignment[];

struct data {
	u64 count, none;
	struct trap_info table[2];
};

static volatile struct data *data;

static bool loop_start(struct domu *d, const u8 *code, u8 vector)
{
	struct data start = {
		.table = { { vector, 0, FLAT_KERNEL_CS, DOMU_CODE + 128 } },
	};

	_Static_assert(offsetof(struct data, table) == 0x10, "as BEGIN has it");
	if (!domu_make(d, code, &start, sizeof(start)))
		return false;
	CHECK_EQ(foreign_map(1, d->id, d->data, PTE_RW), 0);
	data = window_at(1);
	domu_unpause(d);
	return true;
}

static void loop_end(const struct domu *d)
{
	window(1);
	domain_destroy(d->id);
	CHECK_EQ(version_op(XENVER_pagesize, NULL), PAGE_SIZE);
}

// Its handler gets to more than so many rounds, while this one polls.
static bool goes_beyond(const struct domu *d, u64 count)
{
	u64 until = system_time() + PATIENCE;

	while (data->count <= count && system_time() < until)
		if (!CHECK_EQ(domu_outcome(d->id, MS), DOMU_RUNS))
			break;
	return CHECK(data->count > count);
}

static void check_forever(const u8 *code, u8 vector, bool raised)
{
	struct domu d;
	u64 seen;

	if (!loop_start(&d, code, vector))
		return;
	if (goes_beyond(&d, 0)) {
		seen = data->count;
		CHECK_EQ(domu_outcome(d.id, TIME), DOMU_RUNS);
		if (raised)
			goes_beyond(&d, seen);
		else
			CHECK_EQ(data->count, seen);
	}
	loop_end(&d);
}

TEST(steps_for_ever)
{
	check_forever(loop_steps, 1, true);
}

TEST(watched_frames)
{
	check_forever(loop_watch, 1, true);
}

// Each frame is made on a stack that is not aligned. QEMU's processor checks
// none; ring 1 is not checked.
TEST(alignment_for_ever)
{
	check_forever(loop_alignment, 17, WIDTH == 64 && has_word("bochs"));
}

// The stack ends: a page without write access lies below.
TEST(steps_in_handlers)
{
	struct domu d;

	if (!loop_start(&d, loop_steps_inside, 1))
		return;
	CHECK_EQ(domu_outcome(d.id, PATIENCE), SHUTDOWN_crash);
	CHECK_EQ(data->count, WIDTH == 64 ? PAGE_SIZE / 64 : PAGE_SIZE / 12);
	loop_end(&d);
}
