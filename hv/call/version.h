// SPDX-License-Identifier: MIT
// What xen_version answers, for the tools' interface too.
#ifndef CALL_VERSION_H
#define CALL_VERSION_H

#include "lib/types.h"

// The hypervisor's command line; boot/ keeps it here.
extern char hv_command_line[1024];

#endif
