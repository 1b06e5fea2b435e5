// SPDX-License-Identifier: MIT
// The hypervisor's command line: options with Xen's names and meanings. A
// token that is not known, or whose value is malformed, is named in a warning
// and has no effect.
#include "boot/boot.h"
#include "con/con.h"
#include "lib/string.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "x86/desc.h"
#include "x86/patch.h"

struct boot_options boot_options;

static __init bool parse_bool(const char *value, bool *out)
{
	static const char *const words[] = { "",     "1",      "on",	 "yes",
					     "true", "enable", "0",	 "off",
					     "no",   "false",  "disable" };

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(value, words[i])) {
			*out = i < 6;
			return true;
		}
	return false;
}

static __init bool parse_mem(const char *s, const char *end,
			     struct mem_option *out)
{
	const char *stop;
	struct mem_option m = { .given = true };

	m.less = *s == '-';
	if (m.less)
		s++;
	m.bytes = str_to_size(s, &stop);
	if (stop == s || stop != end)
		return false;
	*out = m;
	return true;
}

// size | min:size | max:size, separated by commas.
static __init bool option_dom0_mem(const char *value)
{
	struct boot_options o = boot_options;

	while (*value) {
		struct mem_option *m = &o.dom0;
		const char *end = strchr(value, ',');

		if (!end)
			end = value + strlen(value);
		if (!strncmp(value, "min:", 4)) {
			m = &o.dom0_min;
			value += 4;
		} else if (!strncmp(value, "max:", 4)) {
			m = &o.dom0_max;
			value += 4;
		}
		if (!parse_mem(value, end, m))
			return false;
		value = *end ? end + 1 : end;
	}
	boot_options = o;
	return true;
}

// N | min-max, either end may be left out.
static __init bool option_dom0_max_vcpus(const char *value)
{
	const char *end;
	u64 low = str_to_u64(value, &end), high = low;

	if (end == value)
		low = high = 0;
	if (*end == '-') {
		const char *from = end + 1;

		high = str_to_u64(from, &end);
		if (end == from)
			high = 0;
	}
	if (*end || (high && low > high) || MAX(low, high) > MAX_VCPUS ||
	    (!low && !high))
		return false;
	boot_options.dom0_vcpus_min = (u32)low;
	boot_options.dom0_vcpus_max = (u32)high;
	return true;
}

static __init bool option_maxcpus(const char *value)
{
	const char *end;
	u64 n = str_to_u64(value, &end);

	if (end == value || *end)
		return false;
	boot_options.max_cpus = (u32)MIN(n ? n : 1, (u64)MAX_CPUS);
	return true;
}

// A list of [no-]dom0[=bool], [no-]domu[=bool], default, or a bool for both.
static __init bool by_domain_word(char *word, void *data)
{
	struct by_domain *o = data;
	char *value = strchr(word, '=');
	bool no = !strncmp(word, "no-", 3), on;
	s8 *one = NULL;

	if (!strcmp(word, "default")) {
		*o = (struct by_domain){ -1, -1 };
		return true;
	}
	if (value)
		*value++ = 0;
	if (!strcmp(word + 3 * no, "dom0"))
		one = &o->dom0;
	else if (!strcmp(word + 3 * no, "domu"))
		one = &o->domu;
	if (!parse_bool(one ? value ? value : "" : word, &on) || !*word ||
	    (value && (no || !one)))
		return false;
	on ^= one && no;
	if (one)
		*one = on;
	else
		*o = (struct by_domain){ on, on };
	return true;
}

// Words between commas; a copy of each goes to fn. False: one that fn refused.
static __init bool list_parse(const char *value,
			      bool (*fn)(char *word, void *data), void *data)
{
	char word[32];

	for (;;) {
		const char *end = strchr(value, ',');
		size_t n = end ? (size_t)(end - value) : strlen(value);

		if (n >= sizeof(word))
			return false;
		memcpy(word, value, n);
		word[n] = 0;
		if (!fn(word, data))
			return false;
		if (!end)
			return true;
		value = end + 1;
	}
}

static __init bool by_domain_parse(const char *value, struct by_domain *out)
{
	struct by_domain o = *out;

	if (!list_parse(value, by_domain_word, &o))
		return false;
	*out = o;
	return true;
}

static __init bool option_xpti(const char *value)
{
	return by_domain_parse(value, &opt_xpti);
}

static __init bool option_pv_l1tf(const char *value)
{
	return by_domain_parse(value, &opt_pv_l1tf);
}

struct spec_ctrl {
	enum bti_thunk thunk;
	s8 returns;
};

// bti-thunk=; or nothing of it: a false bool, alone or behind xen=, or no-xen.
static __init bool spec_ctrl_word(char *word, void *data)
{
	static const char *const names[] __initdata = {
		[THUNK_RETPOLINE] = "bti-thunk=retpoline",
		[THUNK_LFENCE] = "bti-thunk=lfence",
		[THUNK_JMP] = "bti-thunk=jmp",
	};
	struct spec_ctrl *o = data;
	const char *flag = word;
	bool on;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(word, names[i]))
			continue;
		o->thunk = (enum bti_thunk)i;
		return true;
	}
	if (!strncmp(word, "xen=", 4))
		flag += 4;
	else if (!strcmp(word, "no-xen"))
		flag = "no";
	if (!*flag || !parse_bool(flag, &on))
		return false;
	*o = on ? (struct spec_ctrl){ THUNK_RETPOLINE, -1 }
		: (struct spec_ctrl){ THUNK_JMP, 0 };
	return true;
}

static __init bool option_spec_ctrl(const char *value)
{
	struct spec_ctrl o = { opt_bti_thunk, opt_return_thunk };

	if (!list_parse(value, spec_ctrl_word, &o))
		return false;
	opt_bti_thunk = o.thunk;
	opt_return_thunk = o.returns;
	return true;
}

static const struct option {
	const char *name;
	bool (*parse)(const char *value);
	bool *flag; // or a word without "=", or "no-" before it
} options[] __initdata = {
	{ "com1", con_option_com1, NULL },
	{ "console", con_option_console, NULL },
	{ "loglvl", con_option_loglvl, NULL },
	{ "guest_loglvl", con_option_guest_loglvl, NULL },
	{ "sync_console", NULL, &boot_options.sync_console },
	{ "noreboot", NULL, &con_noreboot },
	{ "dom0_mem", option_dom0_mem, NULL },
	{ "dom0_max_vcpus", option_dom0_max_vcpus, NULL },
	{ "maxcpus", option_maxcpus, NULL },
	{ "smep", NULL, &opt_smep },
	{ "smap", NULL, &opt_smap },
	{ "xpti", option_xpti, NULL },
	{ "pv-l1tf", option_pv_l1tf, NULL },
	{ "spec-ctrl", option_spec_ctrl, NULL },
	{ "sched", sched_option, NULL },
};

static __init const struct option *option_find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

// A list whose word may stand alone, too, or have "no-" before it.
static __init bool option_is_list(const struct option *o)
{
	return o->parse == option_xpti || o->parse == option_pv_l1tf ||
	       o->parse == option_spec_ctrl;
}

static __init void token_handle(char *token, bool warn)
{
	char *value = strchr(token, '=');
	const struct option *o;
	const char *v = "";
	char whole[64];
	bool good;

	str_copy(whole, token, sizeof(whole));
	if (value) {
		*value = 0;
		v = value + 1;
	}
	o = option_find(token);
	if (!o && !value && !strncmp(token, "no-", 3)) {
		o = option_find(token + 3);
		o = o && (o->flag || option_is_list(o)) ? o : NULL;
		v = "0";
	}
	if (!o) {
		if (warn)
			printk(LOG_WARN "option '%s' is not known and has no "
					"effect\n",
			       whole);
		return;
	}
	if (option_is_list(o) && !value && !*v)
		v = "1";
	good = o->flag ? parse_bool(v, o->flag)
		       : (value || option_is_list(o)) && o->parse(v);
	if (!good && warn)
		printk(LOG_WARN "option '%s' is malformed and has no effect\n",
		       whole);
}

__init void cmdline_parse(const char *line, bool warn)
{
	char token[256];

	while (*line) {
		size_t n = 0, skip = *line == ' ' || *line == '\t';

		for (line += skip; *line && *line != ' ' && *line != '\t';
		     line++)
			if (n < sizeof(token) - 1)
				token[n++] = *line;
		token[n] = 0;
		// What follows "--" is for others, as GRUB passes it on.
		if (!strcmp(token, "--"))
			return;
		if (n)
			token_handle(token, warn);
	}
}

// How much memory Dom0 gets: Xen's dom0_mem rules, as numbers.

#define FRAMES(bytes) ((bytes) >> PAGE_SHIFT)

// Without a size: all but a sixteenth, at most 128 MiB, left for the rest.
static u64 default_frames(u64 avail)
{
	u64 rest = MIN(avail / 16, FRAMES(128UL << 20));

	return avail - rest;
}

static u64 option_frames(const struct mem_option *m, u64 avail)
{
	u64 n = FRAMES(m->bytes);

	if (!m->less)
		return n;
	return n < avail ? avail - n : 0;
}

u64 dom0_frames(const struct boot_options *o, u64 avail)
{
	u64 n = o->dom0.given ? option_frames(&o->dom0, avail)
			      : default_frames(avail);

	if (o->dom0_min.given)
		n = MAX(n, option_frames(&o->dom0_min, avail));
	if (o->dom0_max.given)
		n = MIN(n, option_frames(&o->dom0_max, avail));
	return MIN(n, avail);
}
