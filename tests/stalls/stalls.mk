# Calls with large arguments, one kind after the other, for tests/system/test_stalls.py.

STALLS := $(BUILD)/stalls/large $(BUILD)/stalls/many

$(STALLS): $(BUILD)/stalls/%: tests/stalls/%.c tests/stalls/stalls.h tests/guest/tap.h tests/stalls/stalls.mk
	@mkdir -p $(@D)
	$(CROSS)gcc -std=gnu11 -O2 -static -Wall -Wextra -Wno-unused-result -Itests/guest -o $@ $<

.PHONY: stalls
stalls: $(STALLS)
