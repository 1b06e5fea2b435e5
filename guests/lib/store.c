// SPDX-License-Identifier: MIT
// The header has its table of errors where this is a macro.
#define EINVAL EINVAL
#include "lib/store.h"

#define EVENTS 64 // kept until somebody asks

static struct event {
	char path[128], token[32];
} events[EVENTS];
static unsigned int event_first, event_end;
static u32 last_id;

static volatile struct xenstore_domain_interface *ring(void)
{
	return mfn_to_virt(start_info->store_mfn);
}

void store_wait(void)
{
	sched_op(SCHEDOP_block, NULL);
	event_mask_all();
}

static void send(const void *from, size_t size)
{
	const char *at = from;

	while (size) {
		u32 prod = ring()->req_prod;

		if (prod - ring()->req_cons == XENSTORE_RING_SIZE) {
			port_send(start_info->store_evtchn);
			store_wait();
			continue;
		}
		ring()->req[MASK_XENSTORE_IDX(prod)] = *at++;
		__atomic_store_n(&ring()->req_prod, prod + 1, __ATOMIC_RELEASE);
		size--;
	}
}

// What does not fit is dropped.
static void receive(char *to, size_t size, size_t room)
{
	for (size_t i = 0; i < size;) {
		u32 cons = ring()->rsp_cons;

		if (cons ==
		    __atomic_load_n(&ring()->rsp_prod, __ATOMIC_ACQUIRE)) {
			port_send(start_info->store_evtchn);
			store_wait();
			continue;
		}
		if (i < room)
			to[i] = ring()->rsp[MASK_XENSTORE_IDX(cons)];
		__atomic_store_n(&ring()->rsp_cons, cons + 1, __ATOMIC_RELEASE);
		i++;
	}
}

static void copy_text(char *to, const char *from, size_t room)
{
	size_t n = strlen(from);

	n = n < room ? n : room - 1;
	memcpy(to, from, n);
	to[n] = 0;
}

static void keep_event(const char *text)
{
	struct event *e = &events[event_end++ % EVENTS];

	copy_text(e->path, text, sizeof(e->path));
	copy_text(e->token, text + strlen(text) + 1, sizeof(e->token));
	if (event_end - event_first > EVENTS)
		event_first++;
}

static long error_number(const char *text)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(xsd_errors); i++) {
		if (!strcmp(text, xsd_errors[i].errstring))
			return -xsd_errors[i].errnum;
	}
	return -EIO;
}

static void receive_event(u32 length)
{
	static char text[XENSTORE_PAYLOAD_MAX + 2];

	receive(text, length, XENSTORE_PAYLOAD_MAX);
	port_send(start_info->store_evtchn); // there is room again
	text[length] = text[length + 1] = 0;
	keep_event(text);
}

bool store_event(char *token, char *path)
{
	const struct event *e = &events[event_first % EVENTS];
	struct xsd_sockmsg head;

	if (event_first == event_end) {
		if (ring()->rsp_cons == ring()->rsp_prod)
			return false;
		receive((char *)&head, sizeof(head), sizeof(head));
		receive_event(head.len);
	}
	event_first++;
	memcpy(token, e->token, sizeof(e->token));
	if (path)
		memcpy(path, e->path, sizeof(e->path));
	return true;
}

static long receive_answer(u32 id, char *answer)
{
	static char text[XENSTORE_PAYLOAD_MAX + 1];
	struct xsd_sockmsg head;

	for (;;) {
		receive((char *)&head, sizeof(head), sizeof(head));
		if (head.type != XS_WATCH_EVENT)
			break;
		receive_event(head.len);
	}
	receive(text, head.len, XENSTORE_PAYLOAD_MAX);
	port_send(start_info->store_evtchn);
	text[head.len] = 0;
	if (head.req_id != id)
		return -EIO;
	if (head.type == XS_ERROR)
		return error_number(text);
	if (answer)
		copy_text(answer, text, STORE_TEXT);
	return (long)head.len;
}

long store_call(u32 type, u32 transaction, const void *payload, size_t size,
		char *answer)
{
	struct xsd_sockmsg head = { type, ++last_id, transaction, (u32)size };

	send(&head, sizeof(head));
	send(payload, size);
	port_send(start_info->store_evtchn);
	return receive_answer(head.req_id, answer);
}

long store_read(u32 transaction, const char *path, char *value)
{
	return store_call(XS_READ, transaction, path, strlen(path) + 1, value);
}

// A path with its NUL, and what follows it. Answers say "OK".
static long call_with(u32 type, u32 transaction, const char *path,
		      const void *more, size_t size)
{
	char payload[2 * STORE_TEXT];
	size_t n = strlen(path) + 1;
	long rc;

	if (n > STORE_TEXT || size > STORE_TEXT)
		return -EINVAL;
	memcpy(payload, path, n);
	memcpy(payload + n, more, size);
	rc = store_call(type, transaction, payload, n + size, NULL);
	return rc < 0 ? rc : 0;
}

long store_write(u32 transaction, const char *path, const char *value)
{
	return call_with(XS_WRITE, transaction, path, value, strlen(value));
}

long store_remove(u32 transaction, const char *path)
{
	return call_with(XS_RM, transaction, path, NULL, 0);
}

long store_allow(u32 transaction, const char *path, const char *permissions,
		 size_t size)
{
	return call_with(XS_SET_PERMS, transaction, path, permissions, size);
}

long store_watch(const char *path, const char *token)
{
	return call_with(XS_WATCH, 0, path, token, strlen(token) + 1);
}

long store_unwatch(const char *path, const char *token)
{
	return call_with(XS_UNWATCH, 0, path, token, strlen(token) + 1);
}

u32 number_of(const char *text)
{
	u32 n = 0;

	while (*text == ' ')
		text++;
	while (*text >= '0' && *text <= '9')
		n = n * 10 + (u32)(*text++ - '0');
	return n;
}

long store_begin(u32 *transaction)
{
	char answer[STORE_TEXT];
	long rc = store_call(XS_TRANSACTION_START, 0, "", 1, answer);

	*transaction = number_of(answer);
	return rc < 0 ? rc : 0;
}

long store_end(u32 transaction, bool commit)
{
	long rc = store_call(XS_TRANSACTION_END, transaction,
			     commit ? "T" : "F", 2, NULL);

	return rc < 0 ? rc : 0;
}
