// SPDX-License-Identifier: MIT
// Paravirtualised guests: the state of a vcpu and a domain, and what other
// rooms may ask.
#ifndef PV_PV_H
#define PV_PV_H

#include "dom/domain.h"
#include "x86/pte.h"
#include "x86/segment.h"

#define PV_GDT_FRAMES 14 // the rest of the 16 is the hypervisor's
#define PV_LDT_PAGES  16

struct fpu_state;

struct pv_vcpu {
	struct trap_info *traps; // 256; virtual IDT
	u64 gdt_frames[PV_GDT_FRAMES];
	u32 gdt_entries;
	u64 ldt_base;
	u32 ldt_entries;
	struct spinlock ldt_lock;
	u32 ldt_mapped; // one bit a page of the LDT window
	u64 ldt_mfn[PV_LDT_PAGES];

	u64 fs_base;
	u16 ds, es, fs, gs; // while it does not run

	u64 cr0_ts; // guest's view of CR0.TS
	u64 cr4;    // guest's view
	u64 dr[8];
	u32 iopl;	    // in RFLAGS position (0x0000 to 0x3000)
	u64 iobitmap;	    // guest pointer; 0 none
	u32 iobitmap_ports; // number of ports it covers

	u64 *l4; // 32-bit kernel: ours, its first slot shows the guest's L3

	// A table whose undo was interrupted; a reference is held. Finished
	// before the vcpu's next page-table operation.
	struct page_info *old_table;

	// While several grants are mapped by one call: 2 MiB of addresses, and
	// the L1 table that was found there (grant_map.c).
	u64 grant_key, grant_l1;

	struct fpu_state *fpu;
	u64 xcr0;
	u64 cpuid_faults; // cpuid in guest user mode is its kernel's to emulate
	u64 tsc_aux;
};

struct pv_domain {
	u64 relinquish_left; // frames not looked at yet, and one; 0 not begun
	u64 *perdom_l3;	     // slot 260 of all its tables
	u64 *perdom_l2;
	u64 *perdom_l1[MAX_VCPUS / 16]; // a page holds 16 vcpus' windows
	u8 rtc_index;			// ports 0x70
	u32 pci_cf8;
};

// What a guest may ask for by vm_assist.
#define PV_ASSISTS                              \
	(BIT(VMASST_TYPE_4gb_segments) |        \
	 BIT(VMASST_TYPE_4gb_segments_notify) | \
	 BIT(VMASST_TYPE_writable_pagetables) | \
	 BIT(VMASST_TYPE_pae_extended_cr3) |    \
	 BIT(VMASST_TYPE_architectural_iopl) |  \
	 BIT(VMASST_TYPE_runstate_update_flag) | BIT(VMASST_TYPE_m2p_strict))

extern const struct guest_ops pv_guest_ops;

// After a change of a callback, or of the assists, still under d->lock: may
// entry.S do system calls and iret of d's vcpus by itself?
void pv_short_cuts(struct domain *d);

// xpti= and pv-l1tf=; -1: as the processor needs it.
struct by_domain {
	s8 dom0, domu;
};
extern struct by_domain opt_xpti, opt_pv_l1tf;
extern u64 l1tf_end; // of domains under the L1TF rules
// Boot, before there are domains: settles these, and makes the root tables that
// the CPUs need for them. -ENOMEM.
int isolation_init(unsigned int cpus);

static inline bool vcpu_isolated(const struct vcpu *v)
{
	return v->hot.exit & EXIT_ISOLATED;
}

// Guest kernel mode of the running guest.
static inline bool pv_kernel_mode(const struct vcpu *v)
{
	if (unlikely(v->hot.pv32))
		return cs_is_ring1(cpu_info()->regs.cs);
	return v->hot.mode_kernel;
}

// Machine address of the base table that v's kernel set; 0: none.
static inline u64 pv_base(const struct vcpu *v)
{
	return v->hot.pv32 ? v->pv->l4[0] & PTE_ADDR : v->hot.cr3_kernel;
}

// A selector for CS or SS that a guest gave: never of ring 0.
static inline u16 pv_selector(const struct domain *d, u64 sel)
{
	return (u16)(!d->pv32 ? sel | 3 : sel & 3 ? sel : sel | 1);
}

// An entry point that a guest may have.
static inline bool pv_entry_ok(const struct domain *d, u64 address)
{
	return d->pv32 || va_canonical(address);
}

// The same of a 32-bit kernel, as one number; 0: none.
static inline u64 pv32_entry(const struct domain *d, u64 cs, u64 eip)
{
	return (u32)eip ? (u64)pv_selector(d, (u16)cs) << 32 | (u32)eip : 0;
}

// GS base of the mode that the running vcpu is not in.
static inline u64 *pv_gs_base_other(struct vcpu *v)
{
	return &v->hot.gs_base[!v->hot.mode_kernel];
}

// Implemented above this room.
// No call leaves a lock, interrupts off, or the guest's memory open to us.
#ifdef DEBUG
void assert_call_ended(void);
#else
#define assert_call_ended() ((void)0)
#endif
// The same of a 32-bit kernel: EAX, EBX, ECX, EDX, ESI, EDI.
void hypercall32(struct cpu_regs *regs);

// Puts exception `vector` on the current guest on the way out; ec is used
// where the vector has an error code.
void pv_inject(u8 vector, u32 error_code);

// Writes one stub of 32 bytes for each hypercall (public header xen.h). page is
// a whole mapped frame. pv32: for a kernel in ring 1.
void hypercall_page_fill(void *page, bool pv32);
// Does that to a frame of d's. -EACCES: it may not be written.
int pv_hypercall_page_set(struct domain *d, u64 gmfn);

// Makes d, which has no memory yet, one with a kernel of 32 or 64 bits: 0,
// -EINVAL, -EACCES, -ENOMEM; -ERESTART to be called again.
int pv_set_address_size(struct domain *d, u32 bits);
int pv_set_iopl(struct vcpu *v, u32 iopl);
int pv_set_iobitmap(struct vcpu *v, u64 gva, u32 ports);
// MSRs as the running vcpu sees them; false: #GP.
bool emul_rdmsr(struct vcpu *v, u32 msr, u64 *value);
bool emul_wrmsr(struct vcpu *v, u32 msr, u64 value);
// Loads what v keeps in MSRs that other vcpus use too (TSC_AUX, CPUID
// faulting): v starts to run on this CPU, interrupts off.
void emul_switch_to(const struct vcpu *v);
// Debug registers of current; -EINVAL, -EPERM (reserved bits, hypervisor
// addresses), -ENODEV; get: false where there is no such register.
int pv_set_debugreg(struct vcpu *v, unsigned int reg, u64 value);
bool pv_get_debugreg(const struct vcpu *v, unsigned int reg, u64 *value);
void pv_set_ts(struct vcpu *v, bool on);

int pv_set_gdt(struct vcpu *v, const u64 *frames, unsigned int entries);
void pv_clear_ldt(struct vcpu *v);
// One descriptor (two words as a number): fixes DPL 0; false: refuse. pv32: of
// a domain whose kernel runs in ring 1.
bool pv_descriptor_check(u64 *desc, bool pv32);

// MMUEXT_NEW_BASEPTR, or _USER_BASEPTR, of v: 0, -EINVAL, -ERESTART.
int pv_new_base(struct vcpu *v, gfn_t gfn, bool user);
// Makes the running vcpu's tables its kernel's for a while (true), when it is
// in user mode; false: there is none, guest memory is out of reach.
bool pv_kernel_view_begin(struct vcpu *v);
void pv_kernel_view_end(struct vcpu *v);

// 0, or -ERESTART: an undo of this vcpu is still to be finished.
int old_table_settle(struct vcpu *v);
static inline int pv_settle(struct vcpu *v)
{
	return likely(!v->pv->old_table) ? 0 : old_table_settle(v);
}

#endif
