// SPDX-License-Identifier: MIT
// QEMU plugin (interface version 1): counts executed instructions by address
// range, tells where Dom0 starts, where its first user program starts, and
// what was executed between two markers. The declarations are our own, as
// distributions ship none.
//
// A marker is the 7-byte NOP 0f 1f 80 ID OP b1 5e: OP 1 starts section ID, 2
// ends it, 3 stops the machine. Options: out=FILE; until=first|init|exit;
// blocks=FILE: instructions by block; section=ID: only of its last turn.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t u64;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void translated_fn(u64 id, struct qemu_plugin_tb *tb);
typedef void executed_fn(unsigned int vcpu, void *data);
typedef void exit_fn(u64 id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(u64 id, translated_fn *fn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    executed_fn *fn, int flags,
					    void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						int op, void *to, u64 add);
void qemu_plugin_register_atexit_cb(u64 id, exit_fn *fn, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
u64 qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *,
						 size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(u64 id, const void *info, int argc, char **argv);

// Where code runs. Before Dom0 starts, LOW is loaders and boot stage; after
// that it is user programs.
enum range { LOW, HV, KERNEL, RANGES };
static const char *const range_names[] = { "low", "hv", "kernel" };
#define HV_START     0xffff800000000000ul
#define KERNEL_START 0xffff880000000000ul
#define LOW_END	     0x0000800000000000ul

// Counted apart inside the hypervisor, as a mere count of instructions hides
// what they cost.
enum heavy {
	OTHER,
	CR,
	INVLPG,
	MSR,
	RETURN,
	PORT,
	LOCKED,
	CPUID,
	XSAVE,
	SWAPGS,
	PAUSE,
	HALT,
	HEAVIES
};
static const char *const heavy_names[] = { "other",  "cr",	    "invlpg",
					   "msr",    "iret+sysret", "port",
					   "locked", "cpuid",	    "xsave",
					   "swapgs", "pause",	    "hlt" };

static struct counts {
	u64 plain[RANGES], rep[RANGES], heavy[HEAVIES];
} total, marked;

static FILE *out;
static const char *blocks_path;
static u64 blocks_section;
static enum { FIRST, INIT, EXIT } until = EXIT;
static bool kernel_seen, user_seen;

static struct block {
	struct block *next;
	u64 start, size, plain, rep;
} * blocks[1 << 16];

static struct block *block_of(u64 start, u64 size)
{
	struct block **slot = &blocks[(start ^ start >> 16) & 0xffff];
	struct block *b;

	for (b = *slot; b; b = b->next)
		if (b->start == start && b->size == size)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	*b = (struct block){ .next = *slot, .start = start, .size = size };
	return *slot = b;
}

static void print_counts(const char *what, const struct counts *from)
{
	fprintf(out, "%s", what);
	for (int i = 0; i < RANGES; i++)
		fprintf(out, " %s=%lu %s-rep=%lu", range_names[i],
			total.plain[i] - from->plain[i], range_names[i],
			total.rep[i] - from->rep[i]);
	for (int i = 1; i < HEAVIES; i++)
		fprintf(out, " %s=%lu", heavy_names[i],
			total.heavy[i] - from->heavy[i]);
	fprintf(out, "\n");
	fflush(out);
}

static void print_blocks(void)
{
	FILE *to = blocks_path ? fopen(blocks_path, "w") : NULL;

	if (!to)
		return;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		for (struct block *b = blocks[i]; b; b = b->next)
			if (b->plain + b->rep)
				fprintf(to, "%lx %lu %lu %lu\n", b->start,
					b->size, b->plain, b->rep);
	fclose(to);
}

static void clear_blocks(void)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		for (struct block *b = blocks[i]; b; b = b->next)
			b->plain = b->rep = 0;
}

static void reached(const char *what)
{
	static const struct counts none;

	print_counts(what, &none);
}

static void stop(void)
{
	if (!blocks_section)
		print_blocks();
	fclose(out);
	_exit(0);
}

static void at_exit(u64 id, void *data)
{
	reached("exit");
	if (!blocks_section)
		print_blocks();
}

static void section_start(unsigned int vcpu, void *data)
{
	marked = total;
	if (blocks_section == (u64)data)
		clear_blocks();
}

static void section_end(unsigned int vcpu, void *data)
{
	struct counts from = marked;
	char what[32];

	snprintf(what, sizeof(what), "section %lu", (u64)data);
	print_counts(what, &from);
	if (blocks_section == (u64)data)
		print_blocks();
}

static void section_stop(unsigned int vcpu, void *data)
{
	stop();
}

static enum range range_of(u64 address)
{
	if (address < LOW_END)
		return LOW;
	return address >= HV_START && address < KERNEL_START ? HV : KERNEL;
}

static bool is_prefix(uint8_t byte)
{
	return byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x66 ||
	       byte == 0x67 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
	       byte == 0x26 || byte == 0x64 || byte == 0x65 ||
	       (byte & 0xf0) == 0x40;
}

static bool is_string(uint8_t op)
{
	return (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf) ||
	       (op >= 0x6c && op <= 0x6f);
}

// The second and third byte of an opcode that starts with 0f.
static enum heavy heavy_0f(const uint8_t *code)
{
	uint8_t modrm = code[1], reg = modrm >> 3 & 7;
	bool memory = modrm < 0xc0;

	switch (code[0]) {
	case 0x01:
		if (modrm == 0xf8)
			return SWAPGS;
		return memory && reg == 7 ? INVLPG : OTHER;
	case 0x07:
		return RETURN;
	case 0x22:
		return CR;
	case 0x30:
	case 0x32:
		return MSR;
	case 0xa2:
		return CPUID;
	case 0xae:
		return memory && (reg == 4 || reg == 5 || reg == 6) ? XSAVE
								    : OTHER;
	case 0xc7:
		return memory && reg >= 3 && reg <= 5 ? XSAVE : OTHER;
	}
	return OTHER;
}

static enum heavy classify(struct qemu_plugin_insn *insn, bool *rep)
{
	uint8_t code[16 + 4] = { 0 };
	size_t size = qemu_plugin_insn_size(insn), at = 0;
	bool locked = false, repeat = false;

	memcpy(code, qemu_plugin_insn_data(insn), size < 16 ? size : 16);
	for (; at < size && is_prefix(code[at]); at++) {
		locked |= code[at] == 0xf0;
		repeat |= code[at] == 0xf2 || code[at] == 0xf3;
	}
	uint8_t op = code[at];

	*rep = repeat && is_string(op);
	if (op == 0x0f && heavy_0f(&code[at + 1]))
		return heavy_0f(&code[at + 1]);
	if (locked || ((op == 0x86 || op == 0x87) && code[at + 1] < 0xc0))
		return LOCKED;
	if ((op & 0xf4) == 0xe4)
		return PORT;
	if (op >= 0x6c && op <= 0x6f)
		return PORT;
	if (op == 0x90 && repeat)
		return PAUSE;
	return op == 0xcf ? RETURN : op == 0xf4 ? HALT : OTHER;
}

static void watch_marker(struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != 7 ||
	    memcmp(code, "\x0f\x1f\x80", 3) || code[5] != 0xb1 ||
	    code[6] != 0x5e)
		return;
	if (code[4] == 1)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, section_start, 0,
						       (void *)(u64)code[3]);
	else if (code[4] == 2)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, section_end, 0,
						       (void *)(u64)code[3]);
	else if (code[4] == 3)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, section_stop, 0,
						       NULL);
}

// A block is translated when it is about to run, and all before it has run.
static void note_first_runs(enum range range)
{
	if (range == KERNEL && !kernel_seen) {
		kernel_seen = true;
		reached("first");
		if (until == FIRST)
			stop();
	}
	if (range == LOW && kernel_seen && !user_seen) {
		user_seen = true;
		reached("init");
		if (until == INIT)
			stop();
	}
}

static void translated(u64 id, struct qemu_plugin_tb *tb)
{
	u64 start = qemu_plugin_tb_vaddr(tb);
	size_t n = qemu_plugin_tb_n_insns(tb);
	enum range range = range_of(start);
	struct block *b = blocks_path ? block_of(start, n) : NULL;

	note_first_runs(range);
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		bool rep;
		enum heavy heavy = classify(insn, &rep);

		qemu_plugin_register_vcpu_insn_exec_inline(
			insn, 0, rep ? &total.rep[range] : &total.plain[range],
			1);
		if (b)
			qemu_plugin_register_vcpu_insn_exec_inline(
				insn, 0, rep ? &b->rep : &b->plain, 1);
		if (heavy && (range == HV || !kernel_seen))
			qemu_plugin_register_vcpu_insn_exec_inline(
				insn, 0, &total.heavy[heavy], 1);
		watch_marker(insn);
	}
}

EXPORT int qemu_plugin_install(u64 id, const void *info, int argc, char **argv)
{
	out = stderr;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		else if (!strncmp(argv[i], "blocks=", 7))
			blocks_path = strdup(argv[i] + 7);
		else if (!strncmp(argv[i], "section=", 8))
			blocks_section = strtoul(argv[i] + 8, NULL, 10);
		else if (!strcmp(argv[i], "until=first"))
			until = FIRST;
		else if (!strcmp(argv[i], "until=init"))
			until = INIT;
	}
	if (!out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
