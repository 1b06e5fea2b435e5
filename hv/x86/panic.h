// SPDX-License-Identifier: MIT
// The up-call into the console (con/): messages and the end.
#ifndef X86_PANIC_H
#define X86_PANIC_H

// Levels of a message: its first characters; none means LOG_INFO.
#define LOG_ERR	  "\0010"
#define LOG_WARN  "\0011"
#define LOG_INFO  "\0012"
#define LOG_DEBUG "\0013"
// Caused by a guest: guest_loglvl and a rate limit apply.
#define LOG_GUEST "\0014"

void printk(const char *fmt, ...) __fmt(1, 2);
// The machine is to end: sends what the console keeps, and keeps nothing any
// more.
void console_sync(void);
__noreturn void panic(const char *fmt, ...) __fmt(1, 2);
struct cpu_regs;
// Takes down the hypervisor, showing these registers.
__noreturn void panic_regs(const struct cpu_regs *regs, const char *fmt, ...)
	__fmt(2, 3);

#ifdef DEBUG
#define ASSERT(c)                                                          \
	do {                                                               \
		if (unlikely(!(c)))                                        \
			panic("ASSERT %s, %s:%d", #c, __FILE__, __LINE__); \
	} while (0)
#else
#define ASSERT(c) ((void)sizeof(c))
#endif

#endif
