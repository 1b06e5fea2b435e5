// SPDX-License-Identifier: MIT
// Event channels, 2-level ABI.
#include "lib/guest.h"

#define WORD_BITS (8 * sizeof(uptr))

volatile u32 event_counts[4096], event_upcalls;
void (*event_hook)(void);
struct shared_info *shared;
static u8 shared_page[PAGE_SIZE] __page_aligned;

void event_dispatch(void);

struct vcpu_info *vcpu_info_of(unsigned int vcpu)
{
	return &shared->vcpu_info[vcpu];
}

void event_init(void)
{
	update_va(shared_page, start_info->shared_info | PTE_RW | PTE_U,
		  UVMF_INVLPG);
	shared = (struct shared_info *)shared_page;
}

static void scan(void)
{
	uptr words = __atomic_exchange_n(&vcpu_info_of(0)->evtchn_pending_sel,
					 0, __ATOMIC_SEQ_CST);

	while (words) {
		unsigned int w = (unsigned int)__builtin_ctzl(words);
		uptr bits = shared->evtchn_pending[w] & ~shared->evtchn_mask[w];

		words &= words - 1;
		__atomic_fetch_and(&shared->evtchn_pending[w], ~bits,
				   __ATOMIC_SEQ_CST);
		for (; bits; bits &= bits - 1)
			event_counts[w * WORD_BITS +
				     (unsigned int)__builtin_ctzl(bits)]++;
	}
}

// Runs with events masked: the callback masks them, iret restores.
void event_dispatch(void)
{
	struct vcpu_info *info = vcpu_info_of(0);

	event_upcalls++;
	do {
		info->evtchn_upcall_pending = 0;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (event_hook)
			event_hook();
		else
			scan();
	} while (info->evtchn_upcall_pending);
}

void event_mask_all(void)
{
	vcpu_info_of(0)->evtchn_upcall_mask = 1;
	barrier();
}

void event_unmask_all(void)
{
	struct vcpu_info *info = vcpu_info_of(0);

	info->evtchn_upcall_mask = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	// Clearing the mask delivers nothing; any hypercall does.
	if (info->evtchn_upcall_pending)
		version_op(XENVER_version, NULL);
}

u64 system_time_of(const struct vcpu_info *info)
{
	const volatile struct vcpu_time_info *t = &info->time;
	u32 version, low, high;
	u64 delta, ns;

	do {
		version = t->version;
		barrier();
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
		delta = ((u64)high << 32 | low) - t->tsc_timestamp;
		if (t->tsc_shift >= 0)
			delta <<= t->tsc_shift;
		else
			delta >>= -t->tsc_shift;
		// Of 96 bits the middle ones.
		ns = t->system_time + (delta >> 32) * t->tsc_to_system_mul +
		     ((delta & 0xffffffff) * t->tsc_to_system_mul >> 32);
		barrier();
	} while ((version & 1) || version != t->version);
	return ns;
}

u64 system_time(void)
{
	return system_time_of(vcpu_info_of(0));
}

long port_send(u32 port)
{
	struct evtchn_send op = { port };

	return event_op(EVTCHNOP_send, &op);
}

long port_unmask(u32 port)
{
	struct evtchn_unmask op = { port };

	return event_op(EVTCHNOP_unmask, &op);
}

long port_close(u32 port)
{
	struct evtchn_close op = { port };

	return event_op(EVTCHNOP_close, &op);
}

// It stands in what a port of ours waits for.
domid_t domain_self(void)
{
	static domid_t self = DOMID_INVALID;
	struct evtchn_alloc_unbound op = { DOMID_SELF, DOMID_SELF, 0 };
	struct evtchn_status state = { .dom = DOMID_SELF };

	if (self == DOMID_INVALID) {
		event_op(EVTCHNOP_alloc_unbound, &op);
		state.port = op.port;
		event_op(EVTCHNOP_status, &state);
		port_close(op.port);
		self = state.u.unbound.dom;
	}
	return self;
}
