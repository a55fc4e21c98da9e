# Quire's own user programs: static Linux programs for riscv64.
# `make user` builds them all into $(BUILD)/user.

BUILD ?= build
CROSS ?= riscv64-linux-gnu-

USER_PROGRAMS := init
USER_CFLAGS   := -std=gnu11 -Os -g0 -Wall -Wextra -Werror \
                 -ffunction-sections -fdata-sections
USER_LDFLAGS  := -static -s -Wl,--gc-sections,--build-id=none

.PHONY: user
user: $(USER_PROGRAMS:%=$(BUILD)/user/%)

$(BUILD)/user/%: user/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CROSS)gcc $(USER_CFLAGS) $(USER_LDFLAGS) -o $@ $<
