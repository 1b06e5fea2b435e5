// SPDX-License-Identifier: MIT
// What the frontends have in common: the keys in the store and the states
// (public header io/xenbus.h).
#include "tenant/tenant.h"
#include <xen/io/xenbus.h>

#define PAUSE 5000000ul // ns between two looks at a state

static void path_of(char *to, size_t size, const char *folder, const char *key)
{
	snprintf(to, size, "%s/%s", folder, key);
}

static void wait_state(const struct front *f, long state)
{
	char path[STORE_TEXT];

	path_of(path, sizeof(path), f->backend, "state");
	while (store_read_number(path) < state) {
		struct sched_poll poll = { .timeout = system_time() + PAUSE };

		sched_op(SCHEDOP_poll, &poll);
	}
}

void front_begin(struct front *f)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF };
	char path[STORE_TEXT];

	path_of(path, sizeof(path), f->path, "backend");
	NEED(store_read(0, path, f->backend) > 0);
	path_of(path, sizeof(path), f->path, "backend-id");
	f->domid = (domid_t)store_read_number(path);
	op.remote_dom = f->domid;
	NEED(event_op(EVTCHNOP_alloc_unbound, &op) == 0);
	f->port = op.port;
	wait_state(f, XenbusStateInitWait);
	front_write(f, "event-channel", f->port);
}

void front_write(const struct front *f, const char *key, u64 value)
{
	char path[STORE_TEXT];

	path_of(path, sizeof(path), f->path, key);
	store_write_number(path, value);
}

void front_connect(const struct front *f)
{
	front_write(f, "state", XenbusStateConnected);
	wait_state(f, XenbusStateConnected);
}
