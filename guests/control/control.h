// SPDX-License-Identifier: MIT
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "lib/domu.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define NOBODY	  4711 // no domain has this number
#define NOT_THERE ((void *)0x10000)

// main.c: a domain that was built, paused, for a whole file of tests.
extern struct domu guest;
// The argument of the next call, to be filled in; cleared by domctl_begin().
extern struct xen_domctl ctl;
void domctl_begin(void);
long domctl_on(domid_t id, u32 cmd); // on ctl; the domain stays in it
#define CTL(cmd) domctl_on(guest.id, XEN_DOMCTL_##cmd)

#endif
