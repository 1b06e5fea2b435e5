// SPDX-License-Identifier: MIT
// The canary from the fuzzer's side: it is built, and looked at.
#include "fuzz/canary.h"
#include "lib/domu.h"

#define DATA_WINDOW 2
#define AT(n)	    ((uptr)(n)*PAGE_SIZE)

static struct domu domain;
static const volatile struct canary *seen;
static u64 rounds;

// Entry n of its lowest table.
static void entry_set(u64 n, u64 mfn)
{
	struct mmu_update u = { domain.tables[0] << 12 | n * 8,
				make_entry(mfn, PTE_RW | PTE_U) };

	CHECK_EQ(HC4(__HYPERVISOR_mmu_update, &u, 1, NULL,
		     (CANARY_ID + 1ul) << 16 | CANARY_ID),
		 0);
}

static u64 shared_info_frame(void)
{
	struct xen_domctl op = { .cmd = XEN_DOMCTL_getdomaininfo,
				 .domain = CANARY_ID };

	CHECK_EQ(domctl(&op), 0);
	return op.u.getdomaininfo.shared_info_frame;
}

static void canary_fill(struct canary *c)
{
	entry_set(4, shared_info_frame());
	c->shared = (void *)AT(4);
	c->grants = (void *)AT(5);
	for (u64 i = 0; i < WITNESSES; i++) {
		c->witness_mfn[i] = domain_page(CANARY_ID, 7 + i);
		c->witness[i] = (u64 *)AT(6 + i);
		entry_set(6 + i, c->witness_mfn[i]);
	}
	c->copy_mfn = domain_page(CANARY_ID, 15);
	c->copy = (u64 *)AT(14);
	entry_set(14, c->copy_mfn);
	c->window = AT(15);
	c->self = CANARY_ID;
	c->fuzzer = my_id;
}

bool canary_start(void)
{
	size_t size = (size_t)(canary_code_end - canary_code);

	if (!is_control)
		return true;
	domain.id = domain_create_as(CANARY_ID);
	if (!CHECK_EQ(domain.id, CANARY_ID) || !CHECK(size <= PAGE_SIZE) ||
	    !domu_build(&domain, NULL, NULL, 0))
		return false;
	foreign_map(DATA_WINDOW, CANARY_ID, domain.code, PTE_RW);
	memcpy(window_at(DATA_WINDOW), canary_code, size);
	window(DATA_WINDOW);
	CHECK_EQ(foreign_map(DATA_WINDOW, CANARY_ID, domain.data, PTE_RW), 0);
	canary_fill(window_at(DATA_WINDOW));
	seen = window_at(DATA_WINDOW);
	domu_unpause(&domain);
	return true;
}

// It goes on, and nothing was wrong.
void canary_check(void)
{
	u64 until = system_time() + 500 * MS;

	if (!is_control)
		return;
	while (seen->rounds == rounds && system_time() < until) {
		struct sched_poll poll = { .timeout = system_time() + MS };

		sched_op(SCHEDOP_poll, &poll);
	}
	if (seen->wrong)
		broken("canary: rule %" LL "u, %" LL "x", seen->wrong,
		       seen->detail);
	if (seen->rounds == rounds)
		broken("canary: stands still after %" LL "u rounds", rounds);
	rounds = seen->rounds;
}

u64 canary_frame(void)
{
	return is_control ? seen->witness_mfn[0] : 0;
}

#define HANDLES 1024 // that four frames of them hold

// A call that could not say which handle it gave, or an odd one that overwrote the
// entry, leaves a mapping: whichever it is, it ends once there is such an entry.
static void mappings_end(void)
{
	const u64 frame = canary_frame(), at = SLOT(0);
	const u64 ways[] = { at, sandbox_l1 << 12 | 256 * 8 };
	bool there = false;

	for (u32 handle = 0; handle < HANDLES; handle++) {
		for (int i = 0; i < 2; i++) {
			there = there ||
				!update_va_of(CANARY_ID, at,
					      make_entry(frame, PTE_RO));
			if (!grant_unmap(handle, ways[i], 0))
				there = false;
		}
		grant_unmap(handle, 0, frame << 12);
	}
	slot_clear(0);
}

// Nothing of it is left, whatever the fuzzer did to it: test_after() looks.
void canary_end(void)
{
	if (!is_control)
		return;
	canary_check();
	mappings_end();
	window(DATA_WINDOW);
	domain_destroy(CANARY_ID);
}
