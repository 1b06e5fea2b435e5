// SPDX-License-Identifier: MIT
// sysctl: trace rings, and word to their reader when one is half full.
#include "ctl/private.h"
#include "dom/trace.h"
#include "evtchn/evtchn.h"

static void tell_reader(void)
{
	virq_send_global(VIRQ_TBUF);
}

long sysctl_tbuf_op(struct sub *s, struct xen_sysctl_tbuf_op *a)
{
	int rc;

	switch (a->cmd) {
	case XEN_SYSCTL_TBUFOP_get_info:
		a->evt_mask = trace_events;
		a->buffer_mfn = trace_info_mfn(&a->size);
		return 0;
	case XEN_SYSCTL_TBUFOP_set_cpu_mask:
		return bitmap_from_guest(&trace_cpus, &a->cpu_mask, nr_cpus);
	case XEN_SYSCTL_TBUFOP_set_evt_mask:
		WRITE_ONCE(trace_events, a->evt_mask);
		return 0;
	case XEN_SYSCTL_TBUFOP_set_size:
		softirq_register(SOFTIRQ_TRACE, tell_reader);
		return trace_set_size(a->size);
	case XEN_SYSCTL_TBUFOP_enable:
	case XEN_SYSCTL_TBUFOP_disable:
		rc = trace_switch(a->cmd == XEN_SYSCTL_TBUFOP_enable);
		if (!rc)
			calls_trace(a->cmd == XEN_SYSCTL_TBUFOP_enable);
		return rc;
	}
	return -EINVAL;
}
