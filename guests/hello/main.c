// SPDX-License-Identifier: MIT
// What a guest finds when it starts.
#include "lib/guest.h"

#ifdef __x86_64__
#define MAGIC	       "xen-3.0-x86_64"
#define NOT_OURS       0xffff830000000000
#define NOT_OURS_ERROR 1
#else
#define MAGIC	       "xen-3.0-x86_32p"
#define NOT_OURS       0xffe00000
#define NOT_OURS_ERROR 0
#endif

TEST(start_info)
{
	CHECK_EQ(vcpu_info_of(0)->evtchn_upcall_mask, 1);
	CHECK(!strcmp(start_info->magic, MAGIC));
	CHECK(start_info->flags & SIF_PRIVILEGED);
	CHECK(start_info->flags & SIF_INITDOMAIN);
	CHECK(start_info->nr_pages > 16384);
	CHECK_EQ(start_info->shared_info & (PAGE_SIZE - 1), 0);
	CHECK(start_info->nr_pt_frames >= 4);
	CHECK_EQ(start_info->mod_start, 0);
	CHECK_EQ(start_info->console.dom0.info_off & 7, 0);
	printf("nr_pages %lu, pt_base %lx, mfn_list %lx, words '%s'\n",
	       start_info->nr_pages, start_info->pt_base, start_info->mfn_list,
	       (const char *)start_info->cmd_line);
}

TEST(layout)
{
	uptr end = (uptr)guest_end;

	// Kernel, p2m list, start info, page tables, in this order.
	CHECK(start_info->mfn_list >= end);
	CHECK((uptr)start_info >=
	      start_info->mfn_list + start_info->nr_pages * sizeof(uptr));
	CHECK_EQ(start_info->pt_base, ((uptr)start_info & ~0xffful) + 4096);
	// At least 512 KiB behind the last thing are mapped, to 4 MiB.
	uptr last = start_info->pt_base +
		    (start_info->nr_pt_frames + 1) * PAGE_SIZE + 0x7ffff;
	const volatile u64 *e = entry_of((void *)(last & ~0xffful), 1);

	CHECK(e && (*e & PTE_P));
	last = ((last + 0x3fffff) & ~0x3ffffful) - PAGE_SIZE;
	e = entry_of((void *)last, 1);
	CHECK(e && (*e & PTE_P));
	e = entry_of((void *)(last + PAGE_SIZE), 1);
	CHECK(!e || !(*e & PTE_P));
}

TEST(initial_tables)
{
	uptr page = start_info->pt_base;

	for (uptr i = 0; i < start_info->nr_pt_frames; i++, page += PAGE_SIZE)
		CHECK_EQ(*entry_of((void *)page, 1) & (PTE_P | PTE_W), PTE_P);
	CHECK_EQ(*entry_of(guest_end, 1) & (PTE_P | PTE_W), PTE_P | PTE_W);
	CHECK_EQ(*entry_of(guest_start, 1) & PTE_NX, 0);
	CHECK_TRAP(*(volatile u64 *)start_info->pt_base = 0, 14, 3);
	CHECK_EQ(trap_last.cr2, start_info->pt_base);
}

TEST(p2m_and_m2p)
{
	const uptr *p2m = (const uptr *)start_info->mfn_list;
	unsigned int wrong = 0;

	for (uptr pfn = 0; pfn < start_info->nr_pages; pfn++)
		wrong += machine_to_phys_mapping[p2m[pfn]] != pfn;
	CHECK_EQ(wrong, 0);
	// The U bit of the error code tells guest user mode.
	CHECK_TRAP(*(volatile uptr *)machine_to_phys_mapping = 0, 14, 3);
	CHECK_TRAP(*(volatile uptr *)NOT_OURS, 14,
		   has_word("isolated") ? 0 : NOT_OURS_ERROR);
}

TEST(version)
{
	char text[1024];
	struct xen_platform_parameters parms;
	xen_capabilities_info_t caps;
	long version = version_op(XENVER_version, NULL);

	printf("version %ld.%ld\n", version >> 16, version & 0xffff);
	CHECK_EQ(version, 4 << 16 | 17);
	CHECK_EQ(version_op(XENVER_pagesize, NULL), 4096);
	CHECK_EQ(version_op(XENVER_extraversion, text), 0);
	CHECK_EQ(version_op(XENVER_capabilities, caps), 0);
	printf("caps '%s'\n", caps);
	CHECK(!memcmp(caps, "xen-3.0-x86_64 ", 15));
	CHECK_EQ(version_op(XENVER_platform_parameters, &parms), 0);
	CHECK_EQ(parms.virt_start, HYPERVISOR_VIRT_START);
	CHECK_EQ(version_op(XENVER_guest_handle, text), 0);
	CHECK_EQ(version_op(XENVER_commandline, text), 0);
	CHECK_EQ(version_op(XENVER_changeset, text), 0);
}

TEST(features)
{
	struct xen_feature_info info = { .submap_idx = 0 };

	CHECK_EQ(version_op(XENVER_get_features, &info), 0);
	printf("features %x\n", info.submap);
	CHECK(!(info.submap & (1u << XENFEAT_pae_pgdir_above_4gb)));
	CHECK(info.submap & (1u << XENFEAT_mmu_pt_update_preserve_ad));
	CHECK(info.submap & (1u << XENFEAT_highmem_assist));
	CHECK(info.submap & (1u << XENFEAT_gnttab_map_avail_bits));
	CHECK(info.submap & (1u << XENFEAT_dom0));
	CHECK(!(info.submap & (1u << XENFEAT_auto_translated_physmap)));
	CHECK(!(info.submap & (1u << XENFEAT_hvm_callback_vector)));
	CHECK(!(info.submap & (1u << XENFEAT_writable_page_tables)));
	info.submap_idx = 1;
	CHECK_EQ(version_op(XENVER_get_features, &info), -EINVAL);
}

TEST(console)
{
	static const char text[] = "console line\n";

	CHECK_EQ(HC3(__HYPERVISOR_console_io, CONSOLEIO_write, sizeof(text) - 1,
		     text),
		 0);
	char typed[8];

	CHECK_EQ(HC3(__HYPERVISOR_console_io, CONSOLEIO_read, sizeof(typed),
		     typed),
		 0);
	CHECK_EQ(HC3(__HYPERVISOR_console_io, 7, 0, NULL), -ENOSYS);
}

TEST(memory_counts)
{
	domid_t self = DOMID_SELF;
	long pages = (long)start_info->nr_pages;

	CHECK_EQ(memory_op(XENMEM_current_reservation, &self), pages);
	CHECK(memory_op(XENMEM_maximum_reservation, &self) >= pages);
	CHECK(memory_op(XENMEM_maximum_ram_page, NULL) > 0x10000);
	// What the guest says itself, and it said nothing yet.
	CHECK_EQ(memory_op(XENMEM_maximum_gpfn, &self), 0);
	shared->arch.max_pfn = 1234;
	CHECK_EQ(memory_op(XENMEM_maximum_gpfn, &self), 1233);
	shared->arch.max_pfn = 0;
}

TEST(clock)
{
	u64 first = system_time(), second = system_time();

	CHECK(second >= first);
	CHECK(first < 60000000000ul);
	CHECK(shared->wc_sec > 1600000000u);
	CHECK_EQ(shared->wc_version & 1, 0);
}

TEST(cpuid_leaves)
{
	u32 a, b, c, d;

	// The prefix makes the hypervisor answer.
	__asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
			 : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
			 : "0"(0x40000000));
	CHECK_EQ(b, 0x566e6558);
	CHECK_EQ(c, 0x65584d4d);
	CHECK_EQ(d, 0x4d4d566e);
	CHECK(a >= 0x40000004);
	__asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
			 : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
			 : "0"(0x40000001));
	CHECK_EQ(a, 4 << 16 | 17);
}

static long add_one(long x)
{
	return x + 1;
}

TEST(user_mode)
{
	CHECK_EQ(user_call(add_one, 41), 42);
	CHECK_EQ(user_call(add_one, -1), 0);
}
