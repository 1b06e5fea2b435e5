// SPDX-License-Identifier: MIT
// Domains and vcpus: what every room knows of them. Fields are grouped under
// the lock that guards them; rooms above keep their own state behind opaque
// pointers and register a domain unit to make and free it.
#ifndef DOM_DOMAIN_H
#define DOM_DOMAIN_H

#include "lib/abi.h"
#include "dom/policy_leaves.h"
#include "dom/vcpu.h"
#include "lib/rangeset.h"
#include "mm/page.h"

#define MAX_VCPUS 128 // of one domain

// What differs by the kind of guest; filled by pv/.
struct guest_ops {
	int (*vcpu_init)(struct vcpu *v);
	void (*vcpu_exit)(struct vcpu *v);
	int (*domain_init)(struct domain *d);
	void (*domain_exit)(struct domain *d);
	// Leaves the CPU: save what the hardware holds of v. Interrupts off.
	void (*switch_from)(struct vcpu *v);
	void (*switch_to)(struct vcpu *v);
	// Drops what the guest's own tables hold; -ERESTART to be called again.
	int (*relinquish)(struct domain *d);
	int (*context_set)(struct vcpu *v, const struct vcpu_guest_context *c);
	void (*context_get)(struct vcpu *v, struct vcpu_guest_context *c);
	__noreturn void (*resume)(void); // first entry after a switch
	// Loads the guest kernel's tables of current where its user mode's are
	// loaded, and puts them back; false: there are none.
	bool (*kernel_view_begin)(struct vcpu *v);
	void (*kernel_view_end)(struct vcpu *v);
	// access/'s copy_to_guest: what the scheduler tells of time.
	int (*copy_out)(u64 gva, const void *src, u64 len);
};

enum domain_state { DOM_ALIVE, DOM_DYING, DOM_DEAD };
// Ports, frames of device memory, interrupts that are numbered by irq.
enum domain_right { RIGHT_PORTS, RIGHT_MEM, RIGHT_IRQS, RIGHTS };

struct domain {
	struct page_account account; // first: a frame's owner points here
	u16 id;
	bool is_control;  // may manage others
	bool is_hardware; // owns devices
	bool pv32;	  // a 32-bit kernel: its layouts, PAE tables, ring 1
	bool isolated;	  // no hypervisor in its tables: docs/xpti.md
	u8 state;	  // enum domain_state, written under control lock
	u8 relinquish_step;
	u64 relinquish_left;	  // frames of the list that it has yet to visit
	u32 ref;		  // atomic; see domain_get
	struct domain *next_free; // no reference is left
	struct domain *next;	  // on the list of domains, RANK_DOMLIST
	struct domain *next_same; // with the same hash; RANK_DOMLIST to write
	struct spinlock lock;	  // RANK_DOMAIN

	u32 max_vcpus;
	struct vcpu **vcpu;    // max_vcpus pointers, NULL where not created
	u32 pause_count;       // atomic: any pausers
	u32 controller_pauses; // under lock: by domctl
	bool shut_down, shutting_down; // atomic
	u16 shutdown_code;	       // atomic: reason + 1; 0: none yet

	struct shared_info *shared; // page, mapped by the guest
	const struct guest_ops *ops;

	u8 handle[16]; // uuid
	u32 ssidref;
	u32 create_flags;  // XEN_DOMCTL_CDF_*
	u64 vm_assist;	   // bits of VMASST_TYPE_*
	u64 l1_adjusted;   // PTE_P: software state in its L1 entries; 0: none
	u64 l1tf_end;	   // last byte that no absent entry may name; 0: any
	s64 time_offset_s; // of the wall clock
	u32 tsc_mode, tsc_khz, tsc_incarnation;
	bool vtsc; // rdtsc is emulated
	u64 vtsc_offset_ns;
	bool debugger_attached;
	char console_line[160]; // guest console, dom/console.c
	u32 console_used;
	u64 console_rate;

	struct rangeset rights[RIGHTS]; // what it may use
	struct evtchn_domain *evtchn;
	struct grant_table *grant;
	struct pv_domain *pv;
	struct sched_domain *sched;
	struct pci_domain *pci;
	struct memory_map *memory_map; // call/memory.h; d->lock
	struct policy policy;	       // CPUID and MSRs
};

// Lookup takes a reference unless it is said otherwise.
struct domain *domain_get_by_id(u16 domid); // NULL: none, or DOMID_SELF etc.
void domain_get(struct domain *d);	    // caller holds one already
void domain_put(struct domain *d); // last one: frees, later, on this CPU
// The first domain whose number is id or more.
struct domain *domain_get_from(u32 id);
// Each one, under the list's lock.
void domains_visit(void (*fn)(struct domain *d));
// domid as hypercalls give it: DOMID_SELF or a number. NULL: no such.
struct domain *domain_get_self_or(u16 domid);

// A variable of this kind drops its reference, if any, when its block ends.
#define __domain_ref __attribute__((cleanup(domain_ref_end)))
static inline void domain_ref_end(struct domain **d)
{
	if (*d)
		domain_put(*d);
}

extern struct domain *dom0; // the hardware and control domain
extern struct domain *idle_domain;
extern struct domain *dom_xen, *dom_io; // owners of hypervisor, device frames
extern struct domain *domain_list;	// by id, RANK_DOMLIST lock
extern struct spinlock domain_list_lock;

#define for_each_domain(d) for (struct domain *d = domain_list; d; d = d->next)

struct domain_config {
	u16 domid;
	u32 max_vcpus, flags, ssidref, cpupool_id;
	u32 max_evtchn_port, max_grant_frames, max_maptrack_frames,
		grant_version;
	u8 handle[16];
	const struct guest_ops *ops;
};
// 0 and *out, or an error. Not runnable: one controller pause is set.
int domain_create(const struct domain_config *cfg, struct domain **out);
// Creates vcpu id, down. -EINVAL, -EEXIST, -ENOMEM.
int vcpu_create(struct domain *d, unsigned int id, struct vcpu **out);
// -ERESTART until everything the domain held is given back (domctl destroy).
int domain_kill(struct domain *d);

// Domain units: made in order of registration, freed in reverse; exit and
// vcpu_exit may find nothing made, or a part. What a unit
// holds of the domain's frames, page_share() too, it gives back on relinquish:
// the last reference is gone only after the last frame.
struct domain_unit {
	int (*init)(struct domain *d, const struct domain_config *cfg);
	void (*exit)(struct domain *d);	     // when the last reference is gone
	int (*relinquish)(struct domain *d); // on kill; -ERESTART: again
	int (*vcpu_init)(struct vcpu *v);
	void (*vcpu_exit)(struct vcpu *v);
};
void domain_unit_register(const struct domain_unit *u);

// The guest broke a rule that no return value can tell: prints where and the
// guest's state, then shuts the domain down with SHUTDOWN_crash.
void domain_crash(struct domain *d, const char *why, ...) __fmt(2, 3);
// Reason as SCHEDOP_shutdown has it; Dom0: acts on the machine.
void domain_shutdown(struct domain *d, u8 reason);
// The reason that its shutdown has, or will have: the first that was given.
u8 domain_shutdown_code(struct domain *d, u8 reason);
void domain_resume(struct domain *d); // after suspend

// May c act on d? (control domain, or itself).
static inline bool domain_may_control(const struct domain *c,
				      const struct domain *d)
{
	return c->is_control || c == d;
}

// What sched/, which is above, does for this room; sched_init() fills it.
struct sched_hooks {
	void (*domain_pause)(struct domain *d); // waits
	void (*domain_pause_nosync)(struct domain *d);
	void (*domain_unpause)(struct domain *d);
};
extern struct sched_hooks sched_hooks;
// A domain shut down or is gone: VIRQ_DOM_EXC; evtchn/ sets it.
extern void (*domain_send_virq)(u32 virq);

// Boot: idle_domain (its vcpus are made by sched/), dom_xen and dom_io. 0 or
// -ENOMEM.
int domain_create_idle(void);

#define shared_info(d, field) ((d)->shared->field)

static inline struct vcpu *domain_vcpu(const struct domain *d, u32 id)
{
	if (id >= d->max_vcpus)
		return NULL;
	return d->vcpu[index_nospec(id, d->max_vcpus)];
}

#define for_each_vcpu(d, v)                                  \
	for (u32 v##_i = 0; v##_i < (d)->max_vcpus; v##_i++) \
		if ((v = (d)->vcpu[v##_i]) != NULL)

// Text that a guest wrote for the console: Dom0's raw, others' by line with
// "(dN) " before it under guest_loglvl.
void domain_console_write(struct domain *d, const char *text, size_t n);

#endif
