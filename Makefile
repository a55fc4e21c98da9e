# Quire's build.
#
#   make            build/kernel.elf, the release kernel
#   make DEBUG=1    build/debug/kernel.elf: UBSan traps, assertions, lock checker, junk-filled frames
#   make BUILD=DIR  somewhere else
#   make stackdepth the deepest path of calls, with the stack that each takes (DEBUG=1 as well)
#
# The kernel is linked twice: the first link gives the addresses of its
# functions, from which tools/symtab makes the table that backtraces print.

CROSS ?= riscv64-linux-gnu-
CC := $(CROSS)gcc
NM := $(CROSS)nm
UAPI ?= /usr/riscv64-linux-gnu/include
# Where the loader puts the image: only a hint in the ELF header. The kernel
# runs wherever it is put, at a multiple of 2 MiB.
LOAD_ADDRESS ?= 0x80200000

ifeq ($(DEBUG),1)
BUILD ?= build/debug
else
BUILD ?= build
endif

# Objects know their headers by this name, and so must go by one name however make is called.
override BUILD := $(abspath $(BUILD))

CFLAGS := -std=gnu11 -g -O2 -march=rv64gc -mabi=lp64d -mcmodel=medany -mno-save-restore \
	-ffreestanding -nostdlib -fno-pie -fno-common -fno-strict-aliasing -fno-stack-protector \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-delete-null-pointer-checks \
	-fno-tree-loop-distribute-patterns -ffixed-tp -ftrivial-auto-var-init=zero \
	-Wall -Wextra -Wno-unused-parameter -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror -fcallgraph-info=su \
	-nostdinc -Ikernel -isystem $(shell $(CC) -print-file-name=include) -isystem $(UAPI) -ffile-prefix-map=$(CURDIR)/= $(EXTRA_CFLAGS)
ifeq ($(DEBUG),1)
CFLAGS += -DDEBUG -fsanitize=undefined -fsanitize-undefined-trap-on-error -fno-sanitize=alignment \
	-ftrivial-auto-var-init=pattern
endif
ASFLAGS := -g -march=rv64gc -mabi=lp64d -mcmodel=medany -Ikernel -D__ASSEMBLER__ \
	$(if $(filter 1,$(DEBUG)),-DDEBUG)
LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,--no-warn-rwx-segments -Wl,--defsym=LOAD_ADDRESS=$(LOAD_ADDRESS) -T kernel/kernel.ld

SOURCES := $(sort $(wildcard kernel/*.c kernel/*/*.c kernel/*/*/*.c kernel/*/*.S kernel/*/*/*.S))
SOURCES := $(filter-out kernel/proc/vdso/%,$(SOURCES)) # the vDSO's are no kernel code
OBJECTS := $(patsubst %,$(BUILD)/%.o,$(SOURCES))

.DEFAULT_GOAL := all
all: $(BUILD)/kernel.elf compile_commands.json

# `make V=1` shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

$(BUILD)/kernel.elf: $(OBJECTS) $(BUILD)/symtab.S.o kernel/kernel.ld
	$(call say,LD,$(@:$(CURDIR)/%=%))
	$(Q)$(CC) $(LDFLAGS) -o $@.tmp $(OBJECTS) $(BUILD)/symtab.S.o
	@mv $@.tmp $@

$(BUILD)/kernel.first: $(OBJECTS) kernel/kernel.ld tools/symtab
	@echo | tools/symtab > $(BUILD)/empty.S
	@$(CC) $(ASFLAGS) -c -o $(BUILD)/empty.S.o $(BUILD)/empty.S
	$(Q)$(CC) $(LDFLAGS) -o $@ $(OBJECTS) $(BUILD)/empty.S.o

$(BUILD)/symtab.S: $(BUILD)/kernel.first tools/symtab
	@$(NM) -n $< | tools/symtab > $@

$(BUILD)/symtab.S.o: $(BUILD)/symtab.S
	@$(CC) $(ASFLAGS) -c -o $@ $<

$(BUILD)/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.S.o: %.S Makefile
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(ASFLAGS) -MMD -MP -c -o $@ $<

compile_commands.json: Makefile $(SOURCES)
	@{ echo '['; sep=; for f in $(filter %.c,$(SOURCES)); do \
	    printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" "$(CURDIR)" "$$f" \
	        "$(CC) $(CFLAGS) -c $$f"; sep=','; echo; done; echo ']'; } > $@

KSTACK_BYTES = $$(echo KSTACK_SIZE | $(CC) $(ASFLAGS) -E -P -include kernel/arch/riscv/layout.h - | tail -1)
stackdepth: $(BUILD)/kernel.elf
	@tools/stackdepth $(BUILD)/kernel $$(($(KSTACK_BYTES)))

include kernel/proc/vdso/vdso.mk
-include user/user.mk
-include user/xv6/xv6.mk
-include tests/host/host.mk
-include tests/guest/guest.mk
-include tests/rights/rights.mk
-include tests/guest/xv6/xv6tests.mk
-include bench/bench.mk
-include tests/fuzz/fuzz.mk
-include tests/stalls/stalls.mk

clean:
	rm -rf build

.PHONY: all clean stackdepth

-include $(OBJECTS:.o=.d)
