// SPDX-License-Identifier: MIT
// Tells what became of a guest's memory and clocks while others handled it.
//
//	witness MIB	in the guest: fills so much memory, then verifies it
//			and watches the clocks on every CPU
//	witness -c DOMID REF
//			in Dom0: by how many nanoseconds the guest's
//			CLOCK_REALTIME is ahead of the own
//
// The guest's line, twice a second, is WITNESS and KEY=VALUE words: passes over
// the memory that are complete, words that were wrong, the largest step back of
// a clock (ns), what the hypervisor says of the TSC, and the grant of a page in
// which the guest writes its clock while Dom0 asks for it. Dom0 polls that page:
// the least difference to its own clock is what the clocks differ by, and the
// way between two CPUs.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_WORDS 512u
#define NS_PER_S   1000000000ll
#define NS_PER_MS  1000000ll
#define LINE_NS	   (NS_PER_S / 2)
#define BURST_NS   (100 * NS_PER_MS)
#define COMPARE_NS (3 * NS_PER_S)
#define PAGE_SIZE  4096
// A page is granted anew so often, as a restored guest's old grants are void;
// the last one stays for as long.
#define GRANT_NS (4 * NS_PER_S)
// Of a comparison: what it needs, and what it ends at.
#define SAMPLES 50u
#define ENOUGH	5000u
// Each page of the memory begins with it and its own number.
#define SIGNATURE 0x5249474e4c455431ull

static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC,
				    CLOCK_BOOTTIME };

// Of /dev/xen/gntalloc and gntdev.
struct gntalloc_ref {
	uint16_t domid, flags;
	uint32_t count;
	uint64_t index;
	uint32_t refs[2];
};
struct gntdev_map {
	uint32_t count, pad;
	uint64_t index;
	uint32_t domid, ref;
};
#define GNTALLOC_ALLOC	  _IOC(_IOC_NONE, 'G', 5, 24)
#define GNTALLOC_WRITABLE 1
#define GNTDEV_MAP	  _IOC(_IOC_NONE, 'G', 0, 24)

struct shown {
	volatile int64_t real;	  // the guest's clock
	volatile uint64_t wanted; // Dom0 looks at it
};

struct granted {
	int fd;
	uint32_t ref;
	struct shown *page;
};

static uint64_t *memory, pages, at, passes, bad;
static int64_t last[3], step_back;
static struct granted grant = { .fd = -1 }, old_grant = { .fd = -1 };

static int64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void clocks_watch(void)
{
	for (int i = 0; i < 3; i++) {
		int64_t t = now(clocks[i]), back = last[i] - t;

		if (back > step_back)
			step_back = back;
		last[i] = t;
	}
}

static void grant_end(struct granted *g)
{
	if (g->fd < 0)
		return;
	munmap(g->page, PAGE_SIZE);
	close(g->fd);
	g->fd = -1;
}

static void grant_new(void)
{
	struct gntalloc_ref r = { 0, GNTALLOC_WRITABLE, 1, 0, { 0, 0 } };
	int fd = open("/dev/xen/gntalloc", O_RDWR);
	void *page = MAP_FAILED;

	if (fd >= 0 && !ioctl(fd, GNTALLOC_ALLOC, &r))
		page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, (off_t)r.index);
	if (page == MAP_FAILED) {
		perror("witness: gntalloc");
		exit(1);
	}
	grant_end(&old_grant);
	old_grant = grant;
	grant = (struct granted){ fd, r.refs[0], page };
}

static void clock_publish(const struct granted *g)
{
	int64_t until = now(CLOCK_MONOTONIC) + BURST_NS;

	while (g->fd >= 0 && g->page->wanted && now(CLOCK_MONOTONIC) < until)
		g->page->real = now(CLOCK_REALTIME);
}

// In Dom0. The guest's clock is ahead of the own by what is returned, but for
// the way; INT64_MAX: too few samples.
static int64_t compare(struct shown *page)
{
	int64_t until = now(CLOCK_MONOTONIC) + COMPARE_NS, seen = page->real;
	int64_t least = INT64_MAX;
	unsigned int n = 0;

	page->wanted = 1;
	while (n < ENOUGH && now(CLOCK_MONOTONIC) < until) {
		int64_t real = page->real, behind = now(CLOCK_REALTIME) - real;

		if (real == seen)
			continue;
		seen = real;
		// The first one may have been there for long.
		if (n++ && behind < least)
			least = behind;
	}
	page->wanted = 0;
	if (n >= SAMPLES)
		return -least;
	fprintf(stderr, "witness: %u samples only\n", n);
	return INT64_MAX;
}

static int compare_with(uint32_t domid, uint32_t ref)
{
	struct gntdev_map m = { 1, 0, 0, domid, ref };
	int fd = open("/dev/xen/gntdev", O_RDWR);
	struct shown *page = MAP_FAILED;
	int64_t ahead;

	if (fd >= 0 && !ioctl(fd, GNTDEV_MAP, &m))
		page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, (off_t)m.index);
	if (page == MAP_FAILED) {
		perror("witness: gntdev");
		return 1;
	}
	ahead = compare(page);
	if (ahead == INT64_MAX)
		return 1;
	printf("%lld\n", (long long)ahead);
	return 0;
}

static uint64_t word(uint64_t page, uint64_t i)
{
	uint64_t x = (page * PAGE_WORDS + i) * 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	return i == 0 ? SIGNATURE : i == 1 ? page : x ^ x >> 31;
}

static void page_fill(uint64_t page)
{
	for (uint64_t i = 0; i < PAGE_WORDS; i++)
		memory[page * PAGE_WORDS + i] = word(page, i);
}

static void page_verify(uint64_t page)
{
	for (uint64_t i = 0; i < PAGE_WORDS; i++)
		bad += memory[page * PAGE_WORDS + i] != word(page, i);
}

static void memory_verify(unsigned int n)
{
	while (n--) {
		page_verify(at);
		if (++at == pages) {
			at = 0;
			passes++;
		}
	}
}

// Answered by the hypervisor, for its prefix.
static void xen_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("ud2a; .ascii \"xen\"; cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "0"(leaf), "2"(sub));
}

// TSC: leaf 3 of the ABI (public header arch-x86/cpuid.h).
static void line_print(void)
{
	uint32_t r[4];

	xen_cpuid(0x40000003, 0, r);
	printf("WITNESS passes=%llu bad=%llu back=%lld cpus=%ld real=%lld "
	       "vtsc=%u mode=%u khz=%u incarnation=%u ref=%u.\n",
	       (unsigned long long)passes, (unsigned long long)bad,
	       (long long)step_back, sysconf(_SC_NPROCESSORS_ONLN),
	       (long long)now(CLOCK_REALTIME), r[0] & 1, r[1], r[2], r[3],
	       grant.ref);
	fflush(stdout);
}

static void run_on(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void watch(void)
{
	int64_t next_line = 0, next_grant = 0;

	for (long cpu = 0;; cpu++) {
		run_on(cpu % sysconf(_SC_NPROCESSORS_ONLN));
		clocks_watch();
		memory_verify(128);
		clock_publish(&grant);
		clock_publish(&old_grant);
		if (now(CLOCK_MONOTONIC) >= next_grant) {
			grant_new();
			next_grant = now(CLOCK_MONOTONIC) + GRANT_NS;
		}
		if (now(CLOCK_MONOTONIC) >= next_line) {
			line_print();
			next_line = now(CLOCK_MONOTONIC) + LINE_NS;
		}
		usleep(20000);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return compare_with((uint32_t)atoi(argv[2]),
				    (uint32_t)atoi(argv[3]));
	if (argc != 2)
		return 2;
	pages = strtoull(argv[1], NULL, 10) * 256;
	memory = mmap(NULL, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!pages || memory == MAP_FAILED) {
		fprintf(stderr, "witness: no %s MiB\n", argv[1]);
		return 1;
	}
	for (uint64_t i = 0; i < pages; i++)
		page_fill(i);
	grant_new();
	watch();
	return 0;
}
