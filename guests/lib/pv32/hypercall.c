// SPDX-License-Identifier: MIT
// Hypercalls of a 32-bit kernel: five arguments in EBX, ECX, EDX, ESI, EDI.
#include "lib/guest.h"

extern u8 hypercall_page[];

long hypercall5(uptr nr, uptr a1, uptr a2, uptr a3, uptr a4, uptr a5)
{
	const uptr first = a1, second = a2;
	uptr rax = nr;

	// The page has 128 entries; a larger number goes in directly.
	if (nr < 128)
		__asm__ volatile("call *%%eax"
				 : "=a"(rax), "+b"(a1), "+c"(a2), "+d"(a3),
				   "+S"(a4), "+D"(a5)
				 : "0"(hypercall_page + nr * 32)
				 : "memory");
	else
		__asm__ volatile("int $0x82"
				 : "+a"(rax), "+b"(a1), "+c"(a2), "+d"(a3),
				   "+S"(a4), "+D"(a5)
				 :
				 : "memory");
	if (calls_told)
		call_note(nr, first, second, (long)rax);
	return (long)rax;
}

long va_mapping(uptr va, u64 entry, uptr flags)
{
	return HC4(__HYPERVISOR_update_va_mapping, va, entry, entry >> 32,
		   flags);
}

long va_mapping_of(domid_t dom, uptr va, u64 entry, uptr flags)
{
	return hypercall5(__HYPERVISOR_update_va_mapping_otherdomain, va,
			  (uptr)entry, (uptr)(entry >> 32), flags, dom);
}

long set_timer(u64 when)
{
	return HC2(__HYPERVISOR_set_timer_op, when, when >> 32);
}

long update_descriptor(u64 maddr, u64 descriptor)
{
	return HC4(__HYPERVISOR_update_descriptor, maddr, maddr >> 32,
		   descriptor, descriptor >> 32);
}

long callbacks_set(void)
{
	return HC4(__HYPERVISOR_set_callbacks, FLAT_KERNEL_CS, event_entry,
		   FLAT_KERNEL_CS, failsafe_entry);
}

long set_callback(u16 type, u16 flags, const void *entry)
{
	static struct callback_register r;

	r = (struct callback_register){ type,
					flags,
					{ FLAT_KERNEL_CS, (uptr)entry } };
	return HC2(__HYPERVISOR_callback_op, CALLBACKOP_register, &r);
}

// What the compiler calls for u64 / u64.
u64 __udivmoddi4(u64 n, u64 d, u64 *rest);
u64 __udivdi3(u64 n, u64 d);
u64 __umoddi3(u64 n, u64 d);

u64 __udivmoddi4(u64 n, u64 d, u64 *rest)
{
	u64 q = 0, r = 0;

	for (int i = 63; i >= 0; i--) {
		r = r << 1 | (n >> i & 1);
		if (r >= d) {
			r -= d;
			q |= (u64)1 << i;
		}
	}
	if (rest)
		*rest = r;
	return q;
}

u64 __udivdi3(u64 n, u64 d)
{
	return __udivmoddi4(n, d, NULL);
}

u64 __umoddi3(u64 n, u64 d)
{
	u64 rest;

	__udivmoddi4(n, d, &rest);
	return rest;
}
