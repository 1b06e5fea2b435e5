// SPDX-License-Identifier: MIT
#ifndef PV_PRIVATE_H
#define PV_PRIVATE_H

#include "pv/pv.h"
#include "x86/panic.h"
#include "x86/pte.h"

// Is slot of a base table the guest's?
static inline bool l4_slot_is_guest(unsigned int slot)
{
	return slot < SLOT_M2P || slot >= SLOT_END;
}

// Software state of entries as they stand in a validated table of a 64-bit
// guest: its kernel runs in ring 3, so every page is a user page; those that
// the guest meant for its user mode are global, to outlive a mode switch.
static inline u64 l1e_adjust(u64 e)
{
	if (!(e & PTE_P))
		return e;
	if (!(e & PTE_U))
		return (e | PTE_U | PTE_KERNEL) & ~PTE_G;
	return e & PTE_KERNEL ? e & ~PTE_G : e | PTE_G;
}

static inline u64 table_entry_adjust(u64 e)
{
	return e & PTE_P ? e | PTE_U : e;
}

// pgentry.c: what one present L1 entry holds. l1_get returns 0, 1 when the
// entry must lose its write bit (registers of ours that Dom0 may read), or
// an error; `owner` has the table, `from` the frame.
// Device registers that the hardware domain may read but not write.
bool mmio_is_readonly(mfn_t m);
int l1_get(u64 e, struct domain *owner, struct domain *from);
void l1_put(u64 e, struct domain *owner);

// pgtable.c. get: reference and type of a table frame, validated; -ERESTART
// when it stopped half way and the call is to be issued again (nothing held).
// put: drops both; -ERESTART: the undo stopped, the caller keeps its
// reference and calls table_undo_resume later.
int table_get(struct domain *d, mfn_t m, u64 type, bool can_wait);
int table_put(struct page_info *pg);
int table_undo_resume(struct page_info *pg); // drops the reference when done
// As table_put, but an unfinished undo becomes the vcpu's debt.
int table_put_deferred(struct page_info *pg);
// 0, or -ERESTART: work is left.
int old_table_settle(struct vcpu *v);

void segdesc_put(mfn_t m);

// Linear address to the L1 entry of the current kernel tables: maddr of the
// entry, or 0 when a level is missing.
u64 guest_l1e_maddr(const struct vcpu *v, u64 va);
bool guest_l1e_read(const struct vcpu *v, u64 va, u64 *e);

// bounce.c
struct bounce {
	u64 rip;
	bool has_error, masks_events;
	u32 error_code;
};
void pv_bounce(struct cpu_regs *regs, const struct bounce *b);
void pv_bounce_failsafe(struct cpu_regs *regs);

// desc.c
#define LDT_WINDOW (PV_LDT_PAGES * PAGE_SIZE)
bool ldt_fault(struct vcpu *v, u64 address);
// ptwrite.c: a write to a page table that the guest has mapped read-only.
bool ptwrite_emulate(struct vcpu *v, struct cpu_regs *regs, u64 address);

// vcpu.c: guest_ops.
int pv_vcpu_init(struct vcpu *v);
void pv_vcpu_exit(struct vcpu *v);
void pv_switch_from(struct vcpu *v);
void pv_switch_to(struct vcpu *v);
int pv_context_set(struct vcpu *v, const struct vcpu_guest_context *c);
void pv_context_get(struct vcpu *v, struct vcpu_guest_context *c);

void debugregs_load(struct vcpu *v);
void perdom_map(struct domain *d, u64 va, u64 pte);
int perdom_prepare(struct domain *d, unsigned int vcpu_id);

#endif
