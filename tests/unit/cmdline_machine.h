// SPDX-License-Identifier: MIT
// boot/cmdline.c with lib/'s strings and numbers; options of other rooms are
// noted, and the last warning.
#ifndef UNIT_CMDLINE_MACHINE_H
#define UNIT_CMDLINE_MACHINE_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#define HOST_TEST
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "../../hv/lib/string.c"
#define printk host_printk
#include "../../hv/boot/cmdline.c"
#include "lib/cpumask.h"
#include "unit.h"

bool opt_smep, opt_smap, con_noreboot;
struct by_domain opt_xpti, opt_pv_l1tf;
enum bti_thunk opt_bti_thunk;
s8 opt_return_thunk;
static char handled[200], warned[1000];
static char handled_first[sizeof(handled)];
static unsigned int warnings;

void host_printk(const char *fmt, ...)
{
	const char *word;
	va_list ap;

	va_start(ap, fmt);
	word = va_arg(ap, const char *);
	va_end(ap);
	warnings++;
	(snprintf)(warned, sizeof(warned), "%s", word);
}

static bool handler(const char *name, const char *value)
{
	size_t n = strlen(handled);

	(snprintf)(handled + n, sizeof(handled) - n, "%s=%s;", name, value);
	return strcmp(value, "bad") != 0;
}

bool con_option_com1(const char *value)
{
	return handler("com1", value);
}

bool con_option_console(const char *value)
{
	return handler("console", value);
}

bool con_option_loglvl(const char *value)
{
	return handler("loglvl", value);
}

bool con_option_guest_loglvl(const char *value)
{
	return handler("guest_loglvl", value);
}

bool sched_option(const char *value)
{
	return handler("sched", value);
}

// The number of warnings of the second pass; none come of the first.
static unsigned int parse(const char *line)
{
	boot_options = (struct boot_options){ 0 };
	opt_smep = opt_smap = true;
	con_noreboot = false;
	handled[0] = 0;
	warnings = 0;
	cmdline_parse(line, false);
	CHECK(!warnings);
	strcpy(handled_first, handled);
	handled[0] = 0;
	cmdline_parse(line, true);
	return warnings;
}

#endif
