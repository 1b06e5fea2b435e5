# SPDX-License-Identifier: MIT
# make guests: build/guests/NAME, a PV kernel, of each guests/NAME/main.c; of those
# in GUESTS32 build/guests/NAME32 too, a 32-bit one.

# ring1 is about 32-bit kernels alone.
GUESTS       := $(filter-out ring1,$(patsubst guests/%/main.c,%, \
	$(wildcard guests/*/main.c)))
GUESTS32     := attack batches bench callbacks console control crash descriptors \
	events fuzz grants hello machine memory mortal nested pagetables pointers ring1 \
	smp traps
GUEST_LIB    := $(wildcard guests/lib/*.c) guests/lib/entry.S
GUEST_LIB32  := $(filter-out $(patsubst %,guests/lib/%.c,hypercall user_tables),$(wildcard guests/lib/*.c)) \
	$(wildcard guests/lib/pv32/*.c) guests/lib/pv32/entry.S
GUEST_OBJ    := build/guests/obj
GUEST_CFLAGS := -std=gnu11 -O2 -g -ffile-prefix-map=$(CURDIR)=. -ffreestanding -fno-common \
	-fno-pic -fno-strict-aliasing -mgeneral-regs-only \
	-fno-stack-protector -fno-toplevel-reorder \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-delete-null-pointer-checks -Wall -Wextra \
	-Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
	-Wno-missing-field-initializers -Wno-clobbered -D__XEN_TOOLS__ -Iguests

.PHONY: guests
.SECONDARY:
guests: $(GUESTS:%=build/guests/%) $(GUESTS32:%=build/guests/%32)

# $(1): folder of objects, $(2): flags of the kind.
define KIND
$(1)/%.o: guests/%.c guests/guests.mk
	@mkdir -p $$(@D)
	@echo "  CC    $$<"
	@$(CC) $(2) $(GUEST_CFLAGS) -MMD -MP -c -o $$@ $$<
$(1)/%.o: guests/%.S guests/guests.mk
	@mkdir -p $$(@D)
	@echo "  AS    $$<"
	@$(CC) $(2) $(GUEST_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $$@ $$<
endef
$(eval $(call KIND,$(GUEST_OBJ),-mcmodel=kernel -mno-red-zone))
$(eval $(call KIND,$(GUEST_OBJ)/m32,-m32))

# $(1): name of a guest, $(2): mark of its kind, $(3): folder of objects, $(4):
# the library, $(5): flags of the linker. Its tests run in link order, those of
# main.c first.
define GUEST
build/guests/$(1)$(2): $(patsubst guests/%,$(3)/%.o,$(basename \
		guests/$(1)/main.c $(filter-out guests/$(1)/main.c, \
		$(wildcard guests/$(1)/*.c)) $(4))) \
		guests/lib/guest.lds
	@echo "  LD    $$@"
	@ld $(5) -T guests/lib/guest.lds -static -z noexecstack \
		-z max-page-size=4096 --no-warn-rwx-segments -o $$@ \
		$$(filter %.o,$$^)
endef
$(foreach g,$(GUESTS),$(eval $(call GUEST,$(g),,$(GUEST_OBJ),$(GUEST_LIB),\
	--defsym virt_base=0xffffffff80000000)))
$(foreach g,$(GUESTS32),$(eval $(call GUEST,$(g),32,$(GUEST_OBJ)/m32,\
	$(GUEST_LIB32),-m elf_i386 --defsym virt_base=0xc0000000)))
-include $(wildcard $(GUEST_OBJ)/*/*.d $(GUEST_OBJ)/m32/*/*.d)
