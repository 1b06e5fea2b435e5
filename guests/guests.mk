# SPDX-License-Identifier: MIT
# make guests: build/guests/NAME, a PV kernel, of each guests/NAME/main.c.

GUESTS       := $(patsubst guests/%/main.c,%,$(wildcard guests/*/main.c))
GUEST_LIB    := $(wildcard guests/lib/*.c) guests/lib/entry.S
GUEST_OBJ    := build/guests/obj
GUEST_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-common -mcmodel=kernel \
	-fno-pic -fno-strict-aliasing -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-toplevel-reorder \
	-fno-asynchronous-unwind-tables -fcf-protection=none -fno-delete-null-pointer-checks -Wall -Wextra \
	-Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
	-Wno-missing-field-initializers -Wno-clobbered -D__XEN_TOOLS__ -Iguests

.PHONY: guests
.SECONDARY:
guests: $(GUESTS:%=build/guests/%)

$(GUEST_OBJ)/%.o: guests/%.c guests/guests.mk
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<
$(GUEST_OBJ)/%.o: guests/%.S guests/guests.mk
	@mkdir -p $(@D)
	@echo "  AS    $<"
	@$(CC) $(GUEST_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

# $(1): name of a guest. Its tests run in link order, those of main.c first.
define GUEST
build/guests/$(1): $(patsubst guests/%,$(GUEST_OBJ)/%.o,$(basename \
		guests/$(1)/main.c $(filter-out guests/$(1)/main.c, \
		$(wildcard guests/$(1)/*.c)) $(GUEST_LIB))) \
		guests/lib/guest.lds
	@echo "  LD    $$@"
	@ld -T guests/lib/guest.lds -static -z noexecstack \
		-z max-page-size=4096 --no-warn-rwx-segments -o $$@ \
		$$(filter %.o,$$^)
endef
$(foreach g,$(GUESTS),$(eval $(call GUEST,$(g))))
-include $(wildcard $(GUEST_OBJ)/*/*.d)
