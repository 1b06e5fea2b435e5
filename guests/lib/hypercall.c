// SPDX-License-Identifier: MIT
#include "lib/guest.h"

extern u8 hypercall_page[];

long hypercall5(uptr nr, uptr a1, uptr a2, uptr a3, uptr a4, uptr a5)
{
	register u64 r10 __asm__("r10") = a4;
	register u64 r8 __asm__("r8") = a5;
	const uptr first = a1, second = a2;
	u64 rax = nr;

	// The page has 128 entries; a larger number goes in directly.
	if (nr < 128)
		__asm__ volatile("call *%%rax"
				 : "=a"(rax), "+D"(a1), "+S"(a2), "+d"(a3),
				   "+r"(r10), "+r"(r8)
				 : "0"(hypercall_page + nr * 32)
				 : "rcx", "r11", "memory");
	else
		__asm__ volatile("syscall"
				 : "+a"(rax), "+D"(a1), "+S"(a2), "+d"(a3),
				   "+r"(r10), "+r"(r8)
				 :
				 : "rcx", "r11", "memory");
	if (calls_told)
		call_note(nr, first, second, (long)rax);
	return (long)rax;
}

long va_mapping(uptr va, u64 entry, uptr flags)
{
	return HC3(__HYPERVISOR_update_va_mapping, va, entry, flags);
}

long va_mapping_of(domid_t dom, uptr va, u64 entry, uptr flags)
{
	return HC4(__HYPERVISOR_update_va_mapping_otherdomain, va, entry, flags,
		   dom);
}

long set_timer(u64 when)
{
	return HC1(__HYPERVISOR_set_timer_op, when);
}

long update_descriptor(u64 maddr, u64 descriptor)
{
	return HC2(__HYPERVISOR_update_descriptor, maddr, descriptor);
}

long callbacks_set(void)
{
	return HC3(__HYPERVISOR_set_callbacks, event_entry, failsafe_entry,
		   syscall_entry);
}

long set_callback(u16 type, u16 flags, const void *entry)
{
	static struct callback_register r;

	r = (struct callback_register){ type, flags, (uptr)entry };
	return HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &r);
}
