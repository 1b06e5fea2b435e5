// SPDX-License-Identifier: MIT
// Ends that a domain comes to by itself: shutdown, crash; and what the
// machine does when it was Dom0.
#include "con/con.h"
#include "dom/private.h"
#include "lib/errno.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "x86/desc.h"
#include "x86/pte.h"
#include "x86/smp.h"

#define STACK_WORDS 16

static __noreturn void dom0_ended(u8 reason)
{
	static const char *const what[] = {
		[SHUTDOWN_poweroff] = " powered off: halting the machine",
		[SHUTDOWN_reboot] = " asked for a reboot",
		[SHUTDOWN_crash] = " crashed",
		[SHUTDOWN_watchdog] = "'s watchdog ended: rebooting",
		[SHUTDOWN_soft_reset] =
			" wants a soft reset: rebooting instead",
	};

	if (reason < ARRAY_SIZE(what) && what[reason])
		printk(LOG_ERR "Dom0%s\n", what[reason]);
	else
		printk(LOG_ERR "Dom0 ended with reason %u\n", reason);
	if (reason == SHUTDOWN_poweroff)
		machine_halt();
	if (reason == SHUTDOWN_reboot || reason == SHUTDOWN_watchdog ||
	    reason == SHUTDOWN_soft_reset)
		machine_reboot();
	if (con_noreboot) {
		printk(LOG_ERR "noreboot: the machine stays as it is\n");
		machine_halt();
	}
	printk(LOG_ERR "Rebooting in 5 seconds\n");
	udelay(5000 * 1000);
	machine_reboot();
}

// Any context, any locks held: one of several callers wins.
void domain_shutdown(struct domain *d, u8 reason)
{
	if (d == dom0)
		dom0_ended(reason);
	if (__atomic_exchange_n(&d->shutting_down, true, __ATOMIC_SEQ_CST))
		return;
	WRITE_ONCE(d->shutdown_code, reason);
	sched_hooks.domain_pause_nosync(d);
	__atomic_store_n(&d->shut_down, true, __ATOMIC_SEQ_CST);
	domain_event_hook();
}

// Under the control lock. Nothing happens to one that is not shut down.
void domain_resume(struct domain *d)
{
	if (!__atomic_exchange_n(&d->shut_down, false, __ATOMIC_SEQ_CST))
		return;
	d->shutdown_code = 0;
	__atomic_store_n(&d->shutting_down, false, __ATOMIC_SEQ_CST);
	sched_hooks.domain_unpause(d);
}

// The 8-byte word at a guest address, through the tables that v uses. False:
// nothing of the domain's own is mapped there.
static bool peek(const struct vcpu *v, u64 va, u64 *out)
{
	const struct page_account *who = &v->domain->account;
	u64 at = v->hot.mode_kernel ? v->hot.cr3_kernel : v->hot.cr3_user;
	const u64 *table;
	u64 pte;

	if (!va_is_guest(va) || !va_canonical(va) || va & 7)
		return false;
	for (unsigned int level = 4;; level--) {
		mfn_t m = maddr_to_mfn(at & PTE_ADDR);

		if (!mfn_valid(m) || page_owner(mfn_to_page(m)) != who)
			return false;
		table = map_frame(m);
		pte = READ_ONCE(table[level ? pte_index(va, level)
					    : (va & ~PAGE_MASK) / 8]);
		unmap_frame(table);
		if (!level)
			break;
		if (!(pte & PTE_P) || (level > 1 && (pte & PTE_PS)))
			return false;
		at = pte;
	}
	*out = pte;
	return true;
}

static void show_stack(const struct vcpu *v, u64 sp)
{
	char line[80];
	int n = 0;
	u64 word;

	for (unsigned int i = 0; i < STACK_WORDS; i++) {
		if (!peek(v, sp + i * 8, &word))
			break;
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %016lx",
			      word);
		if (i % 4 == 3) {
			printk(LOG_ERR "stack%s\n", line);
			n = 0;
		}
	}
	if (n)
		printk(LOG_ERR "stack%s\n", line);
}

void vcpu_show(struct vcpu *v)
{
	// A running guest's are where its last entry left them.
	const struct cpu_info *there = (void *)cpu_stack_top(v->cpu);
	const struct cpu_regs *r = v->running ? &there->regs : &v->regs;

	printk(LOG_ERR "d%uv%u on CPU %u, guest %s mode\n", v->domain->id,
	       v->id, v->cpu, v->hot.mode_kernel ? "kernel" : "user");
	printk(LOG_ERR "rip %04x:%016lx rsp %04x:%016lx flags %08lx\n", r->cs,
	       r->rip, r->ss, r->rsp, r->rflags);
	printk(LOG_ERR "rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax,
	       r->rbx, r->rcx, r->rdx);
	printk(LOG_ERR "rsi %016lx rdi %016lx rbp %016lx  r8 %016lx\n", r->rsi,
	       r->rdi, r->rbp, r->r8);
	printk(LOG_ERR " r9 %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9,
	       r->r10, r->r11, r->r12);
	printk(LOG_ERR "r13 %016lx r14 %016lx r15 %016lx cr3 %016lx\n", r->r13,
	       r->r14, r->r15,
	       v->hot.mode_kernel ? v->hot.cr3_kernel : v->hot.cr3_user);
	if (v == current)
		printk(LOG_ERR "vector %x error %x cr2 %016lx\n",
		       r->entry_vector, r->error_code, read_cr2());
	show_stack(v, r->rsp);
}

// Any context of the guest's own entry; see domain_shutdown.
void domain_crash(struct domain *d, const char *why, ...)
{
	static u64 rate;
	char text[120];
	va_list ap;

	if (!READ_ONCE(d->shutting_down) && (d == dom0 || rate_ok(&rate, 5))) {
		va_start(ap, why);
		vsnprintf(text, sizeof(text), why, ap);
		va_end(ap);
		printk(LOG_ERR "d%u crashes: %s\n", d->id, text);
		if (d == currd)
			vcpu_show(current);
	}
	domain_shutdown(d, SHUTDOWN_crash);
}
