// SPDX-License-Identifier: MIT
// A small guest in DomU that uses what xl gives it: parts of it.
#ifndef TENANT_H
#define TENANT_H

#include "lib/guest.h"
#include "lib/store.h"

// Rings of io/*.h.
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

// What cannot fail: the guest crashes, with the place on its console.
#define NEED(expr) need(expr, __FILE__, __LINE__)
void need(bool ok, const char *file, int line);

// Negative: there is none.
long store_read_number(const char *path);
void store_write_number(const char *path, u64 value);

// grants.c: version 1, one frame of entries.
void grants_init(void);
u32 grant_page(const void *page, domid_t to, u16 flags);

// A device's frontend: front.c.
struct front {
	const char *path; // device/KIND/NUMBER
	char backend[STORE_TEXT];
	domid_t domid; // of the backend
	u32 port;
};
// Waits for the backend, and binds the port.
void front_begin(struct front *f);
void front_write(const struct front *f, const char *key, u64 value);
// All keys are there: waits until the backend took them.
void front_connect(const struct front *f);

// What a word of the command line makes it do.
void limits(void);
// One more round of traffic; the number of things that were wrong.
u64 disk_round(void);
u64 net_round(void);

#endif
