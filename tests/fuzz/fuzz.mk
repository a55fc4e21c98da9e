# The fuzzer's guest program, in $(BUILD)/fuzz/fuzz. Included from the root Makefile.

BUILD ?= build
CROSS ?= riscv64-linux-gnu-

FUZZ_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
FUZZ_SOURCES := $(wildcard $(FUZZ_DIR)/*.c)
FUZZ_CFLAGS := -std=gnu11 -O2 -static -Wall -Wextra -Werror

.PHONY: fuzz
fuzz: $(BUILD)/fuzz/fuzz

$(BUILD)/fuzz/fuzz: $(FUZZ_SOURCES) $(FUZZ_DIR)/fuzz.h $(FUZZ_DIR)/fuzz.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(FUZZ_CFLAGS) -o $@ $(FUZZ_SOURCES)
