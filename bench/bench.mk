# The benchmark's two guest programs, in $(BUILD)/bench.

BUILD ?= build
CROSS ?= riscv64-linux-gnu-

BENCH_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
BENCH_SOURCES := $(addprefix $(BENCH_DIR)/,bench.c files.c memory.c own.c processes.c)
BENCH_CFLAGS := -std=gnu11 -O2 -static -pthread -s -Wall -Wextra \
	-Wno-unused-result -Wno-clobbered

.PHONY: bench
bench: $(BUILD)/bench/bench $(BUILD)/bench/boot

$(BUILD)/bench/bench: $(BENCH_SOURCES) $(BENCH_DIR)/bench.h $(BENCH_DIR)/bench.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(BENCH_CFLAGS) -o $@ $(BENCH_SOURCES)

$(BUILD)/bench/boot: $(BENCH_DIR)/boot.c $(BENCH_DIR)/bench.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(BENCH_CFLAGS) -o $@ $<
