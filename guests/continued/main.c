// SPDX-License-Identifier: MIT
// Calls of long lists, which are continued in their middle: each element is done
// once, and what is told of them is right. What the tests have in common.
#include "continued/continued.h"
#include "lib/cpu.h"

#define TICK	 60000ul // ns
#define PATIENCE (4000 * MS)

unsigned int restarts;
void *pages[PAGES];
xen_pfn_t frames[PAGES];
struct grant_entry_v1 *table;
static u32 timer_port;
static u64 since;
static u8 stack[8192] __attribute__((aligned(16)));
static u8 trap_stack[8192] __attribute__((aligned(16)));
static void (*volatile work)(void);
static volatile u32 turns;
static struct mmu_update zeroes[MANY];

// The guest goes on at the instruction that made the call.
static bool on_tick(struct regs *regs)
{
	const u8 *at = (const u8 *)regs->rip;

	if (regs->vector != VECTOR_EVENT)
		return false;
	if (at[0] == 0x0f && at[1] == 0x05)
		restarts++;
	set_timer(system_time() + TICK);
	return false;
}

void ticks_begin(void)
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };

	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &bind), 0);
	timer_port = bind.port;
	trap_hook = on_tick;
	restarts = 0;
	since = system_time();
	event_unmask_all();
	set_timer(system_time() + TICK);
}

void ticks_end(const char *what)
{
	event_mask_all();
	set_timer(0);
	trap_hook = NULL;
	CHECK_EQ(port_close(timer_port), 0);
	if (!restarts)
		check_failed(what, 0, "was not continued");
	printf("%s: %u restarts\n", what, restarts);
}

bool go_on(unsigned int *round, unsigned int most, bool more)
{
	return (*round)++ < most || (more && system_time() < since + PATIENCE);
}

// Down as long as it has nothing to do.
static void other_main(void)
{
	void (*now)(void);

	for (;;) {
		now = work;
		if (now) {
			now();
			turns++;
		} else {
			vcpu_op(VCPUOP_down, 1, NULL);
		}
	}
}

static void other_start(void)
{
	static struct vcpu_guest_context c;

	context_make(&c, other_main, stack + sizeof(stack),
		     trap_stack + sizeof(trap_stack));
	CHECK_EQ(vcpu_op(VCPUOP_initialise, 1, &c), 0);
}

static void other_begin(void (*fn)(void))
{
	static bool made;
	u64 until = system_time() + PATIENCE;

	if (!made)
		other_start();
	made = true;
	work = fn;
	turns = 0;
	CHECK_EQ(vcpu_op(VCPUOP_up, 1, NULL), 0);
	while (!turns && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK(turns);
}

static void other_end(void)
{
	u64 until = system_time() + PATIENCE;

	work = NULL;
	while (vcpu_op(VCPUOP_is_up, 1, NULL) && system_time() < until)
		sched_op(SCHEDOP_yield, NULL);
	CHECK_EQ(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
}

void others_begin(void (*fn)(void))
{
	other_begin(fn);
	ticks_begin();
}

void others_end(const char *what)
{
	ticks_end(what);
	other_end();
}

static xen_pfn_t *p2m(void)
{
	return (xen_pfn_t *)start_info->mfn_list;
}

struct xen_memory_reservation reservation_of(xen_pfn_t *list, u64 n)
{
	struct xen_memory_reservation r = { .nr_extents = n,
					    .domid = DOMID_SELF };

	set_xen_guest_handle(r.extent_start, list);
	return r;
}

void pages_take_out(void)
{
	for (u32 i = 0; i < PAGES; i++) {
		pages[i] = page_alloc();
		frames[i] = virt_to_mfn(pages[i]);
		CHECK_EQ(update_va(pages[i], 0, UVMF_INVLPG), 0);
	}
}

void pages_put_back(void)
{
	for (u32 i = 0; i < PAGES; i++) {
		p2m()[virt_to_pfn(pages[i])] = frames[i];
		CHECK_EQ(machine_to_phys_mapping[frames[i]],
			 virt_to_pfn(pages[i]));
		CHECK_EQ(page_set_rw(pages[i]), 0);
	}
}

void pages_free(void)
{
	for (u32 i = 0; i < PAGES; i++)
		page_free(pages[i]);
}

void pages_populate(u32 from)
{
	struct xen_memory_reservation r =
		reservation_of(frames + from, PAGES - from);

	for (u32 i = from; i < PAGES; i++)
		frames[i] = virt_to_pfn(pages[i]);
	CHECK_EQ(memory_op(XENMEM_populate_physmap, &r), PAGES - from);
}

long owned(void)
{
	domid_t self = DOMID_SELF;

	return memory_op(XENMEM_current_reservation, &self);
}

void check_unused(void *page)
{
	u64 in = virt_to_mfn(page), out = virt_to_pfn(page);
	struct xen_memory_exchange x = { .in = reservation_of(&in, 1),
					 .out = reservation_of(&out, 1) };

	CHECK_EQ(update_va(page, 0, UVMF_INVLPG | UVMF_ALL), 0);
	if (CHECK_EQ(memory_op(XENMEM_exchange, &x), 0))
		p2m()[virt_to_pfn(page)] = out;
	CHECK_EQ(page_set_rw(page), 0);
}

void table_map(void)
{
	struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 1 };
	xen_pfn_t frame = 0;

	if (table)
		return;
	set_xen_guest_handle(op.frame_list, &frame);
	CHECK_EQ(grant_op(GNTTABOP_setup_table, &op, 1), 0);
	CHECK_EQ(op.status, GNTST_okay);
	table = window(0);
	CHECK_EQ(update_va(table, make_entry(frame, PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
}

void grant(u32 ref, const void *page)
{
	table[ref].domid = 0;
	table[ref].frame = (u32)virt_to_mfn(page);
	__atomic_store_n(&table[ref].flags, GTF_permit_access,
			 __ATOMIC_SEQ_CST);
}

// Where a continuation shows: nothing of the lists, but in the events.
TEST(calls_are_not_continued)
{
	ticks_begin();
	for (u64 until = system_time() + 20 * MS; system_time() < until;)
		version_op(XENVER_version, NULL);
	event_mask_all();
	CHECK_EQ(restarts, 0);
	restarts = 1;
	ticks_end("one thing");
}

static u32 ipi_port;
static volatile u32 sent;

static void send_next(void)
{
	static u64 at;

	if (system_time() < at)
		return;
	at = system_time() + TICK;
	sent++;
	port_send(ipi_port);
}

static bool on_event(struct regs *regs)
{
	if (regs->vector == VECTOR_EVENT && *(const u16 *)regs->rip == 0x050f)
		restarts++;
	return false;
}

// What another CPU sends is taken in the middle of a call, not at the end of the
// vcpu's time slice, of which there are 100 a second.
TEST(event_continues_a_call)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };
	u64 *l1 = page_alloc();

	page_set_ro(l1);
	CHECK_EQ(pin_table(1, l1), 0);
	for (u32 i = 0; i < MANY; i++)
		zeroes[i].ptr = virt_to_maddr(&l1[i % 512]);
	CHECK_EQ(event_op(EVTCHNOP_bind_ipi, &bind), 0);
	ipi_port = bind.port;
	trap_hook = on_event;
	sent = restarts = 0;
	event_unmask_all();
	other_begin(send_next);
	for (u64 until = system_time() + 2000 * MS;
	     restarts < 400 && system_time() < until;)
		CHECK_EQ(HC4(__HYPERVISOR_mmu_update, zeroes, MANY, NULL,
			     DOMID_SELF),
			 0);
	other_end();
	event_mask_all();
	trap_hook = NULL;
	printf("%u of %u events in a call\n", restarts, sent);
	CHECK_EQ(restarts >= 400, true);
	CHECK_EQ(port_close(ipi_port), 0);
	CHECK_EQ(unpin_table(l1), 0);
	check_unused(l1);
	page_free(l1);
}
