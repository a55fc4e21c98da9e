# The course's tests, in our own version, as programs of xv6: `make xv6tests`
# builds them into $(BUILD)/xv6. Included from the root Makefile after xv6.mk.

XV6_TESTS_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
XV6_TESTS := libtest usertests pgtbltest cowtest lazytests

.PHONY: xv6tests
xv6tests: $(XV6_TESTS:%=$(BUILD)/xv6/%)

$(BUILD)/xv6/usertests: $(addprefix $(XV6_TESTS_DIR)/,copy.c files.c names.c processes.c memory.c)

$(XV6_TESTS:%=$(BUILD)/xv6/%): $(BUILD)/xv6/%: $(XV6_TESTS_DIR)/%.c $(XV6_TESTS_DIR)/test.c \
		$(XV6_LIB) $(wildcard $(XV6_TESTS_DIR)/*.h) $(XV6_TESTS_DIR)/xv6tests.mk
	@mkdir -p $(@D)
	@$(CROSS)gcc $(XV6_CFLAGS) -Wall -Wextra -Werror -I$(XV6_DIR)/include $(XV6_LDFLAGS) \
	    -o $@ $(filter %.c,$^) $(XV6_LIB)

# The course's checks, as its grader prints them.
.PHONY: grade
grade:
	@./quire setup
	@$(MAKE) -s BUILD=$(BUILD) all user xv6tests
	@tools/grade $(BUILD)
