// SPDX-License-Identifier: MIT
// Between the files of dom/.
#ifndef DOM_PRIVATE_H
#define DOM_PRIVATE_H

#include "dom/domain.h"

// What has registered itself, in order.
#define MAX_UNITS 12
extern const struct domain_unit *domain_unit[MAX_UNITS];
extern unsigned int domain_units;

void vcpu_destroy(struct vcpu *v);
void show_init(void); // debug keys, a panic's guest

#endif
