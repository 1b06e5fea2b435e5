// SPDX-License-Identifier: MIT
#ifndef UNIT_CPUID_WORDS_H
#define UNIT_CPUID_WORDS_H

/* As in hv/x86/cpuid.c, which needs the machine. */
const struct cpuid_word cpuid_words[CPU_WORDS] = {
	{ 1, 0, 3 },	      { 1, 0, 2 },	    { 0x80000001, 0, 3 },
	{ 0x80000001, 0, 2 }, { 0xd, 1, 0 },	    { 7, 0, 1 },
	{ 7, 0, 2 },	      { 0x80000007, 0, 3 }, { 0x80000008, 0, 1 },
	{ 7, 0, 3 },	      { 7, 1, 0 },	    { 0x80000021, 0, 0 },
	{ 7, 1, 1 },	      { 7, 2, 3 },	    { 7, 1, 2 },
	{ 7, 1, 3 },	      { 0, 0, 0 },	    { 0, 0, 0 },
	{ 0x80000021, 0, 2 },
};

#endif
