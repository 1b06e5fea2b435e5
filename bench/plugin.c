// SPDX-License-Identifier: MIT
// QEMU plugin (interface version 1): counts executed instructions by address
// range, tells where Dom0 starts, where its first user program starts, and
// what was executed between two markers.
//
// A marker is the 7-byte NOP 0f 1f 80 ID OP b1 5e: OP 1 starts section ID, 2
// ends it, 3 stops the machine. Options: out=FILE; until=first|init|exit;
// blocks=FILE: instructions by block; section=ID: only of its last turn;
// watch=waits: loops that wait for another CPU are known; watch=stretches:
// the longest stretches of the hypervisor, too.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "plugin.h"

EXPORT int qemu_plugin_version = 1;

static const char *const range_names[] = { "low", "hv", "kernel" };
#define HV_START     0xffff800000000000ul
#define KERNEL_START 0xffff880000000000ul
#define LOW_END	     0x0000800000000000ul
// Where no firmware and none of the programs measured here are.
#define KERNEL32_START 0xc0000000ul
#define KERNEL32_END   0xf0000000ul
#define SECTIONS       256

static const char *const heavy_names[] = {
	"other", "cr",	  "invlpg", "msr",   "iret+sysret", "port", "locked",
	"cpuid", "xsave", "swapgs", "pause", "hlt",	    "cr3"
};

static struct counts {
	u64 plain[RANGES], rep[RANGES], heavy[HEAVIES], spun;
} total, started[SECTIONS];
static bool opened[SECTIONS];

static FILE *out;
static const char *blocks_path;
static u64 blocks_section;
static enum { FIRST, INIT, EXIT } until = EXIT;
static bool kernel_seen, user_seen, watching;

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

static void print_stretches(bool ever)
{
	struct stretches most = watch_longest(ever);

	if (watch_interrupts)
		fprintf(out, " off=%lu off-end=%lu inside=%lu inside-end=%lu",
			most.off.count, most.off.end, most.inside.count,
			most.inside.end);
}

// Of a section, or of all since reset.
static void print_counts(const char *what, const struct counts *from, bool all)
{
	total.spun = spun;
	fprintf(out, "%s", what);
	for (int i = 0; i < RANGES; i++)
		fprintf(out, " %s=%lu %s-rep=%lu", range_names[i],
			total.plain[i] - from->plain[i], range_names[i],
			total.rep[i] - from->rep[i]);
	for (int i = 1; i < HEAVIES; i++)
		fprintf(out, " %s=%lu", heavy_names[i],
			total.heavy[i] - from->heavy[i]);
	if (watching)
		fprintf(out, " spun=%lu", total.spun - from->spun);
	print_stretches(all);
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

	print_counts(what, &none, true);
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
	u64 id = (u64)data;

	total.spun = spun;
	started[id] = total;
	opened[id] = true;
	watch_restart(false);
	if (blocks_section == id)
		clear_blocks();
}

// What ends may have been started by another vcpu, or not at all.
static void section_end(unsigned int vcpu, void *data)
{
	u64 id = (u64)data;
	char what[32];

	if (!opened[id])
		return;
	opened[id] = false;
	snprintf(what, sizeof(what), "section %lu", id);
	print_counts(what, &started[id], false);
	if (blocks_section == id)
		print_blocks();
}

static void section_stop(unsigned int vcpu, void *data)
{
	reached("stop");
	stop();
}

static enum range range_of(u64 address)
{
	if (address >= KERNEL32_START && address < KERNEL32_END)
		return KERNEL;
	if (address < LOW_END)
		return LOW;
	return address >= HV_START && address < KERNEL_START ? HV : KERNEL;
}

static void watch_marker(struct qemu_plugin_insn *insn)
{
	static executed_fn *const does[] = { NULL, section_start, section_end,
					     section_stop };
	u64 id;
	int op = marker_of(qemu_plugin_insn_data(insn),
			   qemu_plugin_insn_size(insn), &id);

	if (op >= 1 && op <= 3)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, does[op], 0,
						       (void *)id);
}

// A block is translated when it is about to run, and all before it has run.
static void note_first_runs(enum range range)
{
	if (range == KERNEL && !kernel_seen) {
		kernel_seen = true;
		watch_restart(true);
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

static void count(struct qemu_plugin_insn *insn, u64 *what)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, what, 1);
}

static struct instruction of(struct qemu_plugin_tb *tb, size_t i)
{
	struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

	return classify(qemu_plugin_insn_data(insn),
			qemu_plugin_insn_size(insn));
}

static void watch(struct qemu_plugin_tb *tb, size_t n, enum range range)
{
	struct watched *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	b->start = qemu_plugin_tb_vaddr(tb);
	b->hv = range == HV;
	for (size_t i = 0; i < n; i++) {
		struct instruction what = of(tb, i);

		b->plain += !what.rep;
		b->pause |= what.heavy == PAUSE;
		b->halt |= what.heavy == HALT;
		if (what.off) {
			b->off = true;
			b->off_at = b->plain;
		}
	}
	qemu_plugin_register_vcpu_tb_exec_cb(tb, watch_block, 0, b);
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
		struct instruction what = of(tb, i);

		count(insn, what.rep ? &total.rep[range] : &total.plain[range]);
		if (b)
			count(insn, what.rep ? &b->rep : &b->plain);
		if (what.heavy && (range == HV || !kernel_seen))
			count(insn, &total.heavy[what.heavy]);
		if (what.heavy == CR3 && (range == HV || !kernel_seen))
			count(insn, &total.heavy[CR]);
		watch_marker(insn);
	}
	if (watching)
		watch(tb, n, range);
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
		else if (!strncmp(argv[i], "watch=", 6))
			watching = true;
		else if (!strcmp(argv[i], "until=first"))
			until = FIRST;
		else if (!strcmp(argv[i], "until=init"))
			until = INIT;
		watch_interrupts |= !strcmp(argv[i], "watch=stretches");
	}
	if (!out)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
