// SPDX-License-Identifier: MIT
// The public headers of the Xen ABI, as the distribution's libxen-dev ships
// them, in the one form in which all of Ringlet includes them.
#ifndef LIB_ABI_H
#define LIB_ABI_H

#include "lib/types.h"

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif
#include <xen/xen.h>
#include <xen/version.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/physdev.h>
#include <xen/nmi.h>
#include <xen/platform.h>

// A guest handle's pointer as the number it is: never dereferenced here.
#define handle_gva(h) ((u64)(h).p)

#endif
