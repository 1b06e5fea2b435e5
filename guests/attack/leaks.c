// SPDX-License-Identifier: MIT
// What a call tells is what it is about: nothing of earlier calls, no bytes
// behind its structure.
#include "attack/attack.h"
#include <xen/sysctl.h>

#define OTHERS 0xb7c3b7c3b7c3b7c3ull
#define SPACE  8192u

static u8 answer[SPACE];
static struct xen_domctl dom;
static struct xen_sysctl sys;

// Fills what the hypervisor's stack has from here on down with a pattern: as
// arguments that are copied in, and in registers.
static void pollute(void)
{
	static u64 words[512];
	static struct multicall_entry call;

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = OTHERS;
	memset(&call, 0xb7, sizeof(call));
	call.op = 1000;
	HC2(__HYPERVISOR_multicall, &call, 1);
	HC2(__HYPERVISOR_set_gdt, words, 14 * 512);
	HC3(__HYPERVISOR_console_io, CONSOLEIO_write, 0, words);
	HC1(__HYPERVISOR_domctl, words);
	HC1(__HYPERVISOR_sysctl, words);
	HC1(__HYPERVISOR_platform_op, words);
	for (u32 op = 0; op < 32; op++) {
		memory_op(op, words);
		HC2(__HYPERVISOR_event_channel_op, op, words);
		hypercall5(1000, (uptr)OTHERS, (uptr)OTHERS, (uptr)OTHERS,
			   (uptr)OTHERS, (uptr)OTHERS);
	}
	HC4(__HYPERVISOR_mmu_update, words, 1, 0, DOMID_SELF);
}

static void begin(void)
{
	memset(answer, 0x11, sizeof(answer));
	pollute();
}

// After a call with a structure of this size.
static void end(const char *what, long rc, size_t size)
{
	if (rc < 0)
		check_failed(what, 0, "result %ld", rc);
	for (size_t i = 0; i + 4 <= size; i++) {
		u32 word;

		memcpy(&word, answer + i, 4);
		if (word == (u32)OTHERS || word == (u32)(OTHERS >> 8))
			check_failed(what, (int)i, "is of another call");
	}
	for (size_t i = size; i < sizeof(answer); i++)
		if (answer[i] != 0x11)
			check_failed(what, (int)i, "is behind the end");
}

TEST(version_tells_no_more)
{
	static const struct {
		u32 op;
		size_t size;
	} ops[] = {
		{ XENVER_extraversion, sizeof(xen_extraversion_t) },
		{ XENVER_compile_info, sizeof(xen_compile_info_t) },
		{ XENVER_capabilities, sizeof(xen_capabilities_info_t) },
		{ XENVER_changeset, sizeof(xen_changeset_info_t) },
		{ XENVER_platform_parameters,
		  sizeof(xen_platform_parameters_t) },
		{ XENVER_guest_handle, sizeof(xen_domain_handle_t) },
		{ XENVER_commandline, sizeof(xen_commandline_t) },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++) {
		begin();
		end("version", version_op(ops[i].op, answer), ops[i].size);
	}
}

TEST(vcpu_tells_no_more)
{
	begin();
	end("runstate", vcpu_op(VCPUOP_get_runstate_info, 0, answer),
	    sizeof(struct vcpu_runstate_info));
	begin();
	end("mapping", memory_op(XENMEM_machphys_mapping, answer),
	    sizeof(struct xen_machphys_mapping));
}

// The call's own structure, or if there is one what its handle points to.
static void control(const char *what, u64 nr, void *op, size_t op_size,
		    size_t size)
{
	begin();
	if (!size)
		op = memcpy(answer, op, op_size);
	end(what, HC1(nr, op), size ? size : op_size);
}

static void domain_op(const char *what, u32 cmd, size_t size)
{
	dom.cmd = cmd;
	dom.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	control(what, __HYPERVISOR_domctl, &dom, sizeof(dom), size);
}

TEST(domctl_tells_no_more)
{
	struct domu d;

	if (!domu_make(&d, code_requests, NULL, 0))
		return;
	memset(&dom, 0, sizeof(dom));
	dom.domain = d.id;
	domain_op("info", XEN_DOMCTL_getdomaininfo, 0);
	memset(&dom.u, 0, sizeof(dom.u));
	domain_op("vcpu info", XEN_DOMCTL_getvcpuinfo, 0);
	memset(&dom.u, 0, sizeof(dom.u));
	set_xen_guest_handle(dom.u.vcpucontext.ctxt, (void *)answer);
	domain_op("context", XEN_DOMCTL_getvcpucontext,
		  sizeof(struct vcpu_guest_context));
	domain_destroy(d.id);
}

static void system_op(const char *what, u32 cmd, size_t size)
{
	sys.cmd = cmd;
	sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	control(what, __HYPERVISOR_sysctl, &sys, sizeof(sys), size);
}

TEST(sysctl_tells_no_more)
{
	memset(&sys, 0, sizeof(sys));
	system_op("physinfo", XEN_SYSCTL_physinfo, 0);
	memset(&sys, 0, sizeof(sys));
	sys.u.getdomaininfolist.max_domains = 1;
	set_xen_guest_handle(sys.u.getdomaininfolist.buffer, (void *)answer);
	system_op("list", XEN_SYSCTL_getdomaininfolist,
		  sizeof(struct xen_domctl_getdomaininfo));
	memset(&sys, 0, sizeof(sys));
	sys.u.getcpuinfo.max_cpus = 1;
	set_xen_guest_handle(sys.u.getcpuinfo.info, (void *)answer);
	system_op("cpus", XEN_SYSCTL_getcpuinfo,
		  sizeof(struct xen_sysctl_cpuinfo));
	memset(&sys, 0, sizeof(sys));
	sys.u.cputopoinfo.num_cpus = 1;
	set_xen_guest_handle(sys.u.cputopoinfo.cputopo, (void *)answer);
	system_op("topology", XEN_SYSCTL_cputopoinfo,
		  sizeof(struct xen_sysctl_cputopo));
}

// Frames that another domain wrote to come back empty: its pages, its vcpu's
// page, and what the hypervisor had for it.
TEST(pages_come_back_empty)
{
	enum { PAGES = 240 };
	static u64 frames[PAGES];
	volatile u64 *w = window(4);
	domid_t id;

	for (int turn = 0; turn < 2; turn++) {
		id = domain_create();
		if (id == DOMID_INVALID)
			return;
		for (u64 i = 0; i < PAGES; i++) {
			frames[i] = domain_page(id, i);
			CHECK_EQ(foreign_map(4, id, frames[i], PTE_RW | PTE_U),
				 0);
			for (int j = 0; j < 512; j++) {
				if (w[j])
					check_failed("word", j, "%" LL "x",
						     w[j]);
				w[j] = OTHERS;
			}
		}
		window(4);
		domain_destroy(id);
		test_after();
	}
}
