// SPDX-License-Identifier: MIT
// QEMU plugin (interface version 1): which ways the hypervisor's conditional
// jumps went.
//
// out=FILE, which is mapped, so that it is complete however QEMU ends: records
// of three words, the jump's address, 1 if it was not taken, 1 if it was.
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "qemu.h"

#define HV_START 0xffff82d000000000ul
#define HV_END	 0xffff82d010000000ul
#define JUMPS	 (1u << 16)
#define CPUS	 64

EXPORT int qemu_plugin_version = 1;

static struct jump {
	u64 at, passed, taken;
} * jumps;

// A block, and the jump at its end, if there is one.
struct block {
	u64 start, next, target;
	struct jump *jump;
};
static struct block *last[CPUS];

static struct jump *jump_at(u64 at)
{
	for (unsigned int i = (unsigned int)(at * 0x9e3779b1 >> 7);; i++) {
		struct jump *j = &jumps[i % JUMPS];

		if (!j->at)
			j->at = at;
		if (j->at == at)
			return j;
	}
}

static void executed(unsigned int vcpu, void *data)
{
	struct block *b = data, *before = last[vcpu % CPUS];

	if (before && before->jump) {
		if (b->start == before->next)
			before->jump->passed = 1;
		else if (b->start == before->target)
			before->jump->taken = 1;
	}
	last[vcpu % CPUS] = b;
}

// The two forms of a conditional jump.
static bool decode(const struct qemu_plugin_insn *insn, struct block *b)
{
	const unsigned char *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	int32_t far;

	b->next = qemu_plugin_insn_vaddr(insn) + size;
	if (size == 2 && code[0] >> 4 == 7) {
		b->target = b->next + (u64)(int64_t)(signed char)code[1];
		return true;
	}
	if (size != 6 || code[0] != 0x0f || code[1] >> 4 != 8)
		return false;
	memcpy(&far, code + 2, sizeof(far));
	b->target = b->next + (u64)(int64_t)far;
	return true;
}

static void translated(u64 id, struct qemu_plugin_tb *tb)
{
	u64 start = qemu_plugin_tb_vaddr(tb);
	struct qemu_plugin_insn *insn =
		qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
	struct block *b;

	(void)id;
	if (start < HV_START || start >= HV_END)
		return;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	b->start = start;
	if (decode(insn, b))
		b->jump = jump_at(qemu_plugin_insn_vaddr(insn));
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, b);
}

int qemu_plugin_install(u64 id, const void *info, int argc, char **argv)
{
	int fd = -1;

	(void)info;
	if (argc == 1 && !strncmp(argv[0], "out=", 4))
		fd = open(argv[0] + 4, O_RDWR | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || ftruncate(fd, JUMPS * sizeof(*jumps)))
		return 1;
	jumps = mmap(NULL, JUMPS * sizeof(*jumps), PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, 0);
	close(fd);
	if (jumps == MAP_FAILED)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
