// SPDX-License-Identifier: MIT
// Two domains with two vcpus each and their event channels: begin and end.
#ifndef UNIT_EVTCHN_WORLD_H
#define UNIT_EVTCHN_WORLD_H

#include "evtchn_machine.h"

static void start(void)
{
	static const struct domain_config cfg = { .max_evtchn_port = ~0u };

	memset(dom, 0, sizeof(dom));
	memset(vcpus, 0, sizeof(vcpus));
	memset(shared, 0, sizeof(shared));
	memset(infos, 0, sizeof(infos));
	memset(frame, 0, sizeof(frame));
	memset(frame_refs, 0, sizeof(frame_refs));
	for (u16 i = 0; i < 2; i++) {
		struct domain *d = &dom[i];

		d->id = i;
		d->is_control = d->is_hardware = i == 0;
		d->max_vcpus = 2;
		d->vcpu = vcpu_table[i];
		d->shared = &shared[i];
		rangeset_init(&d->rights[RIGHT_IRQS], heap_alloc, heap_free);
		rangeset_add(&d->rights[RIGHT_IRQS], 0, 23);
		evtchn_unit.init(d, &cfg);
		for (u32 n = 0; n < 2; n++) {
			struct vcpu *v = &vcpus[i][n];

			v->id = n;
			v->domain = d;
			v->info = &infos[i][n];
			vcpu_table[i][n] = v;
			evtchn_unit.vcpu_init(v);
		}
	}
	running = &vcpus[0][0];
	kicks = unblocks = 0;
}

static void relinquish(struct domain *d)
{
	int rc;

	do
		rc = evtchn_unit.relinquish(d);
	while (rc == -ERESTART);
	CHECK(!rc);
}

static void finish(void)
{
	for (u32 i = 0; i < 2; i++) {
		dom[i].state = DOM_DYING;
		relinquish(&dom[i]);
		CHECK(!dom[i].evtchn->active && !dom[i].ref);
		for (u32 n = 0; n < 2; n++)
			evtchn_unit.vcpu_exit(&vcpus[i][n]);
		evtchn_unit.exit(&dom[i]);
		rangeset_exit(&dom[i].rights[RIGHT_IRQS]);
	}
	for (u32 i = 0; i < 8; i++)
		CHECK(!frame_refs[i]);
	CHECK(!locks);
}

static bool pending(u32 d, u32 port)
{
	return shared[d].evtchn_pending[port / 64] >> port % 64 & 1;
}

#endif
