// SPDX-License-Identifier: MIT
// Calls that take long make room for what waits, and go on: an event of the
// vcpu's own comes between two parts of one call.
#include "attack/attack.h"

#define TABLES	200u
#define UPDATES 8192u
#define TRIES	60
#define US	1000ul

static u64 *page, *l2, *l1[TABLES];
static struct mmu_update updates[UPDATES];
static struct multicall_entry calls[UPDATES];
static unsigned int restarts;

// The guest goes on at the instruction that made the call.
static bool count_restarts(struct regs *regs)
{
	static const u8 call[] = {
#ifdef __x86_64__
		0x0f, 0x05
#else
		0xcd, 0x82
#endif
	};

	if (regs->vector == VECTOR_EVENT &&
	    !memcmp((const u8 *)regs->rip, call, sizeof(call)))
		restarts++;
	return false;
}

// With a timer that ends while fn runs, at the latest after some tries.
static void must_make_room(const char *what, long (*before)(void),
			   long (*fn)(void))
{
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
	long rc = 0;

	CHECK_EQ(event_op(EVTCHNOP_bind_virq, &bind), 0);
	event_unmask_all();
	trap_hook = count_restarts;
	restarts = 0;
	for (u64 i = 1; i < TRIES && !restarts && !rc; i++) {
		set_timer(0);
		rc = before ? before() : 0;
		restarts = 0;
		set_timer(system_time() + i * 30 * US);
		rc = rc ? rc : fn();
	}
	set_timer(0);
	event_mask_all();
	CHECK_EQ(port_close(bind.port), 0);
	if (rc || !restarts)
		check_failed(what, 0, "result %ld, %u restarts", rc, restarts);
}

static void tree_make(void)
{
	page = page_alloc();
	l2 = page_alloc();
	for (unsigned int i = 0; i < TABLES; i++) {
		l1[i] = page_alloc();
		for (int j = 0; j < 512; j++)
			l1[i][j] = make_entry(virt_to_mfn(page), PTE_RO);
		l2[i] = make_entry(virt_to_mfn(l1[i]), PTE_TABLE);
		CHECK_EQ(page_set_ro(l1[i]), 0);
	}
	CHECK_EQ(page_set_ro(l2), 0);
}

// Every reference is back.
static void tree_free(void)
{
	CHECK_EQ(page_set_rw(l2), 0);
	CHECK(page_exchange(l2));
	page_free(l2);
	for (unsigned int i = 0; i < TABLES; i++) {
		CHECK_EQ(page_set_rw(l1[i]), 0);
		page_free(l1[i]);
	}
	CHECK(page_exchange(page));
	page_free(page);
}

static long pin(void)
{
	return pin_table(2, l2);
}

// The undo is a debt, which the next operation on page tables pays.
static long unpin(void)
{
	long rc = unpin_table(l2);

	return rc ? rc : mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
}

// The last entry is a bad one: what was validated is undone.
static long pin_bad(void)
{
	return pin_table(2, l2) == -EINVAL ? 0 : -1;
}

TEST(pin_makes_room)
{
	tree_make();
	CHECK_EQ(pin(), 0);
	must_make_room("pin", unpin, pin);
	CHECK_EQ(unpin(), 0);
	tree_free();
}

TEST(undo_makes_room)
{
	tree_make();
	must_make_room("undo", pin, unpin);
	tree_free();
}

TEST(failing_pin_makes_room)
{
	tree_make();
	CHECK_EQ(page_set_rw(l2), 0);
	l2[TABLES] = make_entry(virt_to_mfn(l2), PTE_TABLE);
	CHECK_EQ(page_set_ro(l2), 0);
	must_make_room("failing pin", NULL, pin_bad);
	tree_free();
}

static long update(void)
{
	u32 done = 0;
	long rc = HC4(__HYPERVISOR_mmu_update, updates, UPDATES, &done,
		      DOMID_SELF);

	return rc || done != UPDATES;
}

static long call_many(void)
{
	return HC2(__HYPERVISOR_multicall, calls, UPDATES);
}

TEST(batches_make_room)
{
	page = page_alloc();
	for (unsigned int i = 0; i < UPDATES; i++) {
		updates[i].ptr = virt_to_maddr(page) | MMU_MACHPHYS_UPDATE;
		updates[i].val = virt_to_pfn(page);
		calls[i].op = __HYPERVISOR_xen_version;
		calls[i].args[0] = XENVER_version;
	}
	must_make_room("mmu_update", NULL, update);
	must_make_room("multicall", NULL, call_many);
	for (unsigned int i = 0; i < UPDATES; i++)
		CHECK_EQ(calls[i].result, version_op(XENVER_version, NULL));
	CHECK(page_exchange(page));
	page_free(page);
}
