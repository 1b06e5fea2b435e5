// SPDX-License-Identifier: MIT
// What the hypervisor says about memory, to the page, and what it answers when
// there is none. For Dom0; the hypercalls go through /dev/xen/privcmd.
//
//	memory free	 KEY=VALUE words: free, claimed and all pages
//	memory domain ID the same for a domain: pages, max, claimed
//	memory fill KEEP makes a domain that takes all free pages but so many;
//			 prints its number
//	memory drop ID	 destroys a domain
//	memory claim ID PAGES
//			 claims; 0 or the error
//	memory stop PID	 SIGSTOP for it while pages are claimed
//	memory make VCPUS
//			 an empty domain of so many vcpus that are not there
//			 yet, and no limit to its memory; prints its number
//	memory ask ID	 requests that need memory for that domain, each until
//			 it is refused; what the refusal was
//	memory eat	 all memory of Dom0, until the kernel ends it
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define __XEN_TOOLS__
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sysctl.h>

#define ORDER_MOST 9
#define UNBOUND	   65536 // more ports than memory of this size has room for

struct call {
	uint64_t nr, arg[5];
};
#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct call))

// All that the hypervisor reads or writes: it stays where it is.
static union {
	struct xen_domctl domctl;
	struct xen_sysctl sysctl;
	struct xen_memory_reservation reservation;
	struct xen_mem_acquire_resource resource;
	struct evtchn_alloc_unbound unbound;
	struct gnttab_setup_table setup;
} * arg;
static uint64_t *list;
static int privcmd;
static unsigned long operand[2];

static void *locked_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);

	if (page == MAP_FAILED) {
		perror("memory: mmap");
		exit(2);
	}
	return page;
}

// What it returned, or the negative error.
static long hypercall(uint64_t nr, uint64_t a1, void *a2, uint64_t a3)
{
	struct call call = { nr, { a1, (uint64_t)a2, a3, 0, 0 } };
	int rc = ioctl(privcmd, PRIVCMD_HYPERCALL, &call);

	return rc < 0 ? -errno : rc;
}

static long domctl(uint32_t cmd, unsigned long id)
{
	arg->domctl.cmd = cmd;
	arg->domctl.domain = (domid_t)id;
	arg->domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	return hypercall(__HYPERVISOR_domctl, (uint64_t)arg, NULL, 0);
}

static long sysctl(uint32_t cmd)
{
	arg->sysctl.cmd = cmd;
	arg->sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return hypercall(__HYPERVISOR_sysctl, (uint64_t)arg, NULL, 0);
}

static void need(long rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "memory: %s: %ld\n", what, rc);
	exit(1);
}

static const struct xen_sysctl_physinfo *physinfo(void)
{
	memset(arg, 0, sizeof(*arg));
	need(sysctl(XEN_SYSCTL_physinfo), "physinfo");
	return &arg->sysctl.u.physinfo;
}

static uint64_t free_pages(void)
{
	return physinfo()->free_pages;
}

static int cmd_free(void)
{
	const struct xen_sysctl_physinfo *i = physinfo();

	printf("free=%llu claimed=%llu total=%llu\n",
	       (unsigned long long)i->free_pages,
	       (unsigned long long)i->outstanding_pages,
	       (unsigned long long)i->total_pages);
	return 0;
}

static int cmd_domain(void)
{
	unsigned long id = operand[0];
	const struct xen_domctl_getdomaininfo *i = &arg->domctl.u.getdomaininfo;

	memset(arg, 0, sizeof(*arg));
	need(domctl(XEN_DOMCTL_getdomaininfo, id), "getdomaininfo");
	if (i->domain != id) {
		fprintf(stderr, "memory: no domain %lu\n", id);
		return 1;
	}
	printf("pages=%llu max=%llu claimed=%llu\n",
	       (unsigned long long)i->tot_pages,
	       (unsigned long long)i->max_pages,
	       (unsigned long long)i->outstanding_pages);
	return 0;
}

static long create(unsigned int vcpus)
{
	struct xen_domctl_createdomain *c = &arg->domctl.u.createdomain;

	memset(arg, 0, sizeof(*arg));
	c->max_vcpus = vcpus;
	c->max_evtchn_port = 1 << 20;
	c->max_grant_frames = 64;
	c->max_maptrack_frames = 4;
	c->grant_opts = 2;
	c->handle[0] = 1;
	return domctl(XEN_DOMCTL_createdomain, 0);
}

static unsigned int create_unlimited(unsigned int vcpus)
{
	unsigned int id;

	need(create(vcpus), "createdomain");
	id = arg->domctl.domain;
	memset(arg, 0, sizeof(*arg));
	arg->domctl.u.max_mem.max_memkb = 1ull << 40;
	need(domctl(XEN_DOMCTL_max_mem, id), "max_mem");
	return id;
}

static long give(unsigned long id, unsigned int order)
{
	memset(arg, 0, sizeof(*arg));
	arg->reservation.nr_extents = 1;
	arg->reservation.extent_order = order;
	arg->reservation.domid = (domid_t)id;
	return hypercall(__HYPERVISOR_memory_op, XENMEM_increase_reservation,
			 arg, 0);
}

static int cmd_fill(void)
{
	uint64_t keep = operand[0];
	unsigned int id = create_unlimited(1);

	for (int order = ORDER_MOST; order >= 0; order--)
		while (free_pages() >= keep + (1ull << order) &&
		       give(id, (unsigned int)order) == 1)
			;
	printf("%u\n", id);
	return free_pages() != keep;
}

static int cmd_drop(void)
{
	unsigned long id = operand[0];
	long rc;

	do {
		memset(arg, 0, sizeof(*arg));
		rc = domctl(XEN_DOMCTL_destroydomain, id);
	} while (rc == -ERESTART || rc == -EAGAIN);
	need(rc, "destroydomain");
	return 0;
}

static long claim(unsigned long id, uint64_t pages)
{
	memset(arg, 0, sizeof(*arg));
	arg->reservation.nr_extents = pages;
	arg->reservation.domid = (domid_t)id;
	return hypercall(__HYPERVISOR_memory_op, XENMEM_claim_pages, arg, 0);
}

static int cmd_stop(void)
{
	pid_t pid = (pid_t)operand[0];
	while (!kill(pid, 0)) {
		if (!physinfo()->outstanding_pages)
			continue;
		kill(pid, SIGSTOP);
		// It may have gone on while it was stopped.
		if (physinfo()->outstanding_pages)
			return 0;
		kill(pid, SIGCONT);
	}
	fprintf(stderr, "memory: ended, and nothing was claimed\n");
	return 1;
}

static int cmd_claim(void)
{
	return printf("%ld\n", claim(operand[0], operand[1])) < 0;
}

static int cmd_make(void)
{
	return printf("%u\n", create_unlimited((unsigned int)operand[0])) < 0;
}

static long ask_port(unsigned long id)
{
	long rc = 0;

	for (int i = 0; i < UNBOUND && !rc; i++) {
		arg->unbound =
			(struct evtchn_alloc_unbound){ .dom = (domid_t)id,
						       .remote_dom = 0 };
		rc = hypercall(__HYPERVISOR_event_channel_op,
			       EVTCHNOP_alloc_unbound, arg, 0);
	}
	return rc;
}

// Its answer is the status.
static long ask_grants(unsigned long id)
{
	memset(arg, 0, sizeof(*arg));
	arg->setup.dom = (domid_t)id;
	arg->setup.nr_frames = 64;
	set_xen_guest_handle(arg->setup.frame_list, list);
	need(hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, arg,
		       1),
	     "setup_table");
	return arg->setup.status;
}

static long ask_ranges(unsigned long id)
{
	long rc = 0;

	// Those below may not be Dom0's to give.
	for (uint32_t port = 0x1000; port < 0xa000 && !rc; port += 2) {
		memset(arg, 0, sizeof(*arg));
		arg->domctl.u.ioport_permission.first_port = port;
		arg->domctl.u.ioport_permission.nr_ports = 1;
		arg->domctl.u.ioport_permission.allow_access = 1;
		rc = domctl(XEN_DOMCTL_ioport_permission, id);
	}
	return rc;
}

static long ask_vcpus(unsigned long id)
{
	memset(arg, 0, sizeof(*arg));
	arg->domctl.u.max_vcpus.max = 64;
	return domctl(XEN_DOMCTL_max_vcpus, id);
}

static long ask_resource(unsigned long id)
{
	memset(arg, 0, sizeof(*arg));
	arg->resource.domid = (domid_t)id;
	arg->resource.type = XENMEM_resource_grant_table;
	arg->resource.id = XENMEM_resource_grant_table_id_shared;
	arg->resource.nr_frames = 1;
	arg->resource.frame = 63;
	set_xen_guest_handle(arg->resource.frame_list, list);
	return hypercall(__HYPERVISOR_memory_op, XENMEM_acquire_resource, arg,
			 0);
}

// Each is a kind of state that the hypervisor keeps in memory of its own.
static int cmd_ask(void)
{
	unsigned long id = operand[0];
	printf("create=%ld", create(1));
	printf(" page=%ld", give(id, 0));
	printf(" claim=%ld", claim(id, 10));
	printf(" vcpus=%ld", ask_vcpus(id));
	printf(" port=%ld", ask_port(id));
	printf(" grants=%ld", ask_grants(id));
	printf(" resource=%ld", ask_resource(id));
	printf(" ranges=%ld\n", ask_ranges(id));
	return 0;
}

static int cmd_eat(void)
{
	const size_t step = 1 << 20;

	for (;;) {
		void *p = mmap(NULL, step, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return 3; // refused
		memset(p, 1, step);
	}
}

static const struct {
	const char *name;
	int args;
	int (*fn)(void);
} cmds[] = {
	{ "free", 0, cmd_free },   { "domain", 1, cmd_domain },
	{ "fill", 1, cmd_fill },   { "drop", 1, cmd_drop },
	{ "claim", 2, cmd_claim }, { "stop", 1, cmd_stop },
	{ "make", 1, cmd_make },   { "ask", 1, cmd_ask },
	{ "eat", 0, cmd_eat },
};

int main(int argc, char **argv)
{
	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	need(privcmd, "privcmd");
	arg = locked_page();
	list = locked_page();
	for (int i = 2; i < argc && i < 4; i++)
		operand[i - 2] = strtoul(argv[i], NULL, 10);
	for (size_t i = 0; i < sizeof(cmds) / sizeof(*cmds); i++)
		if (argc == cmds[i].args + 2 && !strcmp(argv[1], cmds[i].name))
			return cmds[i].fn();
	fprintf(stderr, "memory: see its source\n");
	return 2;
}
