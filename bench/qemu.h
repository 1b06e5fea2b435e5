// SPDX-License-Identifier: MIT
// What the plugins here use of QEMU's plugin interface, version 1. The
// declarations are our own, as distributions ship none.
#ifndef BENCH_QEMU_H
#define BENCH_QEMU_H

#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t u64;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void translated_fn(u64 id, struct qemu_plugin_tb *tb);
typedef void executed_fn(unsigned int vcpu, void *data);
typedef void exit_fn(u64 id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(u64 id, translated_fn *fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  executed_fn *fn, int flags,
					  void *data);
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
u64 qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

// Not of the interface, and not in every QEMU: may be NULL.
__attribute__((weak)) void *qemu_get_cpu(int index);

EXPORT int qemu_plugin_install(u64 id, const void *info, int argc, char **argv);

#endif
