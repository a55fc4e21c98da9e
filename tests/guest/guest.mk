# The guest tests: one static riscv64 Linux program for each NAME.c, in
# $(BUILD)/guest/NAME. Included from the root Makefile, which gives BUILD and
# CROSS. `make guest` builds them all.

BUILD ?= build
CROSS ?= riscv64-linux-gnu-

GUEST_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
GUEST_SOURCES := $(wildcard $(GUEST_DIR)/*.c)
GUEST_HEADERS := $(wildcard $(GUEST_DIR)/*.h)
GUEST_PROGRAMS := $(patsubst $(GUEST_DIR)/%.c,$(BUILD)/guest/%,$(GUEST_SOURCES))
GUEST_CFLAGS := -std=gnu11 -O2 -g -static -pthread -Iuser/include -Wall -Wextra \
	-Wno-nonnull -Wno-unused-result -Wno-stringop-overflow -Wno-format-truncation -Wno-clobbered

# It unwinds its own stack.
$(BUILD)/guest/unwind: GUEST_CFLAGS += -fasynchronous-unwind-tables -fexceptions

.PHONY: guest
guest: $(GUEST_PROGRAMS)

$(BUILD)/guest/%: $(GUEST_DIR)/%.c $(GUEST_HEADERS) $(GUEST_DIR)/guest.mk user/include/quire.h
	@mkdir -p $(@D)
	$(CROSS)gcc $(GUEST_CFLAGS) -o $@ $<
