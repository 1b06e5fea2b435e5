// SPDX-License-Identifier: MIT
// A vcpu: what every room knows of it.
#ifndef DOM_VCPU_H
#define DOM_VCPU_H

#include "lib/abi.h"
#include "lib/cpumask.h"
#include "x86/percpu.h"
#include "x86/time.h"

struct domain;
struct page_info;

// Read by entry assembly through generated offsets; pv/ fills it.
struct vcpu_hot {
	u64 mode_kernel;	  // 1: guest kernel mode, 0: guest user mode
				  // MODE_PV32: the ring in CS tells
	u64 cr3_kernel;		  // physical, loaded in guest kernel mode
	u64 cr3_user;		  // 0: none set yet
	u64 kernel_sp, kernel_ss; // stack_switch
	u64 syscall_cb, failsafe_cb, event_cb, sysenter_cb, syscall32_cb;
	u64 gs_base[2]; // of guest user and kernel mode; not of a running one's
	u64 short_cb;	// not 0: entry.S does system calls and iret by itself
	u32 exit;	// EXIT_*: what the way out has to do beside events
	u32 nmi_pending; // atomic
	u32 cb_flags;	 // CB_*
	bool pv32;	 // entry points have their selector in bits 32 to 47
};
#define MODE_PV32		  2
#define EXIT_FAILSAFE		  1u // a selector was refused: failsafe callback next
#define EXIT_ISOLATED		  2u // the domain is
#define EXIT_RING1		  4u // there is one
#define CB_SYSCALL_MASKS_EVENTS	  1u
#define CB_FAILSAFE_MASKS_EVENTS  2u
#define CB_SYSENTER_MASKS_EVENTS  4u
#define CB_SYSCALL32_MASKS_EVENTS 8u

// How the vcpu's time was spent; times in ns (public header vcpu.h).
struct vcpu_time_use {
	u32 state; // RUNSTATE_*
	u64 since; // system time of entry into state
	u64 time[4];
};

// Reasons that keep a vcpu from running (any bit set: not runnable).
#define VPF_BLOCKED 1u // SCHEDOP_block or poll
#define VPF_DOWN    2u // not brought up
#define VPF_PAUSED  4u // vcpu or domain pause count not zero

struct vcpu {
	struct vcpu_hot hot;
	struct cpu_regs regs; // while it does not run
	struct domain *domain;
	u32 id;
	u32 cpu; // where it runs or ran last

	u32 pause_flags;  // atomic, VPF_*
	u32 pause_count;  // atomic
	bool running;	  // on a CPU: written by the scheduler only
	bool initialised; // has a context
	bool is_idle;

	struct vcpu_info *info; // in shared info, own page or dummy_vcpu_info
	struct page_info *info_page;	 // registered one: reference held
	u64 runstate_gva, time_area_gva; // guest virtual; 0: none

	struct vcpu_time_use use; // sched/runstate.c, under queue lock
	struct timer periodic, singleshot, poll_timer;
	u64 period_ns, periodic_last;
	bool nmi_masked; // its handler runs, until the next iret

	u64 affinity_hard, affinity_soft; // cpumask
	struct sched_vcpu *sched;	  // sched/
	struct evtchn_vcpu *evtchn;	  // evtchn/
	struct pv_vcpu *pv;		  // pv/
};

// v->info back to the dummy, the page that was registered for it given back.
// v does not run, and nobody sends it events any more.
void vcpu_info_release(struct vcpu *v);
// Prints v's registers and the top of its stack; of one that
// runs on another CPU as they were at its last entry.
void vcpu_show(struct vcpu *v);

extern struct vcpu_info dummy_vcpu_info;

#define vcpu_info(v, field) ((v)->info->field)

#endif
