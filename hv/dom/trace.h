// SPDX-License-Identifier: MIT
// Trace records for Dom0's xentrace: a ring per CPU that Dom0 maps and empties
// (public header trace.h). A trace point costs one test while nothing traces.
#ifndef DOM_TRACE_H
#define DOM_TRACE_H

#include "lib/abi.h"
#include <xen/trace.h>

extern bool trace_on;

// Any context. words: at most 7, in the format that event's readers expect.
void trace_record(u32 event, const u32 *extra, unsigned int words);

#define TRACE(event, ...)                                                    \
	do {                                                                 \
		if (unlikely(READ_ONCE(trace_on)))                           \
			trace_record(                                        \
				(event), (const u32[]){ __VA_ARGS__ },       \
				ARRAY_SIZE(((const u32[]){ __VA_ARGS__ }))); \
	} while (0)
#define TRACE_64(x)   (u32)(x), (u32)((u64)(x) >> 32)
#define TRACE_VCPU(v) ((u32)(v)->domain->id << 16 | (v)->id)

// For sysctl; one caller at a time. Rings of so many pages, for good; -EINVAL:
// another size than they have, -ENOMEM.
int trace_set_size(u32 pages);
// What Dom0 maps first and its bytes; 0: there are no rings.
u64 trace_info_mfn(u32 *bytes);
int trace_switch(bool on); // -EINVAL: no rings. Off: what waits is dropped.
extern u32 trace_events;   // classes, TRC_*
extern u64 trace_cpus;

#endif
