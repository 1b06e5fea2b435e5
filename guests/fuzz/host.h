// SPDX-License-Identifier: MIT
#ifndef HOST_H
#define HOST_H

#include "fuzz/fuzz.h"

void host_run(void);

#endif
