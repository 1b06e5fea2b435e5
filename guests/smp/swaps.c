// SPDX-License-Identifier: MIT
// Another vcpu changes the arguments of a call while it runs: what was checked
// is what is done.
#include "smp/smp.h"

#define ENTRIES 64u
#define ROUNDS	300
#define UNSAID	77
#define SPAN	4000000000ul // ns, until the other vcpu began
#define MOST	(8 * SPAN)   // until both values were seen

static volatile bool ending;
static volatile u8 *volatile swapped; // the words of a list
static u64 step, first, second;	      // their distance in bytes; two values
static bool narrow;		      // words of 32 bits
static volatile u32 swaps;
static u64 since, goods, bads; // how often each value was met

// One value and the other in each place.
static long swap_words(void)
{
	while (!ending) {
		for (u64 i = 0; i < ENTRIES; i++) {
			u64 value = swaps & 1 ? first : second;
			volatile void *at = swapped + i * step;

			if (narrow)
				*(volatile u32 *)at = (u32)value;
			else
				*(volatile u64 *)at = value;
		}
		swaps++;
	}
	return 0;
}

static void begin(volatile void *words, u64 distance, u64 one, u64 other)
{
	swapped = words;
	step = distance;
	first = one;
	second = other;
	ending = false;
	swaps = 0;
	goods = bads = 0;
	since = system_time();
	call_start(swap_words);
	for (u64 until = system_time() + SPAN; !swaps && system_time() < until;)
		sched_op(SCHEDOP_yield, NULL);
}

// Another round? So many, and more until both values were seen.
static bool go_on(unsigned int *round)
{
	bool both = goods && bads;

	// Where there is one CPU for both.
	if (!both)
		sched_op(SCHEDOP_yield, NULL);
	return (*round)++ < ROUNDS || (!both && system_time() < since + MOST);
}

static void end(void)
{
	ending = true;
	call_wait();
	CHECK(goods);
	CHECK(bads);
	narrow = false;
}

// A frame that may be mapped, and one that nobody may have.
TEST(swapped_updates)
{
	static struct mmu_update list[ENTRIES];
	u8 *page = page_alloc();
	const volatile u64 *entry = entry_of(page, 1);
	u64 good = make_entry(virt_to_mfn(page), PTE_RO);
	u64 bad = good | (u64)1 << 40; // 32-bit kernels write it by halves

	for (u32 i = 0; i < ENTRIES; i++)
		list[i] = (struct mmu_update){ entry_maddr(page, 1), good };
	begin(&list[0].val, sizeof(list[0]), good, bad);
	for (unsigned int i = 0; go_on(&i);) {
		u32 done = 0;
		long rc = HC4(__HYPERVISOR_mmu_update, list, ENTRIES, &done,
			      DOMID_SELF);

		CHECK(rc == 0 || rc == -EPERM);
		CHECK_EQ(done == ENTRIES, rc == 0);
		goods += done > 0;
		bads += rc != 0;
		CHECK_EQ((*entry & PTE_FRAME) >> 12, virt_to_mfn(page));
	}
	end();
	CHECK_EQ(page_set_rw(page), 0);
	page_free(page);
}

// A call that there is, and one that there is not.
TEST(swapped_multicall)
{
	static struct multicall_entry list[ENTRIES];

	for (u32 i = 0; i < ENTRIES; i++) {
		list[i] = (struct multicall_entry){
			.op = __HYPERVISOR_xen_version,
			.args = { XENVER_pagesize }
		};
	}
	narrow = sizeof(list[0].op) == 4; // the result lies behind it
	begin(&list[0].op, sizeof(list[0]), __HYPERVISOR_xen_version, 63);
	for (unsigned int i = 0; go_on(&i);) {
		u64 good = 0, bad = 0;

		CHECK_EQ(HC2(__HYPERVISOR_multicall, list, ENTRIES), 0);
		for (u32 k = 0; k < ENTRIES; k++) {
			good += (long)list[k].result == (long)PAGE_SIZE;
			bad += (long)list[k].result == -ENOSYS;
		}
		CHECK_EQ(good + bad, ENTRIES);
		goods += good;
		bads += bad;
	}
	end();
}

// A length that stays in the page, and one that does not.
TEST(swapped_copies)
{
	static struct gnttab_copy list[ENTRIES];
	static u8 pages[2][PAGE_SIZE] __page_aligned;
	u64 mfn = virt_to_mfn(pages[0]);
	const volatile u64 *word = (volatile u64 *)&list[0].len;
	u64 fits, flows;

	for (u32 i = 0; i < ENTRIES; i++) {
		list[i] =
			(struct gnttab_copy){ .source = { .u.gmfn = mfn,
							  .domid = DOMID_SELF },
					      .dest = { .u.gmfn = mfn,
							.domid = DOMID_SELF,
							.offset = 4000 },
					      .len = 96,
					      .status = UNSAID };
	}
	// Length, flags and status are one word.
	_Static_assert(offsetof(struct gnttab_copy, len) % 8 == 0, "one word");
	fits = *word;
	list[0].len = 97;
	flows = *word;
	memset(pages[1], 0x55, PAGE_SIZE);
	begin(&list[0].len, sizeof(list[0]), fits, flows);
	for (unsigned int i = 0; go_on(&i);) {
		CHECK_EQ(grant_op(GNTTABOP_copy, list, ENTRIES), 0);
		CHECK_EQ(pages[1][0], 0x55);
		// The last ones first: soon the other vcpu has been everywhere.
		for (u32 k = ENTRIES; k-- > 0;) {
			int16_t status = list[k].status;

			// What the other vcpu puts there is neither.
			goods += status == GNTST_okay;
			bads += status == GNTST_bad_copy_arg;
			CHECK(status == GNTST_okay || status == UNSAID ||
			      status == GNTST_bad_copy_arg);
		}
	}
	end();
}
