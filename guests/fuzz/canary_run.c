// SPDX-License-Identifier: MIT
// What the canary runs. It is copied into a page of a domain that has nothing
// else: no data, no calls out of this file.
#include "fuzz/canary.h"

#define CODE	    static inline __attribute__((always_inline))
#define CANARY_TEXT __attribute__((section(".text.canary")))
#define PAUSE	    (2 * MS)

__asm__(".pushsection .text.canary, \"ax\"\n"
	".globl canary_code\n"
	"canary_code:\n"
#ifdef __x86_64__
	"	mov $0x3000, %edi\n"
#else
	"	push $0x3000\n"
	"	push $0\n"
#endif
	"	jmp canary_run\n"
	".popsection\n");

#define ARG(p) ((uptr)(p))
#ifdef __x86_64__
CODE long call(uptr nr, uptr a1, uptr a2, uptr a3, uptr a4)
{
	register u64 r10 __asm__("r10") = a4;
	register u64 r8 __asm__("r8") = 0;

	__asm__ volatile("syscall"
			 : "+a"(nr), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10),
			   "+r"(r8)
			 :
			 : "rcx", "r11", "memory");
	return (long)nr;
}

#define MAP(va, entry) \
	call(__HYPERVISOR_update_va_mapping, ARG(va), entry, UVMF_INVLPG, 0)
#else
CODE long call(uptr nr, uptr a1, uptr a2, uptr a3, uptr a4)
{
	uptr a5 = 0;

	__asm__ volatile("int $0x82"
			 : "+a"(nr), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4),
			   "+D"(a5)
			 :
			 : "memory");
	return (long)nr;
}

// An entry takes two arguments.
#define MAP(va, entry)                                               \
	call(__HYPERVISOR_update_va_mapping, ARG(va), (uptr)(entry), \
	     (uptr)((entry) >> 32), UVMF_INVLPG)
#endif

CODE u64 word(const struct canary *c, u64 page, u64 i)
{
	u64 x = (c->generation[page] << 32 | page << 16 | i) *
		0x9e3779b97f4a7c15ul;

	return x ^ x >> 29;
}

CODE void wrong(struct canary *c, u64 rule, u64 detail)
{
	if (c->wrong)
		return;
	c->detail = detail;
	c->wrong = rule;
}

CODE void page_fill(struct canary *c, u64 page)
{
	volatile u64 *p = c->witness[page];

	for (u64 i = 0; i < 512; i++)
		p[i] = word(c, page, i);
}

CODE void page_check(struct canary *c, const volatile u64 *p, u64 page,
		     u64 rule)
{
	for (u64 i = 0; i < 512; i++)
		if (p[i] != word(c, page, i))
			wrong(c, rule, page << 16 | i);
}

CODE void granted(struct canary *c, u32 ref, u64 page, u16 flags, domid_t to)
{
	volatile struct grant_entry_v1 *e = &c->grants[ref];

	e->domid = to;
	e->frame = (u32)c->witness_mfn[page];
	barrier();
	e->flags = flags;
}

CODE void set_up(struct canary *c)
{
	struct evtchn_bind_ipi ipi = { 0 };
	struct evtchn_alloc_unbound open;
	struct gnttab_setup_table table;
	xen_pfn_t frame = 0;

	open.dom = DOMID_SELF;
	open.remote_dom = c->fuzzer;
	table.dom = DOMID_SELF;
	table.nr_frames = 1;
	table.frame_list.p = &frame;
	if (call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, ARG(&ipi), 0,
		 0) ||
	    call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound,
		 ARG(&open), 0, 0) ||
	    call(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, ARG(&table),
		 1, 0) ||
	    MAP(c->grants, make_entry(frame, PTE_RW | PTE_U)))
		wrong(c, 1, 0);
	c->port = ipi.port;
	c->open_port = open.port;
	for (u64 i = 0; i < WITNESSES; i++)
		page_fill(c, i);
	granted(c, CANARY_REF, 0, GTF_permit_access | GTF_readonly, c->fuzzer);
	granted(c, CANARY_MINE, 1, GTF_permit_access, c->self);
}

// Its own event comes, and nobody else's but the fuzzer's on the open port.
CODE void events(struct canary *c)
{
	volatile xen_ulong_t *pending = c->shared->evtchn_pending;
	u32 port = c->port;
	u64 others = 0;

	if (call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, ARG(&port), 0,
		 0))
		wrong(c, 2, 0);
	if (!(pending[0] >> port & 1))
		wrong(c, 3, 0);
	__atomic_fetch_and(&pending[0], ~(1ul << port | 1ul << c->open_port),
			   __ATOMIC_SEQ_CST);
	for (u64 i = 0; i < WIDTH; i++)
		others |= pending[i];
	if (others)
		wrong(c, 4, others);
}

CODE void grants(struct canary *c)
{
	struct gnttab_map_grant_ref map;
	struct gnttab_unmap_grant_ref unmap;
	struct gnttab_copy copy;

	map.host_addr = c->window;
	map.flags = GNTMAP_host_map;
	map.ref = CANARY_MINE;
	map.dom = c->self;
	if (call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, ARG(&map),
		 1, 0) ||
	    map.status) {
		wrong(c, 5, (u64)(long)map.status);
		return;
	}
	page_check(c, (u64 *)c->window, 1, 6);
	unmap.host_addr = c->window;
	unmap.dev_bus_addr = 0;
	unmap.handle = map.handle;
	call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, ARG(&unmap),
	     1, 0);
	if (unmap.status)
		wrong(c, 7, (u64)(long)unmap.status);
	copy.source.u.ref = CANARY_MINE;
	copy.source.domid = c->self;
	copy.source.offset = copy.dest.offset = 0;
	copy.dest.u.gmfn = c->copy_mfn;
	copy.dest.domid = DOMID_SELF;
	copy.len = PAGE_SIZE;
	copy.flags = GNTCOPY_source_gref;
	call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, ARG(&copy), 1, 0);
	if (copy.status)
		wrong(c, 8, (u64)(long)copy.status);
	page_check(c, c->copy, 1, 9);
}

CANARY_TEXT void canary_run(struct canary *c)
{
	struct sched_poll poll;

	set_up(c);
	for (;;) {
		for (u64 i = 0; i < WITNESSES; i++)
			page_check(c, c->witness[i], i, 10);
		events(c);
		grants(c);
		// The fuzzer may read the first one, which stays.
		u64 next = 1 + (u32)c->rounds % (WITNESSES - 1);

		c->generation[next]++;
		page_fill(c, next);
		c->rounds++;
		poll.nr_ports = 0;
		poll.ports.p = NULL;
		poll.timeout = c->shared->vcpu_info[0].time.system_time + PAUSE;
		call(__HYPERVISOR_sched_op, SCHEDOP_poll, ARG(&poll), 0, 0);
	}
}

__asm__(".pushsection .text.canary\n"
	".globl canary_code_end\n"
	"canary_code_end:\n"
	".popsection\n");
