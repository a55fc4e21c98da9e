# Programs of xv6: `make xv6 SRC=prog.c OUT=prog` builds an unmodified one
# into a static program for Quire (and Linux). SRC may name several files.
# Included from the root Makefile, which gives BUILD and CROSS.

BUILD ?= build
CROSS ?= riscv64-linux-gnu-
UAPI ?= /usr/riscv64-linux-gnu/include

XV6_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
XV6_LIB := $(BUILD)/user/xv6/libxv6.a
XV6_HEADERS := $(wildcard $(XV6_DIR)/include/*/*.h $(XV6_DIR)/lib/*.h)
XV6_OBJECTS := $(patsubst $(XV6_DIR)/lib/%,$(BUILD)/user/xv6/%.o,\
	$(wildcard $(XV6_DIR)/lib/*.c $(XV6_DIR)/lib/*.S))

# xv6's own way of compiling: its stacks are one page, so -O and not more.
XV6_CFLAGS := -O -g -march=rv64gc -mabi=lp64d -ffreestanding -fno-common \
	-fno-stack-protector -fno-omit-frame-pointer -fno-pie -fno-asynchronous-unwind-tables \
	-fno-tree-loop-distribute-patterns -fno-strict-aliasing -fno-delete-null-pointer-checks
XV6_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,-e,_start

$(BUILD)/user/xv6/%.o: $(XV6_DIR)/lib/% $(XV6_HEADERS) $(XV6_DIR)/xv6.mk
	@mkdir -p $(@D)
	@$(CROSS)gcc $(if $(filter %.c,$<),-std=gnu11 $(XV6_CFLAGS) -Wall -Wextra -Werror -Wno-unused-value) \
	    -I$(XV6_DIR)/include -isystem $(UAPI) -c -o $@ $<

$(XV6_LIB): $(XV6_OBJECTS)
	@rm -f $@
	@$(CROSS)ar rcs $@ $^

.PHONY: xv6
xv6: $(XV6_LIB)
	$(if $(and $(SRC),$(OUT)),,$(error say: make xv6 SRC=prog.c OUT=prog))
	@mkdir -p $(dir $(OUT))
	@$(CROSS)gcc $(XV6_CFLAGS) -I$(XV6_DIR)/include $(XV6_LDFLAGS) -o $(OUT) $(SRC) $(XV6_LIB)
