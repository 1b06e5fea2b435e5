// SPDX-License-Identifier: MIT
// What a test guest has: a PV kernel on one vcpu, with traps that a test can
// await, its own page tables at hand, event channels and a guest user mode.
#ifndef LIB_GUEST_H
#define LIB_GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/callback.h>
#include "lib/vectors.h"

#define XEN_ERRNO(name, value) name = value,
enum abi_errno {
#include <xen/errno.h>
	ERESTART = 85, // to the tools only: once more
};

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned long uptr; // as wide as the kernel: addresses, arguments
#define WIDTH	  (8 * sizeof(uptr))

#define PAGE_SIZE 4096ul
// LL: u64 in a format.
#ifdef __x86_64__
#define LL	     "l"
#define VIRT_BASE    0xffffffff80000000ul
#define TABLE_LEVELS 4
#define NO_FRAME     (1ul << 40) // no machine has it
#else
#define NO_FRAME     (~0ul - 1)
#define LL	     "ll"
#define VIRT_BASE    0xc0000000ul
#define TABLE_LEVELS 3
#endif
#define ADDRESS(p)     ((u64)(uptr)(p))
#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define __page_aligned __attribute__((aligned(4096)))

static inline void barrier(void)
{
	__asm__ volatile("" ::: "memory");
}

// string.c
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);

// console.c
int vsnprintf(char *to, size_t size, const char *format, va_list args);
int snprintf(char *to, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

// hypercall.c: number and up to five arguments, through the hypercall page.
long hypercall5(uptr nr, uptr a1, uptr a2, uptr a3, uptr a4, uptr a5);
#define HC_ARG(x)	 ((uptr)(x))
#define HC1(nr, a)	 hypercall5(nr, HC_ARG(a), 0, 0, 0, 0)
#define HC2(nr, a, b)	 hypercall5(nr, HC_ARG(a), HC_ARG(b), 0, 0, 0)
#define HC3(nr, a, b, c) hypercall5(nr, HC_ARG(a), HC_ARG(b), HC_ARG(c), 0, 0)
#define HC4(nr, a, b, c, d) \
	hypercall5(nr, HC_ARG(a), HC_ARG(b), HC_ARG(c), HC_ARG(d), 0)
#define event_op(cmd, arg)	    HC2(__HYPERVISOR_event_channel_op, cmd, arg)
#define memory_op(cmd, arg)	    HC2(__HYPERVISOR_memory_op, cmd, arg)
#define grant_op(cmd, arg, n)	    HC3(__HYPERVISOR_grant_table_op, cmd, arg, n)
#define vcpu_op(cmd, id, arg)	    HC3(__HYPERVISOR_vcpu_op, cmd, id, arg)
#define sched_op(cmd, arg)	    HC2(__HYPERVISOR_sched_op, cmd, arg)
#define version_op(cmd, arg)	    HC2(__HYPERVISOR_xen_version, cmd, arg)
#define update_va(va, entry, flags) va_mapping(HC_ARG(va), entry, HC_ARG(flags))
long va_mapping(uptr va, u64 entry, uptr flags);
#define update_va_of(dom, va, entry) \
	va_mapping_of(dom, HC_ARG(va), entry, UVMF_INVLPG)
long va_mapping_of(domid_t dom, uptr va, u64 entry, uptr flags);
long set_timer(u64 when);
long update_descriptor(u64 maddr, u64 descriptor);
long set_gdt(u64 mfn, unsigned int entries); // of one frame
long set_callback(u16 type, u16 flags, const void *entry);
#define mmuext_one(op) HC4(__HYPERVISOR_mmuext_op, op, 1, NULL, DOMID_SELF)

// ring.c: the console of a DomU.
bool has_ring(void); // only where a toolstack made the domain
void ring_write(const char *text, size_t size);
void ring_flush(void); // all of it is read
void ring_leave(void); // from then on the hypervisor's console

// start.c
extern const struct start_info *start_info;
extern struct shared_info *shared; // 2-level event words, clock
void power_off(void) __attribute__((noreturn));
// For tests that another hypervisor does not survive, or where it says now this and
// now that: they skip there. Else: tests/conformance/differences.toml.
bool on_ringlet(void);
static inline bool in_domu(void)
{
	return !(start_info->flags & SIF_INITDOMAIN);
}
bool has_word(const char *word); // on the guest's command line

// trap.c: registers at a trap, as entry.S stores them.
// A 32-bit kernel's own traps end with rflags: what stood on its stack follows.
struct regs {
#ifdef __x86_64__
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
#endif
	uptr rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uptr vector, error;
	uptr rip, cs, rflags, rsp, ss;
};

struct jump {
	uptr saved[8];
};
int jump_set(struct jump *j) __attribute__((returns_twice));
void jump_to(struct jump *j) __attribute__((noreturn));
void regs_resume(struct regs *regs) __attribute__((noreturn));

#define NO_TRAP 0xffff
struct trap {
	struct regs regs;
	uptr cr2;
	uptr selectors[4]; // ds, es, fs, gs of a failsafe callback
};
// The last trap that CATCH met; .regs.vector is NO_TRAP when there was none.
extern struct trap trap_last;
// Looks at a trap; the other one between tests. True: on with *regs (as it is).
extern bool (*trap_hook)(struct regs *), (*trap_hook_between)(struct regs *);
extern uptr failsafe_selectors[4];
extern bool native_iret; // 32-bit kernels: back by their own instruction
extern u8 trap_entries[32][32], soft_entry[], event_entry[], syscall_entry[],
	failsafe_entry[], vcpu_entry[];

void trap_init(void);
long callbacks_set(void); // hypercall.c
// Installs the guest's own table again, with these flags (TI_*) for all.
long trap_table_load(u8 flags);
// A place that traps go to until trap_catch_end; the caller does jump_set.
struct jump *trap_catch_begin(struct jump *mine);
void trap_catch_end(struct jump *outer);

// Executes the statement; true if it trapped (see trap_last).
#define CATCH(statement)                           \
	({                                         \
		struct jump mine_, *outer_;        \
		volatile bool caught_ = true;      \
		outer_ = trap_catch_begin(&mine_); \
		if (!jump_set(&mine_)) {           \
			statement;                 \
			caught_ = false;           \
		}                                  \
		trap_catch_end(outer_);            \
		caught_;                           \
	})

// user.c: fn(arg) in guest user mode; what it returns. A trap there goes to
// CATCH or the hook; a system call goes to the hook as VECTOR_SYSCALL.
typedef long user_fn(long arg);
long user_call(user_fn *fn, long arg);
// The same with these flags instead of plain IF.
long user_call_flags(user_fn *fn, long arg, uptr rflags);
void user_tables_make(void); // user_tables.c
u64 user_base_mfn(void);     // 64-bit kernels only

// event.c
extern volatile u32 event_counts[4096]; // 2-level ABI: upcalls of a port
extern volatile u32 event_upcalls;
extern void (*event_hook)(void); // in place of the 2-level scan
void event_init(void);
void event_mask_all(void);
void event_unmask_all(void); // delivers what is pending
struct vcpu_info *vcpu_info_of(unsigned int vcpu);
// Nanoseconds, by the copy of the vcpu that asks; the second is for vcpu 0.
u64 system_time_of(const struct vcpu_info *info);
u64 system_time(void);
long port_send(u32 port);
long port_unmask(u32 port);
long port_close(u32 port);

#include "lib/calls.h"
#include "lib/paging.h"
#include "lib/domain.h"
#include "lib/test.h"

#endif
