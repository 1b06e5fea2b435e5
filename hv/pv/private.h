// SPDX-License-Identifier: MIT
#ifndef PV_PRIVATE_H
#define PV_PRIVATE_H

#include "pv/decode.h"
#include "pv/pv.h"
#include "pv/tables.h"
#include "x86/panic.h"

// Bits that no entry of an upper level may have: large pages are refused.
#define TABLE_FORBIDDEN (PTE_PWT | PTE_PCD | PTE_PS | PTE_G)
// Frames that the windows in slot 260 show.
#define WINDOW_PAGE (PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)

// Is slot of a base table the guest's?
static inline bool l4_slot_is_guest(unsigned int slot)
{
	return slot < SLOT_M2P || slot >= SLOT_END;
}

// Slots of a 32-bit kernel's base table, and those of the L2 below the last of
// them that are its own.
#define L3_SLOTS32   4
#define L2_TOP_SLOTS ((HOLE32_START & 0x3fffffff) >> 21)
// As PAE has it.
#define L3_FORBIDDEN32 (TABLE_FORBIDDEN | PTE_NX | PTE_AVAILH)

// Those of PAE's L3 have neither W nor U.
static inline u64 table_entry_adjust(u64 e, unsigned int level, bool pv32)
{
	if (!(e & PTE_P))
		return e;
	return !pv32 ? e | PTE_U : level == 3 ? e | PTE_U | PTE_W : e;
}

// 1 to 4, or 5 for segment descriptors.
static inline unsigned int type_level(u64 type)
{
	return PGT_LEVEL(type);
}

static inline struct domain *owner_of(const struct page_info *pg)
{
	return container_of(page_owner(pg), struct domain, account);
}

// pgtable.c. Drops what table_get took; -ERESTART: the undo stopped, the caller
// keeps its reference and calls table_undo_resume later.
int table_put(struct page_info *pg);
int table_undo_resume(struct page_info *pg); // drops the reference when done
// As table_put, but an unfinished undo becomes the vcpu's debt.
void table_put_deferred(struct page_info *pg);
// Takes the pin's mark away; false: there is none. The caller puts what it held.
bool pin_take(struct page_info *pg);

// Is slot i of the table the guest's own?
bool table_slot_is_guest(const struct page_info *pg, unsigned int i);
// What a new entry in slot i refers to: the type that its table must have, or 0:
// such an entry may not be.
u64 table_child_type(const struct page_info *pg, unsigned int i, u64 entry);
// The hypervisor's slots of a base table.
void l4_fill(u64 *t, const struct domain *d);

// The L1 entry of the current kernel tables for va; false: a level is missing.
bool guest_l1e_read(const struct vcpu *v, u64 va, u64 *e);

// traps.c
void pv_inject_page_fault(u64 address, u32 error_code);
// A frame with n words more on the guest kernel's stack; it goes on at entry.
#define MORE_MAX 4
void pv_bounce(struct cpu_regs *regs, u64 entry, bool masks_events,
	       const u64 *more, unsigned int n);
void bounce_failed(const struct vcpu *v, u64 entry, u64 sp);
void syscall_deliver(struct cpu_regs *regs, u64 callback, bool masks_events);
// Flags that the handler starts without.
#define FLAGS_CLEARED \
	(FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC)

// What iret does not take from a guest's frame.
#define FLAGS_NOT_GUESTS (FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP)

// A guest that asked for it finds its IOPL in RFLAGS, as on hardware.
static inline bool pv_shows_iopl(const struct domain *d)
{
	return d->vm_assist & BIT(VMASST_TYPE_architectural_iopl);
}

// RFLAGS as such a frame shows them.
static inline u64 bounce_flags(const struct vcpu *v,
			       const struct cpu_regs *regs, u8 mask)
{
	return (regs->rflags & ~(FLAG_IF | FLAG_IOPL)) | (mask ? 0 : FLAG_IF) |
	       (pv_shows_iopl(v->domain) ? v->pv->iopl : 0);
}

// pv32.c: the same for 32-bit kernels.
void bounce32(struct cpu_regs *regs, u64 entry, bool masks_events,
	      const u64 *more, unsigned int n);
void syscall32(struct cpu_regs *regs, u64 callback, bool masks_events);
int pv32_vcpu_init(struct vcpu *v);
void pv32_vcpu_set(struct vcpu *v); // after that, it is one

// isolate.c, for isolated vcpus. The way out: loads what v's code may see;
// interrupts off, the hypervisor's data is gone when it returns.
void isolation_leave(struct vcpu *v);
// This CPU's root tables are nobody's copy: current loads another base table or
// leaves.
void isolation_forget(void);
// The guest wrote to this slot of a base table: copies follow.
void isolation_update(const struct page_info *pg, unsigned int slot);

// The address bits that the L1 data cache of affected processors compares.
#define L1TF_ADDR (PTE_ADDR & ((1UL << 44) - 1))

// Would an entry that is not present give away memory? Then its domain crashes.
// In tables above the last a large page would begin at a rounded address.
static inline bool l1tf_refused(struct domain *d, u64 e, bool upper)
{
	u64 at = upper && e & PTE_PS ? 1 : e & L1TF_ADDR;

	if (likely(at - 1 >= d->l1tf_end))
		return false;
	domain_crash(d, "entry %#lx is not present and names memory", e);
	return true;
}

// emulate.c: what a guest kernel may not execute itself; true when done.
bool pv_emulate_privileged(struct cpu_regs *regs);
bool pv_emulate_invalid_op(struct cpu_regs *regs);
// The instruction at regs->rip; false: none that is emulated.
bool insn_fetch(const struct vcpu *v, const struct cpu_regs *regs,
		struct insn *i);
// Register by its number in an instruction.
u64 *insn_gpr(struct cpu_regs *r, unsigned int n);

enum emul_result {
	EMUL_REFUSED, // false: the guest gets its #GP
	EMUL_DONE,    // true: go behind the instruction
	EMUL_AGAIN,   // state is consistent, the instruction is executed again
};
// in, out, ins, outs: emul_io.c.
enum emul_result emul_port(struct vcpu *v, struct cpu_regs *regs,
			   const struct insn *i);
// Rule of cli, sti and of ports without a bitmap: IOPL of the guest's mode.
bool emul_iopl_allows(const struct vcpu *v);
// TSC of a domain: the machine's, or system time scaled when it is emulated.
u64 emul_tsc(const struct domain *d);

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
u64 pv_cr4_real(const struct vcpu *v);
// Of the hypervisor's: guests see them whatever they write.
#define CR4_SHOWN (CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

// debugreg.c
#define DR7_ENABLED 0xffUL
#define DR7_ONE	    0x400UL
#define DR6_ONES    0xffff0ff0UL
void debugregs_load(const struct vcpu *v);

// domain.c
void perdom_map(struct domain *d, u64 va, u64 pte);
int perdom_prepare(struct domain *d, unsigned int vcpu_id);

#endif
