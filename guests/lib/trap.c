// SPDX-License-Identifier: MIT
// Traps: the table, and CATCH.
#include "lib/guest.h"

#define KERNEL_CS FLAT_KERNEL_CS

struct trap trap_last;
bool (*trap_hook)(struct regs *regs);
bool (*trap_hook_between)(struct regs *regs);
uptr failsafe_selectors[4];
bool native_iret;
static struct jump *catcher;

void trap_dispatch(struct regs *regs);
void event_dispatch(void);
void user_returned(const struct regs *regs);

long trap_table_load(u8 flags)
{
	static struct trap_info table[34];

	for (unsigned int i = 0; i < 32; i++) {
		// int3 and into are for user mode too.
		u8 dpl = i == 3 || i == 4 ? 3 : 0;

		table[i] = (struct trap_info){ (u8)i, flags | dpl, KERNEL_CS,
					       (uptr)trap_entries[i] };
	}
	table[32] = (struct trap_info){ VECTOR_SOFT, flags | 3, KERNEL_CS,
					(uptr)soft_entry };
	table[33] = (struct trap_info){ 0 };
	return HC1(__HYPERVISOR_set_trap_table, table);
}

void trap_init(void)
{
	trap_table_load(0);
	callbacks_set();
}

struct jump *trap_catch_begin(struct jump *mine)
{
	struct jump *outer = catcher;

	catcher = mine;
	trap_last.regs.vector = NO_TRAP;
	trap_last.regs.error = 0;
	return outer;
}

void trap_catch_end(struct jump *outer)
{
	catcher = outer;
}

// Every entry into the guest kernel comes here; returning continues with
// *regs.
void trap_dispatch(struct regs *regs)
{
	if (trap_hook && trap_hook(regs))
		return;
	if (regs->vector == VECTOR_EVENT) {
		event_dispatch();
		return;
	}
	calls_told = calls_wanted;
	if (regs->vector == USER_RETURN_VECTOR && regs->rax == USER_RETURN)
		user_returned(regs);
	trap_last.regs = *regs;
	trap_last.cr2 = vcpu_info_of(0)->arch.cr2;
	memcpy(trap_last.selectors, failsafe_selectors,
	       sizeof(failsafe_selectors));
	if (!catcher) {
		printf("trap %lu, error %lx, rip %lx, no test is running\n",
		       regs->vector, regs->error, regs->rip);
		power_off();
	}
	jump_to(catcher);
}
