// SPDX-License-Identifier: MIT
// console_io: Dom0's console; guests' text in debug builds.
#include "access/access.h"
#include "call/call.h"
#include "con/con.h"
#include "dom/domain.h"

#define CHUNK 128

#ifdef DEBUG
#define GUESTS_WRITE true
#else
#define GUESTS_WRITE false
#endif

static long console_write(u32 count, u64 buffer)
{
	char text[CHUNK];
	u32 done = 0;

	while (done < count) {
		u32 n = MIN(count - done, (u32)CHUNK);

		if (done && preempt_check())
			return call_again(__HYPERVISOR_console_io,
					  CONSOLEIO_write, count - done,
					  buffer + done);
		if (copy_from_guest(text, buffer + done, n))
			return -EFAULT;
		domain_console_write(currd, text, n);
		done += n;
	}
	return 0;
}

static long console_read(u32 count, u64 buffer)
{
	char text[CHUNK];
	u32 done = 0;

	// The answer is a positive int.
	if (count > INT32_MAX)
		return -E2BIG;
	while (done < count) {
		size_t n = con_read(text, MIN(count - done, (u32)CHUNK));

		if (!n)
			break;
		if (copy_to_guest(buffer + done, text, n))
			return -EFAULT;
		done += (u32)n;
	}
	return done;
}

long call_console_io(u64 cmd, u64 count, u64 buffer, u64 a4, u64 a5)
{
	bool may = currd->is_control || currd->is_hardware;

	cmd = (u32)cmd;
	if (!may && !(GUESTS_WRITE && cmd == CONSOLEIO_write))
		return -EPERM;
	if (cmd == CONSOLEIO_write)
		return console_write((u32)count, buffer);
	return cmd == CONSOLEIO_read ? console_read((u32)count, buffer)
				     : -ENOSYS;
}
