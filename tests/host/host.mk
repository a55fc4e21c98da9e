# Host tests: the kernel's pure C, run on the machine that builds it.
#
# Included by the root Makefile; needs BUILD. Each tests/host/test_NAME.c is a
# program of its own, linked with all of kernel/lib and cmocka, under the
# address and undefined-behaviour sanitizers. A test of other kernel files
# names them in a fragment of its own, tests/host/NAME.mk:
#
#     host_src_pagetable := kernel/mem/pagetable.c
#
# and puts stand-ins for headers that only make sense on the real machine
# (arch/riscv/...) in tests/host/shim, which is searched first.
#
#     make host-test              build and run all
#     make host-test-rbtree       one of them, with its output
#     HOST_SEED=0x1234 make ...   repeat a run with random input

HOST_CC ?= gcc
HOST_OUT := $(BUILD)/host
HOST_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Wno-unused-parameter -DQUIRE_HOST \
    -fsanitize=address,undefined -fno-sanitize-recover -fno-omit-frame-pointer \
    -Itests/host/shim -Ikernel -Itests/host

-include $(filter-out tests/host/host.mk,$(wildcard tests/host/*.mk))

HOST_TESTS := $(patsubst tests/host/test_%.c,%,$(sort $(wildcard tests/host/test_*.c)))
HOST_LIB := $(patsubst %.c,$(HOST_OUT)/%.o,$(wildcard kernel/lib/*.c))

host_objects = $(patsubst %.c,$(HOST_OUT)/%.o,tests/host/test_$(1).c $(host_src_$(1)))

$(HOST_OUT)/%.o: %.c
	@mkdir -p $(@D)
	@$(HOST_CC) $(HOST_CFLAGS) -MMD -MP -c $< -o $@

$(HOST_OUT)/lib.a: $(HOST_LIB)
	@rm -f $@
	@ar rcs $@ $^

define host_test_rules
$(HOST_OUT)/test_$(1): $(call host_objects,$(1)) $(HOST_OUT)/lib.a
	@$(HOST_CC) $(HOST_CFLAGS) $$^ -lcmocka -o $$@

.PHONY: host-test-$(1) host-run-$(1)
host-test-$(1): $(HOST_OUT)/test_$(1)
	@$$<

host-run-$(1): $(HOST_OUT)/test_$(1)
	@if $$< >$$<.log 2>&1; then \
	    sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/host: $(1): \1 passed/p' $$<.log; \
	else \
	    cat $$<.log; echo 'host: $(1): FAILED'; exit 1; \
	fi
endef
$(foreach t,$(HOST_TESTS),$(eval $(call host_test_rules,$(t))))

.PHONY: host-test
host-test: $(addprefix host-run-,$(HOST_TESTS))

-include $(shell find $(HOST_OUT) -name '*.d' 2>/dev/null)
