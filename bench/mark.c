// SPDX-License-Identifier: MIT
// mark ID COMMAND...: runs the command as section ID of bench/plugin.c and ends
// as it ends; mark stop: stops the machine.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum op { START = 1, END, STOP };

extern char **environ;

// The section's number is part of the instruction: one is made, and executed.
static void mark(unsigned char id, enum op op)
{
	static unsigned char *code;
	const unsigned char marker[] = { 0x0f, 0x1f, 0x80, id,
					 op,   0xb1, 0x5e, 0xc3 };

	if (!code)
		code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED) {
		perror("mark");
		exit(125);
	}
	memcpy(code, marker, sizeof(marker));
	((void (*)(void))code)();
}

int main(int argc, char **argv)
{
	int id = argc > 1 ? atoi(argv[1]) : 0, status;
	pid_t child;

	if (argc == 2 && !strcmp(argv[1], "stop"))
		mark(0, STOP);
	if (argc < 3 || id < 1 || id > 255)
		return 125;
	mark((unsigned char)id, 0); // the page is there from now on
	mark((unsigned char)id, START);
	if (posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ) ||
	    waitpid(child, &status, 0) != child)
		return 126;
	mark((unsigned char)id, END);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}
