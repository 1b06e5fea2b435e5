// SPDX-License-Identifier: MIT
// What the fuzzer believes of its frames and addresses. It may err: then more
// calls fail, until the next reset puts all in order.
#include "fuzz/fuzz.h"
#include "lib/store.h"

struct page pages[PAGES];
struct slot slots[SLOTS];
u8 arg_pages[2][PAGE_SIZE] __page_aligned;
u8 out_pages[OUT_PAGES][PAGE_SIZE] __page_aligned;
u8 in_page[PAGE_SIZE] __page_aligned;
u64 sandbox_l1, max_frame;
bool is_control;
domid_t my_id;
static u8 pool[PAGES][PAGE_SIZE] __page_aligned;
static u64 *tables[TABLE_LEVELS - 1]; // of the sandbox, L1 first

static xen_pfn_t *p2m(void)
{
	return (xen_pfn_t *)start_info->mfn_list;
}

u64 page_mfn(int page)
{
	return p2m()[virt_to_pfn(pages[page].at)];
}

bool frame_needed(u64 mfn)
{
	u64 pfn;

	if (mfn >= max_frame)
		return false;
	pfn = machine_to_phys_mapping[mfn];
	return pfn < start_info->nr_pages && p2m()[pfn] == mfn &&
	       (pfn < virt_to_pfn(pool) || pfn >= virt_to_pfn(pool) + PAGES);
}

int page_pick(int first, int end, enum kind kind)
{
	int start;

	if (chance(5)) {
		first = 0;
		end = PAGES;
	}
	start = (int)below((u32)(end - first));
	for (int i = 0; i < end - first; i++) {
		int page = first + (start + i) % (end - first);

		if (pages[page].kind == kind)
			return page;
	}
	return -1;
}

int page_plain(void)
{
	return page_pick(TABLES, SWAPPED, PLAIN);
}

int page_table(int level)
{
	int start = (int)below(PAGES);

	for (int i = 0; i < PAGES; i++) {
		int page = (start + i) % PAGES;

		if (pages[page].kind == TABLE &&
		    (!level || pages[page].level == level))
			return page;
	}
	return -1;
}

int slot_free(void)
{
	int start = (int)below(SLOTS);

	for (int i = 0; i < SLOTS; i++) {
		int slot = (start + i) % SLOTS;

		if (slots[slot].page < 0 && !slots[slot].granted)
			return slot;
	}
	return -1;
}

long slot_map(int slot, int page, bool writable)
{
	long rc = update_va(
		SLOT((u64)slot),
		make_entry(page_mfn(page), writable ? PTE_RW | PTE_U : PTE_RO),
		UVMF_INVLPG);

	if (!rc)
		slots[slot] = (struct slot){ page, writable, false };
	return rc;
}

void slot_clear(int slot)
{
	update_va(SLOT((u64)slot), 0, UVMF_INVLPG);
	slots[slot] = (struct slot){ -1, false, false };
}

void page_unshare(int page)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].page == page && slots[i].writable)
			slot_clear(i);
}

static u64 random_entry(int level)
{
	int page = level > 1 ? page_table(level - 1) : page_plain();
	u64 flags = level > 1 ? PTE_TABLE : PTE_RW | PTE_U;

	if (chance(2))
		return random_next();
	if (chance(2))
		return make_entry(odd_frame(), flags);
	if (page < 0)
		return 0;
	if (level == 1 && chance(40))
		flags = PTE_RO | (chance(50) ? PTE_NX : 0);
	return make_entry(page_mfn(page), flags);
}

u32 table_entries(int level)
{
	if (level < TABLE_LEVELS)
		return 512;
	return TABLE_LEVELS == 4 ? 256 : 4;
}

bool page_make_table(int page, int level)
{
	u64 *t = (u64 *)pages[page].at;
	u32 n = below(6);

	page_unshare(page);
	memset(t, 0, PAGE_SIZE);
	for (u32 i = 0; i < n; i++)
		t[below(table_entries(level))] = random_entry(level);
	if (page_set_ro(t))
		return false;
	pages[page].kind = TABLE;
	pages[page].level = level;
	pages[page].pinned = false;
	return true;
}

bool page_make_descriptors(int page)
{
	page_unshare(page);
	memset(pages[page].at, 0, PAGE_SIZE);
	if (page_set_ro(pages[page].at))
		return false;
	pages[page].kind = DESCRIPTORS;
	return true;
}

// Frames that left the model. One may be pinned still, which its going does not
// end, or be the guest's yet as it could not go.
#define STRAYS 64
static u64 strays[STRAYS];
static u32 stray_count;

static bool frame_known(u64 mfn)
{
	for (int i = 0; i < PAGES; i++)
		if (page_mfn(i) == mfn)
			return true;
	return frame_needed(mfn) || frame_is_extra(mfn);
}

// A pin or unpin that was preempted, and whose argument was another one when it
// went on, leaves a table half way: who wants the same type ends that.
static void half_way_end(u64 mfn)
{
	for (u32 i = 0; i < 4; i++)
		if (!mmuext(MMUEXT_PIN_L1_TABLE + i, mfn, 0))
			mmuext(MMUEXT_UNPIN_TABLE, mfn, 0);
}

void strays_reset(void)
{
	struct xen_memory_reservation r = { .nr_extents = 1,
					    .domid = DOMID_SELF };
	xen_pfn_t frame;

	set_xen_guest_handle(r.extent_start, &frame);
	while (stray_count) {
		frame = strays[--stray_count];
		if (frame_known(frame))
			continue;
		mmuext(MMUEXT_UNPIN_TABLE, frame, 0);
		half_way_end(frame);
		memory_op(XENMEM_decrease_reservation, &r);
	}
}

static void stray_add(u64 mfn)
{
	if (stray_count == STRAYS)
		strays_reset();
	strays[stray_count++] = mfn;
}

void page_vanished(int page)
{
	stray_add(page_mfn(page));
	p2m()[virt_to_pfn(pages[page].at)] = ~0ul;
	pages[page].kind = GONE;
}

void page_came(int page, u64 mfn)
{
	long rc = -EINVAL;

	p2m()[virt_to_pfn(pages[page].at)] = mfn;
	if (mfn < max_frame)
		rc = page_set_rw(pages[page].at);
	// The other vcpu may have overwritten what the call answered.
	if (rc && has_word("race")) {
		page_vanished(page);
		return;
	}
	if (rc) {
		broken("frame %" LL "x came for page %d, mapping it is %ld",
		       mfn, page, rc);
		return;
	}
	mmu_update_one(mfn << 12 | MMU_MACHPHYS_UPDATE,
		       virt_to_pfn(pages[page].at));
	pages[page].kind = PLAIN;
}

// What the first addresses of the sandbox show; 0: a hole.
static u64 area_entry(u64 n)
{
	if (n == 16 || n == 17)
		return make_entry(virt_to_mfn(arg_pages[n - 16]),
				  PTE_RW | PTE_U);
	if (n == 20 || n == 21)
		return make_entry(virt_to_mfn(arg_pages[n - 20]), PTE_RO);
	if (n >= 32 && n < 32 + OUT_PAGES)
		return make_entry(virt_to_mfn(out_pages[n - 32]),
				  PTE_RW | PTE_U);
	return n == 48 ? make_entry(virt_to_mfn(in_page), PTE_RW | PTE_U) : 0;
}

void areas_map(void)
{
	const u64 mask = PTE_FRAME | PTE_P | PTE_W;
	static u64 want[64];

	for (u64 n = 0; n < 64; n++) {
		if (!want[n])
			want[n] = area_entry(n);
		if ((tables[0][n] ^ want[n]) & mask &&
		    update_va(AREA(n), want[n], UVMF_INVLPG))
			broken("the sandbox cannot be mapped");
	}
}

// Tables of our own, which stay.
static void sandbox_make(void)
{
	const int last = TABLE_LEVELS - 2;

	for (int i = 0; i <= last; i++)
		tables[i] = page_alloc();
	for (int i = last; i > 0; i--)
		tables[i][SANDBOX >> (12 + 9 * i) & 511] =
			make_entry(virt_to_mfn(tables[i - 1]), PTE_TABLE);
	for (int i = 0; i <= last; i++)
		page_set_ro(tables[i]);
	if (mmu_update_one(entry_maddr((void *)SANDBOX, TABLE_LEVELS),
			   make_entry(virt_to_mfn(tables[last]), PTE_TABLE)))
		broken("there is no sandbox");
	sandbox_l1 = virt_to_mfn(tables[0]);
}

void model_init(void)
{
	struct xen_machphys_mapping m = { 0 };
	char text[STORE_TEXT];

	memory_op(XENMEM_machphys_mapping, &m);
	max_frame = m.max_mfn + 1;
	is_control = start_info->flags & SIF_INITDOMAIN;
	my_id = (domid_t)number_word("domid", 0);
	// Built by a toolstack; the ports it has from there are reset later.
	if (start_info->store_mfn && !is_control &&
	    store_read(0, "domid", text) > 0)
		my_id = (domid_t)number_of(text);
	for (int i = 0; i < PAGES; i++)
		pages[i] = (struct page){ pool[i], PLAIN, 0, false };
	for (int i = 0; i < SLOTS; i++)
		slots[i].page = -1;
	sandbox_make();
	areas_map();
	grants_init();
	events_init();
	vcpus_init();
	if (is_control)
		control_init();
}

// Every entry of the sandbox that is no area's, whoever made it.
static void slots_reset(void)
{
	const volatile u64 *l1 = tables[0];

	for (u64 i = 0; i < 512; i++)
		if (l1[i])
			update_va(AREA(i), 0, UVMF_INVLPG);
	for (int i = 0; i < SLOTS; i++)
		slots[i] = (struct slot){ -1, false, false };
	areas_map();
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
}

// A call that failed may have given a pinned frame away, and not said which.
static void pins_end(void)
{
	for (u64 mfn = 0; mfn < max_frame; mfn++)
		mmuext(MMUEXT_UNPIN_TABLE, mfn, 0);
}

static void pages_reset(void)
{
	// One that is half way has others below it.
	for (int i = 0; i < PAGES; i++) {
		if (pages[i].kind == GONE || !page_set_rw(pages[i].at))
			continue;
		half_way_end(page_mfn(i));
		if (page_set_rw(pages[i].at))
			pins_end();
	}
	for (int i = 0; i < PAGES; i++) {
		if (pages[i].kind == GONE)
			continue;
		if (page_set_rw(pages[i].at)) {
			broken("page %d (frame %" LL
			       "x), once of kind %d, level %d, is kept",
			       i, page_mfn(i), pages[i].kind, pages[i].level);
			continue;
		}
		memset(pages[i].at, 0, PAGE_SIZE);
		pages[i].kind = PLAIN;
	}
}

void model_reset(void)
{
	device_reset();
	grants_reset();
	slots_reset();
	strays_reset();
	tables_reset();
	pages_reset();
	memory_reset();
	events_reset();
	vcpus_reset();
	if (is_control)
		control_reset();
}
