// SPDX-License-Identifier: MIT
// xen_version: which ABI this is, and what of it a guest may use. 4.17, the
// version whose tools work with it.
#include "access/access.h"
#include "call/call.h"
#include "dom/domain.h"
#include "lib/string.h"
#include "mm/alloc.h"

#define STRING(x)     STRING_(x)
#define STRING_(x)    #x

#define ABI_MAJOR     4
#define ABI_MINOR     17
#define EXTRA_VERSION ".0-ringlet"
#define CAPABILITIES  "xen-3.0-x86_64 xen-3.0-x86_32p "
#define RELEASE	      "ringlet " STRING(RINGLET_VERSION)

char hv_command_line[1024];

// A string in a field of `size` bytes, zeros behind it.
static long put_string(u64 arg, const char *s, size_t size)
{
	size_t n = strnlen(s, size - 1);

	if (copy_to_guest(arg, s, n) || clear_guest(arg + n, size - n))
		return -EFAULT;
	return 0;
}

#define VER(name, result)               \
	static long ver_##name(u64 arg) \
	{                               \
		return result;          \
	}

VER(version, ABI_MAJOR << 16 | ABI_MINOR)
VER(extraversion, put_string(arg, EXTRA_VERSION, sizeof(xen_extraversion_t)))
VER(capabilities,
    put_string(arg, CAPABILITIES, sizeof(xen_capabilities_info_t)))
VER(changeset, put_string(arg, RELEASE, sizeof(xen_changeset_info_t)))
VER(pagesize, PAGE_SIZE)
VER(guest_handle, copy_struct_to_guest(arg, &currd->handle))
VER(commandline,
    put_string(arg, currd->is_control ? hv_command_line : "<denied>",
	       sizeof(xen_commandline_t)))

static long ver_build_id(u64 arg)
{
	u32 room;

	if (!currd->is_control)
		return -EPERM;
	if (arg && copy_struct_from_guest(&room, arg))
		return -EFAULT;
	return !arg || room ? -ENODATA : -EINVAL;
}

static long ver_compile_info(u64 arg)
{
	struct xen_compile_info x = { 0 };

	str_copy(x.compiler, "gcc " __VERSION__, sizeof(x.compiler));
	str_copy(x.compile_by, "ringlet", sizeof(x.compile_by));
	// No date: the same sources make the same image.
	str_copy(x.compile_date, RELEASE, sizeof(x.compile_date));
	return copy_struct_to_guest(arg, &x);
}

static long ver_platform_parameters(u64 arg)
{
	// One unsigned long.
	return pfn_to_guest(arg, 0, currd->pv32 ? HOLE32_START : HV_START);
}

static long ver_get_features(u64 arg)
{
	struct domain *d = currd;
	struct xen_feature_info x;

	if (copy_struct_from_guest(&x, arg))
		return -EFAULT;
	if (x.submap_idx >= XENFEAT_NR_SUBMAPS)
		return -EINVAL;
	x.submap = BIT(XENFEAT_memory_op_vnode_supported) |
		   BIT(XENFEAT_mmu_pt_update_preserve_ad) |
		   BIT(XENFEAT_highmem_assist) |
		   BIT(XENFEAT_gnttab_map_avail_bits) |
		   BIT(XENFEAT_direct_mapped);
	if (d->vm_assist & BIT(VMASST_TYPE_pae_extended_cr3))
		x.submap |= BIT(XENFEAT_pae_pgdir_above_4gb);
	if (d->is_hardware)
		x.submap |= BIT(XENFEAT_dom0);
	return copy_struct_to_guest(arg, &x);
}

static long ver_none(u64 arg)
{
	return -ENOSYS;
}

static long (*const ops[])(u64 arg) = {
	[XENVER_version] = ver_version,
	[XENVER_extraversion] = ver_extraversion,
	[XENVER_compile_info] = ver_compile_info,
	[XENVER_capabilities] = ver_capabilities,
	[XENVER_changeset] = ver_changeset,
	[XENVER_platform_parameters] = ver_platform_parameters,
	[XENVER_get_features] = ver_get_features,
	[XENVER_pagesize] = ver_pagesize,
	[XENVER_guest_handle] = ver_guest_handle,
	[XENVER_commandline] = ver_commandline,
	[XENVER_build_id] = ver_build_id,
	ver_none, // this and all behind
};

long call_xen_version(u64 cmd, u64 arg, u64 a3, u64 a4, u64 a5)
{
	// By which Linux lets events come in.
	if (likely((u32)cmd == XENVER_version))
		return ver_version(arg);
	return ops[index_clamp((u32)cmd, ARRAY_SIZE(ops) - 1)](arg);
}
