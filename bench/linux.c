// SPDX-License-Identifier: MIT
// What programs in Dom0 do, between markers (bench/plugin.c), each several times.
// Ends with the machine, or with 1 and a word on what failed.
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/evtchn.h>
#include <xen/gntalloc.h>
#include <xen/gntdev.h>
#include "marker.h"
#include "sections.h"

#define PAGE  4096u
#define PAGES 16u

static void *map_at(void *to, size_t size, int flags, int fd, uint64_t at)
{
	void *p = mmap(to, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)at);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static void *map(size_t size, int flags)
{
	return map_at(NULL, size, flags, -1, 0);
}

// Where pages come and go: the page-table page is there for a neighbour, and is
// neither made nor given back with them, wherever the kernel puts mappings.
static void *place(void)
{
	static char *pages;
	uintptr_t at;

	if (!pages) {
		at = (uintptr_t)map(4 << 20, MAP_PRIVATE | MAP_ANONYMOUS |
						     MAP_NORESERVE);
		pages = (char *)((at | ((2 << 20) - 1)) + 1);
		*pages = 1;
	}
	return pages + PAGE;
}

static void pages_turn(void)
{
	void *p = map_at(place(), PAGES * PAGE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_FIXED,
			 -1, 0);

	need(!munmap(p, PAGES * PAGE), "munmap");
}

static void fork_turn(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(0);
	need(child > 0 && waitpid(child, &status, 0) == child, "fork");
}

static void exec_turn(void)
{
	pid_t child = vfork();
	int status;

	if (!child) {
		execl("/proc/self/exe", "bench", "nothing", NULL);
		_exit(1);
	}
	need(child > 0 && waitpid(child, &status, 0) == child && !status,
	     "exec");
}

static void faults(void)
{
	volatile char *p =
		map((ROUNDS + 1) * PAGE, MAP_PRIVATE | MAP_ANONYMOUS);

	*p = 1; // its table
	for (int i = 1; i <= ROUNDS; i++) {
		MARK(LINUX_FAULT, 1);
		p[i * (int)PAGE] = 1;
		MARK(LINUX_FAULT, 2);
	}
}

static void pipes(void)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	need(!pipe(there) && !pipe(back), "pipe");
	child = fork();
	if (!child) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	need(child > 0, "fork");
	SECTION(LINUX_PIPE, need(write(there[1], &byte, 1) == 1 &&
					 read(back[0], &byte, 1) == 1,
				 "pipe"));
	close(there[1]);
	waitpid(child, NULL, 0);
}

// A port that leads to another one of our own: notify, read, unmask.
static void event_turn(int fd, uint32_t port)
{
	struct ioctl_evtchn_notify notify = { port };
	uint32_t got;

	need(!ioctl(fd, IOCTL_EVTCHN_NOTIFY, &notify), "notify");
	need(read(fd, &got, sizeof(got)) == sizeof(got), "read of a port");
	need(write(fd, &got, sizeof(got)) == sizeof(got), "unmask");
}

static void events(void)
{
	struct ioctl_evtchn_bind_unbound_port one = { 0 };
	struct ioctl_evtchn_bind_interdomain other = { 0, 0 };
	int fd = open("/dev/xen/evtchn", O_RDWR), port;
	uint32_t got;

	need(fd >= 0, "evtchn");
	port = ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &one);
	need(port > 0, "unbound port");
	other.remote_port = (unsigned int)port;
	port = ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &other);
	need(port > 0, "interdomain port");
	// Binding sends one.
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (read(fd, &got, sizeof(got)) == sizeof(got))
		need(write(fd, &got, sizeof(got)) > 0, "unmask");
	fcntl(fd, F_SETFL, 0);
	SECTION(LINUX_EVENT, event_turn(fd, (uint32_t)port));
	close(fd);
}

static void grant_turn(int dev, uint32_t ref)
{
	struct ioctl_gntdev_map_grant_ref make = { .count = 1 };
	struct ioctl_gntdev_unmap_grant_ref end = { .count = 1 };
	volatile char *p;

	make.refs[0].ref = ref;
	need(!ioctl(dev, IOCTL_GNTDEV_MAP_GRANT_REF, &make), "map grant");
	p = map_at(place(), PAGE, MAP_SHARED | MAP_FIXED, dev, make.index);
	p[0] = 1;
	munmap((void *)p, PAGE);
	end.index = make.index;
	need(!ioctl(dev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &end), "unmap grant");
}

static void copy_turn(int dev, uint32_t ref, void *to)
{
	struct gntdev_grant_copy_segment segment = {
		.flags = GNTCOPY_source_gref, .len = PAGE
	};
	struct ioctl_gntdev_grant_copy copy = { .count = 1,
						.segments = &segment };

	segment.source.foreign.ref = ref;
	segment.dest.virt = to;
	need(!ioctl(dev, IOCTL_GNTDEV_GRANT_COPY, &copy) && !segment.status,
	     "copy grant");
}

static void grants(void)
{
	struct ioctl_gntalloc_alloc_gref alloc = {
		.flags = GNTALLOC_FLAG_WRITABLE, .count = 1
	};
	int dev = open("/dev/xen/gntdev", O_RDWR);
	int from = open("/dev/xen/gntalloc", O_RDWR);
	char *page = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS);

	page[0] = 1;
	need(dev >= 0 && from >= 0, "gntdev, gntalloc");
	need(!ioctl(from, IOCTL_GNTALLOC_ALLOC_GREF, &alloc), "grant");
	SECTION(LINUX_GRANT, grant_turn(dev, alloc.gref_ids[0]));
	SECTION(LINUX_COPY, copy_turn(dev, alloc.gref_ids[0], page));
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0; // what exec_turn starts
	SECTION(LINUX_SYSCALL, syscall(SYS_getppid));
	SECTION(LINUX_MMAP, pages_turn());
	SECTION(LINUX_FORK, fork_turn());
	SECTION(LINUX_EXEC, exec_turn());
	faults();
	pipes();
	events();
	grants();
	MARK(0, 3);
	return 1;
}
