// SPDX-License-Identifier: MIT
// Error numbers of the ABI: public header xen/errno.h.
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#define XEN_ERRNO(name, value) name = value,
enum abi_errno {
#include <xen/errno.h>
	// Between rooms only, no guest sees them.
	EINTR = 4,
	ERESTART = 85,
};

#endif
