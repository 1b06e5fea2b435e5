// SPDX-License-Identifier: MIT
// Another domain, for frames, ports and grants that are not ours.
#ifndef LIB_DOMAIN_H
#define LIB_DOMAIN_H

domid_t domain_self(void); // who we are: event.c

// A domain without a vcpu that runs; DOMID_INVALID on failure,
// which is also a failed check. The caller destroys it. Its kernel is to be as
// wide as this one, or 32 or 64 bits.
domid_t domain_create(void);
domid_t domain_create_of(unsigned int bits);
domid_t domain_create_as(domid_t wanted); // 0: any number
u64 domain_page(domid_t id, u64 pfn);	  // a new frame of it
void domain_destroy(domid_t id);
struct xen_domctl;
long domctl(struct xen_domctl *op); // fills in the version

extern unsigned int domains_kept; // for the next test

#endif
