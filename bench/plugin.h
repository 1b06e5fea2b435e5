// SPDX-License-Identifier: MIT
// Parts of the counting plugin: plugin.c counts, classify.c knows instructions,
// watch.c follows the CPUs block by block.
#ifndef BENCH_PLUGIN_H
#define BENCH_PLUGIN_H

#include <stdbool.h>
#include <stdio.h>
#include "qemu.h"

// Where code runs. Before Dom0 starts, LOW is loaders and boot stage; after
// that it is user programs.
enum range { LOW, HV, KERNEL, RANGES };

// Counted apart inside the hypervisor, as a mere count of instructions hides
// what they cost. CR has those of CR3 too, INVLPG has invpcid.
enum heavy {
	OTHER,
	CR,
	INVLPG,
	MSR,
	RETURN,
	PORT,
	LOCKED,
	CPUID,
	XSAVE,
	SWAPGS,
	PAUSE,
	HALT,
	CR3,
	HEAVIES
};

struct instruction {
	enum heavy heavy;
	bool rep, off; // a string instruction that repeats; cli
};

struct instruction classify(const uint8_t *bytes, size_t size);
// The operation of the marker that it is (its section in *id), or -1.
int marker_of(const uint8_t *bytes, size_t size, u64 *id);

// A block of instructions, for watch.c.
struct watched {
	u64 start;
	u64 plain;  // but for what repeats
	u64 off_at; // how many stand before a cli
	bool hv, off, pause, halt;
};

// The longest stretch of its kind that the hypervisor ran without a break: how
// many instructions, and the block where it ended.
struct stretch {
	u64 count, end;
};
struct stretches {
	struct stretch off, inside; // interrupts off; not left
};

extern u64 spun;	      // instructions of loops that wait for another CPU
extern bool watch_interrupts; // to be set first: stretches, too
void watch_block(unsigned int vcpu, void *watched);
void watch_restart(bool forget);	   // the longest, from now on
struct stretches watch_longest(bool ever); // or since that

#endif
