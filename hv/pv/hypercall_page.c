// SPDX-License-Identifier: MIT
// The stubs keep RCX and R11, which syscall overwrites, on the guest's stack.
#include "pv/pv.h"
#include "lib/string.h"

#define STUB_SIZE 32
#define INT3	  0xcc

// push %rcx; push %r11; mov $nr, %eax; syscall; pop %r11; pop %rcx; ret
static const u8 stub[] = { 0x51, 0x41, 0x53, 0xb8, 0,	 0,    0,
			   0,	 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3 };
#define STUB_NR 4

// push %rcx; push %r11; push %rax; mov $23, %eax; syscall: the first three
// are the head of struct iret_context, and it does not come back.
static const u8 iret_stub[] = { 0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret,
				0,    0,    0,	  0x0f, 0x05 };

// mov $nr, %eax; int $0x82; ret
static const u8 stub32[] = { 0xb8, 0, 0, 0, 0, 0xcd, 0x82, 0xc3 };
#define STUB32_NR 1

// push %eax; mov $23, %eax; int $0x82
static const u8 iret_stub32[] = { 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0,
				  0xcd, 0x82 };

void hypercall_page_fill(void *page, bool pv32)
{
	u8 *p = page;

	memset(page, INT3, PAGE_SIZE);
	for (u32 nr = 0; nr < PAGE_SIZE / STUB_SIZE; nr++, p += STUB_SIZE) {
		memcpy(p, pv32 ? stub32 : stub,
		       pv32 ? sizeof(stub32) : sizeof(stub));
		memcpy(p + (pv32 ? STUB32_NR : STUB_NR), &nr, sizeof(nr));
	}
	p = (u8 *)page + __HYPERVISOR_iret * STUB_SIZE;
	memset(p, INT3, STUB_SIZE);
	memcpy(p, pv32 ? iret_stub32 : iret_stub,
	       pv32 ? sizeof(iret_stub32) : sizeof(iret_stub));
}
