# SPDX-License-Identifier: MIT
# make: build/ringlet and build/ringlet-debug. make run, make test, make size,
# make install: see README.md.

VERSION := 0.1
ifeq ($(origin CC),default)
CC      := gcc
endif
ROOMS   := lib x86 con mm dom access sched evtchn grant pci pv call ctl boot
SRC_C   := $(foreach r,$(ROOMS),$(wildcard hv/$(r)/*.c))
SRC_S   := $(foreach r,$(ROOMS),$(wildcard hv/$(r)/*.S))
CFLAGS  := -std=gnu11 -O2 -g -falign-functions=8 -falign-jumps=1 \
	-falign-loops=1 -falign-labels=1 -ffreestanding -fno-common -fno-strict-aliasing \
	-fno-builtin-printf -mno-red-zone -mgeneral-regs-only -fpie \
	-fvisibility=hidden -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fcf-protection=none \
	-mindirect-branch=thunk-extern -mindirect-branch-register \
	-mfunction-return=thunk-extern \
	-fno-delete-null-pointer-checks -ffunction-sections -fdata-sections \
	-Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wshadow -Wundef -Wvla -Wpointer-arith \
	-Wwrite-strings -Wcast-qual -Wimplicit-fallthrough=5 \
	-Wnested-externs -Wredundant-decls -Wno-unused-parameter -Wframe-larger-than=1024 \
	 -Ihv -include lib/types.h \
	-DRINGLET_VERSION='"$(VERSION)"'

# Rooms and files that no hot path enters are built for size.
COLD    := boot/% con/% ctl/% dom/% pci/% mm/boot mm/stacks \
	call/memory% call/console_io call/xen_version call/physdev_op \
	call/vcpu_op pv/emul_msr pv/vcpu pv/domain pv/hypercall_page \
	evtchn/pirq evtchn/channel sched/control x86/acpi x86/apic \
	x86/clock x86/cpuid x86/ioapic x86/power x86/rtc x86/smp \
	x86/desc lib/elf lib/memmap lib/printf lib/rangeset lib/string
# gcc's own copy loop for size goes byte by byte: not for what copies much.
OPT      = $(if $(filter $(COLD),$*),-Os) \
	$(if $(filter boot/dom0 mm/boot,$*),-mstringop-strategy=libcall)

.DELETE_ON_ERROR:
.PHONY: all compiler release debug clean size test conformance fuzz fuzz-host soak bench run dom0-image print-cflags install uninstall guests fmt
all: release debug
release: build/ringlet
debug: build/ringlet-debug

# What a build needs, from the distribution where it is missing.
compiler:
	@printf '#include <%s>\n' xen/xen.h zlib.h lzma.h zstd.h | \
		$(CC) -E -o /dev/null - 2>/dev/null || tools/deps.sh build

build/ringlet: build/release/stage.img
	@cp $< $@
build/ringlet-debug: build/debug/stage.img
	@cp $< $@

# $(1): build folder, $(2): extra flags
define VARIANT
$(1)/obj/%.o: hv/%.c $(1)/offsets.h Makefile
	@mkdir -p $$(@D)
	@echo "  CC    $$<"
	@$(CC) $(CFLAGS) $$(OPT) $(2) -I$(1) -MMD -MP -c -o $$@ $$<
$(1)/obj/%.o: hv/%.S $(1)/offsets.h Makefile
	@mkdir -p $$(@D)
	@echo "  AS    $$<"
	@$(CC) $(filter-out -include lib/types.h,$(CFLAGS)) $(2) -I$(1) -D__ASSEMBLY__ -MMD -MP -c -o $$@ $$<
$(1)/offsets.h: tools/offsets.c Makefile | compiler
	@mkdir -p $$(@D)
	@$(CC) $(CFLAGS) $(2) -MMD -MP -MT $$@ -MF $(1)/offsets.d -S -o $$@.s $$<
	@sed -n 's/^#define/&/p;s/.*@OFFSET \([A-Z0-9_]*\) \$$$$\?\(-\?[0-9]*\) .*/#define \1 \2/p' $$@.s > $$@
$(1)/hv.elf: $(SRC_C:hv/%.c=$(1)/obj/%.o) $(SRC_S:hv/%.S=$(1)/obj/%.o) hv/boot/hv.lds tools/symbols.py
	@echo "  LD    $$@"
	@python3 tools/symbols.py --empty > $(1)/syms.S
	@$(CC) -c -o $(1)/syms.o $(1)/syms.S
	@ld -T hv/boot/hv.lds --gc-sections -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments -o $$@.1 $$(filter %.o,$$^) $(1)/syms.o
	@nm -n $$@.1 | python3 tools/symbols.py > $(1)/syms.S
	@$(CC) -c -o $(1)/syms.o $(1)/syms.S
	@ld -T hv/boot/hv.lds --gc-sections -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments -Map=$(1)/hv.map -o $$@ $$(filter %.o,$$^) $(1)/syms.o
$(1)/hv.bin: $(1)/hv.elf
	@objcopy -O binary $$< $$@
$(1)/stage.img: $(1)/hv.bin FORCE
	@$$(MAKE) --no-print-directory -s -f hv/stage/stage.mk O=$(1) $$@
-include $$(wildcard $(1)/obj/*/*.d $(1)/offsets.d)
endef
FORCE:
$(eval $(call VARIANT,build/release,-DNDEBUG))
$(eval $(call VARIANT,build/debug,-DDEBUG))

print-cflags:
	$(info $(CFLAGS))@:

size: build/ringlet
	@python3 tools/size.py

test:
	@tools/deps.sh build run test
	@$(MAKE) --no-print-directory all size guests
	@tools/dom0-image/build.sh
	@python3 tests/run.py

# The guests of guests/ on Ringlet and on Xen 4.17, compared; KEEP=1: and what was
# found is kept, ONLY=guest. docs/conformance.md
conformance: debug guests
	@tools/deps.sh build run test
	@tools/xen-oracle.sh
	@python3 tests/conformance.py $(if $(KEEP),--keep) \
		$(ONLY:%=--only %) $(JOBS:%=--jobs %)
	@$(if $(KEEP),python3 tools/hypercalls.py && python3 tools/conformance.py)

# Host fuzzers, TIME seconds each, or one of them: ONLY=elf. docs/fuzzing.md
fuzz-host:
	@tools/deps.sh build fuzz
	@tests/fuzz/run.sh $(or $(TIME),60) $(ONLY)

# What takes longer than a test may: real amounts of data, a whole Debian.
soak:
	@tools/deps.sh build run test disk
	@$(MAKE) --no-print-directory all guests
	@tools/dom0-image/build.sh
	@tools/dom0-image/debian.sh domu build/debian
	@tools/dom0-image/build.sh --name debian --disk
	@python3 tests/run.py --only 'soak/*' --only life/killed \
		--only load/peers --only memory/rounds \
		--only dom0/domu-sched --only devices/block-debug --limit 21600

# Random hypercalls, 20 million and more: docs/fuzzing.md. What was run is kept,
# but for AGAIN=1. SEEDS, CALLS, WORDS="race domu", FLOOR, BRANCHES, JOBS.
fuzz:
	@tools/deps.sh build run test
	@$(MAKE) --no-print-directory debug guests
	@python3 tests/fuzz.py $(if $(SEEDS),--seeds="$(SEEDS)") $(CALLS:%=--calls=%) \
		$(FLOOR:%=--floor=%) $(JOBS:%=--jobs=%) $(if $(AGAIN),--again) \
		$(BRANCHES:%=--branches=%) $(if $(WORDS),--words="$(WORDS)")

# NAME=mine, then KERNEL=package, ADD="package package" or DISK=1 make another
# image than that of the tests, build/dom0-mine: docs/dom0-image.md.
dom0-image:
	@tools/deps.sh run $(if $(DISK),disk)
	@tools/dom0-image/build.sh $(if $(NAME),--name $(NAME)) \
		$(if $(KERNEL),--kernel $(KERNEL)) $(ADD:%=--add %) \
		$(if $(DISK),--disk) $(if $(REFRESH),--refresh)

# Instructions, Xen 4.17 beside Ringlet: docs/benchmarks.md. ONLY="group group",
# AGAIN=1: what is known too, KEEP=1: the results go to docs/, RECORD=1: and to
# bench/budget.
bench:
	@tools/deps.sh build run
	@$(MAKE) --no-print-directory release guests
	@tools/dom0-image/build.sh
	@tools/xen-oracle.sh >/dev/null
	@python3 bench/bench.py $(addprefix --only ,$(ONLY)) \
		$(if $(AGAIN),--again) $(if $(KEEP),--keep) $(if $(RECORD),--record)

run:
	@tools/deps.sh build run
	@$(MAKE) --no-print-directory $(if $(filter %-debug,$(HV)),debug,release)
	@tools/run.sh

guests:
	@$(MAKE) --no-print-directory -s -f guests/guests.mk guests

install: release
	@tools/install.sh install $(VERSION) build/ringlet

uninstall:
	@tools/install.sh uninstall $(VERSION)

fmt:
	@find hv guests tools tests -name '*.[ch]' \
		-exec clang-format -i --style=file {} +

clean:
	rm -rf build
