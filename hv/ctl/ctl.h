// SPDX-License-Identifier: MIT
#ifndef CTL_CTL_H
#define CTL_CTL_H

// Boot: debug keys about domains, CPUs and memory.
void ctl_keys_init(void);

#endif
