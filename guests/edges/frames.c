// SPDX-License-Identifier: MIT
// Every operation that names a frame, with frames of every kind: what each cell
// says is what it answers.
#include "edges/edges.h"

#define SCRATCH 2 // windows
#define TABLE	3
#define SLOT	500u // of a table, that nobody uses
#define FREE_L4 ((void *)0x0000030000000000)

enum kind {
	PLAIN, // mapped writable
	READ_ONLY,
	UNMAPPED,
	L1,
	L2,
	L3,
	L4,
	BASE, // the tables that are loaded
	GDT,
	LDT,
	GRANTED,    // another domain's, which we have mapped by its grant
	FOREIGN,    // another domain's
	GIVEN_BACK, // ours once
	SHARED_INFO,
	GRANT_TABLE,
	M2P_TABLE,
	HYPERVISOR,
	DEVICE,
	NOTHING,
	INVALID,
	KINDS
};

static const char *const kind_names[KINDS] = {
	"plain",   "read-only",	 "unmapped",   "L1",	 "L2",
	"L3",	   "L4",	 "base table", "GDT",	 "LDT",
	"granted", "foreign",	 "given back", "shared", "grants",
	"M2P",	   "hypervisor", "device",     "none",	 "invalid"
};

struct frame {
	enum kind kind;
	u64 mfn;
	u64 *page; // where it belongs in the image, or NULL
	u32 handle;
};

static u64 *scratch;
static struct grant_entry_v1 *own_grants;
static u64 foreign_mfn, grants_mfn;

static bool world_make(void)
{
	if (!other_make())
		return false;
	scratch = page_alloc();
	foreign_mfn = domain_page(other.id, 10);
	grants_mfn = grant_frame(DOMID_SELF);
	own_grants = window(TABLE);
	CHECK_EQ(update_va(own_grants, make_entry(grants_mfn, PTE_RW | PTE_U),
			   UVMF_INVLPG),
		 0);
	return true;
}

static void world_end(void)
{
	own_grants[REF].flags = 0;
	window(TABLE);
	other_end();
	page_free(scratch);
}

// The hypervisor's own: one that the loaded tables show, or else one at its
// beginning.
static u64 hypervisor_frame(void)
{
	const u64 *l4 = (const u64 *)start_info->pt_base;

	for (int i = 261; i < 272; i++)
		if (l4[i] & PTE_P)
			return (l4[i] & PTE_FRAME) >> 12;
	return 0x101;
}

static u64 m2p_frame(void)
{
	xen_pfn_t frame = 0;
	struct xen_machphys_mfn_list list = { .max_extents = 1 };

	set_xen_guest_handle(list.extent_start, &frame);
	CHECK_EQ(memory_op(XENMEM_machphys_mfn_list, &list), 0);
	return frame;
}

static void ldt_load(const void *page, unsigned int entries)
{
	CHECK_EQ(mmuext(MMUEXT_SET_LDT, ADDRESS(page), entries), 0);
	// It is looked at when it is used.
	if (entries)
		__asm__ volatile("lar %0, %%eax" ::"r"(7) : "eax", "cc");
}

static void owned_make(struct frame *f)
{
	f->page = page_alloc();
	f->mfn = virt_to_mfn(f->page);
	if (f->kind != PLAIN)
		CHECK_EQ(page_set_ro(f->page), 0);
	if (f->kind >= L1 && f->kind <= L4)
		CHECK_EQ(pin_table((int)f->kind - L1 + 1, f->page), 0);
	if (f->kind == GDT)
		CHECK_EQ(set_gdt(f->mfn, 512), 0);
	if (f->kind == LDT)
		ldt_load(f->page, 512);
	if (f->kind == GIVEN_BACK)
		page_give_back(f->page);
	if (f->kind == UNMAPPED || f->kind == GIVEN_BACK)
		CHECK_EQ(update_va(f->page, 0, UVMF_INVLPG), 0);
}

static struct frame frame_make(enum kind kind)
{
	struct frame f = { .kind = kind };

	switch (kind) {
	case BASE:
		f.mfn = virt_to_mfn((void *)start_info->pt_base);
		break;
	case GRANTED:
		f.handle = granted_map();
		f.mfn = granted_mfn;
		break;
	case FOREIGN:
		f.mfn = foreign_mfn;
		break;
	case SHARED_INFO:
		f.mfn = start_info->shared_info >> 12;
		break;
	case GRANT_TABLE:
		f.mfn = grants_mfn;
		break;
	case M2P_TABLE:
		f.mfn = m2p_frame();
		break;
	case HYPERVISOR:
		f.mfn = hypervisor_frame();
		break;
	case DEVICE:
		f.mfn = 0xfec00;
		break;
	case NOTHING:
		f.mfn = 1ul << 28;
		break;
	case INVALID:
		f.mfn = ~0ul;
		break;
	default:
		owned_make(&f);
	}
	return f;
}

static void frame_end(struct frame *f)
{
	if (f->kind == GRANTED)
		granted_unmap(f->handle);
	if (!f->page)
		return;
	if (f->kind >= L1 && f->kind <= L4)
		CHECK_EQ(unpin_table(f->page), 0);
	if (f->kind == GDT)
		CHECK_EQ(set_gdt(0, 0), 0);
	if (f->kind == LDT)
		ldt_load(NULL, 0);
	if (f->kind == GIVEN_BACK) {
		page_populate(f->page);
		return;
	}
	CHECK_EQ(page_set_rw(f->page), 0);
	page_free(f->page);
}

// The operations. What one does it undoes.

static long map_of(domid_t id, u64 mfn, u64 flags)
{
	u64 *w = window(SCRATCH);
	long rc = update_va_of(id, w, make_entry(mfn & PTE_FRAME >> 12, flags));

	window(SCRATCH);
	return rc;
}

static long map_read(const struct frame *f)
{
	return map_of(DOMID_SELF, f->mfn, PTE_RO);
}

static long map_write(const struct frame *f)
{
	return map_of(DOMID_SELF, f->mfn, PTE_RW | PTE_U);
}

static long map_as_io(const struct frame *f)
{
	return map_of(DOMID_IO, f->mfn, PTE_RW | PTE_U);
}

static long map_as_xen(const struct frame *f)
{
	return map_of(DOMID_XEN, f->mfn, PTE_RO);
}

static long map_as_other(const struct frame *f)
{
	return map_of(other.id, f->mfn, PTE_RW | PTE_U);
}

static long map_as_table(const struct frame *f)
{
	u64 at = entry_maddr(FREE_L4, 4);
	long rc = mmu_update_one(
		at, make_entry(f->mfn & PTE_FRAME >> 12, PTE_TABLE));

	if (!rc)
		CHECK_EQ(mmu_update_one(at, 0), 0);
	return rc;
}

static long put_entry(const struct frame *f)
{
	u64 slot = f->kind == BASE ? 5 : SLOT;

	return mmu_update_one((f->mfn << 12) + slot * 8, 0);
}

static long put_m2p(const struct frame *f)
{
	u64 pfn = f->page ? virt_to_pfn(f->page) : 0;

	if (f->kind == BASE || f->kind == SHARED_INFO || f->kind == GRANT_TABLE)
		pfn = machine_to_phys_mapping[f->mfn];
	return mmu_update_one(f->mfn << 12 | MMU_MACHPHYS_UPDATE, pfn);
}

static long pin_as(const struct frame *f, unsigned int cmd)
{
	long rc = mmuext(cmd, f->mfn, 0);

	if (!rc)
		CHECK_EQ(mmuext(MMUEXT_UNPIN_TABLE, f->mfn, 0), 0);
	return rc;
}

static long pin_l1(const struct frame *f)
{
	return pin_as(f, MMUEXT_PIN_L1_TABLE);
}

static long pin_l2(const struct frame *f)
{
	return pin_as(f, MMUEXT_PIN_L2_TABLE);
}

static long pin_l3(const struct frame *f)
{
	return pin_as(f, MMUEXT_PIN_L3_TABLE);
}

static long pin_l4(const struct frame *f)
{
	return pin_as(f, MMUEXT_PIN_L4_TABLE);
}

static long unpin(const struct frame *f)
{
	long rc = mmuext(MMUEXT_UNPIN_TABLE, f->mfn, 0);

	if (!rc && f->page)
		CHECK_EQ(pin_table((int)f->kind - L1 + 1, f->page), 0);
	if (!rc && f->kind == BASE)
		CHECK_EQ(pin_table(4, (void *)start_info->pt_base), 0);
	return rc;
}

static long user_base(const struct frame *f)
{
	long rc = mmuext(MMUEXT_NEW_USER_BASEPTR, f->mfn, 0);

	// Not of programs alone: the kernel sees it where it did.
	CHECK_EQ(machine_to_phys_mapping[foreign_mfn], 10);

	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, user_base_mfn(), 0), 0);
	return rc;
}

static long kernel_base(const struct frame *f)
{
	return mmuext(MMUEXT_NEW_BASEPTR, f->mfn, 0);
}

static long clear(const struct frame *f)
{
	return mmuext(MMUEXT_CLEAR_PAGE, f->mfn, 0);
}

static long copy_pages(u64 to, u64 from)
{
	struct mmuext_op op = { .cmd = MMUEXT_COPY_PAGE };

	op.arg1.mfn = to;
	op.arg2.src_mfn = from;
	return mmuext_one(&op);
}

static long copy_to(const struct frame *f)
{
	return copy_pages(f->mfn, virt_to_mfn(scratch));
}

static long copy_from(const struct frame *f)
{
	return copy_pages(virt_to_mfn(scratch), f->mfn);
}

static long gdt(const struct frame *f)
{
	long rc = set_gdt(f->mfn, 512);

	if (!rc && f->kind != GDT)
		CHECK_EQ(set_gdt(0, 0), 0);
	return rc;
}

static long descriptor(const struct frame *f)
{
	return update_descriptor((f->mfn << 12) + SLOT * 8, 0);
}

static long exchange(const struct frame *f)
{
	u64 in = f->mfn, out = f->page ? virt_to_pfn(f->page) : 0;
	struct xen_memory_exchange x = { .in = list_of(&in, 1),
					 .out = list_of(&out, 1) };
	long rc = memory_op(XENMEM_exchange, &x);

	if (!rc && CHECK(f->page))
		((u64 *)start_info->mfn_list)[virt_to_pfn(f->page)] = out;
	return rc;
}

// How many.
static long give_back(const struct frame *f)
{
	u64 frame = f->mfn;
	struct xen_memory_reservation r = list_of(&frame, 1);

	return memory_op(XENMEM_decrease_reservation, &r);
}

static long transfer(const struct frame *f)
{
	struct gnttab_transfer op = { .mfn = f->mfn, .domid = other.id };

	CHECK_EQ(grant_op(GNTTABOP_transfer, &op, 1), 0);
	return op.status;
}

static long grant_copy(u64 to, u64 from)
{
	struct gnttab_copy op = {
		.source = { .u.gmfn = from, .domid = DOMID_SELF },
		.dest = { .u.gmfn = to, .domid = DOMID_SELF, .offset = 4000 },
		.len = 8
	};

	CHECK_EQ(grant_op(GNTTABOP_copy, &op, 1), 0);
	return op.status;
}

static long grant_copy_to(const struct frame *f)
{
	return grant_copy(f->mfn, virt_to_mfn(scratch));
}

static long grant_copy_from(const struct frame *f)
{
	return grant_copy(virt_to_mfn(scratch), f->mfn);
}

static long grant_map(const struct frame *f, u32 flags)
{
	struct gnttab_map_grant_ref op = { .flags = GNTMAP_device_map | flags,
					   .ref = REF };
	struct gnttab_unmap_grant_ref end = { .dev_bus_addr = f->mfn << 12 };

	own_grants[REF] =
		(struct grant_entry_v1){ GTF_permit_access, 0, (u32)f->mfn };
	CHECK_EQ(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	end.handle = op.handle;
	if (!op.status) {
		CHECK_EQ(grant_op(GNTTABOP_unmap_grant_ref, &end, 1), 0);
		CHECK_EQ(end.status, GNTST_okay);
	}
	CHECK_EQ(own_grants[REF].flags, GTF_permit_access);
	return op.status;
}

static long grant_read(const struct frame *f)
{
	return grant_map(f, GNTMAP_readonly);
}

static long grant_write(const struct frame *f)
{
	return grant_map(f, 0);
}

static long vcpu_info(const struct frame *f)
{
	struct vcpu_register_vcpu_info op = { .mfn = f->mfn };

	return vcpu_op(VCPUOP_register_vcpu_info, 0, &op);
}

static long fifo_control(const struct frame *f)
{
	struct evtchn_init_control op = { .control_gfn = f->mfn };

	return event_op(EVTCHNOP_init_control, &op);
}

static long eoi_page(const struct frame *f)
{
	struct physdev_pirq_eoi_gmfn op = { .gmfn = f->mfn };

	return HC2(__HYPERVISOR_physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &op);
}

// The kinds in their order, a letter each: 0, -EBUSY, -EINVAL, -EPERM,
// GNTST_bad_page (F), GNTST_general_error. Not asked is what would not come back:
// the kernel's base tables, the hypervisor's shared page cleared, a page that
// stays with the hypervisor, one that is transferred (lists.c); and Xen
// says that what it shares with the guest were given back.
static const struct {
	const char *name;
	long (*run)(const struct frame *f);
	char want[KINDS + 1];
} ops[] = {
	{ "map_read", map_read, "0000000000BBB00BB0PI" },
	{ "map_write", map_write, "000BBBBBBBBBB00BB0PI" },
	{ "map_as_io", map_as_io, "BBBBBBBBBBBBBBBBB0PI" },
	{ "map_as_xen", map_as_xen, "BBBBBBBBBBBBBBB0BPPI" },
	{ "map_as_other", map_as_other, "BBBBBBBBBB00BBBBBPPI" },
	{ "map_as_table", map_as_table, "I00II0IIIIIIIIIIIIII" },
	{ "put_entry", put_entry, "00000000IIIII00IIIII" },
	{ "put_m2p", put_m2p, "0000000000III00IIIII" },
	{ "pin_l1", pin_l1, "I00IIIIIIIIIIIIIIIII" },
	{ "pin_l2", pin_l2, "I00IIIIIIIIIIIIIIIII" },
	{ "pin_l3", pin_l3, "I00IIIIIIIIIIIIIIIII" },
	{ "pin_l4", pin_l4, "I00IIIIIIIIIIIIIIIII" },
	{ "unpin", unpin, "III00000IIIIIIIIIIII" },
	{ "user_base", user_base, "I00III00IIIIIIIIIIII" },
	{ "kernel_base", kernel_base, "I--III-0IIIIIIIIIIII" },
	{ "clear", clear, "000IIIIIIIIII-0IIIII" },
	{ "copy_to", copy_to, "000IIIIIIIIII-0IIIII" },
	{ "copy_from", copy_from, "0000000000III00IIIII" },
	{ "gdt", gdt, "I00IIIII00IIIIIIIIII" },
	{ "descriptor", descriptor, "000IIIII00III00IIIII" },
	{ "exchange", exchange, "II0IIIIIIIIIIIIIIIII" },
	{ "give_back", give_back, "----------000--00000" },
	{ "transfer", transfer, "FF-FFFFFFFFFFFFFFFFF" },
	{ "grant_copy_to", grant_copy_to, "000GGGGGGGFFF00FFFFF" },
	{ "grant_copy_from", grant_copy_from, "0000000000FFF00FFFFF" },
	{ "grant_read", grant_read, "0000000000FFF00FFFFF" },
	{ "grant_write", grant_write, "000GGGGGGGFFF00FFFFF" },
	{ "vcpu_info", vcpu_info, "---IIIIIIIIII--IIIII" },
	{ "fifo_control", fifo_control, "---IIIIIIIIII--IIIII" },
	{ "eoi_page", eoi_page, "---IIIIIIIIII--IIIII" },
};

static long meant(char letter)
{
	switch (letter) {
	case 'B':
		return -EBUSY;
	case 'I':
		return -EINVAL;
	case 'P':
		return -EPERM;
	case 'F':
		return GNTST_bad_page;
	case 'G':
		return GNTST_general_error;
	default:
		return 0;
	}
}

static void check_cell(unsigned int op, enum kind kind)
{
	struct frame f = frame_make(kind);
	long rc = ops[op].run(&f), want = meant(ops[op].want[kind]);

	frame_end(&f);
	if (rc != want)
		check_failed(ops[op].name, 0, "%s: %ld, not %ld",
			     kind_names[kind], rc, want);
}

TEST(frames)
{
	if (!world_make())
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(ops); i++)
		for (u32 k = 0; k < KINDS; k++)
			if (ops[i].want[k] != '-')
				check_cell(i, (enum kind)k);
	world_end();
}
