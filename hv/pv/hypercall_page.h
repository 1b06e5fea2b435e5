// SPDX-License-Identifier: MIT
// The page through which a guest kernel makes its hypercalls.
#ifndef PV_HYPERCALL_PAGE_H
#define PV_HYPERCALL_PAGE_H

// Writes one stub of 32 bytes for each number (public header xen.h). page is
// a whole mapped frame.
void hypercall_page_fill(void *page);

#endif
