// SPDX-License-Identifier: MIT
// Layouts of 32-bit callers (public headers, and foreign/x86_32.h).
#include "call/call.h"
#include "access/access.h"
#include "dom/shared.h"
#include "lib/string.h"
#include "mm/alloc.h"
#include "pv/pv.h"

static const char *const layouts[] = { [LAYOUT32_same] = "",
#define LAYOUT(name, fields) [LAYOUT32_##name] = fields,
				       LAYOUTS32(LAYOUT)
#undef LAYOUT
};

enum direction { SIZE, WIDEN, NARROW };

// Goes through both structures at once: fields are aligned to their size, but
// to no more than 8 bytes, or 4.
static u32 convert(enum layout32 layout, u8 *wide, u8 *narrow,
		   enum direction how)
{
	u32 w = 0, n = 0;

	for (const char *f = layouts[layout]; *f; f++) {
		u32 w_size = *f == 'l' ? 8 : *f == 'K' ? 1024 : *f - '0';
		u32 n_size = *f == 'l' ? 4 : w_size;
		u32 align = *f == 'K' ? 1 : *f == '|' ? 8 : w_size;

		w = (u32)ROUND_UP(w, align);
		n = (u32)ROUND_UP(n, MIN(*f == 'l' ? 4 : align, 4u));
		if (*f == '|')
			continue;
		if (how == WIDEN)
			memcpy(wide + w, narrow + n, n_size);
		else if (how == NARROW)
			memcpy(narrow + n, wide + w, n_size);
		w += w_size;
		n += n_size;
	}
	return (u32)ROUND_UP(n, 4);
}

u32 compat_size(enum layout32 layout)
{
	return convert(layout, NULL, NULL, SIZE);
}

void compat_widen(enum layout32 layout, void *wide, const void *narrow)
{
	convert(layout, wide, (u8 *)(u64)narrow, WIDEN);
}

void compat_narrow(enum layout32 layout, const void *wide, void *narrow)
{
	convert(layout, (u8 *)(u64)wide, narrow, NARROW);
}

int compat32_from_guest(enum layout32 layout, void *arg, u64 gva, u32 size)
{
	u64 narrow[32];

	if (copy_from_guest(narrow, gva, compat_size(layout)))
		return -EFAULT;
	memset(arg, 0, size);
	compat_widen(layout, arg, narrow);
	return 0;
}

int compat32_to_guest(enum layout32 layout, u64 gva, const void *arg)
{
	u64 narrow[32] = { 0 };

	compat_narrow(layout, arg, narrow);
	return copy_to_guest(gva, narrow, compat_size(layout));
}

int pfn_from_guest(u64 *pfn, u64 list, u64 i)
{
	u32 narrow;

	if (likely(!currd->pv32))
		return copy_element_from_guest(pfn, list, i);
	if (copy_element_from_guest(&narrow, list, i))
		return -EFAULT;
	*pfn = narrow;
	return 0;
}

int pfn_to_guest(u64 list, u64 i, u64 pfn)
{
	u32 narrow = (u32)pfn;

	return likely(!currd->pv32) ? copy_element_to_guest(list, i, &pfn)
				    : copy_element_to_guest(list, i, &narrow);
}

static void trap_widen(struct trap_info *t, const struct trap_info_x86_32 *n,
		       const struct domain *d)
{
	*t = (struct trap_info){ .vector = n->vector, .flags = n->flags };
	t->address = pv32_entry(d, n->cs, n->address);
}

int trap32_from_guest(struct trap_info *t, u64 gva)
{
	struct trap_info_x86_32 n;

	if (copy_struct_from_guest(&n, gva))
		return -EFAULT;
	trap_widen(t, &n, currd);
	return 0;
}

// A field of a context, one way or the other.
#define FIELD(wide, narrow)                                     \
	do {                                                    \
		if (widen)                                      \
			c->wide = n->narrow;                    \
		else                                            \
			n->narrow = (typeof(n->narrow))c->wide; \
	} while (0)
#define REGISTER(wide, narrow) FIELD(user_regs.wide, user_regs.narrow)

static void context_regs(struct vcpu_guest_context *c,
			 struct vcpu_guest_context_x86_32 *n, bool widen)
{
	REGISTER(rax, eax);
	REGISTER(rbx, ebx);
	REGISTER(rcx, ecx);
	REGISTER(rdx, edx);
	REGISTER(rsi, esi);
	REGISTER(rdi, edi);
	REGISTER(rbp, ebp);
	REGISTER(rsp, esp);
	REGISTER(rip, eip);
	REGISTER(rflags, eflags);
	REGISTER(saved_upcall_mask, saved_upcall_mask);
	REGISTER(cs, cs);
	REGISTER(ss, ss);
	REGISTER(ds, ds);
	REGISTER(es, es);
	REGISTER(fs, fs);
	REGISTER(gs, gs);
}

static void context_convert(struct vcpu_guest_context *c,
			    struct vcpu_guest_context_x86_32 *n, bool widen)
{
	_Static_assert(sizeof(c->fpu_ctxt) == sizeof(n->fpu_ctxt), "one form");
	_Static_assert(sizeof(*n) == 2800, "as -m32 has it");
	context_regs(c, n, widen);
	FIELD(flags, flags);
	FIELD(ldt_base, ldt_base);
	FIELD(ldt_ents, ldt_ents);
	FIELD(gdt_ents, gdt_ents);
	FIELD(kernel_ss, kernel_ss);
	FIELD(kernel_sp, kernel_sp);
	FIELD(vm_assist, vm_assist);
	for (u32 i = 0; i < ARRAY_SIZE(c->gdt_frames); i++)
		FIELD(gdt_frames[i], gdt_frames[i]);
	for (u32 i = 0; i < ARRAY_SIZE(c->ctrlreg); i++) {
		FIELD(ctrlreg[i], ctrlreg[i]);
		FIELD(debugreg[i], debugreg[i]);
	}
}

int context32_from_guest(struct vcpu_guest_context *c, const struct domain *d,
			 u64 gva)
{
	struct vcpu_guest_context_x86_32 *n __heap_ref = heap_alloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	if (copy_struct_from_guest(n, gva))
		return -EFAULT;
	memset(c, 0, sizeof(*c));
	memcpy(&c->fpu_ctxt, &n->fpu_ctxt, sizeof(c->fpu_ctxt));
	context_convert(c, n, true);
	for (u32 i = 0; i < 256; i++)
		trap_widen(&c->trap_ctxt[i], &n->trap_ctxt[i], d);
	c->kernel_ss = pv_selector(d, c->kernel_ss);
	c->ctrlreg[1] = 0;
	c->ctrlreg[3] = (u64)xen_cr3_to_pfn_x86_32(n->ctrlreg[3]) << PAGE_SHIFT;
	c->event_callback_eip =
		pv32_entry(d, n->event_callback_cs, n->event_callback_eip);
	c->failsafe_callback_eip = pv32_entry(d, n->failsafe_callback_cs,
					      n->failsafe_callback_eip);
	return 0;
}

int context32_to_guest(u64 gva, const struct vcpu_guest_context *c)
{
	struct vcpu_guest_context_x86_32 *n __heap_ref = heap_alloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	memcpy(&n->fpu_ctxt, &c->fpu_ctxt, sizeof(n->fpu_ctxt));
	context_convert((struct vcpu_guest_context *)(u64)c, n, false);
	for (u32 i = 0; i < 256; i++) {
		const struct trap_info *t = &c->trap_ctxt[i];

		n->trap_ctxt[i] = (struct trap_info_x86_32){
			.vector = t->vector,
			.flags = t->flags,
			.cs = (u16)(t->address >> 32),
			.address = (u32)t->address,
		};
	}
	n->ctrlreg[3] = xen_pfn_to_cr3_x86_32(c->ctrlreg[3] >> PAGE_SHIFT);
	n->event_callback_cs = (u32)(c->event_callback_eip >> 32);
	n->event_callback_eip = (u32)c->event_callback_eip;
	n->failsafe_callback_cs = (u32)(c->failsafe_callback_eip >> 32);
	n->failsafe_callback_eip = (u32)c->failsafe_callback_eip;
	return copy_struct_to_guest(gva, n);
}
