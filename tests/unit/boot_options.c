// SPDX-License-Identifier: MIT
// The hypervisor's command line, boot/cmdline.c, with real numbers and strings
// of lib/; how much memory Dom0 gets of it; sets of CPUs.
#include "cmdline_machine.h"

static void good(void)
{
	CHECK(!parse("") && !parse("  \t ") && !*handled);
	CHECK(!parse("com1=115200,8n1 console=com1,vga  loglvl=all\t"
		     "guest_loglvl=none sched=credit2"));
	CHECK(!strcmp(handled_first, handled));
	CHECK(!strcmp(handled, "com1=115200,8n1;console=com1,vga;loglvl=all;"
			       "guest_loglvl=none;sched=credit2;"));
	CHECK(!parse("dom0_mem=512M,min:1G,max:-64M maxcpus=3"));
	CHECK(boot_options.dom0.given && !boot_options.dom0.less &&
	      boot_options.dom0.bytes == 512UL << 20);
	CHECK(boot_options.dom0_min.bytes == 1UL << 30);
	CHECK(boot_options.dom0_max.less &&
	      boot_options.dom0_max.bytes == 64UL << 20);
	CHECK(boot_options.max_cpus == 3);
	CHECK(!parse("dom0_mem=1000") && boot_options.dom0.bytes == 1000 << 10);
	CHECK(!parse("dom0_mem=max:4096B") && !boot_options.dom0.given &&
	      boot_options.dom0_max.bytes == 4096);
	CHECK(!parse("maxcpus=0") && boot_options.max_cpus == 1);
	CHECK(!parse("maxcpus=9999") && boot_options.max_cpus == MAX_CPUS);
	// The last one counts; what is behind -- is for others.
	CHECK(!parse("maxcpus=2 maxcpus=5 -- maxcpus=7 nonsense"));
	CHECK(boot_options.max_cpus == 5);
}

static void vcpus(void)
{
	static const struct {
		const char *line;
		u32 min, max;
		bool ok;
	} t[] = {
		{ "dom0_max_vcpus=4", 4, 4, true },
		{ "dom0_max_vcpus=2-8", 2, 8, true },
		{ "dom0_max_vcpus=2-", 2, 0, true },
		{ "dom0_max_vcpus=-8", 0, 8, true },
		{ "dom0_max_vcpus=8-2", 0, 0, false },
		{ "dom0_max_vcpus=-", 0, 0, false },
		{ "dom0_max_vcpus=", 0, 0, false },
		{ "dom0_max_vcpus", 0, 0, false },
		{ "dom0_max_vcpus=0", 0, 0, false },
		{ "dom0_max_vcpus=128-", 128, 0, true },
		{ "dom0_max_vcpus=129", 0, 0, false },
		{ "dom0_max_vcpus=129-", 0, 0, false },
		{ "dom0_max_vcpus=-129", 0, 0, false },
		{ "dom0_max_vcpus=4x", 0, 0, false },
		{ "dom0_max_vcpus=1-2-3", 0, 0, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK(parse(t[i].line) == !t[i].ok);
		CHECK(boot_options.dom0_vcpus_min == t[i].min &&
		      boot_options.dom0_vcpus_max == t[i].max);
	}
}

static void flags(void)
{
	static const char *const yes[] = { "smep",	"smep=1",   "smep=on",
					   "smep=true", "smep=yes", "smep=" };
	static const char *const no[] = { "no-smep",  "smep=0",
					  "smep=off", "smep=false",
					  "smep=no",  "smep=disable" };

	for (unsigned int i = 0; i < 6; i++) {
		CHECK(!parse(yes[i]) && opt_smep);
		CHECK(!parse(no[i]) && !opt_smep && opt_smap);
	}
	CHECK(!parse("noreboot sync_console no-smap"));
	CHECK(con_noreboot && boot_options.sync_console && !opt_smap);
}

static void mitigations(void)
{
	static const struct {
		const char *line;
		s8 dom0, domu;
	} t[] = {
		{ "", -1, -1 },
		{ "xpti=no", 0, 0 },
		{ "xpti", 1, 1 },
		{ "no-xpti", 0, 0 },
		{ "xpti=1", 1, 1 },
		{ "xpti=dom0", 1, -1 },
		{ "xpti=no-dom0", 0, -1 },
		{ "xpti=domu=off", -1, 0 },
		{ "xpti=on,dom0=no", 0, 1 },
		{ "xpti=no xpti=default", -1, -1 },
		{ "xpti=no-domu,dom0=true", 1, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		opt_xpti = opt_pv_l1tf = (struct by_domain){ -1, -1 };
		CHECK(!parse(t[i].line));
		CHECK(opt_xpti.dom0 == t[i].dom0 && opt_xpti.domu == t[i].domu);
	}
	CHECK(!parse("pv-l1tf=dom0,no-domu") && opt_pv_l1tf.dom0 == 1 &&
	      !opt_pv_l1tf.domu);
}

static void speculation(void)
{
	static const struct {
		const char *line;
		enum bti_thunk thunk;
		s8 returns;
	} t[] = {
		{ "", THUNK_RETPOLINE, -1 },
		{ "spec-ctrl=bti-thunk=retpoline", THUNK_RETPOLINE, -1 },
		{ "spec-ctrl=bti-thunk=lfence", THUNK_LFENCE, -1 },
		{ "spec-ctrl=bti-thunk=jmp", THUNK_JMP, -1 },
		{ "spec-ctrl=no", THUNK_JMP, 0 },
		{ "no-spec-ctrl", THUNK_JMP, 0 },
		{ "spec-ctrl=xen=off", THUNK_JMP, 0 },
		{ "spec-ctrl=no-xen", THUNK_JMP, 0 },
		{ "spec-ctrl=no,bti-thunk=lfence", THUNK_LFENCE, 0 },
		{ "spec-ctrl=no spec-ctrl=xen=on", THUNK_RETPOLINE, -1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		opt_bti_thunk = THUNK_RETPOLINE;
		opt_return_thunk = -1;
		CHECK(!parse(t[i].line));
		CHECK(opt_bti_thunk == t[i].thunk &&
		      opt_return_thunk == t[i].returns);
	}
	// As a whole, or not at all.
	CHECK(parse("spec-ctrl=bti-thunk=jmp,ibrs") == 1 &&
	      opt_bti_thunk == THUNK_RETPOLINE);
}

static const char *const malformed_lines[] = {
	"nonsense",
	"nonsense=1",
	"no-nonsense",
	"no-dom0_mem",
	"no-smep=1",
	"smep=2",
	"smep=onn",
	"dom0_mem",
	"dom0_mem=M",
	"dom0_mem=1X",
	"dom0_mem=-",
	"dom0_mem=max:",
	"dom0_mem=1G;2",
	"dom0_mem=,",
	"dom0_mem=08",
	"maxcpus",
	"maxcpus=",
	"maxcpus=two",
	"maxcpus=2,",
	"sched=bad",
	"xpti=",
	"xpti=maybe",
	"xpti=dom1",
	"xpti=dom0,",
	"xpti=no-dom0=1",
	"xpti=no-default",
	"spec-ctrl=",
	"spec-ctrl=bti-thunk",
	"spec-ctrl=bti-thunk=ibrs",
	"spec-ctrl=xen=",
	"spec-ctrl=no-xen=1",
	"spec-ctrl=no,",
	"pv-l1tf=on=off",
	"pv-l1tf=a-very-long-word-in-the-list-of-words",
	"com1=bad",
	"console=bad",
	"loglvl=bad",
	"guest_loglvl=bad",
	"com1",
	"=",
	"=1",
	"dom0_mem=1G,max:oops",
	"dom0_mem=min:1G,3Q",
};

static void malformed(void)
{
	static char line[5000];

	for (unsigned int i = 0; i < ARRAY_SIZE(malformed_lines); i++) {
		CHECK(parse(malformed_lines[i]) == 1 &&
		      !strcmp(warned, malformed_lines[i]));
		if (unit_bad) {
			printf("%s\n", malformed_lines[i]);
			return;
		}
		CHECK(!boot_options.dom0.given && !boot_options.dom0_min.given);
		CHECK(!boot_options.max_cpus && opt_smep);
	}
	// Overlong words are cut, in themselves and in what is printed.
	(memset)(line, 'x', sizeof(line) - 1);
	CHECK(parse(line) == 1 && strlen(warned) == 63);
	(memcpy)(line, "console=", 8);
	CHECK(!parse(line));
}

static u64 frames(const char *line, u64 avail)
{
	CHECK(!parse(line));
	return dom0_frames(&boot_options, avail);
}

static void dom0_sizes(void)
{
	CHECK(frames("", 16000) == 15000);
	CHECK(frames("", 1UL << 20) == (1UL << 20) - 32768);
	CHECK(frames("dom0_mem=4M", 16000) == 1024);
	CHECK(frames("dom0_mem=-4M", 16000) == 16000 - 1024);
	CHECK(frames("dom0_mem=-4G", 16000) == 0);
	CHECK(frames("dom0_mem=4G", 16000) == 16000);
	CHECK(frames("dom0_mem=4M,min:8M", 16000) == 2048);
	CHECK(frames("dom0_mem=max:4M", 16000) == 1024);
	CHECK(frames("dom0_mem=min:8M,max:4M", 16000) == 1024);
	CHECK(frames("dom0_mem=min:-4M", 16000) == 15000);
	CHECK(frames("dom0_mem=1M,max:-64G", 16000) == 0);
	for (u64 avail = 0; avail < 100; avail++)
		CHECK(frames("", avail) == avail - avail / 16);
	CHECK(frames("dom0_mem=4M", 0) == 0);
}

static void masks(void)
{
	cpumask_t m = 0;
	unsigned int cpu = 99, n = 0, last = 0;

	for_each_cpu_in(cpu, m)
		n++;
	CHECK(!n && cpu == 99 && !cpumask_weight(0));
	for (unsigned int i = 0; i < MAX_CPUS; i++) {
		CHECK(cpumask_first(cpumask_of(i)) == i);
		CHECK(cpumask_weight(cpumask_of(i)) == 1);
		CHECK(!cpumask_test(m, i));
		cpumask_set_atomic(&m, i);
		CHECK(cpumask_test(m, i) && cpumask_weight(m) == i + 1);
	}
	CHECK(m == CPUMASK_ALL);
	for_each_cpu_in(cpu, m) {
		CHECK(cpu == n++);
		if (cpu == 40)
			break;
	}
	cpumask_clear_atomic(&m, 0);
	cpumask_clear_atomic(&m, 63);
	CHECK(cpumask_first(m) == 1 && cpumask_weight(m) == 62);
	n = 0;
	for_each_cpu_in(cpu, m) {
		CHECK(cpu > last && cpumask_test(m, cpu));
		last = cpu;
		n++;
	}
	CHECK(n == 62 && last == 62);
}

UNIT_MAIN(UNIT(good), UNIT(vcpus), UNIT(flags), UNIT(mitigations),
	  UNIT(speculation), UNIT(malformed), UNIT(dom0_sizes), UNIT(masks))
