// SPDX-License-Identifier: MIT
// Paravirtualised guests: the state of a vcpu and a domain, and what other
// rooms may ask.
#ifndef PV_PV_H
#define PV_PV_H

#include "dom/domain.h"

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

	u64 kernel_mfn, user_mfn; // base tables; 0: none

	u64 fs_base, gs_base_kernel, gs_base_user;
	u16 ds, es, fs, gs; // while it does not run

	u64 cr0_ts; // guest's view of CR0.TS
	u64 cr4;    // guest's view
	u64 dr[4], dr6, dr7;
	u32 iopl;	    // in RFLAGS position (0x0000 to 0x3000)
	u64 iobitmap;	    // guest pointer; 0 none
	u32 iobitmap_ports; // number of ports it covers
	u64 dr7_io;	    // I/O breakpoints that are emulated

	// A table whose undo was interrupted; a reference is held. Finished
	// before the vcpu's next page-table operation.
	struct page_info *old_table;
	u64 nmi_address;
	u64 syscall32_rip, sysenter_rip;

	struct fpu_state *fpu;
	u64 xcr0;
	u64 misc_msr[4]; // emul_msr.c: values that a guest may keep
};

struct pv_domain {
	bool relinquish_begun;
	u64 relinquish_left; // frames not looked at yet
	u64 m2p_slot;	     // L4 entry that shows the M2P
	u64 *perdom_l3;	     // slot 260 of all its tables
	mfn_t perdom_l3_mfn;
	u64 *perdom_l2;
	u64 *perdom_l1[MAX_VCPUS / 16]; // a page holds 16 vcpus' windows
	u8 rtc_index;			// ports 0x70
	u32 pci_cf8;
};

extern const struct guest_ops pv_guest_ops;
extern const struct domain_unit pv_unit;

// Guest kernel mode of the running guest.
static inline bool pv_kernel_mode(const struct vcpu *v)
{
	return v->hot.mode_kernel;
}

// Puts exception `vector` on the current guest on the way out; ec is used
// where the vector has an error code.
void pv_inject(u8 vector, u32 error_code);
void pv_inject_page_fault(u64 address, u32 error_code);

// Does that to a frame of d's. -EACCES: it may not be written.
int pv_hypercall_page_set(struct domain *d, u64 gmfn);
// Emulation of what a guest kernel may not execute itself (pv/emulate.c):
// true when done.
bool pv_emulate_privileged(struct cpu_regs *regs);
bool pv_emulate_invalid_op(struct cpu_regs *regs);

int pv_set_iopl(struct vcpu *v, u32 iopl);
int pv_set_iobitmap(struct vcpu *v, u64 gva, u32 ports);
// MMUEXT_NEW_BASEPTR of current: 0, -EINVAL, -ERESTART.
int pv_new_base(struct vcpu *v, gfn_t gfn);
int pv_new_user_base(struct vcpu *v, gfn_t gfn);
// Debug registers of current; -EINVAL, -EPERM (reserved bits, hypervisor
// addresses).
int pv_set_debugreg(struct vcpu *v, unsigned int reg, u64 value);
u64 pv_get_debugreg(struct vcpu *v, unsigned int reg);
// DR4 and DR5 are DR6 and DR7 unless CR4.DE is set; above 7: no register.
unsigned int pv_debugreg_number(const struct vcpu *v, unsigned int n);
void pv_set_ts(struct vcpu *v, bool on);
// Segment bases of current as the hardware has them (v's own fields are valid
// only while it does not run).
void pv_set_fs_base(u64 base);
void pv_set_gs_base(u64 base); // of the mode it is in
void pv_set_gs_base_other(struct vcpu *v, u64 base);
u64 pv_fs_base(void);
u64 pv_gs_base(void);
u64 pv_cr4_allowed(const struct domain *d);
u64 pv_cr4_real(const struct vcpu *v);
int pv_set_gdt(struct vcpu *v, const u64 *frames, unsigned int entries);
// One descriptor (two words as a number): fixes DPL 0; false: refuse.
bool pv_descriptor_check(u64 *desc);
// Reference and type of a page of checked descriptors.
int pv_segdesc_get(struct domain *d, mfn_t m);
void pv_clear_gdt(struct vcpu *v);
void pv_clear_ldt(struct vcpu *v);
// Makes the running vcpu's tables its kernel's for a while (true), when it is
// in user mode; false: there is none, guest memory is out of reach.
bool pv_kernel_view_begin(struct vcpu *v);
void pv_kernel_view_end(struct vcpu *v);
void pv_toggle_mode(struct vcpu *v);

#endif
