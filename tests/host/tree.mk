# Tests of trees that share tables (tree.h): the kernel's files and the tests',
# compiled once for each fan-out, into a directory of its own.
#
# The exhaustive ones are compiled without sanitizers, for speed: their memory
# checks itself (tree_arena.c), and the random ones run the same code with them.

TREE_KERNEL := kernel/mem/pagetable.c kernel/mem/freeze.c kernel/mem/block.c
TREE_TEST := $(addprefix tests/host/tree_,space.c walker.c check.c)
TREE_EXPLORE := tests/host/tree_arena.c tests/host/tree_explore.c
TREE_FAST = $(filter-out -fsanitize% -fno-sanitize% -O1,$(HOST_CFLAGS)) -O2 -DDEBUG

# $(1): directory; $(2): flags
define tree_variant
$(HOST_OUT)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	@$(HOST_CC) $(2) -MMD -MP -c $$< -o $$@
endef
$(eval $(call tree_variant,fanout8,$$(HOST_CFLAGS) -DDEBUG -DPT_FANOUT_SHIFT=3))
$(eval $(call tree_variant,fanout512,$$(HOST_CFLAGS) -DDEBUG))
$(eval $(call tree_variant,fanout2,$$(TREE_FAST) -DPT_FANOUT_SHIFT=1))
$(eval $(call tree_variant,fanout4,$$(TREE_FAST) -DPT_FANOUT_SHIFT=2))

host_src_tree_random := $(addprefix fanout8/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)
host_src_tree_random_large := $(addprefix fanout512/,$(TREE_KERNEL) $(TREE_TEST)) $(MEM_SUPPORT)
host_src_tree_exhaustive := $(addprefix fanout2/,$(TREE_KERNEL) $(TREE_TEST) $(TREE_EXPLORE))
host_src_tree_exhaustive4 := $(addprefix fanout4/,$(TREE_KERNEL) $(TREE_TEST) $(TREE_EXPLORE))

$(HOST_OUT)/tests/host/test_tree_random.o: HOST_CFLAGS += -DDEBUG -DPT_FANOUT_SHIFT=3
$(HOST_OUT)/tests/host/test_tree_random_large.o: HOST_CFLAGS += -DDEBUG
$(HOST_OUT)/tests/host/test_tree_exhaustive.o: HOST_CFLAGS += -DPT_FANOUT_SHIFT=1
$(HOST_OUT)/tests/host/test_tree_exhaustive4.o: HOST_CFLAGS += -DPT_FANOUT_SHIFT=2
