// SPDX-License-Identifier: MIT
// sysctl: memory, domains, log, scheduler.
#include "access/access.h"
#include "con/con.h"
#include "ctl/private.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pci/pci.h"
#include "sched/sched.h"

long sysctl_readconsole(struct sub *s, struct xen_sysctl_readconsole *a)
{
	u32 index = a->index, used = 0, most = a->count;
	bool from_index = a->incremental;
	char part[960];
	size_t n;

	do {
		n = log_read(&index, part, MIN(sizeof(part), most - used),
			     from_index);
		if (copy_to_guest(handle_gva(a->buffer) + used, part, n))
			return -EFAULT;
		used += (u32)n;
		from_index = true;
	} while (n == sizeof(part) && used < most);
	if (a->clear)
		log_clear();
	a->index = index;
	a->count = used;
	return 0;
}

// The keys' functions run with no lock held, one key at a time.
long sysctl_debug_keys(struct sub *s, struct xen_sysctl_debug_keys *a)
{
	char key;

	while (a->nr_keys) {
		if (copy_struct_from_guest(&key, handle_gva(a->keys)))
			return -EFAULT;
		debug_key_handle(key);
		a->keys.p = (typeof(a->keys.p))(handle_gva(a->keys) + 1);
		a->nr_keys--;
		if (a->nr_keys && preempt_check()) {
			s->copy_back = true;
			return -ERESTART;
		}
	}
	return 0;
}

long sysctl_getdomaininfolist(struct sub *s,
			      struct xen_sysctl_getdomaininfolist *a)
{
	struct xen_domctl_getdomaininfo info;
	u32 n = 0, id = a->first_domain;
	struct domain *d;

	while (n < a->max_domains && (d = domain_get_from(id))) {
		domain_info_fill(d, &info);
		id = d->id + 1u;
		domain_put(d);
		if (copy_struct_to_guest(
			    handle_gva(a->buffer) + n * sizeof(info), &info))
			return -EFAULT;
		n++;
	}
	a->num_domains = n;
	return 0;
}

// Free frames are not counted by address: all of them may be below a limit.
long sysctl_availheap(struct sub *s, struct xen_sysctl_availheap *a)
{
	u64 bytes = frames_free_count() << PAGE_SHIFT;

	if (a->node > 0)
		bytes = 0;
	if (a->max_bitwidth && a->max_bitwidth < 64)
		bytes = MIN(bytes, BIT(a->max_bitwidth));
	a->avail_bytes = bytes;
	return 0;
}

long sysctl_numainfo(struct sub *s, struct xen_sysctl_numainfo *a)
{
	u64 meminfo = handle_gva(a->meminfo),
	    distance = handle_gva(a->distance);
	const struct xen_sysctl_meminfo m = {
		.memsize = max_mfn << PAGE_SHIFT,
		.memfree = frames_free_count() << PAGE_SHIFT,
	};
	const u32 to_itself = 10; // ACPI 6.4, 5.2.17

	if (!meminfo && !distance) {
		a->num_nodes = 1;
		return 0;
	}
	if (!a->num_nodes)
		return 0;
	a->num_nodes = 1;
	if (meminfo && copy_struct_to_guest(meminfo, &m))
		return -EFAULT;
	if (distance && copy_struct_to_guest(distance, &to_itself))
		return -EFAULT;
	return 0;
}

// All devices are as near as each other: no node, or no such device.
long sysctl_pcitopoinfo(struct sub *s, struct xen_sysctl_pcitopoinfo *a)
{
	u64 devs = handle_gva(a->devs), nodes = handle_gva(a->nodes);
	struct physdev_pci_device dev;
	u32 i, node;

	if (!devs || !nodes)
		return -EINVAL;
	for (i = 0; i < a->num_devs; i++) {
		if (copy_struct_from_guest(&dev, devs + i * sizeof(dev)))
			return -EFAULT;
		node = dev.seg || pci_read(PCI_BDF(dev.bus, dev.devfn), 0, 2) ==
					       0xffff
			       ? XEN_INVALID_DEV
			       : XEN_INVALID_NODE_ID;
		if (copy_struct_to_guest(nodes + i * sizeof(node), &node))
			return -EFAULT;
		if (i > 63 && preempt_check()) {
			i++;
			break;
		}
	}
	a->num_devs = i;
	return 0;
}
