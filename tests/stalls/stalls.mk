# Calls with large arguments, one kind after the other, for tests/system/test_stalls.py.

$(BUILD)/stalls/large: tests/stalls/large.c tests/guest/tap.h tests/stalls/stalls.mk
	@mkdir -p $(@D)
	$(CROSS)gcc -std=gnu11 -O2 -static -Wall -Wextra -Wno-unused-result -Itests/guest -o $@ $<

.PHONY: stalls
stalls: $(BUILD)/stalls/large
