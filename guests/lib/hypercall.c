// SPDX-License-Identifier: MIT
#include "lib/guest.h"

extern u8 hypercall_page[];

long hypercall5(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 __asm__("r10") = a4;
	register u64 r8 __asm__("r8") = a5;
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
	return (long)rax;
}
