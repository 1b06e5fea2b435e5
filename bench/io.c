// SPDX-License-Identifier: MIT
// Input and output of a DomU, between markers (bench/plugin.c):
//
//   io serve            in Dom0: sends datagrams back, and a byte for each MiB
//                       of a stream
//   io disk DISK        in the guest: reads and writes it, past its page cache
//   io net HOST         in the guest: datagrams there and back, a stream
//   io start            in Dom0: from here the guest's boot counts
//
// Without a word it is a guest's first program: its boot is over, and init goes on.
#define _GNU_SOURCE // O_DIRECT
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "marker.h"
#include "sections.h"

#define PORT	 7000
#define MIB	 (1u << 20)
#define HEADERS	 42 // of Ethernet, IP and UDP
#define PATIENCE 60 // seconds

static char buffer[MIB] __attribute__((aligned(4096)));

// --- disk --------------------------------------------------------------------

// Any multiple of 4 KiB below the size, the same ones in each run.
static off_t somewhere(off_t size)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (off_t)(state >> 8) % (size / 4096) * 4096;
}

static void disk_read(int fd, off_t at, size_t n)
{
	need(pread(fd, buffer, n, at) == (ssize_t)n, "read of the disk");
}

static void disk_write(int fd, off_t at, size_t n)
{
	need(pwrite(fd, buffer, n, at) == (ssize_t)n, "write to the disk");
}

static int disk(const char *path)
{
	int fd = open(path, O_RDWR | O_DIRECT);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END), at = 0;

	need(fd >= 0 && size >= (off_t)(2 * (ROUNDS + 1) * MIB), path);
	SECTION(DISK_READ_4K, disk_read(fd, somewhere(size), 4096));
	SECTION(DISK_WRITE_4K, disk_write(fd, somewhere(size), 4096));
	SECTION(DISK_READ_1M, (disk_read(fd, at, MIB), at += MIB));
	SECTION(DISK_WRITE_1M, (disk_write(fd, at, MIB), at += MIB));
	return 0;
}

// --- network -----------------------------------------------------------------

static int socket_of(int type)
{
	const struct timeval limit = { PATIENCE, 0 };
	int fd = socket(AF_INET, type, 0), on = 1;

	need(fd >= 0, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static struct sockaddr_in address(const char *host)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT) };

	need(inet_pton(AF_INET, host, &a.sin_addr) == 1, host);
	return a;
}

static void reached(int fd, const struct sockaddr_in *to)
{
	need(!connect(fd, (const struct sockaddr *)to, sizeof(*to)), "connect");
}

static void datagram(int fd, size_t n)
{
	need(send(fd, buffer, n, 0) == (ssize_t)n, "send");
	need(recv(fd, buffer, n, 0) == (ssize_t)n, "answer");
}

static void stream(int fd)
{
	char answer;

	for (size_t done = 0; done < MIB;) {
		ssize_t n = write(fd, buffer + done, MIB - done);

		need(n > 0, "stream");
		done += (size_t)n;
	}
	need(read(fd, &answer, 1) == 1, "end of the stream");
}

static int net(const char *host)
{
	const struct sockaddr_in to = address(host);
	int udp = socket_of(SOCK_DGRAM), tcp = socket_of(SOCK_STREAM), on = 1;

	reached(udp, &to);
	reached(tcp, &to);
	setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	SECTION(NET_64, datagram(udp, 64 - HEADERS));
	SECTION(NET_1500, datagram(udp, 1500 + 14 - HEADERS));
	stream(tcp); // until its windows are open
	SECTION(NET_STREAM, stream(tcp));
	return 0;
}

static void echo(int fd)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t n =
		recvfrom(fd, buffer, MIB, 0, (struct sockaddr *)&from, &size);

	if (n > 0)
		sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from,
		       size);
}

// False: it has ended.
static int take(int fd)
{
	static size_t taken;
	ssize_t n = read(fd, buffer, MIB);

	for (taken += n > 0 ? (size_t)n : 0; taken >= MIB; taken -= MIB)
		need(write(fd, "", 1) == 1, "answer to the stream");
	return n > 0;
}

static int serve(void)
{
	const struct sockaddr_in at = address("0.0.0.0");
	int udp = socket_of(SOCK_DGRAM), listener = socket_of(SOCK_STREAM);
	struct pollfd fds[2] = { { udp, POLLIN, 0 }, { listener, POLLIN, 0 } };

	need(!bind(udp, (const struct sockaddr *)&at, sizeof(at)) &&
		     !bind(listener, (const struct sockaddr *)&at,
			   sizeof(at)) &&
		     !listen(listener, 1),
	     "bind");
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents)
			echo(udp);
		if (fds[1].revents && fds[1].fd == listener)
			fds[1].fd = accept(listener, NULL, NULL);
		else if (fds[1].revents && !take(fds[1].fd))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (getpid() == 1) {
		MARK(DOMU_BOOT, 2);
		execl("/init", "/init", NULL);
		return 1;
	}
	if (!strcmp(word, "start")) {
		MARK(DOMU_BOOT, 1);
		return 0;
	}
	if (!strcmp(word, "serve"))
		return serve();
	if (argc > 2 && !strcmp(word, "disk"))
		return disk(argv[2]);
	if (argc > 2 && !strcmp(word, "net"))
		return net(argv[2]);
	return 125;
}
