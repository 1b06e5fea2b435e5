// SPDX-License-Identifier: MIT
// Ends that a domain comes to by itself: shutdown, crash; and what the
// machine does when it was Dom0.
#include "con/con.h"
#include "dom/private.h"
#include "lib/string.h"
#include "x86/smp.h"

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
	console_sync();
	udelay(5000 * 1000);
	machine_reboot();
}

u8 domain_shutdown_code(struct domain *d, u8 reason)
{
	u16 code = 0;

	if (__atomic_compare_exchange_n(&d->shutdown_code, &code, reason + 1,
					false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return reason;
	return (u8)(code - 1);
}

// Any context, any locks held: one of several callers wins.
void domain_shutdown(struct domain *d, u8 reason)
{
	reason = domain_shutdown_code(d, reason);
	if (d == dom0)
		dom0_ended(reason);
	if (__atomic_exchange_n(&d->shutting_down, true, __ATOMIC_SEQ_CST))
		return;
	sched_hooks.domain_pause_nosync(d);
	__atomic_store_n(&d->shut_down, true, __ATOMIC_SEQ_CST);
	domain_send_virq(VIRQ_DOM_EXC);
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
