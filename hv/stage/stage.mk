# SPDX-License-Identifier: MIT
# The bootable image: the boot stage with $(O)/hv.bin inside.
# Needs O, the output folder. Gives $(O)/ringlet.elf32, $(O)/stage.img.

STAGE_DIR := $(dir $(lastword $(MAKEFILE_LIST)))
STAGE_CC ?= gcc
STAGE_LD ?= ld
STAGE_OBJCOPY ?= objcopy
STAGE_LIBS := lzma zstd z
STAGE_INC := -I$(STAGE_DIR)..
STAGE_CFLAGS := $(STAGE_INC) -std=gnu11 -O2 -ffreestanding -fno-common \
	-fno-pic -no-pie \
	-fno-strict-aliasing -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns \
	-Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wshadow -Wundef -Wvla -Wpointer-arith \
	-Wwrite-strings -Wcast-qual -Wimplicit-fallthrough=5 \
	-Wnested-externs -Wredundant-decls
STAGE_OBJS := $(addprefix $(O)/stage/,entry.o main.o bootinfo.o image.o \
	unpack.o) $(addprefix $(O)/obj/,lib/memmap.o lib/string.o x86/mem.o \
	x86/thunk.o)
STAGE_ARCHIVES := $(foreach l,$(STAGE_LIBS),\
	$(shell $(STAGE_CC) -print-file-name=lib$(l).a))

# zstd's formats before 0.8 stay out: image.c never picks them.
STAGE_LEGACY := $(shell nm -u $(filter %libzstd.a,$(STAGE_ARCHIVES)) | \
	sed -n 's/^ *U \(Z[A-Z]*v0[0-9]_.*\)/--defsym=\1=halt/p' | sort -u)

$(O)/stage/entry.o: $(O)/hv.bin

$(O)/stage/%.o: $(STAGE_DIR)%.S
	@mkdir -p $(@D)
	$(STAGE_CC) $(STAGE_INC) -c -MMD -MP -DHV_BLOB='"$(O)/hv.bin"' -o $@ $<

$(O)/stage/%.o: $(STAGE_DIR)%.c
	@mkdir -p $(@D)
	$(STAGE_CC) $(STAGE_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/stage/stage.elf: $(STAGE_OBJS) $(STAGE_DIR)stage.lds
	$(STAGE_LD) -m elf_x86_64 -static -nostdlib --no-warn-rwx-segments \
		-z max-page-size=4096 -z noexecstack --build-id=none \
		--gc-sections -T $(STAGE_DIR)stage.lds $(STAGE_LEGACY) -o $@ \
		$(STAGE_OBJS) $(STAGE_ARCHIVES)

$(O)/ringlet.elf32: $(O)/stage/stage.elf
	$(STAGE_OBJCOPY) -S -O elf32-i386 $< $@

$(O)/stage.img: $(O)/ringlet.elf32
	ln -f $< $@

-include $(STAGE_OBJS:.o=.d)
