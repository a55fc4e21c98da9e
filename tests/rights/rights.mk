# The table of rights: one static riscv64 Linux program, $(BUILD)/rights/rights,
# and the small one that it has executed. Included from the root Makefile, which
# gives BUILD and CROSS. `make rights` builds both.

BUILD ?= build
CROSS ?= riscv64-linux-gnu-

RIGHTS_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
RIGHTS_SOURCES := $(filter-out %/show.c,$(wildcard $(RIGHTS_DIR)/*.c))
RIGHTS_OBJECTS := $(patsubst $(RIGHTS_DIR)/%.c,$(BUILD)/rights/%.o,$(RIGHTS_SOURCES))
RIGHTS_CFLAGS := -std=gnu11 -O1 -g -pthread -Wall -Wextra -Wno-nonnull -Wno-unused-result \
	-Wno-format-truncation -Wno-stringop-overflow

.PHONY: rights
rights: $(BUILD)/rights/rights $(BUILD)/rights/show

$(BUILD)/rights/rights: $(RIGHTS_OBJECTS)
	$(CROSS)gcc -static -pthread -o $@ $^

$(BUILD)/rights/%.o: $(RIGHTS_DIR)/%.c $(RIGHTS_DIR)/rights.h $(RIGHTS_DIR)/rights.mk
	@mkdir -p $(@D)
	$(CROSS)gcc $(RIGHTS_CFLAGS) -c -o $@ $<

$(BUILD)/rights/show: $(RIGHTS_DIR)/show.c $(RIGHTS_DIR)/rights.mk
	@mkdir -p $(@D)
	$(CROSS)gcc -std=gnu11 -O1 -static -nostdlib -ffreestanding -fno-stack-protector \
		-Wall -Wextra -o $@ $<
